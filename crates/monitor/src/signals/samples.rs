//! Samples of where the vCPU's thread is: taken by the handler of a timer's signal, read by the monitor.
//!
//! The ring has one writer, the handler, and one reader, the thread that the handler interrupts; so its
//! two ends are atomics of their own and nothing else is needed (invariant 9). When it is full, samples
//! are counted as lost, and the run loop is asked to come and read.

use super::kick::KickSignal;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// Samples that can wait: more than a minute's at the default rate.
const WAITING: u64 = 1 << 16;
/// The run loop is asked to read when so many wait.
const MANY: u64 = WAITING / 2;

/// How a thread is to be sampled.
#[derive(Clone, Debug)]
pub(crate) struct Sampling {
    /// Where samples go.
    pub samples: Arc<Samples>,
    /// Nanoseconds between two of them.
    pub period: u64,
    /// The run loop may be asked to come and read. (It leaves translated code for that, and a run in
    /// virtual time is to have the same counters each time.)
    pub may_kick: bool,
}

/// The signal of samples, beside kicks by `kick`: two that wait for one number are one, and no kick may
/// be lost (invariant 11).
pub(super) fn signal_beside(kick: KickSignal) -> libc::c_int {
    if kick.number() == libc::SIGPROF { libc::SIGVTALRM } else { libc::SIGPROF }
}

/// The value that the timer carries: an address that is nobody else's.
pub(super) fn mark() -> usize {
    static MARK: u8 = 0;
    ptr::from_ref(&MARK) as usize
}

/// How often the timer expired in vain since its last signal, if `info` is of such a timer.
///
/// # Safety
/// `info` is what the kernel gave the handler.
pub(super) unsafe fn expired(info: *const libc::siginfo_t) -> Option<u16> {
    /// The head of the kernel's `siginfo_t` of a timer.
    #[repr(C)]
    struct OfTimer {
        _head: [libc::c_int; 4],
        _timer: libc::c_int,
        overrun: libc::c_int,
    }
    // SAFETY: by contract; which part of the union is valid follows from the code.
    unsafe {
        let ours =
            (*info).si_code == libc::SI_TIMER && (*info).si_value().sival_ptr as usize == mark();
        ours.then(|| u16::try_from((*info.cast::<OfTimer>()).overrun).unwrap_or(u16::MAX))
    }
}

/// Where the thread was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// In a block: offset in the translation cache.
    Block(u32),
    /// In a stub between translated code and Rust.
    Stub,
    /// In Rust code, for the guest instruction at this linear address.
    Rust(u32),
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Where.
    pub at: Whereabouts,
    /// The ledger's row that was running, as a number.
    pub row: u8,
    /// CPL was 3.
    pub user: bool,
    /// The timer had expired so many times more since the last sample.
    pub missed: u16,
}

const BLOCK: u64 = 0;
const STUB: u64 = 1;
const RUST: u64 = 2;

impl Sample {
    fn packed(self) -> u64 {
        let (kind, value) = match self.at {
            Whereabouts::Block(offset) => (BLOCK, offset),
            Whereabouts::Stub => (STUB, 0),
            Whereabouts::Rust(linear) => (RUST, linear),
        };
        let flags = kind | u64::from(self.user) << 2;
        u64::from(value) | u64::from(self.row) << 32 | flags << 40 | u64::from(self.missed) << 48
    }

    fn unpacked(word: u64) -> Self {
        let (value, flags) = (word as u32, word >> 40);
        let at = match flags & 3 {
            BLOCK => Whereabouts::Block(value),
            STUB => Whereabouts::Stub,
            _ => Whereabouts::Rust(value),
        };
        Self { at, row: (word >> 32) as u8, user: flags & 4 != 0, missed: (word >> 48) as u16 }
    }
}

/// The samples that were taken and not read yet.
#[derive(Debug)]
pub(crate) struct Samples {
    ring: Box<[AtomicU64]>,
    /// Samples written so far.
    written: AtomicU64,
    /// Samples read so far.
    read: AtomicU64,
    /// Samples that found no room.
    lost: AtomicU32,
    /// The ledger's row that runs.
    row: AtomicU8,
}

impl Samples {
    /// An empty ring.
    pub fn new() -> Self {
        let ring = (0..WAITING).map(|_| AtomicU64::new(0)).collect();
        Self {
            ring,
            written: AtomicU64::new(0),
            read: AtomicU64::new(0),
            lost: AtomicU32::new(0),
            row: AtomicU8::new(0),
        }
    }

    /// From now on samples are taken in this row of the ledger.
    #[inline]
    pub fn enter(&self, row: u8) {
        self.row.store(row, Ordering::Relaxed);
    }

    /// Takes a sample: for the handler. True: many wait by now.
    pub(super) fn take(&self, at: Whereabouts, user: bool, missed: u16) -> bool {
        let row = self.row.load(Ordering::Relaxed);
        let written = self.written.load(Ordering::Relaxed);
        let waiting = written.wrapping_sub(self.read.load(Ordering::Relaxed));
        if waiting >= WAITING {
            self.lost.fetch_add(1 + u32::from(missed), Ordering::Relaxed);
            return true;
        }
        let place = &self.ring[(written % WAITING) as usize];
        place.store(Sample { at, row, user, missed }.packed(), Ordering::Relaxed);
        self.written.store(written + 1, Ordering::Release);
        waiting >= MANY
    }

    /// Samples that were written so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The oldest sample that waits.
    pub fn next(&self) -> Option<Sample> {
        let read = self.read.load(Ordering::Relaxed);
        if read == self.written.load(Ordering::Acquire) {
            return None;
        }
        let word = self.ring[(read % WAITING) as usize].load(Ordering::Relaxed);
        self.read.store(read + 1, Ordering::Release);
        Some(Sample::unpacked(word))
    }

    /// Samples that found no room, so far.
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_come_out_as_they_went_in_and_in_order() {
        let samples = Samples::new();
        let all = [
            (Whereabouts::Block(0x3fff_fff0), true, 0),
            (Whereabouts::Stub, false, 7),
            (Whereabouts::Rust(u32::MAX), true, u16::MAX),
        ];
        for (row, (at, user, missed)) in all.into_iter().enumerate() {
            samples.enter(row as u8);
            assert!(!samples.take(at, user, missed));
        }
        for (row, (at, user, missed)) in all.into_iter().enumerate() {
            let row = row as u8;
            assert_eq!(samples.next(), Some(Sample { at, row, user, missed }));
        }
        assert_eq!(samples.next(), None);
    }

    #[test]
    fn a_full_ring_counts_what_it_cannot_take_and_goes_on_afterwards() {
        let samples = Samples::new();
        let wants_a_reader =
            (0..WAITING).filter(|k| samples.take(Whereabouts::Block(*k as u32), false, 0)).count();
        assert_eq!(wants_a_reader as u64, WAITING - MANY);
        assert!(samples.take(Whereabouts::Stub, false, 2));
        assert_eq!(samples.lost(), 3, "the sample, and the two that it stood for too");
        assert_eq!(samples.next().map(|s| s.at), Some(Whereabouts::Block(0)));
        samples.take(Whereabouts::Stub, true, 0);
        let last = std::iter::from_fn(|| samples.next()).last();
        assert_eq!(last.map(|s| s.at), Some(Whereabouts::Stub));
        assert_eq!(samples.next(), None);
    }
}
