//! `ringer run` and `ringer demo`, and the run of `ringer profile`.

use crate::args::{DemoArgs, EndArgs, GuestRun, RunArgs};
use crate::console::Feeders;
use crate::deadline::{self, Deadline};
use crate::display::View;
use crate::drives::Drives;
use crate::error::CliError;
use crate::escape::{self, Escape, EscapeKey};
use crate::net::OpenNetwork;
use crate::picture::Picture;
use crate::plan::{Over, Plan};
use crate::postmortem::PostMortem;
use crate::profile::watch::Watch;
use crate::report::{JsonFile, SCRIPT, add_digest, add_screen, failed, is_unexpected, run_report};
use crate::sandbox;
use crate::say::{say, say_lines};
use crate::serial::{Line, SerialSpec};
use crate::share::OpenShare;
use crate::signals;
use crate::speaker::Recording;
use crate::terminal::{self, RawTerminal};
use crate::tracing_output::TraceOutput;
use crate::writing;
use ringer::sandbox::{Confined, Sandbox, Threads};
use ringer::{
    BootSource, Builder, Handle, JitDump, LPT1, MORE_SERIAL, Machine, MachineConfig, MachineState,
    PcConfig, Profile, RunConfig, SerialSink, SharedJitDump, Sinks, Stop, Symbols, status,
    symbols_for,
};
use ringer_cpu::refusal::refused;
use ringer_input::shown;
use ringer_script::Failure;
use ringer_testkit::RunReport;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Memory of the demo.
const DEMO_MEMORY: u64 = 32 << 20;

/// `ringer run`.
pub fn run(args: &GuestRun) -> Result<u8, CliError> {
    sandbox::arm(sandbox::of_run(&args.run, None), args.run.engine.sandboxed());
    let deadline = deadline(&args.run)?;
    let ended = run_guest(&args.resolved()?, deadline, None)?;
    Ok(tell(&ended.stop, &ended.report))
}

/// `ringer demo`: the built-in guest ends through debug-exit, 0 if all is well.
pub fn demo(args: &DemoArgs) -> Result<u8, CliError> {
    let source = BootSource::MultibootBytes { name: "demo", image: ringer_test_roms::demo() };
    let symbols = symbols_for(&source, &[])?;
    let machine = args.engine.machine(DEMO_MEMORY, true);
    args.engine.check_limit(DEMO_MEMORY)?;
    let machine = MachineConfig {
        pc: PcConfig { debug_exit: true, ..machine.pc },
        run: RunConfig { no_reboot: true, ..machine.run },
    };
    sandbox::arm(Sandbox::new(), args.engine.sandboxed());
    let lines = Lines::with(&[SerialSpec::Stdio], &SerialSpec::Null, None)?;
    let builder = Machine::builder().config(machine).boot(source);
    let mut machine = builder.sinks(lines.sinks()).build()?;
    let exit = drive(&mut machine, &lines, Console::NONE, &mut Plan::default())?.stop;
    print(&machine.counters());
    // The demo's own value for success, which `ringer run` would pass on as 1.
    if exit == Stop::DebugExit(0) {
        return Ok(0);
    }
    let report = run_report(&exit, &machine, &EndArgs::default(), &symbols);
    Ok(tell(&exit, &report))
}

/// The ends of a machine's lines.
pub struct Lines {
    /// Of the serial ports.
    serial: Vec<Arc<Line>>,
    debugcon: Arc<Line>,
    printer: Option<Arc<Line>>,
}

impl Lines {
    pub fn open(serial: &[SerialSpec], args: &RunArgs) -> Result<Self, CliError> {
        Self::with(serial, &args.debugcon, args.parallel.as_ref())
    }

