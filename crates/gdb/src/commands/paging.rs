//! Address translation and physical memory.

use super::words::{Answer, number, one_number};
use crate::debuggee::Debuggee;
use crate::memory::{self, Space};
use ringer_cpu::state::cr0;
use ringer_cpu::{Lin, Pa};
use ringer_mmu::{GuestMemory, Path, Region};
use std::fmt::Write;

/// Bytes of a dump at most, and in a line of it.
const MOST: u32 = 1 << 16;
const LINE: u32 = 16;
const PAGE: u64 = 0x1000;
const PAGES: u64 = 1 << 20;

/// The bits of an entry, in words.
fn rights(entry: u64) -> String {
    const BITS: [(u32, &str); 9] = [
        (0, "P"),
        (1, "RW"),
        (2, "US"),
        (3, "PWT"),
        (4, "PCD"),
        (5, "A"),
        (6, "D"),
        (7, "PS/PAT"),
        (8, "G"),
    ];
    let set = BITS.iter().filter(|(bit, _)| entry >> bit & 1 != 0).map(|(_, name)| *name);
    let nx = (entry >> 63 != 0).then_some("NX");
    set.chain(nx).collect::<Vec<_>>().join(" ")
}

fn kind(memory: &GuestMemory, pa: Pa) -> &'static str {
    match memory.region(pa) {
        Region::Ram { .. } => "RAM",
        Region::Rom { .. } => "read-only memory",
        Region::Io => "no memory: devices, or nothing",
    }
}

pub fn walk(debuggee: &mut Debuggee<'_>, words: &[&str]) -> Answer {
    let at = one_number(words)?;
    let monitor = debuggee.machine.monitor();
    let (memory, cpu) = (monitor.memory(), monitor.state());
    let mut out = String::new();
    let lin = Lin::from(at);
    if cpu.cr0 & cr0::PG == 0 {
        let pa = monitor.paging().peek_pa(memory, lin).unwrap_or(Pa::from(at));
        let _ = writeln!(out, "paging is off: physical {pa:#010x} ({})", kind(memory, pa));
        return Ok(out);
    }
    let _ = writeln!(out, "CR3 {:#010x}, CR4 {:#x}", cpu.cr3, cpu.cr4);
    let Some(Path { pde_pa, pde, pte, pa, .. }) = monitor.paging().peek(memory, lin) else {
        let _ = writeln!(
            out,
            "linear {at:#010x} is not mapped: an entry is not present, or has a reserved bit set"
        );
        return Ok(out);
    };
    let _ = writeln!(out, "page-directory entry at {pde_pa:#010x}: {pde:#010x}  {}", rights(pde));
    match pte {
        Some((at, entry)) => {
            let _ =
                writeln!(out, "page-table entry at {at:#010x}: {entry:#010x}  {}", rights(entry));
        }
        None => out.push_str("a large page\n"),
    }
    let _ = writeln!(out, "linear {at:#010x} is physical {pa:#010x} ({})", kind(memory, pa));
    Ok(out)
}

pub fn map(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    let monitor = debuggee.machine.monitor();
    if monitor.state().cr0 & cr0::PG == 0 {
        return Ok("paging is off\n".to_owned());
    }
    // What follows each other, here and there, with the same rights, is one line.
    let mut out = String::new();
    let mut run: Option<(u64, u64, u64, String)> = None;
    for page in 0..=PAGES {
        let lin = Lin(page * PAGE);
        let path = (page < PAGES).then(|| monitor.paging().peek(monitor.memory(), lin)).flatten();
        let here = path.map(|path| {
            let write = if path.writable { "w" } else { "-" };
            let user = if path.user { "u" } else { "s" };
            let run = if path.nx { "-" } else { "x" };
            (path.pa.get(), format!("r{write}{run} {user}"))
        });
        if let (Some((_, end, pa, rights)), Some((at, same))) = (&mut run, &here)
            && *pa == *at
            && rights == same
        {
            *end += PAGE;
            *pa += PAGE;
            continue;
        }
        if let Some((from, end, pa, rights)) = run.take() {
            let physical = pa - (end - from);
            let _ = writeln!(out, "{from:08x}-{:08x} -> {physical:08x} {rights}", end - 1);
        }
        run = here.map(|(pa, rights)| (lin.get(), lin.get() + PAGE, pa + PAGE, rights));
    }
    Ok(out)
}

pub fn dump(debuggee: &mut Debuggee<'_>, words: &[&str]) -> Answer {
    let (at, len) = match words {
        [at] => (number(at)?, 64),
        [at, len] => (number(at)?, number(len)?.min(MOST)),
        _ => return Err("give a physical address, and how many bytes".to_owned()),
    };
    let mut bytes = vec![0; len as usize];
    let read = memory::read(debuggee.machine, Space::Physical, at, &mut bytes);
    let mut out = String::new();
    for (line, bytes) in (0u32..).step_by(LINE as usize).zip(bytes[..read].chunks(LINE as usize)) {
        let _ = write!(out, "{:08x}:", at.wrapping_add(line));
        for byte in bytes {
            let _ = write!(out, " {byte:02x}");
        }
        out.push('\n');
    }
    if read < bytes.len() {
        let _ = writeln!(out, "{:08x}: no memory", u64::from(at) + read as u64);
    }
    Ok(out)
}

pub fn physical(debuggee: &mut Debuggee<'_>, words: &[&str]) -> Answer {
    debuggee.space = match words {
        ["on"] => Space::Physical,
        ["off"] => Space::Linear,
        [] => debuggee.space,
        _ => return Err("on or off".to_owned()),
    };
    let name = if debuggee.space == Space::Physical { "physical" } else { "linear" };
    Ok(format!("gdb reads and writes {name} memory (breakpoints and watchpoints are linear)\n"))
}
