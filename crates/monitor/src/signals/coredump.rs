//! Keeps guest memory out of core dumps: it is the only shared memory without a file here, and the many
//! mappings of the windows cannot each be marked. Where the host has no such switch, the direct mapping at
//! least is marked (`file.rs` of the MMU).

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILTER: &str = "/proc/self/coredump_filter";
const SHARED_ANONYMOUS: u32 = 1 << 1;

/// Machines that want it, and whether the last one is to set the bit again.
static USES: Mutex<(u32, bool)> = Mutex::new((0, false));

/// Shared memory without a file is left out of core dumps as long as a value of this type lives.
#[derive(Debug)]
pub(crate) struct SparedCoreDumps(());

impl SparedCoreDumps {
    /// From now on.
    pub fn new() -> Self {
        let mut uses = uses();
        uses.0 += 1;
        if uses.0 == 1 {
            let old = read();
            uses.1 = old.is_some_and(|filter| filter & SHARED_ANONYMOUS != 0);
            if let (Some(filter), true) = (old, uses.1) {
                write(filter & !SHARED_ANONYMOUS);
            }
        }
        Self(())
    }
}

impl Drop for SparedCoreDumps {
    fn drop(&mut self) {
        let mut uses = uses();
        uses.0 -= 1;
        if let (0, true, Some(filter)) = (uses.0, uses.1, read()) {
            write(filter | SHARED_ANONYMOUS);
        }
    }
}

fn uses() -> MutexGuard<'static, (u32, bool)> {
    USES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read() -> Option<u32> {
    let text = fs::read_to_string(FILTER).ok()?;
    u32::from_str_radix(text.trim(), 16).ok()
}

fn write(filter: u32) {
    // A host that refuses has the direct mapping marked.
    let _ = fs::write(FILTER, format!("{filter:#x}"));
}