    fn with(
        serial: &[SerialSpec],
        debugcon: &SerialSpec,
        printer: Option<&PathBuf>,
    ) -> Result<Self, CliError> {
        // Before the first thread starts: each inherits the mask.
        signals::block().map_err(|source| CliError::Host { what: "signals", source })?;
        let mut open: Vec<(&SerialSpec, Arc<Line>)> = Vec::new();
        let printer = printer.cloned().map(SerialSpec::File);
        for spec in serial.iter().chain([debugcon]).chain(&printer) {
            // One writer for all of a place, so that their bytes come in the order of sending; pseudo-terminals are several.
            let shared = open.iter().find(|it| *it.0 == *spec && *spec != SerialSpec::Pty);
            let line = match shared {
                Some((_, line)) => Arc::clone(line),
                None => Arc::new(Line::open(spec)?),
            };
            open.push((spec, line));
        }
        let mut lines = open.into_iter().map(|it| it.1);
        let serial = lines.by_ref().take(serial.len()).collect();
        let debugcon = lines.next().unwrap_or_default();
        Ok(Self { serial, debugcon, printer: lines.next() })
    }

    /// Connects those that are no machine's [`Sinks`].
    pub fn connect(&self, machine: &mut Machine) {
        let serial = MORE_SERIAL.into_iter().zip(self.serial.iter().skip(1));
        for (id, line) in serial.chain([LPT1].into_iter().zip(&self.printer)) {
            machine.connect(id, line.sink());
        }
    }

    fn begin(&self) -> Result<(), CliError> {
        self.all().try_for_each(Line::begin)
    }

    pub fn sinks(&self) -> Sinks {
        Sinks { serial: self.first(), debugcon: self.debugcon.sink() }
    }

    /// Where the first serial port's output goes.
    fn first(&self) -> Box<dyn SerialSink> {
        self.serial.first().map_or_else(|| Line::default().sink(), |line| line.sink())
    }

    /// The virtio console's output, if the machine has one, goes where that of the serial port goes.
    fn put_into(&self, builder: Builder, config: &MachineConfig) -> Builder {
        match config.pc.virtio.console {
            true => builder.virtio_console(self.first()),
            false => builder,
        }
    }

    fn all(&self) -> impl Iterator<Item = &Line> {
        let all = || self.serial.iter().chain([&self.debugcon]).chain(&self.printer);
        let first =
            move |n: usize, line: &Arc<Line>| !all().take(n).any(|it| Arc::ptr_eq(it, line));
        all().enumerate().filter(move |(n, line)| first(*n, line)).map(|it| &**it.1)
    }

    fn belong_to(&self, machine: &Handle) {
        self.all().for_each(|line| line.belongs_to(machine.clone(), deadline::of_run()));
    }

    /// Waits for what is still to be written.
    fn finish(&self) -> Result<Lost, CliError> {
        let until = deadline::of_outputs();
        let lost = self.all().map(|line| Ok((line.name().to_owned(), line.finish(until)?)));
        lost.collect::<Result<_, _>>().map(Lost)
    }
}

/// How many bytes of each output no reader took.
struct Lost(Vec<(String, u64)>);

impl Lost {
    /// Says so. After a run that all was well with it is an error.
    fn tell(self, stop: &Stop) -> Result<(), CliError> {
        for (what, lost) in self.0.into_iter().filter(|(_, lost)| *lost > 0) {
            let error = CliError::Unread { what, lost };
            if stop.status() == status::POWER_OFF {
                return Err(error);
            }
            say(&error);
        }
        Ok(())
    }
}

/// Whether standard input and output are the guest's console, and which key of it is ours.
#[derive(Clone, Copy, Debug)]
pub struct Console {
    /// The serial port that they are.
    stdio: Option<usize>,
    escape: Option<EscapeKey>,
    /// Somebody can type at a view of the screen: the end of another input is not that of all.
    viewed: bool,
}

impl Console {
    /// They are not.
    pub const NONE: Self = Self { stdio: None, escape: None, viewed: false };

    /// The console of the first of the serial ports that is there, with what `--escape` says.
    pub fn of(serial: &[SerialSpec], escape: Option<Escape>) -> Self {
        match serial.iter().position(|spec| *spec == SerialSpec::Stdio) {
            Some(port) => {
                Self { stdio: Some(port), escape: escape::of_console(escape), ..Self::NONE }
            }
            None => Self::NONE,
        }
    }

    /// The same, where the screen is shown, or is not.
    fn viewed(self, viewed: bool) -> Self {
        Self { viewed, ..self }
    }
}

/// A run that has ended.
pub struct Ended {
    pub stop: Stop,
    pub machine: Machine,
    pub report: RunReport,
    pub symbols: Arc<Symbols>,
}

