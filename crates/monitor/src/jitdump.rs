//! Translated blocks for Linux perf: a jitdump file (perf's jitdump-specification, version 1).
//!
//! perf finds the file by the executable mapping of its first page; `perf inject --jit` then gives
//! every sample in the cache the name of the block that was there at that time, and the block's code
//! for `perf annotate`. Blocks are named by guest EIP and, where symbols are known, by
//! `symbol+offset`.
//!
//! Writing must never disturb the guest: the first error stops the file, and [`JitDump::finish`]
//! tells it.

use crate::symbols::Symbols;
use memmap2::{Mmap, MmapOptions};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const HEADER_LEN: u32 = 40;
const EM_X86_64: u32 = 62;
/// A record that says: this code is now at this address.
const CODE_LOAD: u32 = 0;
const LOAD_LEN: usize = 56;

/// A jitdump file being written.
#[derive(Debug)]
pub struct JitDump {
    out: BufWriter<File>,
    /// The mapping that perf looks for.
    _marker: Mmap,
    symbols: Arc<Symbols>,
    index: u64,
    failed: Option<io::Error>,
    path: PathBuf,
}

/// A jitdump that outlives a machine's resets.
pub type SharedJitDump = Arc<Mutex<JitDump>>;

impl JitDump {
    /// Where in `folder` perf looks for this process's file.
    #[must_use]
    pub fn path_in(folder: &Path) -> PathBuf {
        folder.join(format!("jit-{}.dump", std::process::id()))
    }

    /// Creates the file at `path`, a new one that only the user can read: in a folder that everybody writes
    /// to, a name that can be guessed may have been taken, by a link to something precious.
    ///
    /// # Errors
    /// When there is something at `path` already, or the file cannot be made, written or mapped as executable
    /// (a `noexec` file system).
    pub fn create(path: &Path, symbols: Arc<Symbols>) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(path)?;
        let path = path.to_owned();
        let mut out = BufWriter::new(file.try_clone()?);
        for word in [MAGIC, VERSION, HEADER_LEN, EM_X86_64, 0, std::process::id()] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&now().to_le_bytes())?;
        out.write_all(&0u64.to_le_bytes())?;
        out.flush()?;
        // SAFETY: nothing ever reads through this mapping; it is there for perf to see.
        let marker = unsafe { MmapOptions::new().len(HEADER_LEN as usize).map_exec(&file)? };
        Ok(Self { out, _marker: marker, symbols, index: 0, failed: None, path })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that `code`, the block of guest address `eip`, is now at host address `address`.
    pub fn block(&mut self, address: u64, code: &[u8], eip: u32) {
        if self.failed.is_none() {
            self.failed = self.write(address, code, eip).err();
        }
    }

    fn write(&mut self, address: u64, code: &[u8], eip: u32) -> io::Result<()> {
        let name = self.symbols.block(eip);
        let len = LOAD_LEN + name.len() + 1 + code.len();
        let pid = std::process::id();
        let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        self.index += 1;
        for word in [CODE_LOAD, u32::try_from(len).map_err(io::Error::other)?] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(&now().to_le_bytes())?;
        for word in [pid, tid] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        for long in [address, address, code.len() as u64, self.index] {
            self.out.write_all(&long.to_le_bytes())?;
        }
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(&[0])?;
        self.out.write_all(code)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The first error of this file.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(e) => Err(e),
            None => self.out.flush(),
        }
    }
}

/// Notes a block in a shared file.
pub(crate) fn note(dump: &SharedJitDump, address: u64, code: &[u8], eip: u32) {
    dump.lock().unwrap_or_else(PoisonError::into_inner).block(address, code, eip);
}

/// perf's clock for these files, in nanoseconds (`perf record -k mono`).
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_the_format_says() {
        let path = std::env::temp_dir().join(format!("ringer-test-{}.dump", std::process::id()));
        let mut dump = JitDump::create(&path, Arc::default()).unwrap();
        dump.block(0x7000_0000_1000, &[0x90, 0xc3], 0xc010_0000);
        dump.block(0x7000_0000_2000, &[0xcc], 0x1000);
        dump.finish().unwrap();
        let bytes = std::fs::read(dump.path()).unwrap();
        std::fs::remove_file(dump.path()).unwrap();
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((word(0), word(8), word(12)), (MAGIC, 40, 62));
        let name = b"guest c0100000\0";
        assert_eq!(word(40), CODE_LOAD);
        let len = LOAD_LEN + name.len() + 2;
        assert_eq!(word(44) as usize, len);
        let body = &bytes[40 + LOAD_LEN..40 + len];
        assert_eq!(body, [&name[..], &[0x90, 0xc3]].concat());
        assert_eq!(word(40 + len), CODE_LOAD, "the next record follows at once");
    }
}
