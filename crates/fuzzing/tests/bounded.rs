//! A few seconds of each target, the same at every run: seeds, and seeds that are changed at random. None panics, hangs or
//! takes more of the heap than the target says.
//!
//! `RINGER_SEED` begins elsewhere, `RINGER_CASES` has more of them.

use ringer_fuzzing::{Random, TARGETS, Target, mutate};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Of the heap at most, whatever a target says: what asks for more ends the process.
const MOST: usize = 2 << 30;
/// An input may take so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// Mutations of each target.
const CASES: u64 = 8000;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct Counted;

// SAFETY: all is the system allocator's; nothing but numbers is kept beside.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(used, Ordering::Relaxed);
        if used > MOST {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// The heap is everybody's: one target at a time.
static TURN: Mutex<()> = Mutex::new(());

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs one input; bytes of the heap at its peak, and how long it took.
fn measured(target: &Target, bytes: &[u8]) -> (usize, Duration) {
    let (before, began) = (USED.load(Ordering::Relaxed), Instant::now());
    PEAK.store(before, Ordering::Relaxed);
    (target.run)(bytes);
    (PEAK.load(Ordering::Relaxed).saturating_sub(before), began.elapsed())
}

fn feed(name: &str, cases: u64) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let seed = number("RINGER_SEED", 0x5eed);
    let seeds = (target.seeds)();
    let mut random = Random::new(seed);
    let mut worst = 0;
    let mut check = |what: &str, bytes: &[u8]| {
        let (heap, took) = measured(target, bytes);
        worst = worst.max(heap);
        assert!(
            heap <= target.memory,
            "{name}, {what}, RINGER_SEED={seed}: {heap} bytes of the heap"
        );
        assert!(took <= PATIENCE, "{name}, {what}, RINGER_SEED={seed}: {took:?}");
    };
    for (number, bytes) in seeds.iter().enumerate() {
        check(&format!("seed {number}"), bytes);
    }
    for case in 0..number("RINGER_CASES", cases) {
        let bytes = mutate(&seeds[random.below(seeds.len())], target.words, &mut random);
        check(&format!("case {case}"), &bytes);
    }
    eprintln!("{name}: {} KiB of {} at most", worst >> 10, target.memory >> 10);
}

macro_rules! targets {
    ($($name:ident: $cases:expr),* $(,)?) => {
        $(#[test]
        fn $name() {
            feed(stringify!($name), $cases);
        })*

        #[test]
        fn every_target_is_fed() {
            let fed = [$(stringify!($name)),*];
            assert!(TARGETS.iter().map(|target| target.name).eq(fed));
        }
    };
}

targets! {
    linux: CASES,
    multiboot: CASES,
    guest: CASES,
    state: CASES,
    captures: CASES / 4,
    symbols: CASES,
    description: CASES,
    unittests: CASES,
    profile: CASES / 2,
    packets: CASES / 20,
    devices: CASES / 4,
    viewer: CASES,
    rings: CASES / 4,
    share: CASES / 4,
}
