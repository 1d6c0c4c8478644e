//! QEMU's options, for hands that know them: what to write here, or what is not there yet.
//!
//! QEMU takes one dash for long names, too. clap would read `-hda` as `-h` and show the help, and
//! `-smp` as `-s`; so such words are looked at before it.

use clap::{Arg, Command};
use std::ffi::OsString;

const DRIVES: &str = "--drive file=FILE,… or --hda FILE is a disk, --cdrom FILE a CD";
const DISPLAYS: &str = "--display vnc shows the screen to VNC viewers, --display web in a browser, --display terminal here; what the guest writes to its first serial port is on standard \
     output (--serial)";
const NETWORK: &str = "--net user is a router in the process, with hostfwd=tcp::PORT-:PORT as there; --net tap,ifname=NAME and --net passt,path=SOCKET, model=MODEL and mac=ADDRESS behind each";
const NO_USB: &str =
    "no USB and no sound card yet; leave it out (--speaker FILE.wav records the PC's speaker)";
const NO_MONITOR: &str = "the monitor is gdb's (--gdb); Ctrl-A H on the console lists its keys";
const NEEDLESS: &str = "not needed here; leave it out";
const ONE_PROCESSOR: &str = "one processor so far; leave it out";
const ONE_MACHINE: &str = "there is one machine, a PC; leave it out";
const NO_KVM: &str = "Ringer translates and uses no hardware virtualization; leave it out (--engine says how code runs)";
const STATES: &str = "--save-at N FILE writes a state, --load FILE goes on from one";

/// What QEMU's option stands for here: names without dashes. An option that has the same name here
/// with two dashes needs no row.
const OPTIONS: &[(&[&str], &str)] = &[
    (&["blockdev", "sd", "mtdblock"], DRIVES),
    (
        &["virtfs", "fsdev"],
        "--share DIR,tag=TAG shows the guest a folder, with rw behind it to change it, too",
    ),
    (&["loadvm", "incoming", "only-migratable"], STATES),
    (&["pflash"], "--bios takes firmware, which cannot be written"),
    (
        &["device"],
        "the devices are those of one PC; leave it out (for isa-debug-exit there is --debug-exit)",
    ),
    (
        &["global", "add-fd", "set", "readconfig", "nodefaults", "no-user-config", "fw_cfg"],
        NEEDLESS,
    ),
    (&["chardev"], "--serial and --debugcon take stdio, file:F or null"),
    (&["nographic"], "not needed: the console is on standard input and output"),
    (&["vnc", "spice", "sdl", "curses", "full-screen", "g"], DISPLAYS),
    (&["nic", "netdev"], NETWORK),
    (&["usb", "usbdevice", "audio", "audiodev", "soundhw"], NO_USB),
    (&["smp", "numa"], ONE_PROCESSOR),
    (&["machine", "M"], ONE_MACHINE),
    (&["accel", "enable-kvm", "kvm", "no-kvm"], NO_KVM),
    (&["tcg"], "--tc-size sets the size of the translation cache"),
    (&["icount"], "--clock virtual makes time a function of the instructions executed"),
    (
        &["rtc", "localtime"],
        "the guest's clock is the host's, in UTC; leave it out (--clock virtual)",
    ),
    (&["no-shutdown", "no-acpi", "no-hpet", "no-fd-bootchk", "win2k-hack"], NEEDLESS),
    (&["name", "uuid", "smbios", "acpitable", "msg", "overcommit", "mem-prealloc"], NEEDLESS),
    (&["k"], "--keyboard us, uk, de or fr is the layout of the guest's keyboard"),
    (&["mem-path", "object"], "the guest's memory is a file of Ringer's own; leave it out"),
    (&["monitor", "mon", "qmp", "qmp-pretty"], NO_MONITOR),
    (&["daemonize", "pidfile", "runas", "run-with"], "the shell or a service manager does that"),
    (&["chroot", "semihosting", "semihosting-config"], NEEDLESS),
    (&["action", "watchdog", "watchdog-action"], "--no-reboot ends the run at a reset"),
    (&["d"], "--trace KIND,KIND writes what happens (exceptions, interrupts, ports and more)"),
    (&["D"], "messages go to standard error"),
    (&["dtb"], "a PC has no device tree"),
];

