//! How many threads are made and have not confined themselves yet: the one that runs the guest waits for them.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

static STARTING: Mutex<u32> = Mutex::new(0);
static STARTED: Condvar = Condvar::new();

fn starting() -> MutexGuard<'static, u32> {
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread is about to be made.
pub(crate) fn one_more() {
    *starting() += 1;
}

/// One is confined, or was not made after all.
pub(crate) fn one_less() {
    *starting() -= 1;
    STARTED.notify_all();
}

/// Waits until all are.
pub(crate) fn wait() {
    let mut left = starting();
    while *left > 0 {
        left = STARTED.wait(left).unwrap_or_else(PoisonError::into_inner);
    }
}
