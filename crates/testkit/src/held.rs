//! What a process holds of its host, as the host's kernel counts it, and how far that goes while the process runs.

use crate::child::{self, End};
use crate::stop::Stop;
use std::io;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// What a mapping costs the host's kernel, in bytes, as README has it.
const MAPPING: u64 = 256;

/// What a process holds, in bytes but for the mappings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Resident (`VmRSS`).
    pub resident: u64,
    /// Of that, the process's own (`RssAnon`).
    pub private: u64,
    /// The most that was resident (`VmHWM`).
    pub peak: u64,
    /// The host's page tables (`VmPTE`).
    pub page_tables: u64,
    /// Mappings: lines of `/proc/PID/maps`.
    pub mappings: u64,
}

impl Held {
    /// What process `pid` holds; `None` when it is gone.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        // Of a process that cannot be traced only root may read them.
        let maps = std::fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
        let bytes = |key| kib(&status, key).map(|kib| kib << 10);
        Some(Self {
            resident: bytes("VmRSS:")?,
            private: bytes("RssAnon:")?,
            peak: bytes("VmHWM:")?,
            page_tables: bytes("VmPTE:")?,
            mappings: maps.iter().filter(|byte| **byte == b'\n').count() as u64,
        })
    }

    /// What README bounds: resident set, page tables, mappings.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.resident + self.page_tables + self.mappings * MAPPING
    }
}

fn kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// How far a process went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// What it held when that was most.
    pub most: Held,
    /// The most that it held at two looks in a row, in bytes: what comes and goes within 16 ms may be more.
    pub lasting: u64,
    /// Looks.
    pub looks: u32,
    /// How it ended, if it did by itself.
    pub ended: Option<ExitStatus>,
}

/// Runs `command`, at most for `time`, and looks at what it holds all the while.
///
/// # Errors
/// When it cannot be run.
pub fn watch(command: &mut Command, time: Duration) -> io::Result<Watched> {
    let process = child::spawn(command)?;
    let pid = process.id();
    let mut watched = Watched::default();
    let mut before = 0;
    let mut look = || {
        if let Some(held) = Held::of(pid) {
            let total = held.total();
            watched.looks += 1;
            watched.lasting = watched.lasting.max(total.min(before));
            before = total;
            if total > watched.most.total() {
                watched.most = held;
            }
        }
        true
    };
    let end = process.wait_while(time, &Stop::default(), &mut look)?;
    if let End::Exited(status) = end {
        watched.ended = Some(status);
    }
    Ok(watched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_something() {
        let held = Held::of(std::process::id()).expect("it is there");
        assert!(held.resident >= held.private && held.peak >= held.resident / 2);
        assert!(held.page_tables > 0 && held.mappings > 10);
        assert!(held.total() > held.resident);
    }

    #[test]
    fn a_process_is_watched_until_its_time_is_over() {
        let mut long = Command::new("sleep");
        let watched = watch(long.arg("600"), Duration::from_millis(100)).unwrap();
        assert!(watched.ended.is_none() && watched.looks > 1 && watched.lasting > 0);
        let mut short = Command::new("false");
        let watched = watch(&mut short, Duration::from_secs(60)).unwrap();
        assert_eq!(watched.ended.and_then(|status| status.code()), Some(1));
    }
}
