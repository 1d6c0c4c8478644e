//! Files about a run: how it ended, what it cost.

use crate::args::EndArgs;
use crate::error::CliError;
use crate::target::Target;
use ringer::{At, Event, Machine, Screen, Stop, Symbols, status};
use ringer_script::Failure;
use ringer_testkit::{EventLine, Place, RunReport, ScreenReport};
use serde::Serialize;
use std::path::Path;

/// A file for JSON, made before the run so that a wrong name is told at once.
#[derive(Debug)]
pub struct JsonFile(Target);

impl JsonFile {
    /// Makes the file; `-` is standard output.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        Target::create(path).map(Self)
    }

    /// Writes `value`.
    pub fn write(self, value: &impl Serialize) -> Result<(), CliError> {
        self.0.write(|out| {
            serde_json::to_writer_pretty(&mut *out, value)?;
            out.write_all(b"\n")
        })
    }
}

/// How a run ended, for the user of the command: with the option that is to blame.
fn in_words(stop: &Stop) -> String {
    match stop {
        Stop::Reset => format!("{stop} (--no-reboot)"),
        Stop::InstructionLimit => "stopped at the limit of --max-instructions".to_owned(),
        Stop::Timeout => "stopped by --timeout".to_owned(),
        other => other.to_string(),
    }
}

/// Which option of a text ended the run.
fn by_text(stop: &Stop, ends: &EndArgs) -> Option<(&'static str, String, u8)> {
    let Stop::Text(text) = stop else { return None };
    let passed = ends.pass_on.contains(text);
    let (option, status) =
        if passed { ("pass-on", status::POWER_OFF) } else { ("fail-on", status::FAIL_TEXT) };
    Some((option, text.clone(), status))
}

/// Whether `stop` is an end that somebody will want explained.
pub fn is_unexpected(stop: &Stop) -> bool {
    matches!(stop, Stop::TripleFault { .. } | Stop::DeadHalt | Stop::Timeout)
}

/// What is told of a run that ended by `stop`, but for what takes time to find out.
pub fn run_report(stop: &Stop, machine: &Machine, ends: &EndArgs, symbols: &Symbols) -> RunReport {
    let mortem = machine.post_mortem(stop);
    let halted = *stop == Stop::DeadHalt;
    // The instruction that it is at is the HLT, which has a byte.
    let at = At { eip: mortem.at.eip.wrapping_sub(u64::from(halted)), ..mortem.at };
    let here = place(&at, symbols);
    let text = by_text(stop, ends);
    let counted = machine.counted_instructions().is_some();
    let hex = |(name, value, size): &(&str, u64, usize)| {
        ((*name).to_owned(), format!("0x{value:0width$x}", width = 2 * size))
    };
    let detail = match (&text, stop) {
        (Some((option, ..)), _) => format!("{stop} (--{option})"),
        (None, Stop::TripleFault { .. }) => format!("triple fault at {here}"),
        (None, Stop::DeadHalt) => format!("halted at {here}, and nothing can wake the processor"),
        (None, Stop::Timeout) => format!("{} at {here}", in_words(stop)),
        _ => in_words(stop),
    };
    let lines = |events: &[Event]| events.iter().map(|e| line(e, counted, symbols)).collect();
    let failed = is_unexpected(stop)
        || *stop == Stop::InstructionLimit
        || text.as_ref().is_some_and(|(.., status)| *status != status::POWER_OFF);
    RunReport {
        end: text.as_ref().map_or(stop.name(), |(option, ..)| option).to_owned(),
        status: text.as_ref().map_or(stop.status(), |(.., status)| *status),
        value: match stop {
            Stop::DebugExit(value) => Some(*value),
            _ => None,
        },
        text: text.map(|(_, text, _)| text),
        detail,
        post: machine.post_codes().to_vec(),
        post_left_out: machine.post_codes_left_out(),
        instructions: machine.counted_instructions(),
        place: Some(here),
        registers: mortem.registers.iter().map(hex).collect(),
        hint: mortem.hint,
        exceptions: lines(&mortem.exceptions),
        events: if failed { lines(&mortem.events) } else { Vec::new() },
        ..RunReport::default()
    }
}

/// The kind of end of a run that a step of a script ended.
pub const SCRIPT: &str = "script";

/// The run that `report` is of ended because a step of its script failed.
pub fn failed(report: &mut RunReport, failure: &Failure) {
    SCRIPT.clone_into(&mut report.end);
    report.status = status::SCRIPT_FAILED;
    report.detail = failure.to_string();
}

/// What is on the screen at the end, for `report`.
pub fn add_screen(report: &mut RunReport, machine: &mut Machine) {
    report.screen = match machine.screen() {
        Screen::Blank => None,
        Screen::Text(text) => Some(ScreenReport {
            mode: "text".to_owned(),
            width: text.columns.into(),
            height: text.rows.into(),
            lines: text.lines(),
            cursor: text.cursor.map(|(column, row)| [column, row]),
        }),
        Screen::Graphics(image) => Some(ScreenReport {
            mode: "graphics".to_owned(),
            width: image.width,
            height: image.height,
            ..ScreenReport::default()
        }),
    };
}

/// Completes `report`, which is to be written.
pub fn add_digest(report: &mut RunReport, machine: &mut Machine) -> Result<(), CliError> {
    let digest = machine.digest()?;
    let hex = |(id, crc): &(String, u32)| (id.clone(), format!("{crc:08x}"));
    report.digest = digest.to_string();
    report.sections = digest.sections.iter().map(hex).collect();
    Ok(())
}

fn place(at: &At, symbols: &Symbols) -> Place {
    let linear = at.linear();
    Place { cs: at.cs, eip: at.eip, linear, symbol: symbols.place(linear) }
}

fn line(event: &Event, counted: bool, symbols: &Symbols) -> EventLine {
    let kind = event.what.kind().iter_names().map(|(name, _)| name.to_ascii_lowercase());
    EventLine {
        kind: kind.collect(),
        what: event.what.to_string(),
        place: place(&event.at, symbols),
        instruction: counted.then_some(event.when.retired),
        ns: event.when.ns,
        times: Some(u64::from(event.times)).filter(|times| *times > 1),
    }
}
