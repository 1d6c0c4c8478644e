//! Keeps what the process holds near what the guest uses, and under the bound whatever the guest does.
//!
//! What a guest can make us take beside its memory is charged where it is taken: blocks to the translation cache, target
//! tables, windows with the host's page tables to theirs ([`crate::budget`]). One thing cannot be: a page of guest memory
//! counts in the resident set once for each mapping through which it was reached, ours and one or two in each window, and
//! the host lets it in without a word. So the process's own figures are looked at, the more often the more could have come
//! in unseen. Those entries of the host's page tables can be given back at any time; the host makes them again at the next
//! access, without a signal. Then target tables, windows and blocks go. Nothing of that could a guest notice.
//!
//! Beside the bound there is a wish: the memory that the guest touched, the translation cache, and [`ALLOWANCE`]. What is
//! more is given back now and then, when that costs little.

use crate::budget::{MAPPING, MemoryBudget};
use crate::config::MonitorError;
use crate::space_selection::HURRY;
use crate::vcpu::{Chassis, Vcpu};
use ringer_cpu::Activity;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// What the process may hold beside guest memory and translation cache without being asked to give back, in bytes.
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
/// Time between looks at the bound, unless much may have come in unseen.
const BOUND: Duration = Duration::from_millis(5);
/// Translated code that could let much in is interrupted after so many nanoseconds, the sooner the less room there is.
const KICK: std::ops::RangeInclusive<u64> = 2_000_000..=16_000_000;
/// Bytes that it may let in meanwhile, for each nanosecond.
const RATE: u64 = 16;
/// The process may be over the bound for so long, after everything was given up, before the run ends.
const PATIENCE: Duration = Duration::from_secs(2);

/// When to look next, and where.
#[derive(Debug)]
pub(crate) struct Footprint {
    budget: MemoryBudget,
    services: u32,
    looked: Option<Instant>,
    /// Something was given back at the last look.
    gave_back: bool,
    /// The last look at the bound.
    held_at: Option<Instant>,
    /// How many there were.
    looks: u64,
    /// The process was over the bound since then.
    over_since: Option<Instant>,
    /// The host's page tables, and those of windows and target tables, when they were counted.
    page_tables: (u64, u64),
    // Open from the start: the thread that runs a guest opens nothing.
    statm: Option<File>,
    status: Option<File>,
}

/// What the host's kernel counts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Resident {
    all: u64,
    shared: u64,
}

/// What can be given up, in the order in which it is.
#[derive(Clone, Copy, Debug)]
enum Shed {
    OwnMapping,
    OtherWindows,
    AllWindows,
    Spaces,
    Blocks,
}

impl Shed {
    const ALL: [Self; 5] =
        [Self::OwnMapping, Self::OtherWindows, Self::AllWindows, Self::Spaces, Self::Blocks];

    fn give_up(self, vcpu: &mut Vcpu, chassis: &mut Chassis) {
        let Chassis { bus, code } = chassis;
        match self {
            Self::OwnMapping => {
                bus.memory.release();
                code.cache.release();
            }
            Self::OtherWindows => vcpu.spaces.release(false),
            Self::AllWindows => vcpu.spaces.release(true),
            Self::Spaces => vcpu.spaces.give_up(),
            Self::Blocks => {
                vcpu.link.forget();
                code.flush(bus, &mut vcpu.spaces.targets, &mut vcpu.context);
            }
        }
    }
}

impl Footprint {
    /// Of a process that is to keep to `budget`.
    pub fn new(budget: MemoryBudget) -> Self {
        Self {
            budget,
            services: 0,
            looked: None,
            gave_back: false,
            held_at: None,
            looks: 0,
            over_since: None,
            page_tables: (0, 0),
            statm: File::open("/proc/self/statm").ok(),
            status: File::open("/proc/self/status").ok(),
        }
    }

    /// From now on it is to keep to `budget`.
    pub fn set_budget(&mut self, budget: MemoryBudget) {
        self.budget = budget;
    }

    /// Gives memory back when the process holds more than it should. True: it was time to look.
    ///
    /// # Errors
    /// When the process is over the bound for good.
    pub fn mind(
        &mut self,
        idle: bool,
        vcpu: &mut Vcpu,
        chassis: &mut Chassis,
    ) -> Result<bool, MonitorError> {
        let hurry = vcpu.spaces.wants_look();
        self.services += 1;
        // What could let much in is interrupted for a look: that may be the only service for long.
        let tight = self.kick_time(vcpu);
        let look = hurry || tight.is_some() || self.held_at.is_none();
        if self.services < SERVICES && !idle && !look {
            return Ok(false);
        }
        self.services = 0;
        let now = Instant::now();
        if self.budget.whole_process()
            && passed(
                self.held_at,
                now,
                if hurry { HURRY } else { tight.unwrap_or(BOUND).min(BOUND) },
            )
        {
            self.held_at = Some(now);
            self.looks += 1;
            self.hold(now, vcpu, chassis)?;
        }
        let wait = if self.gave_back && !idle { SELDOM } else { OFTEN };
        if !passed(self.looked, now, wait) {
            return Ok(false);
        }
        (self.looked, self.gave_back) = (Some(now), false);
        vcpu.spaces.trim_tables(TABLES.min(self.budget.tables()));
        self.count_page_tables(vcpu);
        for shed in [Shed::OwnMapping, Shed::OtherWindows, Shed::AllWindows] {
            if !self.holds_too_much(chassis) {
                break;
            }
            shed.give_up(vcpu, chassis);
            self.gave_back = true;
        }
        Ok(true)
    }