/// The deadline of a run that begins now.
pub fn deadline(args: &RunArgs) -> Result<Deadline, CliError> {
    let started = Deadline::start(args.engine.timeout);
    started.map_err(|source| CliError::Host { what: "--timeout", source })
}

/// Runs the guest; `watch` says what is recorded of it for a profile.
pub fn run_guest(
    args: &RunArgs,
    deadline: Deadline,
    watch: Option<&mut Watch<'_>>,
) -> Result<Ended, CliError> {
    // Before the first thread starts, which may be gdb's: each inherits the mask.
    signals::block().map_err(|source| CliError::Host { what: "signals", source })?;
    let profile = watch.is_some() || args.display.counts();
    let state = args.load.as_deref().map(MachineState::open).transpose();
    let state = state.map_err(ringer::Error::from)?;
    let (mut config, source) = match &state {
        Some(state) => args.like(state, profile)?,
        None => (args.machine(profile)?, args.source()?),
    };
    args.engine.check_limit(config.pc.ram_size)?;
    let symbols = Arc::new(symbols_for(&source, &args.symbols)?);
    let mut plan = Plan::new(args, &symbols)?;
    let saves = args.saves()?;
    let report_file = args.report.as_deref().map(JsonFile::create).transpose()?;
    let screenshot = args.script.screenshot.as_deref().map(Picture::create).transpose()?;
    let speaker = args.speaker.as_deref().map(Recording::create).transpose()?;
    let mut trace = TraceOutput::open(&args.trace)?;
    let serial = args.serial();
    let mut view = View::open(args)?;
    let lines = Lines::open(&serial, args)?;
    let mut drives = Drives::open(args)?;
    plan.have(drives.take_exchange());
    let network = OpenNetwork::open(&args.net, &mut config, state.is_some())?;
    let share = OpenShare::open(&args.share, &mut config, state.is_some())?;
    let builder = drives.put_into(Machine::builder().config(config).boot(source));
    let builder = share.serve(lines.put_into(network.connect(builder), &config))?;
    let sinks = match &watch {
        Some(watch) => watch.sinks(lines.sinks()),
        None => lines.sinks(),
    };
    let mut machine = builder.sinks(plan.guard(sinks)).build()?;
    lines.connect(&mut machine);
    if let Some(note) = machine.note() {
        say(note);
    }
    resume(&mut machine, state.as_ref(), saves)?;
    speaker.iter().for_each(|speaker| machine.connect_sound(speaker.sound()));
    let dump = jitdump(args.perf_map.as_deref(), &symbols)?;
    if let Some(dump) = &dump {
        machine.set_jitdump(Arc::clone(dump));
    }
    if let Some(watch) = watch {
        watch.begin(args, &config, &mut machine);
    }
    if let Some(trace) = &mut trace {
        trace.begin(machine.handle())?;
    }
    view.begin(&mut machine)?;
    plan.end_at(deadline.loaded());
    let console = Console::of(&serial, args.escape).viewed(args.display.is_shown());
    let network = network.serve(machine.handle())?;
    let driven = drive(&mut machine, &lines, console, &mut plan);
    network.end();
    let traced = trace.map(|trace| trace.finish());
    let Driven { stop, failure, .. } = driven?;
    Lost(traced.into_iter().collect::<Result<_, _>>()?).tell(&stop)?;
    if let Some(dump) = dump {
        finish_jitdump(&dump)?;
    }
    speaker.map_or(Ok(()), Recording::finish)?;
    let mut report = run_report(&stop, &machine, &args.ends, &symbols);
    if let Some(failure) = &failure {
        failed(&mut report, failure);
    }
    add_screen(&mut report, &mut machine);
    if let Some(picture) = screenshot {
        picture.write(&machine.picture())?;
    }
    if let Some(file) = report_file {
        add_digest(&mut report, &mut machine)?;
        file.write(&report)?;
    }
    never_saved(&machine, &report)?;
    Ok(Ended { stop, machine, report, symbols })
}

