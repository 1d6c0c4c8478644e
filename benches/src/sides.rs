//! The three sides, and one pass of the workloads on each.

use crate::guest::{Guest, PROMPT, boot};
use crate::memory::Memory;
use crate::vm::Vm;
use crate::workloads::{ENVIRONMENT, Group, Workload};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Any error of a run.
pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The longest that one pass in a machine may take.
const LIMIT: Duration = Duration::from_secs(900);
/// How far the guest's clock may be from the host's over a pass, as a part of the time, and in seconds beside it (the console).
const CLOCK_TOLERANCE: (f64, f64) = (0.03, 0.25);

/// One workload's figures in one pass.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The workload.
    pub name: String,
    /// Microseconds of the first run, which warms caches.
    pub first: f64,
    /// Microseconds of the run that counts.
    pub time: f64,
    /// The hash of the first run's output.
    pub hash: String,
}

/// What a machine's pass yields.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Each workload's figures.
    pub samples: Vec<Sample>,
    /// Seconds from the start of the process to the shell's prompt, of the plain Debian guest.
    pub boot: f64,
    /// The process's memory after the last workload.
    pub memory: Memory,
}

/// The script that runs `workloads` in the guest; `ONLY` names what is wanted of them.
#[must_use]
pub fn script<'a>(workloads: impl IntoIterator<Item = &'a Workload>) -> String {
    let mut text = String::new();
    for (name, value) in ENVIRONMENT {
        text.push_str(&format!("export {name}='{value}'\n"));
    }
    text.push_str("want() { case \" $ONLY \" in *\" $1 \"*) return 0;; esac; return 1; }\nbin/timeit --clock\n");
    workloads.into_iter().for_each(|w| text.push_str(&w.script_line()));
    text.push_str("bin/timeit --clock\necho @@end\n");
    text
}

/// Reads `timeit`'s lines among the console's text.
///
/// # Errors
/// When a program ended with a status other than 0.
pub fn parse(text: &str) -> Result<Vec<Sample>, AnyError> {
    let mut samples = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let &["@", name, first, time, status, hash] = words.as_slice() else { continue };
        if status != "0" {
            return Err(format!("{name} ended with status {status}").into());
        }
        let (first, time) = (first.parse()?, time.parse()?);
        samples.push(Sample { name: name.to_owned(), first, time, hash: hash.to_owned() });
    }
    Ok(samples)
}

/// Runs the `wanted` workloads of `folder` on the host, except those that are the kernel's work: the host's kernel is another.
///
/// # Errors
/// When one fails.
pub fn native(folder: &Path, wanted: &[&Workload]) -> Result<Vec<Sample>, AnyError> {
    let mut text = String::new();
    for workload in wanted.iter().filter(|w| w.group != Group::System) {
        let output = Command::new(folder.join("bin/timeit"))
            .arg(workload.name)
            .args(workload.command())
            .env_clear()
            .envs(ENVIRONMENT.iter().copied())
            .current_dir(folder)
            .output()?;
        text.push_str(&String::from_utf8_lossy(&output.stdout));
    }
    parse(&text)
}

/// A boot of the plain guest of the same kernel to its prompt, in seconds; then one of the bench's `guest`, in which the
/// `wanted` workloads run.
///
/// # Errors
/// When the machine or a program fails, or the guest's clock is not the host's.
pub fn machine(
    command: impl Fn(&Guest) -> Command,
    guest: &Guest,
    wanted: &[&Workload],
) -> Result<Pass, AnyError> {
    let plain = Guest { kernel: guest.kernel.clone(), ..Guest::debian() };
    let (_, boot_time) = boot(&mut command(&plain))?;
    let session = session(&mut command(guest), "", wanted)?;
    Ok(Pass { samples: session.samples, boot: boot_time, memory: session.memory })
}

/// What one boot of a guest that has the workloads yields.
#[derive(Clone, Debug)]
pub struct Session {
    /// Each workload's figures.
    pub samples: Vec<Sample>,
    /// Seconds to the shell's prompt.
    pub boot: f64,
    /// The process's memory after the last workload.
    pub memory: Memory,
}

/// Boots `command`, in whose guest `wanted` are ready, runs them with the shell's `variables` and switches it off.
///
/// # Errors
/// When the machine or a program fails, or the guest's clock is not the host's.
pub fn session(
    command: &mut Command,
    variables: &str,
    wanted: &[&Workload],
) -> Result<Session, AnyError> {
    let (mut vm, boot) = boot(command)?;
    let names: Vec<&str> = wanted.iter().map(|w| w.name).collect();
    vm.send(&format!("{variables} ONLY='{}' sh -c 'cd /b; . ./run.sh'\n", names.join(" ")))?;
    let (host, first) = clock(&mut vm)?;
    let text = vm.wait_for("@clock ", LIMIT)?;
    let (host_end, last) = (Instant::now(), number(&vm.wait_for("@@end", LIMIT)?));
    let seconds = (host_end - host).as_secs_f64();
    let guest_seconds = f64::from(last.wrapping_sub(first)) / 1e6;
    if (seconds - guest_seconds).abs() > seconds * CLOCK_TOLERANCE.0 + CLOCK_TOLERANCE.1 {
        return Err(format!(
            "the guest's clock says {guest_seconds:.2} s, the host's {seconds:.2} s"
        )
        .into());
    }
    let memory = Memory::of(vm.id());
    vm.wait_for(PROMPT, LIMIT)?;
    vm.send("poweroff -f\n")?;
    vm.wait_end(LIMIT)?;
    Ok(Session { samples: parse(&text)?, boot, memory })
}

/// The next `@clock` line: when it came, and what it says.
fn clock(vm: &mut Vm) -> Result<(Instant, u32), AnyError> {
    vm.wait_for("@clock ", LIMIT)?;
    let now = Instant::now();
    Ok((now, number(&vm.wait_for("\n", LIMIT)?)))
}

fn number(text: &str) -> u32 {
    text.split_whitespace().next().and_then(|w| w.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_samples_and_refuses_failures() {
        let samples = parse("noise\r\n@ gzip 20 10 0 00ff\r\n").expect("a good line");
        assert_eq!((samples[0].name.as_str(), samples[0].time), ("gzip", 10.0));
        assert!(parse("@ gzip 20 10 1 00ff").is_err());
    }
}
