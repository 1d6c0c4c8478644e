//! `ringer verify`: any guest, in both engines with every block verified, and a report in the terms
//! of Popek and Goldberg's three conditions.

use crate::args::{RunArgs, VerifyArgs};
use crate::error::CliError;
use crate::pause::{pause, start};
use crate::plan::Plan;
use crate::report::{JsonFile, run_report};
use crate::run::{Console, Lines, deadline, drive};
use crate::sandbox;
use crate::serial::SerialSpec;
use crate::trigger::Trigger;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use ringer::sandbox::{Confined, Threads, confine};
use ringer::{
    Checks, ClockKind, Engine, Handle, Machine, MachineConfig, RunConfig, Stop, TranslatorOptions,
    status, symbols_for,
};
use ringer_cpu::refusal::refused;
use ringer_input::{Lines as Shown, shown};
use serde::Serialize;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What a report cannot vouch for.
const NOT_CHECKED: &[&str] = &[
    "code that interprets, places and links blocks, and the entry and exit stubs, is trusted",
    "an access to mapped host memory raises no fault: the verifier proves that blocks have none",
];

/// One guest's report. The JSON schema is this structure; fields are only ever added.
#[derive(Debug, Serialize)]
struct Report {
    /// The guest's file.
    guest: String,
    /// How the run ended.
    end: String,
    /// Wall seconds.
    seconds: f64,
    /// Guest instructions retired.
    instructions: u64,
    /// All three conditions held.
    held: bool,
    equivalence: Equivalence,
    resource_control: ResourceControl,
    efficiency: Efficiency,
}

/// Both engines came to the same state after every block.
#[derive(Debug, Serialize)]
struct Equivalence {
    held: bool,
    /// Instructions run both ways and compared.
    instructions_compared: u64,
    /// Comparisons.
    blocks_compared: u64,
    /// Instructions run once, by the interpreter (callouts, device accesses, what has no mode).
    instructions_run_once: u64,
    /// Differences: 0 or 1, since the first ends the run.
    differences: u32,
    /// The first in full.
    first_difference: Option<String>,
}

/// Host code stayed where it must.
#[derive(Debug, Serialize)]
struct ResourceControl {
    held: bool,
    #[serde(flatten)]
    checks: Checks,
    /// What held for the thread that ran the guest; nothing without a sandbox.
    sandbox: Option<Confined>,
    /// The first refusal in full.
    first_refusal: Option<String>,
    /// What stays outside the check.
    not_checked: Vec<String>,
}

impl ResourceControl {
    /// What held for the thread that ran the guest.
    fn confined(&mut self, sandbox: Option<Confined>) {
        self.sandbox = sandbox;
        match sandbox.map(|sandbox| sandbox.lacking()) {
            None => self
                .not_checked
                .push("no sandbox stands behind the verifier (--sandbox off)".to_owned()),
            Some(lacking) if !lacking.is_empty() => {
                let lacking = lacking.join(", ");
                self.not_checked.push(format!("the sandbox behind the verifier lacks {lacking}"));
            }
            Some(_) => {}
        }
    }
}

/// Most instructions ran as host instructions. There is no threshold: it is a measure.
#[derive(Debug, Serialize)]
struct Efficiency {
    /// Share of the guest's instructions that ran as host code, in per cent.
    host_percent: f64,
    /// Instructions that blocks left to the interpreter.
    callouts: u64,
    /// For each thousand instructions.
    callouts_per_thousand: f64,
    /// The forms that were most frequent.
    top_callouts: Vec<ringer::HotCallout>,
}

/// `ringer verify`.
pub fn verify(args: &VerifyArgs) -> Result<u8, CliError> {
    let many = args.guests.len() + usize::from(args.run.names_guest()) > 1;
    let sandbox = if many {
        sandbox::of_guests(&args.run, &args.guests, &args.json)
    } else {
        sandbox::of_run(&args.run, &args.json)
    };
    sandbox::arm(sandbox, args.run.engine.sandboxed());
    let json = args.json.as_deref().map(JsonFile::create).transpose()?;
    for (option, given) in [
        ("--load", args.run.load.is_some()),
        ("--save-at", !args.run.save_at.is_empty()),
        ("--trace", !args.run.trace.trace.is_empty()),
        ("--gdb", args.run.gdb.address().is_some()),
        ("--drive", args.run.drives.any()),
        ("--net", args.run.net.net.is_some()),
        ("--speaker", args.run.speaker.is_some()),
        ("--share", args.run.share.share.is_some()),
        ("--script", args.run.script.script.is_some()),
        ("--display", args.run.display.is_shown()),
        ("--screenshot", args.run.script.screenshot.is_some()),
    ] {
        if given {
            return Err(CliError::OnlyRun { option });
        }
    }
    let guests = guests(args)?;
    if many {
        // This thread runs no guest, but opens what the next one wants.
        confine(Threads::COORDINATOR);
    }
    let mut reports = Vec::new();
    let mut worst = status::POWER_OFF;
    for (name, guest) in &guests {
        let run = || one(name, guest, args.from.as_deref(), many);
        let (report, status) = if many { apart(run)? } else { run()? };
        worst = worst.max(status);
        print(&report)?;
        reports.push(report);
    }
    if many {
        let held = reports.iter().filter(|r| r.held).count();
        print(&format!("{held} of {} guests held", guests.len()))?;
    }
    if let Some(json) = json {
        json.write(&reports)?;
    }
    Ok(worst)
}

