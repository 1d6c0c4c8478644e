//! Where the nanobenchmarks run, and what they say.

use crate::error::CliError;
use crate::pause::start_alike;
use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a side may take.
const LIMIT: Duration = Duration::from_secs(180);

/// One side's answers.
#[derive(Debug)]
pub struct Measured {
    /// Rate of its time-stamp counter.
    pub khz: f64,
    /// Least ticks for one operation.
    ticks: HashMap<String, f64>,
}

impl Measured {
    /// Reads a side's output.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut khz = None;
        let mut ticks: HashMap<String, f64> = HashMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["tsc-khz", rate] => khz = rate.parse().ok().filter(|khz| *khz > 0.0),
                [name, operations, sum] => {
                    let (Ok(n), Ok(sum)) = (operations.parse::<f64>(), sum.parse::<f64>()) else {
                        continue;
                    };
                    let least = ticks.entry((*name).to_owned()).or_insert(f64::INFINITY);
                    *least = least.min(sum / n.max(1.0));
                }
                _ => {}
            }
        }
        let khz =
            khz.ok_or_else(|| "it did not say how fast its time-stamp counter is".to_owned())?;
        Ok(Self { khz, ticks })
    }

    /// Ticks of its counter for one operation.
    pub fn ticks(&self, name: &str) -> Option<f64> {
        self.ticks.get(name).copied()
    }
}

/// A folder of our own for the programs, which goes with the value.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it and puts the programs there.
    pub fn new() -> Result<Self, CliError> {
        let path = std::env::temp_dir().join(format!("ringer-nano-{}", std::process::id()));
        let failed = |source| CliError::Create { path: path.clone(), source };
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let folder = Self(path.clone());
        for (name, bytes) in
            [("guest", ringer_test_roms::nano()), ("native", ringer_test_roms::nano_native())]
        {
            let path = path.join(name);
            let failed = |source| CliError::Create { path: path.clone(), source };
            let file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path);
            file.and_then(|mut file| file.write_all(bytes)).map_err(failed)?;
        }
        Ok(folder)
    }

    /// Those that mean something in a process.
    pub fn native(&self) -> Result<Measured, String> {
        let text = output(&mut Command::new(self.0.join("native")));
        text.map_err(|e| format!("this host runs no i386 programs ({e})"))
            .and_then(|t| Measured::parse(&t))
    }

    /// In a machine of Ringer's, a process of its own.
    pub fn ringer(&self, milliseconds: u32) -> Result<Measured, String> {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let mut command = Command::new(own);
        command.arg("run").arg("--multiboot").arg(self.0.join("guest"));
        command.args(["--append", &milliseconds.to_string(), "-m", "16M"]);
        command.args(["--serial", "stdio", "--debug-exit", "--no-reboot"]);
        passed(output(&mut command).map_err(|e| format!("cannot run myself: {e}"))?)
    }

    /// In QEMU TCG.
    pub fn qemu(&self, milliseconds: u32) -> Result<Measured, String> {
        let mut command = Command::new("qemu-system-i386");
        command.arg("-kernel").arg(self.0.join("guest"));
        command.args(["-append", &milliseconds.to_string(), "-m", "16", "-accel", "tcg"]);
        command.args(["-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        let text = output(&mut command).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => "qemu-system-i386 is not installed".to_owned(),
            _ => e.to_string(),
        })?;
        passed(text)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn passed(text: String) -> Result<Measured, String> {
    if text.lines().any(|line| line.trim() == "PASS") {
        return Measured::parse(&text);
    }
    let last = text.lines().last().unwrap_or("nothing");
    Err(format!("the guest did not come to its end; it printed last: {last}"))
}

/// What `command` writes until it ends; it is stopped when that takes too long.
fn output(command: &mut Command) -> io::Result<String> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let stdout = child.stdout.take();
    let (send, receive) = mpsc::channel();
    let started = start_alike("reader", move || {
        let mut bytes = Vec::new();
        let read = stdout.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes));
        let _ = send.send(read.map(|_| String::from_utf8_lossy(&bytes).into_owned()));
    });
    // Without a reader there is nothing to wait for.
    let text = receive.recv_timeout(LIMIT);
    if text.is_err() {
        child.kill()?;
    }
    child.wait()?;
    started.map_err(io::Error::other)?;
    text.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The rate of the host's processor, in kHz, as /proc/cpuinfo has it.
pub fn host_khz() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("cpu MHz"))?;
    line.split(':').nth(1)?.trim().parse::<f64>().ok().map(|mhz| mhz * 1e3)
}
