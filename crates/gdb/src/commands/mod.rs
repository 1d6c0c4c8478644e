//! gdb's `monitor` commands: what the machine knows and gdb has no packet for.

mod code;
mod machine;
mod paging;
mod tables;
mod words;

use crate::debuggee::Debuggee;
use ringer_input::{Lines, OneLine};
use std::fmt::Write;
use words::Answer;

/// A command.
struct Command {
    /// Its names, ours first, then those that QEMU has.
    names: &'static [&'static str],
    /// What comes after the name.
    takes: &'static str,
    does: &'static str,
    run: fn(&mut Debuggee<'_>, &[&str]) -> Answer,
}

macro_rules! command {
    ($names:expr, $takes:literal, $does:literal, $run:expr) => {
        Command { names: &$names, takes: $takes, does: $does, run: $run }
    };
}

const COMMANDS: &[Command] = &[
    command!(["help", "?"], "", "this list", |_, _| Ok(help())),
    command!(
        ["where", "info status"],
        "",
        "instructions, time, and why it stands",
        machine::whereabouts
    ),
    command!(["registers", "info registers"], "", "all registers", machine::registers),
    command!(["devices", "info qtree"], "", "the devices", machine::devices),
    command!(["device", "info device"], "ID", "a device's registers", machine::device),
    command!(
        ["walk", "gva2gpa"],
        "ADDR",
        "the page-table entries of a linear address",
        paging::walk
    ),
    command!(["map", "info mem"], "", "what is mapped where", paging::map),
    command!(["xp"], "ADDR [BYTES]", "physical memory", paging::dump),
    command!(["physical"], "on|off", "gdb's addresses are physical ones", paging::physical),
    command!(["gdt", "info gdt"], "", "the global descriptor table", tables::gdt),
    command!(["ldt", "info ldt"], "", "the local descriptor table", tables::ldt),
    command!(["idt", "info idt"], "", "the interrupt descriptor table", tables::idt),
    command!(["tss", "info tss"], "", "the task state segment", tables::tss),
    command!(["block"], "[ADDR]", "the blocks of translated code at a linear address", code::block),
    command!(["counters", "info profile"], "", "what the machine has counted", machine::counters),
    command!(
        ["events", "info events"],
        "[N]",
        "what has happened last: exceptions, accesses to devices, ...",
        machine::events
    ),
    command!(["history"], "", "the states that can be gone back to", machine::history),
    command!(
        ["power_button", "system_powerdown"],
        "",
        "press the power button; again, and it is off",
        machine::power_button
    ),
    command!(["reset", "system_reset"], "", "pull the reset line", machine::reset),
    command!(["quit", "q"], "", "end the run", machine::quit),
];

/// Lines of an answer at most.
const MOST: usize = 2000;

/// Runs the command in `line`; what it says.
pub fn run(debuggee: &mut Debuggee<'_>, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let fits = |name: &str| {
        let name: Vec<&str> = name.split(' ').collect();
        words.starts_with(&name).then_some(name.len())
    };
    let longest = |command: &Command| command.names.iter().filter_map(|name| fits(name)).max();
    let found = COMMANDS.iter().filter_map(|command| Some((longest(command)?, command)));
    let Some((taken, command)) = found.max_by_key(|(taken, _)| *taken) else {
        let line = OneLine(line.trim());
        return format!("no such command: {line}; \"monitor help\" lists them\n");
    };
    let answer = match (command.run)(debuggee, &words[taken..]) {
        Ok(answer) => answer,
        Err(wrong) => format!("{}: {wrong}\n", command.names[0]),
    };
    // gdb hands it to a terminal as it is.
    match answer.match_indices('\n').nth(MOST) {
        Some((at, _)) => format!("{}\n... and more\n", Lines(&answer[..at])),
        None => Lines(answer).to_string(),
    }
}

fn help() -> String {
    let mut out = String::new();
    for Command { names, takes, does, .. } in COMMANDS {
        let usage = format!("{} {takes}", names[0]);
        let others = names[1..].join(", ");
        let others = if others.is_empty() { others } else { format!(" (also {others})") };
        let _ = writeln!(out, "{usage:<20} {does}{others}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_one_command_s() {
        let mut names: Vec<&str> =
            COMMANDS.iter().flat_map(|command| command.names).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert_eq!(help().lines().count(), COMMANDS.len());
    }
}
