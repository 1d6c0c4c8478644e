//! What a user reads about a difference: the case, how it ran, what differs, how to repeat it.

use crate::compare::Diff;
use crate::sequence::Sequence;
use iced_x86::{Formatter, NasmFormatter};
use std::fmt::Write;

const REGISTERS: [&str; 8] = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
const SEGMENTS: [&str; 6] = ["ES", "CS", "SS", "DS", "FS", "GS"];
/// Differences that are listed.
const MOST: usize = 12;

/// The sequence and its surroundings.
pub fn describe(seq: &Sequence) -> String {
    let mut out = String::new();
    let s = &seq.setting;
    let c = &seq.case;
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "  {:?}, {}-bit code at {:#x}, EFLAGS {:08x}",
        c.kind, s.bits, c.eip, c.eflags
    );
    let _ = writeln!(
        out,
        "  CR0 {:08x}, CR4 {:03x}, PTEs {:x?}, frames {:?}, PDEs {:x?}",
        c.cr0, c.cr4, c.ptes, c.frames, c.pdes
    );
    for (name, value) in REGISTERS.iter().zip(c.gpr) {
        let _ = write!(out, "  {name} {value:08x}");
    }
    out.push('\n');
    for (k, name) in SEGMENTS.iter().enumerate() {
        let slot = c.slots[k + 1];
        let _ = write!(out, "  {name} {:04x} ({slot:016x})", c.selectors[k]);
    }
    out.push('\n');
    let fpu = &c.fpu;
    let _ = writeln!(
        out,
        "  FCW {:02x}{:02x} FSW {:02x}{:02x} tags {:02x} MXCSR {:02x}{:02x}",
        fpu[1], fpu[0], fpu[3], fpu[2], fpu[4], fpu[25], fpu[24]
    );
    for (first, bytes, name) in [(32, 10, "ST"), (160, 16, "XMM")] {
        for k in 0..8 {
            let at = first + 16 * k;
            let hex: String =
                fpu[at..at + bytes].iter().rev().map(|b| format!("{b:02x}")).collect();
            let _ = write!(out, "  {name}{k} {hex}");
        }
        out.push('\n');
    }
    let mut formatter = NasmFormatter::new();
    let mut decoder_text = String::new();
    for item in &seq.items {
        decoder_text.clear();
        let bytes = &c.code[item.at..item.at + item.len];
        // Branch distances and labels were filled in after the instruction was made.
        let i = iced_x86::Decoder::with_ip(s.bits, bytes, item.instruction.ip(), 0).decode();
        formatter.format(&i, &mut decoder_text);
        let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let lock = if item.illegal_lock { " (illegal LOCK)" } else { "" };
        let _ = writeln!(out, "    {:08x}  {:<32} {decoder_text}{lock}", i.ip32(), hex.join(" "));
    }
    out
}

/// A list of differences.
pub fn list(diffs: &[Diff]) -> String {
    let mut out = String::new();
    for d in diffs.iter().take(MOST) {
        let _ = writeln!(out, "    {d}");
    }
    if diffs.len() > MOST {
        let _ = writeln!(out, "    and {} more", diffs.len() - MOST);
    }
    out
}