/// The guests that were named, each with the options of its run.
fn guests(args: &VerifyArgs) -> Result<Vec<(String, RunArgs)>, CliError> {
    let r = &args.run;
    let named = [&r.kernel, &r.multiboot, &r.rom, &r.bootsector, &r.firmware.bios];
    let named = named.into_iter().flatten().next();
    let mut guests = Vec::new();
    if let Some(path) = named {
        guests.push((shown(path).to_string(), r.clone()));
    }
    for path in &args.guests {
        guests.push((shown(path).to_string(), recognised(path, r)?));
    }
    if guests.is_empty() { Err(CliError::NoGuest) } else { Ok(guests) }
}

/// The options `run` with the guest at `path`, as what its contents say it is.
fn recognised(path: &Path, run: &RunArgs) -> Result<RunArgs, CliError> {
    let none =
        RunArgs { kernel: None, multiboot: None, rom: None, bootsector: None, ..run.clone() };
    let guest = none.with_guest(Some(path))?;
    if guest.load.is_some() {
        return Err(CliError::OnlyRun { option: "a saved state" });
    }
    if guest.drives.any() {
        return Err(CliError::OnlyRun { option: "a disk" });
    }
    // What goes to each guest that takes it is not an error with one that does not.
    if guest.rom.is_some() || guest.bootsector.is_some() {
        return Ok(RunArgs { initrd: Vec::new(), append: None, ..guest });
    }
    Ok(guest)
}

