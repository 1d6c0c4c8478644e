//! The processor's tables: GDT, LDT, IDT, TSS.

use super::words::{Answer, word};
use crate::debuggee::Debuggee;
use ringer_cpu::{SegAttr, Segment};
use ringer_machine::Machine;
use std::fmt::Write;

/// Names of the system descriptors (SDM volume 3A, table 3-2).
const SYSTEM: [&str; 16] = [
    "reserved",
    "16-bit TSS",
    "LDT",
    "busy 16-bit TSS",
    "16-bit call gate",
    "task gate",
    "16-bit interrupt gate",
    "16-bit trap gate",
    "reserved",
    "32-bit TSS",
    "reserved",
    "busy 32-bit TSS",
    "32-bit call gate",
    "reserved",
    "32-bit interrupt gate",
    "32-bit trap gate",
];
/// Those that are gates.
const GATES: [u8; 7] = [4, 5, 6, 7, 12, 14, 15];

/// The descriptor whose halves are `lo` and `hi`, in words.
fn descriptor(lo: u32, hi: u32) -> String {
    let kind = (hi >> 8 & 0xf) as u8;
    let dpl = hi >> 13 & 3;
    let present = if hi >> 15 & 1 != 0 { "" } else { ", not present" };
    let segment = Segment::from_descriptor(0, lo, hi);
    let attr = segment.attr;
    if !attr.contains(SegAttr::S) && GATES.contains(&kind) {
        let offset = lo & 0xffff | hi & 0xffff_0000;
        let (name, selector) = (SYSTEM[usize::from(kind)], lo >> 16);
        return format!("{name} to {selector:04x}:{offset:08x}, DPL {dpl}{present}");
    }
    let name = if attr.contains(SegAttr::S) {
        contents(attr)
    } else {
        SYSTEM[usize::from(kind)].to_owned()
    };
    let (base, limit) = (segment.base, segment.limit);
    format!("base {base:08x}, limit {limit:08x}, {name}, DPL {dpl}{present}")
}

/// What a segment with these rights holds.
fn contents(attr: SegAttr) -> String {
    let bits = if attr.contains(SegAttr::DB) { 32 } else { 16 };
    let code = attr.contains(SegAttr::CODE);
    let name = match (code, attr.contains(SegAttr::WRITABLE)) {
        (true, true) => "code, readable",
        (true, false) => "code",
        (false, true) => "data, writable",
        (false, false) => "data",
    };
    let other = match (code, attr.contains(SegAttr::EXPAND_DOWN)) {
        (true, true) => ", conforming",
        (false, true) => ", expand-down",
        (_, false) => "",
    };
    let accessed = if attr.contains(SegAttr::ACCESSED) { ", accessed" } else { "" };
    format!("{bits}-bit {name}{other}{accessed}")
}

/// The entries of a table; those that are zero are left out.
fn table(machine: &Machine, base: u32, limit: u32) -> String {
    let mut out = String::new();
    for offset in (0..=limit.saturating_sub(7)).step_by(8) {
        let at = base.wrapping_add(offset);
        let halves = word(machine, at).zip(word(machine, at.wrapping_add(4)));
        match halves {
            None => {
                let _ = writeln!(out, "{offset:04x}: {at:08x} is not mapped");
            }
            Some((0, 0)) => {}
            Some((lo, hi)) => {
                let _ = writeln!(out, "{offset:04x}: {}", descriptor(lo, hi));
            }
        }
    }
    out
}

pub fn gdt(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    let table_reg = debuggee.machine.monitor().state().gdtr;
    let (base, limit) = (table_reg.base.low(), u32::from(table_reg.limit));
    let rows = table(debuggee.machine, base, limit);
    Ok(format!("GDT at {base:08x}, limit {limit:04x}\n{rows}"))
}

pub fn ldt(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    let ldtr = debuggee.machine.monitor().state().ldtr;
    if ldtr.selector & !3 == 0 {
        return Ok("no LDT\n".to_owned());
    }
    let rows = table(debuggee.machine, ldtr.base.low(), ldtr.limit.min(0xffff));
    Ok(format!("LDT {:04x} at {:08x}, limit {:08x}\n{rows}", ldtr.selector, ldtr.base, ldtr.limit))
}

pub fn idt(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    let cpu = debuggee.machine.monitor().state();
    let (base, limit, protected) =
        (cpu.idtr.base.low(), u32::from(cpu.idtr.limit), cpu.protected());
    let machine = &*debuggee.machine;
    let mut out = format!("IDT at {base:08x}, limit {limit:04x}\n");
    let size = if protected { 8 } else { 4 };
    for vector in (0..256u32).take_while(|vector| (vector + 1) * size - 1 <= limit) {
        let at = base.wrapping_add(vector * size);
        let Some(lo) = word(machine, at) else {
            let _ = writeln!(out, "{vector:02x}: {at:08x} is not mapped");
            continue;
        };
        if !protected {
            let _ = writeln!(out, "{vector:02x}: {:04x}:{:04x}", lo >> 16, lo & 0xffff);
        } else if let Some(hi) = word(machine, at.wrapping_add(4)).filter(|hi| lo | hi != 0) {
            let _ = writeln!(out, "{vector:02x}: {}", descriptor(lo, hi));
        }
    }
    Ok(out)
}

pub fn tss(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    const NAMES: [&str; 26] = [
        "link", "esp0", "ss0", "esp1", "ss1", "esp2", "ss2", "cr3", "eip", "eflags", "eax", "ecx",
        "edx", "ebx", "esp", "ebp", "esi", "edi", "es", "cs", "ss", "ds", "fs", "gs", "ldt",
        "iomap",
    ];
    let tr = debuggee.machine.monitor().state().tr;
    let kind = tr.attr.bits() & 0xf;
    let mut out = format!(
        "TR {:04x}: {} at {:08x}, limit {:08x}\n",
        tr.selector,
        SYSTEM[usize::from(kind)],
        tr.base,
        tr.limit
    );
    if kind & 8 == 0 {
        return Ok(out);
    }
    for (offset, name) in (0u32..).step_by(4).zip(NAMES) {
        if offset + 3 > tr.limit {
            break;
        }
        match word(debuggee.machine, tr.base.low().wrapping_add(offset)) {
            Some(value) => {
                let _ = writeln!(out, "{name:>6} {value:08x}");
            }
            None => {
                let _ = writeln!(out, "{name:>6} is not mapped");
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::descriptor;

    #[test]
    fn descriptors_are_named_as_the_sdm_names_them() {
        for (lo, hi, text) in [
            (
                0xffff,
                0x00cf_9b00,
                "base 00000000, limit ffffffff, 32-bit code, readable, accessed, DPL 0",
            ),
            (
                0x1234_ffff,
                0x5600_f256,
                "base 56561234, limit 0000ffff, 16-bit data, writable, DPL 3",
            ),
            (0x0008_1000, 0xc010_8e00, "32-bit interrupt gate to 0008:c0101000, DPL 0"),
            (0x0008_1000, 0xc010_6f00, "32-bit trap gate to 0008:c0101000, DPL 3, not present"),
            (0x2000_0067, 0x0000_8b00, "base 00002000, limit 00000067, busy 32-bit TSS, DPL 0"),
        ] {
            assert_eq!(descriptor(lo, hi), text);
        }
    }
}
