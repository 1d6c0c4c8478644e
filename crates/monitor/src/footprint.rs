//! Keeps the process's resident set near what the guest uses: the memory that the guest touched, the translation cache,
//! and [`ALLOWANCE`] beside them.
//!
//! Two things would grow without end otherwise. A page of guest memory counts once for each mapping through which it was
//! reached: ours, and one or two in each window. Those entries of the host's page tables can be given back at any time;
//! the host makes them again at the next access, without a signal. And target tables are given up, the oldest first, as
//! soon as all of them together hold too much. Neither changes anything that a guest could notice.

use crate::space_selection::Spaces;
use ringer_mmu::GuestMemory;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// What the process may hold beside guest memory and translation cache, in bytes.
const ALLOWANCE: u64 = 64 << 20;
/// Of that, kept free for what grows between two looks.
const MARGIN: u64 = 16 << 20;
/// Guest memory may always count this much more than once: less would be given back only to be fetched again.
const LEAST_SURPLUS: u64 = 12 << 20;
/// Target tables, at most.
const TABLES: usize = 12 << 20;
/// Services of the machine between looks at the clock.
const SERVICES: u32 = 16;
/// Time between looks, and after something was given back (what a busy guest will only fetch again).
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_millis(500);

/// When to look next, and where.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    services: u32,
    looked: Option<Instant>,
    /// Something was given back at the last look.
    gave_back: bool,
    statm: Option<File>,
}

/// What the host's kernel counts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Resident {
    all: u64,
    shared: u64,
}

impl Footprint {
    /// Gives memory back when the process holds more than it should, beside the `cache` bytes of the translation cache.
    /// True: it was time to look.
    pub fn mind(
        &mut self,
        idle: bool,
        memory: &GuestMemory,
        spaces: &mut Spaces,
        cache: usize,
    ) -> bool {
        if !self.due(idle) {
            return false;
        }
        spaces.trim_tables(TABLES);
        for step in 0..3 {
            if !self.holds_too_much(memory.touched() + cache as u64) {
                break;
            }
            match step {
                0 => memory.release(),
                1 => spaces.release(false),
                _ => spaces.release(true),
            }
            self.gave_back = true;
        }
        true
    }

    /// Whether more is resident than the `files` bytes of guest memory and cache account for.
    fn holds_too_much(&mut self, files: u64) -> bool {
        let Some(resident) = self.resident() else { return false };
        let private = resident.all.saturating_sub(resident.shared);
        resident.shared > files + surplus(private)
    }

    /// Whether it is time to look; `idle`: the guest has nothing to do.
    fn due(&mut self, idle: bool) -> bool {
        self.services += 1;
        if self.services < SERVICES && !idle {
            return false;
        }
        self.services = 0;
        let now = Instant::now();
        let wait = if self.gave_back && !idle { SELDOM } else { OFTEN };
        let due = self.looked.is_none_or(|at| now.duration_since(at) >= wait);
        if due {
            (self.looked, self.gave_back) = (Some(now), false);
        }
        due
    }

    /// The process's resident set; `None` on a host that does not tell.
    fn resident(&mut self) -> Option<Resident> {
        if self.statm.is_none() {
            self.statm = File::open("/proc/self/statm").ok();
        }
        let mut text = [0; 128];
        let n = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        parse(std::str::from_utf8(&text[..n]).ok()?)
    }
}

/// Reads /proc/PID/statm: pages in all, resident, resident of files and shared memory …
fn parse(text: &str) -> Option<Resident> {
    let page = rustix::param::page_size() as u64;
    let mut numbers = text.split_ascii_whitespace().skip(1).map(|w| w.parse::<u64>().ok());
    Some(Resident { all: numbers.next()?? * page, shared: numbers.next()?? * page })
}

/// How much more of files may be resident than `files`, the bytes that they hold, when the process holds `private` bytes
/// of its own.
fn surplus(private: u64) -> u64 {
    (ALLOWANCE - MARGIN).saturating_sub(private).max(LEAST_SURPLUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_hosts_count() {
        let page = rustix::param::page_size() as u64;
        let want = Resident { all: 200 * page, shared: 50 * page };
        assert_eq!(parse("1000 200 50 9 0 70 0\n"), Some(want));
        assert_eq!(parse("1000 200"), None);
        let own = Footprint::default().resident();
        assert!(own.is_none_or(|r| r.all >= r.shared && r.all > 0));
    }

    #[test]
    fn private_memory_leaves_less_room_for_the_rest() {
        assert_eq!(surplus(0), ALLOWANCE - MARGIN);
        assert_eq!(surplus(30 << 20), ALLOWANCE - MARGIN - (30 << 20));
        assert_eq!(surplus(1 << 30), LEAST_SURPLUS);
    }
}