/// A state that was to be saved was not.
fn never_saved(machine: &Machine, report: &RunReport) -> Result<(), CliError> {
    match machine.next_save() {
        None => Ok(()),
        Some((retired, path)) => {
            let (path, end) = (path.to_owned(), report.detail.clone());
            Err(CliError::NeverSaved { retired, path, end })
        }
    }
}

/// Restores `state`, and plans what is to be saved.
fn resume(
    machine: &mut Machine,
    state: Option<&MachineState>,
    saves: Vec<(u64, &Path)>,
) -> Result<(), CliError> {
    if let Some(state) = state {
        machine.restore(state)?;
    }
    for (retired, path) in saves {
        machine.save_at(retired, path)?;
    }
    Ok(())
}

fn jitdump(
    folder: Option<&Path>,
    symbols: &Arc<Symbols>,
) -> Result<Option<SharedJitDump>, CliError> {
    let Some(folder) = folder else { return Ok(None) };
    let path = JitDump::path_in(folder);
    let created = JitDump::create(&path, Arc::clone(symbols));
    let created = created.map_err(|source| CliError::Create { path, source })?;
    Ok(Some(Arc::new(Mutex::new(created))))
}

/// Writes the rest of the file, and says where it is.
fn finish_jitdump(dump: &SharedJitDump) -> Result<(), CliError> {
    let mut dump = dump.lock().unwrap_or_else(PoisonError::into_inner);
    let what = shown(dump.path()).to_string();
    say(format_args!("wrote {what}"));
    dump.finish().map_err(|source| CliError::Output { what, source })
}

/// How a machine was run.
pub struct Driven {
    pub stop: Stop,
    /// The step of a script that failed, if that was why.
    pub failure: Option<Failure>,
    /// What held for the thread that ran it; nothing without a sandbox.
    pub confined: Option<Confined>,
}

/// Runs the machine with its console attached, as planned; on return the terminal is as it was, and all output
/// is out. The calling thread is confined from then on: it opens nothing more.
pub fn drive(
    machine: &mut Machine,
    lines: &Lines,
    console: Console,
    plan: &mut Plan,
) -> Result<Driven, CliError> {
    let host = |what| move |source| CliError::Host { what, source };
    lines.begin()?;
    let handle = machine.handle();
    lines.belong_to(&handle);
    signals::forward(handle.clone()).map_err(host("signals"))?;
    let Console { stdio, escape, viewed } = console;
    if let Some(key) = escape.filter(|_| terminal::is_raw_console()) {
        say(format_args!("{key} X ends the run, {key} H lists the other keys"));
    }
    let raw = if stdio.is_some() {
        RawTerminal::enter().map_err(refused("ioctl")).map_err(host("the terminal"))?
    } else {
        None
    };
    let feeders = Feeders::new(&handle, viewed);
    if let Some(port) = stdio {
        feeders.feed(port, io::stdin(), escape).map_err(host("console input"))?;
    }
    for (port, line) in lines.serial.iter().enumerate() {
        if let Some(pty) = line.pty() {
            let reader = pty.reader().map_err(host("a pseudo-terminal"))?;
            feeders.feed(port, reader, None).map_err(host("console input"))?;
        }
    }
    drop(feeders);
    let debugged = if plan.is_debugged() { Threads::GDB } else { Threads::empty() };
    let confined = sandbox::enter(Threads::VCPU | debugged)?;
    let result = plan.run(machine);
    let lost = lines.finish();
    drop(raw);
    let Over { stop, failure } = result?;
    lost?.tell(&stop)?;
    Ok(Driven { stop, failure, confined })
}

/// Says how the run ended where that is not what the guest or the user meant; returns the status.
pub fn tell(stop: &Stop, report: &RunReport) -> u8 {
    match stop {
        Stop::PowerOff | Stop::DebugExit(_) | Stop::Quit if report.end != SCRIPT => {}
        Stop::Text(_) if report.status == status::POWER_OFF => {}
        _ => say_lines(&report.detail),
    }
    if is_unexpected(stop) || report.end == SCRIPT {
        let _writing = writing::begin();
        let _ = write!(io::stderr(), "{}", PostMortem(report));
    }
    report.status
}

fn print(profile: &Profile) {
    // The guest's console has standard output. Where nobody listens there is nobody to tell.
    let _ = writeln!(io::stderr(), "{profile}");
}
