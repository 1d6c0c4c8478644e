//! What a run tells about its end: the JSON of `ringer run --report F`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a run ended. Fields are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// The kind of end: poweroff, debug-exit, reset, triple-fault, dead-halt, instruction-limit, timeout, quit,
    /// pass-on, fail-on, difference or refused.
    pub end: String,
    /// The exit status of the process.
    pub status: u8,
    /// The value written to the debug-exit port, if that was the end.
    pub value: Option<u32>,
    /// The text of `--pass-on` or `--fail-on` that came, if that was the end.
    #[serde(default)]
    pub text: Option<String>,
    /// The end in words.
    pub detail: String,
    /// What the guest wrote to port 80h: the latest 4096 bytes, over all boots.
    pub post: Vec<u8>,
    /// How many it wrote there before those; absent if none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub post_left_out: u64,
    /// Guest instructions retired, over all boots; absent where they are not counted (a real clock).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// A number for the machine's whole state at the end: that of two runs that are alike is the same.
    #[serde(default)]
    pub digest: String,
    /// A number for each part of that state but memory, by name.
    #[serde(default)]
    pub sections: BTreeMap<String, String>,
    /// Where the processor was.
    #[serde(default)]
    pub place: Option<Place>,
    /// Its registers, as hexadecimal numbers: `eax`, `cs`, `cs_base` and so on.
    #[serde(default)]
    pub registers: BTreeMap<String, String>,
    /// What was on the screen at the end; absent without a display, or where it showed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<ScreenReport>,
    /// What to do about an end that was not meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The last exceptions that the guest raised, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<EventLine>,
    /// The last thousand events, the oldest first, if the end was not meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventLine>,
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

/// What was on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenReport {
    /// `text` or `graphics`.
    pub mode: String,
    /// Columns, or pixels in a line.
    pub width: u32,
    /// Rows, or lines.
    pub height: u32,
    /// The rows of a text screen, without the blanks at their ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Column and row of the cursor, when it could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<[u16; 2]>,
}

/// A place in the guest's code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// CS selector.
    pub cs: u16,
    /// Offset in CS of the next instruction, or of the one that could not be completed.
    pub eip: u64,
    /// Its linear address.
    pub linear: u64,
    /// The same by name (`main+0x12`), where symbols are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// Its kind, as `--trace` names it.
    pub kind: String,
    /// What it was.
    pub what: String,
    /// Where the processor was.
    pub place: Place,
    /// Guest instructions retired before it, where they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instruction: Option<u64>,
    /// Nanoseconds of machine time, as of the last look at a device.
    pub ns: u64,
    /// How often in a row, if more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04x}:{:08x}", self.cs, self.eip)?;
        if let Some(symbol) = &self.symbol {
            write!(f, " ({symbol})")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for EventLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.what, self.place)?;
        if let Some(times) = self.times {
            write!(f, ", {times} times")?;
        }
        Ok(())
    }
}

impl ScreenReport {
    /// The rows down to the last that has something on it.
    #[must_use]
    pub fn shown(&self) -> &[String] {
        let end = self.lines.iter().rposition(|line| !line.is_empty());
        &self.lines[..end.map_or(0, |last| last + 1)]
    }
}

/// Rows of registers, as people read them.
const ROWS: [&[&str]; 10] = [
    &["eax", "ebx", "ecx", "edx"],
    &["esi", "edi", "ebp", "esp"],
    &["rax", "rbx", "rcx", "rdx"],
    &["rsi", "rdi", "rbp", "rsp"],
    &["r8", "r9", "r10", "r11"],
    &["r12", "r13", "r14", "r15"],
    &["rip"],
    &["eip", "eflags", "cr0", "cr2"],
    &["cr3", "cr4", "gdtr_base", "idtr_base"],
    &["cs", "ss", "ds", "es", "fs", "gs"],
];

impl RunReport {
    /// The screen, as lines behind one that says so; none without a display.
    #[must_use]
    pub fn screen_lines(&self) -> Vec<String> {
        let Some(screen) = &self.screen else { return Vec::new() };
        let ScreenReport { mode, width, height, .. } = screen;
        let rows = screen.shown();
        let empty = if mode == "text" && rows.is_empty() { ", empty" } else { "" };
        let head = format!("screen ({mode}, {width}x{height}{empty})");
        let head = if rows.is_empty() { head } else { format!("{head}:") };
        std::iter::once(head).chain(rows.iter().map(|row| format!("  | {row}"))).collect()
    }

    /// The registers, a few to a line.
    #[must_use]
    pub fn register_lines(&self) -> Vec<String> {
        let shown = |name: &&str| {
            let value = self.registers.get(*name)?;
            Some(format!("{name} {}", value.strip_prefix("0x").unwrap_or(value)))
        };
        let row = |row: &[&str]| row.iter().filter_map(shown).collect::<Vec<_>>().join("  ");
        ROWS.iter().map(|names| row(names)).filter(|line| !line.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_an_older_build_is_read() {
        let text =
            r#"{"end":"poweroff","status":0,"value":null,"detail":"","post":[],"instructions":1}"#;
        let report: RunReport = serde_json::from_str(text).unwrap();
        assert_eq!((report.instructions, &report.place), (Some(1), &None));
        assert_eq!(report.register_lines(), [""; 0]);
    }

    #[test]
    fn registers_are_shown_in_rows() {
        let registers = [("eax", "0x00000001"), ("edx", "0x0000002a"), ("cs", "0x0008")];
        let registers = registers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let report = RunReport { registers: registers.into(), ..RunReport::default() };
        assert_eq!(report.register_lines(), ["eax 00000001  edx 0000002a", "cs 0008"]);
    }
}
