//! What a sample costs: measured on the thread that is sampled, before the run.

use crate::clock::executed;
use std::hint::black_box;

/// Rounds of which the fastest counts: a busy host slows some of them down.
const ROUNDS: u32 = 3;
/// Steps of work that the thread does in a round: about a millisecond.
const STEPS: u64 = 1_000_000;

/// Nanoseconds between two samples while that is measured.
pub(super) const PERIOD: u64 = 50_000;

/// Nanoseconds that a sample costs. `sampled` runs what it is given while samples are taken, and tells
/// how many were.
pub(super) fn measured(sampled: impl Fn(&mut dyn FnMut()) -> u64) -> u64 {
    let plain = (0..ROUNDS).map(|_| spent(work)).min().unwrap_or_default();
    let with = (0..ROUNDS).filter_map(|_| {
        let mut took = 0;
        let samples = sampled(&mut || took = spent(work));
        took.saturating_sub(plain).checked_div(samples)
    });
    with.min().unwrap_or_default()
}

fn work() {
    let mut x = 1_u64;
    for k in 0..STEPS {
        x = black_box(x.wrapping_mul(5).wrapping_add(k));
    }
}

/// Nanoseconds of the processor's time that the thread spends in `work`.
fn spent(work: impl FnOnce()) -> u64 {
    let before = executed();
    work();
    executed().saturating_sub(before)
}
