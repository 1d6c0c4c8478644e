//! Marks of writes that may wait for somebody to read them.

use std::io::{self, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Bytes that are written at a time.
const PART: usize = 4096;

/// Nanoseconds, from [`ORIGIN`] on, at which the write began that goes on; 0: none.
static WRITING: AtomicU64 = AtomicU64::new(0);
static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What tells the write that goes on from all others, if one does.
pub fn since() -> Option<u64> {
    Some(WRITING.load(Ordering::Acquire)).filter(|since| *since != 0)
}

/// As long as this lives, somebody's reader may be waited for.
#[derive(Debug)]
pub struct Writing(());

/// A write begins that may wait for its reader.
pub fn begin() -> Writing {
    WRITING.store(ORIGIN.elapsed().as_nanos() as u64 + 1, Ordering::Release);
    Writing(())
}

impl Drop for Writing {
    fn drop(&mut self) {
        WRITING.store(0, Ordering::Release);
    }
}

/// Writes `bytes` to somebody who may have stopped reading, and tells of the progress.
pub fn write_all(mut out: impl Write, bytes: &[u8]) -> io::Result<()> {
    for part in bytes.chunks(PART) {
        let _writing = begin();
        out.write_all(part)?;
    }
    let _writing = begin();
    out.flush()
}
