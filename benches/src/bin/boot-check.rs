//! Boots the Debian guest in Ringer, types commands at its shell, checks the answers, and switches
//! it off: the project's main job as a check that anyone can run.
//!
//! `cargo run --release -p ringer-benches --bin boot-check [ENGINE [CPU [KERNEL]]]` (KERNEL: `686`, `686-pae`)

use clap::ValueEnum;
use ringer_benches::grid::Kernel;
use ringer_benches::guest::{Guest, PROMPT, boot};
use std::process::ExitCode;
use std::time::Duration;

const ANSWER: Duration = Duration::from_secs(60);

/// A command line and what its output must hold.
const TALK: &[(&str, &[&str])] = &[
    ("uname -a", &["Linux", "i686", "GNU/Linux"]),
    ("cat /proc/cpuinfo", &["GenuineIntel", "fpu"]),
    ("ls /", &["proc", "sys", "dev"]),
    ("echo $((6*7)) | sed s/^/answer-/", &["answer-42"]),
    // The kernel believes the processor that it needs no page tables of its own beside the user's.
    ("cat /sys/devices/system/cpu/vulnerabilities/meltdown", &["Not affected"]),
    ("echo isolated $(dmesg | grep -c 'page tables isolation: enabled')", &["isolated 0"]),
];

fn talk(engine: &str, cpu: Option<&str>, kernel: Kernel) -> Result<(), Box<dyn std::error::Error>> {
    let guest = Guest { kernel: kernel.file(), ..Guest::debian() };
    let mut command = guest.ringer(engine, "run");
    command.arg("--verify");
    if let Some(cpu) = cpu {
        command.args(["--cpu", cpu]);
    }
    let (mut vm, seconds) = boot(&mut command)?;
    println!("boot-check: {engine}: shell after {seconds:.2} s");
    for (line, wanted) in TALK {
        vm.send(&format!("{line}\n"))?;
        let answer = vm.wait_for(PROMPT, ANSWER)?;
        for text in *wanted {
            if !answer.contains(text) {
                return Err(format!("{line:?} answered without {text:?}:\n{answer}").into());
            }
        }
        println!("boot-check: {line:?} answered as it must");
    }
    vm.send("poweroff -f\n")?;
    let status = vm.wait_end(ANSWER)?;
    if status.code() != Some(0) {
        return Err(format!("poweroff ended the process with {status}, not with status 0").into());
    }
    Ok(())
}

fn main() -> ExitCode {
    let engine = std::env::args().nth(1).unwrap_or_else(|| "bt".to_owned());
    let cpu = std::env::args().nth(2);
    let name = std::env::args().nth(3).unwrap_or_else(|| "686".to_owned());
    let Ok(kernel) = Kernel::from_str(&name, false) else {
        eprintln!("boot-check: no kernel is called {name}; there are 686 and 686-pae");
        return ExitCode::FAILURE;
    };
    match talk(&engine, cpu.as_deref(), kernel) {
        Ok(()) => {
            println!("boot-check: {engine}: 1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("boot-check: {engine}: {e}");
            ExitCode::FAILURE
        }
    }
}
