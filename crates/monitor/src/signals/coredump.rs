//! Keeps guest memory out of core dumps: it is the only shared memory without a file here, and the many
//! mappings of the windows cannot each be marked. Where the host has no such switch, the direct mapping at
//! least is marked (`file.rs` of the MMU). The switch stays open meanwhile: a process that runs guests opens nothing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILTER: &str = "/proc/self/coredump_filter";
const SHARED_ANONYMOUS: u32 = 1 << 1;

/// Machines that want it, and the switch, when the last one is to set the bit again.
static USES: Mutex<(u32, Option<File>)> = Mutex::new((0, None));

/// Shared memory without a file is left out of core dumps as long as a value of this type lives.
#[derive(Debug)]
pub(crate) struct SparedCoreDumps(());

impl SparedCoreDumps {
    /// From now on.
    pub fn new() -> Self {
        let mut uses = uses();
        uses.0 += 1;
        if uses.0 == 1 {
            // A host that refuses has the direct mapping marked.
            uses.1 = spare().unwrap_or(None);
        }
        Self(())
    }
}

impl Drop for SparedCoreDumps {
    fn drop(&mut self) {
        let mut uses = uses();
        uses.0 -= 1;
        if uses.0 == 0
            && let Some(switch) = uses.1.take()
            && let Ok(filter) = read(&switch)
        {
            // Whoever cannot set it any more has no core dumps, either.
            let _ = write(&switch, filter | SHARED_ANONYMOUS);
        }
    }
}

fn uses() -> MutexGuard<'static, (u32, Option<File>)> {
    USES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Clears the bit; the switch, if it was set.
fn spare() -> io::Result<Option<File>> {
    let switch = File::options().read(true).write(true).open(FILTER)?;
    let filter = read(&switch)?;
    if filter & SHARED_ANONYMOUS == 0 {
        return Ok(None);
    }
    write(&switch, filter & !SHARED_ANONYMOUS)?;
    Ok(Some(switch))
}

fn read(switch: &File) -> io::Result<u32> {
    let mut text = [0; 32];
    let n = switch.read_at(&mut text, 0)?;
    let text = std::str::from_utf8(&text[..n]).unwrap_or_default();
    u32::from_str_radix(text.trim(), 16).map_err(io::Error::other)
}

fn write(switch: &File, filter: u32) -> io::Result<()> {
    switch.write_at(format!("{filter:#x}").as_bytes(), 0).map(drop)
}
