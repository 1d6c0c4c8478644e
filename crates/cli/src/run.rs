//! `ringer run`, `ringer profile` and `ringer demo`.

use crate::args::{DemoArgs, ProfileArgs, RunArgs};
use crate::console;
use crate::error::CliError;
use crate::report::{JsonFile, in_words, run_report};
use crate::serial::{Line, SerialSpec};
use crate::signals;
use crate::terminal::RawTerminal;
use ringer::{
    BootSource, JitDump, Machine, MachineConfig, MachineState, PcConfig, Profile, RunConfig,
    SharedJitDump, Sinks, Stop, Until, read_symbols,
};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Memory of the demo.
const DEMO_MEMORY: u64 = 32 << 20;

/// `ringer run`.
pub fn run(args: &RunArgs) -> Result<u8, CliError> {
    let exit = run_guest(args, false)?.0;
    Ok(tell(&exit))
}

/// `ringer profile`.
pub fn profile(args: &ProfileArgs) -> Result<u8, CliError> {
    let json = args.json.as_deref().map(JsonFile::create).transpose()?;
    let (exit, machine) = run_guest(&args.run, true)?;
    let status = tell(&exit);
    let profile = machine.counters();
    print(&profile)?;
    if let Some(json) = json {
        json.write(&profile)?;
    }
    Ok(status)
}

/// `ringer demo`: the built-in guest ends through debug-exit, 0 if all is well.
pub fn demo(args: &DemoArgs) -> Result<u8, CliError> {
    let source = BootSource::MultibootBytes { name: "demo", image: ringer_test_roms::demo() };
    let machine = args.engine.machine(DEMO_MEMORY, true);
    let machine = MachineConfig {
        pc: PcConfig { debug_exit: true, ..machine.pc },
        run: RunConfig { no_reboot: true, ..machine.run },
    };
    let lines = Lines::open(&SerialSpec::Stdio, &SerialSpec::Null)?;
    let builder = Machine::builder().config(machine).boot(source);
    let mut machine = builder.sinks(lines.sinks()).build()?;
    let exit = drive(&mut machine, &lines, false)?;
    print(&machine.counters())?;
    // The demo's own value for success, which `ringer run` would pass on as 1.
    if exit == Stop::DebugExit(0) {
        return Ok(0);
    }
    Ok(tell(&exit))
}

/// The ends of a machine's lines.
pub struct Lines {
    serial: Arc<Line>,
    debugcon: Arc<Line>,
}

impl Lines {
    pub fn open(serial: &SerialSpec, debugcon: &SerialSpec) -> Result<Self, CliError> {
        // Before the first thread starts: each inherits the mask.
        signals::block().map_err(|source| CliError::Host { what: "signals", source })?;
        let serial_line = Arc::new(Line::open(serial)?);
        let debugcon = match debugcon {
            // One writer for both, so that their bytes come in the order of sending.
            same if same == serial => Arc::clone(&serial_line),
            other => Arc::new(Line::open(other)?),
        };
        Ok(Self { serial: serial_line, debugcon })
    }

    pub fn sinks(&self) -> Sinks {
        Sinks { serial: self.serial.sink(), debugcon: self.debugcon.sink() }
    }
}

fn run_guest(args: &RunArgs, profile: bool) -> Result<(Stop, Machine), CliError> {
    let state = args.load.as_deref().map(MachineState::open).transpose();
    let state = state.map_err(ringer::Error::from)?;
    let (config, source) = match &state {
        Some(state) => args.like(state, profile)?,
        None => (args.machine(profile)?, args.source()?),
    };
    let saves = args.saves()?;
    let report = args.report.as_deref().map(JsonFile::create).transpose()?;
    let lines = Lines::open(&args.serial, &args.debugcon)?;
    let builder = Machine::builder().config(config).boot(source);
    let mut machine = builder.sinks(lines.sinks()).build()?;
    if let Some(state) = &state {
        machine.restore(state)?;
    }
    for (retired, path) in saves {
        machine.save_at(retired, path)?;
    }
    let dump = args.perf_map.then(|| jitdump(&args.symbols)).transpose()?;
    if let Some(dump) = &dump {
        machine.set_jitdump(Arc::clone(dump));
    }
    let exit = drive(&mut machine, &lines, args.serial == SerialSpec::Stdio)?;
    if let Some(dump) = dump {
        finish_jitdump(&dump)?;
    }
    if let Some(report) = report {
        report.write(&run_report(&exit, &mut machine)?)?;
    }
    if let Some((retired, path)) = machine.next_save() {
        let (path, end) = (path.to_owned(), in_words(&exit));
        return Err(CliError::NeverSaved { retired, path, end });
    }
    Ok((exit, machine))
}

/// Where perf's users look for such files.
const JITDUMP_FOLDER: &str = "/tmp";

fn jitdump(symbols: &[PathBuf]) -> Result<SharedJitDump, CliError> {
    let symbols = read_symbols(symbols)?;
    let folder = Path::new(JITDUMP_FOLDER);
    let created = JitDump::create(folder, symbols);
    let path = folder.join("jit-PID.dump");
    Ok(Arc::new(Mutex::new(created.map_err(|source| CliError::Create { path, source })?)))
}

/// Writes the rest of the file, and says where it is.
fn finish_jitdump(dump: &SharedJitDump) -> Result<(), CliError> {
    let mut dump = dump.lock().unwrap_or_else(PoisonError::into_inner);
    let what = dump.path().display().to_string();
    eprintln!("ringer: wrote {what}");
    dump.finish().map_err(|source| CliError::Output { what, source })
}

/// Runs the machine with its console attached; on return the terminal is as it was, and all output
/// is out.
pub fn drive(machine: &mut Machine, lines: &Lines, stdio: bool) -> Result<Stop, CliError> {
    let host = |what| move |source| CliError::Host { what, source };
    let handle = machine.handle();
    signals::forward(handle.clone()).map_err(host("signals"))?;
    let raw = if stdio { RawTerminal::enter().map_err(host("the terminal"))? } else { None };
    if stdio {
        console::feed(handle.clone(), io::stdin(), true).map_err(host("console input"))?;
    }
    if let Some(pty) = lines.serial.pty() {
        let reader = pty.reader().map_err(host("a pseudo-terminal"))?;
        console::feed(handle, reader, false).map_err(host("console input"))?;
    }
    let result = machine.run(&Until::new());
    let (serial, debugcon) = (lines.serial.finish(), lines.debugcon.finish());
    drop(raw);
    let exit = result?;
    serial?;
    debugcon?;
    Ok(exit)
}

/// Says how the run ended where that is not what the guest or the user meant; returns the status.
fn tell(exit: &Stop) -> u8 {
    match exit {
        Stop::PowerOff | Stop::DebugExit(_) | Stop::Quit => {}
        other => eprintln!("ringer: {}", in_words(other)),
    }
    exit.status()
}

fn print(profile: &Profile) -> Result<(), CliError> {
    let written = writeln!(io::stdout(), "{profile}");
    let what = "the profile".to_owned();
    written.map_err(|source| CliError::Output { what, source })
}
