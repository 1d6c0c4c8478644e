//! A process that holds more than it may, whatever is given up, ends the run with an error that says so.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use common::flat_machine;
use ringer_monitor::{MemoryBudget, MonitorError, RunEnd, Until};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
const CODE: u32 = 0x1_0000;

/// Runs a guest that spins for three seconds, in a process that holds `more` bytes for itself.
fn spin(more: usize, beside: Option<u64>) -> Result<RunEnd, MonitorError> {
    let held = vec![1u8; more];
    let mut monitor = flat_machine(&[(CODE, vec![0xeb, 0xfe])], CODE, false);
    monitor.set_budget(MemoryBudget::new(4 * MIB, 16 * MIB, beside));
    let end =
        monitor.run_until(&Until { timeout: Some(Duration::from_secs(3)), ..Until::default() });
    drop(std::hint::black_box(held));
    end
}

// One test: what the process holds is the sum of all that run in it.
#[test]
fn a_process_over_its_limit_ends_the_run_if_it_was_limited() {
    let started = Instant::now();
    let error = spin(150 << 20, Some(0)).expect_err("it holds too much");
    assert!(started.elapsed() > Duration::from_secs(2), "it had time to give up what it can");
    let MonitorError::MemoryLimit { held, limit } = &error else { panic!("{error}") };
    assert!(*held > 150 * MIB && *limit == MemoryBudget::least(4 * MIB, 16 * MIB));
    let text = error.to_string();
    assert!(text.contains("--mem-limit is 112 MiB") && !text.contains('\n'), "{text}");
    // A program that embeds the machine has memory of its own.
    assert!(matches!(spin(150 << 20, None), Ok(RunEnd::Timeout)));
    assert!(matches!(spin(0, Some(0)), Ok(RunEnd::Timeout)), "the least is enough");
}