    /// When translated code is to be interrupted for a look, in nanoseconds from now, and which look that will be; `None`:
    /// not for that.
    pub fn next_look(&self, vcpu: &Vcpu) -> Option<(u64, u64)> {
        if vcpu.context.cpu.activity != Activity::Running {
            return None;
        }
        Some((self.kick_time(vcpu)?.as_nanos() as u64, self.looks))
    }

    /// How long translated code may run that could let much in.
    fn kick_time(&self, vcpu: &Vcpu) -> Option<Duration> {
        let room = vcpu.spaces.could_outgrow().or(self.over_since.map(|_| 0))?;
        Some(Duration::from_nanos((room / RATE).clamp(*KICK.start(), *KICK.end())))
    }

    /// Keeps the process under the bound.
    fn hold(
        &mut self,
        now: Instant,
        vcpu: &mut Vcpu,
        chassis: &mut Chassis,
    ) -> Result<(), MonitorError> {
        let (bound, margin) = (self.budget.whole(), self.budget.margin());
        let mut shed = Shed::ALL.into_iter();
        loop {
            let Some(held) = self.held(vcpu) else {
                // A host without /proc: what is charged is all that is known, and this look is over too.
                vcpu.spaces.looked(margin / 2);
                return Ok(());
            };
            let room = bound.saturating_sub(margin).checked_sub(held);
            let next = if room.is_none() { shed.next() } else { None };
            if let Some(next) = next {
                next.give_up(vcpu, chassis);
                continue;
            }
            // So much may come in before the next look.
            vcpu.spaces.looked(room.unwrap_or(0).max(margin) / 2);
            if held <= bound {
                self.over_since = None;
                return Ok(());
            }
            let since = *self.over_since.get_or_insert(now);
            if now.duration_since(since) < PATIENCE {
                return Ok(());
            }
            let (limit, ram) = (self.budget.beside(), u64::from(self.budget.ram_pages()) << 12);
            return Err(MonitorError::MemoryLimit { held: held.saturating_sub(ram), limit });
        }
    }

    /// What the process holds: resident, page tables, mappings.
    fn held(&self, vcpu: &Vcpu) -> Option<u64> {
        let resident = resident(self.statm.as_ref()?)?;
        let (counted, then) = self.page_tables;
        let page_tables = (counted + vcpu.spaces.page_tables()).saturating_sub(then);
        Some(resident.all + page_tables + vcpu.spaces.mappings() * MAPPING)
    }

    fn count_page_tables(&mut self, vcpu: &Vcpu) {
        if let Some(counted) = self.status.as_ref().and_then(page_tables) {
            self.page_tables = (counted, vcpu.spaces.page_tables());
        }
    }

    /// Whether more is resident than guest memory and cache account for.
    fn holds_too_much(&self, chassis: &Chassis) -> bool {
        let files = chassis.bus.memory.touched() + chassis.code.cache.used() as u64;
        let Some(resident) = self.statm.as_ref().and_then(resident) else { return false };
        let private = resident.all.saturating_sub(resident.shared);
        resident.shared > files + surplus(private)
    }
}

/// Whether `wait` has passed at `now` since `last`.
fn passed(last: Option<Instant>, now: Instant, wait: Duration) -> bool {
    last.is_none_or(|at| now.duration_since(at) >= wait)
}

/// The process's resident set, from /proc/self/statm; `None` on a host that does not tell.
fn resident(statm: &File) -> Option<Resident> {
    let mut text = [0; 128];
    let n = statm.read_at(&mut text, 0).ok()?;
    parse_statm(std::str::from_utf8(&text[..n]).ok()?)
}

/// Reads /proc/PID/statm: pages in all, resident, resident of files and shared memory …
fn parse_statm(text: &str) -> Option<Resident> {
    let page = rustix::param::page_size() as u64;
    let mut numbers = text.split_ascii_whitespace().skip(1).map(|w| w.parse::<u64>().ok());
    Some(Resident { all: numbers.next()?? * page, shared: numbers.next()?? * page })
}

/// Bytes of page tables that the host's kernel has for the process, from /proc/self/status.
fn page_tables(status: &File) -> Option<u64> {
    let mut text = [0; 4096];
    let n = status.read_at(&mut text, 0).ok()?;
    parse_status(std::str::from_utf8(&text[..n]).ok()?)
}

fn parse_status(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmPTE:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
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
        assert_eq!(parse_statm("1000 200 50 9 0 70 0\n"), Some(want));
        assert_eq!(parse_statm("1000 200"), None);
        assert_eq!(
            parse_status("VmLib:\t    8 kB\nVmPTE:\t   52 kB\nVmSwap: 0 kB\n"),
            Some(52 << 10)
        );
        assert_eq!(parse_status("VmLib:\t    8 kB\n"), None);
        let own = Footprint::new(MemoryBudget::new(1 << 20, 1 << 20, None));
        let resident = own.statm.as_ref().and_then(resident);
        assert!(resident.is_none_or(|r| r.all >= r.shared && r.all > 0));
        assert!(own.status.as_ref().and_then(page_tables).is_none_or(|bytes| bytes > 0));
    }

    #[test]
    fn private_memory_leaves_less_room_for_the_rest() {
        assert_eq!(surplus(0), ALLOWANCE - MARGIN);
        assert_eq!(surplus(30 << 20), ALLOWANCE - MARGIN - (30 << 20));
        assert_eq!(surplus(1 << 30), LEAST_SURPLUS);
    }
}