/// What to say to QEMU's option `name`, without its dashes.
pub fn advice(name: &str) -> Option<&'static str> {
    let row = OPTIONS.iter().find(|(names, _)| names.contains(&name));
    row.map(|(_, advice)| *advice)
}

/// What to say if one of the words `behind` the command `sub` of `command` is a long name behind one dash.
pub fn refusal(behind: &[OsString], sub: &Command, command: &Command) -> Option<String> {
    options(behind, sub).into_iter().find_map(|word| {
        let name =
            word.strip_prefix('-').filter(|name| name.len() > 1 && !name.starts_with('-'))?;
        let name = name.split('=').next()?;
        let known = |of: &Command| of.get_arguments().any(|arg| longs(arg).contains(&name));
        if known(sub) || known(command) {
            return Some(format!("-{name}: write --{name}"));
        }
        advice(name).map(|advice| format!("-{name}: {advice}"))
    })
}

/// The words that stand where an option may, and not behind an option that takes them as its values.
fn options<'a>(behind: &'a [OsString], sub: &Command) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut words = behind.iter();
    while let Some(word) = words.next() {
        let Some(word) = word.to_str() else { continue };
        if word == "--" {
            break;
        }
        if word.starts_with('-') {
            found.push(word);
        }
        for _ in 0..values(word, sub) {
            words.next();
        }
    }
    found
}

/// How many of the next words are values of the option `word`.
fn values(word: &str, sub: &Command) -> usize {
    let arg = sub.get_arguments().find(|arg| match word.strip_prefix("--") {
        Some(name) => longs(arg).contains(&name),
        None => arg.get_short().is_some_and(|short| word == format!("-{short}")),
    });
    let takes = arg.filter(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set());
    takes.and_then(Arg::get_num_args).map_or(0, |range| range.min_values())
}

fn longs(arg: &Arg) -> Vec<&str> {
    let mut names = arg.get_all_aliases().unwrap_or_default();
    names.extend(arg.get_long());
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::CommandFactory;

    fn refused(line: &str) -> Option<String> {
        let mut command = Cli::command();
        command.build();
        let words = std::iter::once("ringer").chain(line.split_whitespace()).map(OsString::from);
        let words: Vec<OsString> = words.collect();
        let (sub, behind) = super::super::named(&words, &command);
        refusal(behind, sub, &command)
    }

    #[test]
    fn one_dash_before_a_long_name_is_seen_and_values_are_not_looked_at() {
        assert_eq!(refused("run -kernel x").as_deref(), Some("-kernel: write --kernel"));
        assert!(refused("run -hda x").is_some_and(|line| line.contains("write --hda")));
        assert!(refused("run --kernel x -smp 2").is_some_and(|line| line.starts_with("-smp: ")));
        assert!(refused("run -machine=q35").is_some_and(|line| line.starts_with("-machine: ")));
        for fine in [
            "run --kernel x -m512M",
            "run --kernel x --append -smp",
            "run --save-at 1 -hda --rom x",
            "run -- -hda",
            "run --cdrom x",
        ] {
            assert_eq!(refused(fine), None, "{fine}");
        }
    }

    #[test]
    fn advice_names_options_that_exist_and_no_row_is_of_an_option_of_ours() {
        let mut command = Cli::command();
        command.build();
        let known = |name: &str| {
            command.get_subcommands().any(|s| s.get_arguments().any(|a| longs(a).contains(&name)))
        };
        for (names, advice) in OPTIONS {
            for word in advice.split(|c: char| c.is_whitespace() || "();,".contains(c)) {
                if let Some(name) = word.strip_prefix("--") {
                    assert!(known(name), "{advice}: no option --{name}");
                }
            }
            for name in names.iter().filter(|name| name.len() > 1) {
                let run = command.find_subcommand("run").expect("it is there");
                assert!(!run.get_arguments().any(|a| longs(a).contains(name)), "--{name} is ours");
            }
        }
    }
}
