//! The memory of a running process, as the host's kernel counts it.

use serde::Serialize;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What Ringer may use beside the guest's memory and the translation cache, in KiB.
pub const ALLOWANCE_KIB: u64 = 64 * 1024;

/// A process's memory, in KiB.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// Resident set: a page that is mapped at several places counts at each.
    pub rss: u64,
    /// The highest that the resident set has been.
    pub peak: u64,
    /// Resident pages, each divided among its mappings: what the process really holds.
    pub pss: u64,
    /// Guest memory touched and translation cache: the blocks of the process's open memory files, and what it holds of
    /// Ringer's cache, whose file is mapped but no longer open. 0 for a machine that has no such files.
    pub files: u64,
}

impl Memory {
    /// The memory of process `pid`; what cannot be read is 0.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let dir = Path::new("/proc").join(pid.to_string());
        let status = std::fs::read_to_string(dir.join("status")).unwrap_or_default();
        let smaps = std::fs::read_to_string(dir.join("smaps")).unwrap_or_default();
        Self {
            rss: sum_of(&status, "VmRSS:"),
            peak: sum_of(&status, "VmHWM:"),
            pss: sum_of(&smaps, "Pss:"),
            files: memory_files(&dir.join("fd")) + cache_of(&smaps),
        }
    }
}

fn sum_of(text: &str, name: &str) -> u64 {
    let values = text.lines().filter_map(|l| l.strip_prefix(name));
    values.filter_map(|v| v.trim().trim_end_matches(" kB").parse::<u64>().ok()).sum()
}

/// The KiB held of mappings of the translation cache.
fn cache_of(smaps: &str) -> u64 {
    let mut inside = false;
    let mut sum = 0;
    for line in smaps.lines() {
        // A mapping begins with its addresses; its figures have a name and a colon first.
        if line.split_whitespace().next().is_some_and(|w| !w.ends_with(':')) {
            inside = line.contains("/memfd:ringer-tc");
        } else if inside {
            sum += sum_of(line, "Pss:");
        }
    }
    sum
}

/// The KiB that back the memory files among the descriptors in `folder`, each file once.
fn memory_files(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let mut seen = std::collections::HashMap::new();
    for entry in entries.flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        if !target.to_string_lossy().starts_with("/memfd:") {
            continue;
        }
        if let Ok(data) = std::fs::metadata(entry.path()) {
            seen.insert((data.dev(), data.ino()), data.blocks() / 2);
        }
    }
    seen.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_itself_and_sums() {
        assert!(Memory::of(std::process::id()).rss > 0);
        assert_eq!(sum_of("Pss:   4 kB\nPss:\t8 kB\nOther: 1 kB", "Pss:"), 12);
        let smaps = "1-2 rw-s 0 0:1 7 /memfd:ringer-tc (deleted)\nRss: 9 kB\nPss: 4 kB\n2-3 rw-p 0 0:0 0\nPss: 8 kB\n";
        assert_eq!(cache_of(smaps), 4);
    }
}