/// Does `work` on a thread of its own, which ends with what it has given up.
fn apart<R: Send>(work: impl FnOnce() -> Result<R, CliError> + Send) -> Result<R, CliError> {
    let host = |source| CliError::Host { what: "a thread", source };
    let named = thread::Builder::new().name("guest".to_owned()).stack_size(STACK);
    thread::scope(|scope| {
        let thread = named.spawn_scoped(scope, work).map_err(refused("clone")).map_err(host)?;
        // A panic is an internal error wherever it is.
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Runs one guest; its report and the process's exit status.
fn one(
    name: &str,
    args: &RunArgs,
    from: Option<&str>,
    many: bool,
) -> Result<(Report, u8), CliError> {
    let deadline = deadline(args)?;
    let source = args.source()?;
    let symbols = Arc::new(symbols_for(&source, &args.symbols)?);
    let config = args.machine(true)?;
    args.engine.check_limit(config.pc.ram_size)?;
    let options = config.run.options | TranslatorOptions::VERIFY;
    let engine = if from.is_some() { Engine::Bt } else { Engine::Lockstep };
    let clock = ClockKind::Virtual;
    let run = RunConfig { engine, clock, options, no_reboot: true, ..config.run };
    let config = MachineConfig { run, ..config };
    let limit = config.run.max_instructions;
    // Consoles of several guests in a row would drown the reports.
    let mut serial = args.serial();
    serial
        .iter_mut()
        .filter(|it| many && **it == SerialSpec::Stdio)
        .for_each(|it| *it = SerialSpec::Null);
    let lines = Lines::open(&serial, args)?;
    let trigger = Trigger::default();
    let sinks = match from {
        Some(text) => trigger.watch(text, lines.sinks()),
        None => lines.sinks(),
    };
    let mut machine = Machine::builder().config(config).boot(source).sinks(sinks).build()?;
    lines.connect(&mut machine);
    trigger.arm(machine.handle());
    let stdio = serial.contains(&SerialSpec::Stdio);
    let progress = (!stdio).then(|| Progress::start(name, limit, machine.handle()));
    let started = Instant::now();
    let mut plan = Plan::new(args, &symbols)?;
    plan.end_at(deadline.loaded());
    let driven = drive(&mut machine, &lines, Console::of(&serial, args.escape), &mut plan);
    drop(progress);
    let driven = driven?;
    let exit = driven.stop;
    let end = run_report(&exit, &machine, &args.ends, &symbols).detail;
    if let Some(text) = from.filter(|_| !trigger.seen()) {
        let text = text.to_owned();
        return Err(CliError::NeverFrom { text, end });
    }
    let status = match exit {
        Stop::Difference(_) | Stop::Refused(_) | Stop::Quit => exit.status(),
        _ => status::POWER_OFF,
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut report = Report::new(name, &exit, end, &machine, seconds);
    report.resource_control.confined(driven.confined);
    Ok((report, status))
}

impl Report {
    fn new(name: &str, exit: &Stop, end: String, machine: &Machine, seconds: f64) -> Self {
        let checks = machine.checks();
        let profile = machine.counters();
        let instructions = machine.instructions();
        let share = |part: u64, of: f64| of * part as f64 / instructions.max(1) as f64;
        let (difference, refusal) = match exit {
            Stop::Difference(text) => (Some(text.clone()), None),
            Stop::Refused(text) => (None, Some(text.clone())),
            _ => (None, None),
        };
        let end = match exit {
            Stop::Difference(_) => "the engines differ".to_owned(),
            Stop::Refused(_) => "the verifier refused host code".to_owned(),
            _ => end,
        };
        let controlled = refusal.is_none() && checks.refusals == 0 && checks.faults_outside == 0;
        Self {
            guest: name.to_owned(),
            end,
            seconds,
            instructions,
            held: difference.is_none() && controlled,
            equivalence: Equivalence {
                held: difference.is_none(),
                instructions_compared: checks.compared,
                blocks_compared: checks.blocks_compared,
                instructions_run_once: profile.instructions_interpreted,
                differences: u32::from(difference.is_some()),
                first_difference: difference,
            },
            resource_control: ResourceControl {
                held: controlled,
                checks,
                sandbox: None,
                first_refusal: refusal,
                not_checked: NOT_CHECKED.iter().copied().map(str::to_owned).collect(),
            },
            efficiency: Efficiency {
                host_percent: profile.translated_percent,
                callouts: profile.callouts,
                callouts_per_thousand: share(profile.callouts, 1000.0),
                top_callouts: profile.hot_callouts.clone(),
            },
        }
    }
}

fn verdict(held: bool) -> &'static str {
    if held { "held" } else { "BROKEN" }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = HumanCount;
        writeln!(f, "{}: {}", self.guest, self.end)?;
        writeln!(f, "  {} guest instructions in {:.1} s", n(self.instructions), self.seconds)?;
        let e = &self.equivalence;
        writeln!(f, "equivalence: {}", verdict(e.held))?;
        writeln!(
            f,
            "  {} instructions in {} blocks ran in both engines and were compared, {} ran once by \
             the interpreter; {} differences",
            n(e.instructions_compared),
            n(e.blocks_compared),
            n(e.instructions_run_once),
            e.differences
        )?;
        if let Some(text) = &e.first_difference {
            writeln!(f, "{}", text.trim_end())?;
        }
        self.control(f)?;
        let e = &self.efficiency;
        writeln!(f, "efficiency")?;
        write!(
            f,
            "  {:.3} % of the instructions ran as host code; {} callouts, {:.3} per thousand",
            e.host_percent,
            n(e.callouts),
            e.callouts_per_thousand
        )?;
        for c in &e.top_callouts {
            write!(f, "\n    {:<34} {:>12}", c.instruction, c.count)?;
        }
        Ok(())
    }
}

impl Report {
    fn control(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = HumanCount;
        let r = &self.resource_control;
        let c = &r.checks;
        writeln!(f, "resource control: {}", verdict(r.held))?;
        writeln!(
            f,
            "  {} blocks ({} host instructions, in lockstep's form and in bt's) were decoded again \
             and verified before they ran; {} refused",
            n(c.blocks_verified),
            n(c.host_instructions_verified),
            c.refusals
        )?;
        writeln!(
            f,
            "  {} host page faults in blocks, all looked at: {} outside a window and its guard",
            n(c.faults_inside + c.faults_outside),
            c.faults_outside
        )?;
        if let Some(text) = &r.first_refusal {
            writeln!(f, "{}", text.trim_end())?;
        }
        if let Some(sandbox) = &r.sandbox {
            let calls = if sandbox.filtered_calls { "filtered" } else { "not filtered" };
            let files = if sandbox.no_files { "no file or port" } else { "any file" };
            writeln!(
                f,
                "  the thread that ran it: system calls {calls}, {files} in reach by name"
            )?;
        }
        for text in &r.not_checked {
            writeln!(f, "  not checked: {text}")?;
        }
        Ok(())
    }
}

fn print(what: &impl fmt::Display) -> Result<(), CliError> {
    let written = writeln!(io::stdout(), "{}", Shown(what));
    written.map_err(|source| CliError::Output { what: "the report".to_owned(), source })
}

/// Stack of a guest's thread: as much as a process's first has.
const STACK: usize = 8 << 20;

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(200);

/// A bar on standard error while a guest runs, if that is a terminal.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn start(name: &str, limit: Option<u64>, handle: Handle) -> Self {
        if !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::with_draw_target(limit, ProgressDrawTarget::stderr());
        let template = if limit.is_some() {
            "{prefix} {bar:30} {human_pos}/{human_len} instructions {elapsed} (ETA {eta})"
        } else {
            "{prefix} {spinner} {human_pos} instructions {elapsed}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_prefix(name.to_owned());
        let shown = bar.clone();
        // Without a thread the bar stands still.
        let _ = start("progress", Threads::OUTPUT, move || {
            while !shown.is_finished() {
                shown.set_position(handle.retired());
                pause(TICK);
            }
        });
        Self { bar }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
