//! The machine as a whole: where it is, its registers and devices, reset and end.

use super::words::{Answer, number};
use crate::debuggee::{Debuggee, Halt};
use crate::registers::{self, Register};
use ringer_machine::{Event, Moment};
use std::fmt::Write;

pub fn whereabouts(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    let monitor = debuggee.machine.monitor();
    let Moment { retired, delivered, .. } = monitor.moment();
    let cpu = monitor.state();
    let why = match &debuggee.halt {
        Halt::Breakpoint { .. } => "at a breakpoint".to_owned(),
        Halt::Watchpoint(hit) => {
            let what = if hit.write { "write" } else { "read" };
            format!("at a {what} of {} bytes at {:#010x}", hit.len, hit.at)
        }
        Halt::Stepped => "after a step".to_owned(),
        Halt::Interrupted => "because it was stopped".to_owned(),
        Halt::TripleFault => "after a triple fault; going on resets it".to_owned(),
        Halt::Stuck => "halted, and nothing can wake it".to_owned(),
        Halt::Begin => "at the first moment that it can go back to".to_owned(),
        Halt::End(stop) => format!("at the end: {stop}"),
    };
    let mut out = String::new();
    let _ = writeln!(out, "stands at {:04x}:{:08x}, {why}", cpu.cs().selector, cpu.eip());
    let counted = if debuggee.history.is_some() { "" } else { ", as far as they were counted" };
    let _ = writeln!(
        out,
        "{retired} instructions retired{counted}, then {delivered} exceptions and interrupts delivered"
    );
    let _ =
        writeln!(out, "{} ns of machine time; the processor is {:?}", monitor.now(), cpu.activity);
    Ok(out)
}

pub fn registers(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    let cpu = debuggee.machine.monitor().state();
    let hex = |bytes: &[u8]| {
        bytes.iter().rev().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let mut out = String::new();
    for (number, (register, _)) in registers::all().into_iter().enumerate() {
        let wide = matches!(register, Register::St(_) | Register::Xmm(_));
        let end = if wide || number % 4 == 3 { '\n' } else { ' ' };
        let value = hex(&registers::read(cpu, register));
        let _ = write!(out, "{:>10} {value}{end}", registers::name(register));
    }
    out.push('\n');
    for (name, segment) in ["es", "cs", "ss", "ds", "fs", "gs"]
        .iter()
        .zip(&cpu.seg)
        .chain([(&"ldtr", &cpu.ldtr), (&"tr", &cpu.tr)])
    {
        let attr = segment.attr.bits();
        let _ = writeln!(
            out,
            "{name:>4} = {:04x}, base {:08x}, limit {:08x}, attributes {attr:04x}",
            segment.selector, segment.base, segment.limit
        );
    }
    Ok(out)
}

pub fn devices(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    let mut out = String::new();
    for row in debuggee.machine.monitor().board().rows() {
        let _ = writeln!(out, "{:<16} {}", row.id, row.title);
    }
    Ok(out)
}

pub fn device(debuggee: &mut Debuggee<'_>, words: &[&str]) -> Answer {
    let [id] = words else { return Err("give one name of \"monitor devices\"".to_owned()) };
    let found = debuggee.machine.monitor().board().inspect(id);
    let text = found.ok_or_else(|| format!("no device {id:?}; \"monitor devices\" lists them"))?;
    Ok(format!("{text}\n"))
}

pub fn counters(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    Ok(format!("{}\n", debuggee.machine.monitor().profile()))
}

/// Events that are shown if no number is given.
const EVENTS: u32 = 20;

pub fn events(debuggee: &mut Debuggee<'_>, words: &[&str]) -> Answer {
    let most = match words {
        [] => EVENTS,
        [word] => number(word)?,
        _ => return Err("give one number".to_owned()),
    };
    let all: Vec<_> = debuggee.machine.monitor().events().collect();
    let mut out = String::new();
    for event in &all[all.len().saturating_sub(most as usize)..] {
        let Event { what, at, when, times } = event;
        let again = if *times > 1 { format!(" ({times} times)") } else { String::new() };
        let _ = writeln!(out, "{:>14} {:04x}:{:08x}  {what}{again}", when.retired, at.cs, at.eip);
    }
    if debuggee.history.is_some() {
        out.push_str("(they are not taken back when the run goes back)\n");
    }
    Ok(out)
}

pub fn history(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    let Some(history) = &debuggee.history else {
        return Err("only a run with --clock virtual can go back".to_owned());
    };
    let here = debuggee.moment().retired;
    let mut out = String::new();
    for place in history.moments() {
        let back = i128::from(here) - i128::from(place.retired);
        let _ = writeln!(out, "{:>16} instructions, {back} before this moment", place.retired);
    }
    let _ = writeln!(
        out,
        "{} MiB of guest memory in them; the run has come to {} instructions",
        history.bytes() >> 20,
        history.frontier().retired
    );
    Ok(out)
}

pub fn power_button(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    debuggee.machine.handle().power_button();
    Ok("the power button will be pressed when the guest goes on\n".to_owned())
}

pub fn reset(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    debuggee.machine.reset().map_err(|e| e.to_string())?;
    debuggee.note_change();
    let cpu = debuggee.machine.monitor().state();
    Ok(format!(
        "reset; the processor is at {:04x}:{:08x} (gdb has old registers: \"maintenance flush register-cache\")\n",
        cpu.cs().selector,
        cpu.eip()
    ))
}

pub fn quit(debuggee: &mut Debuggee<'_>, _: &[&str]) -> Answer {
    debuggee.quit = true;
    Ok("the run is over\n".to_owned())
}
