//! Guest memory, saved and loaded: its contents by chunks that hold something, its map, and a digest.
//!
//! Contents go through a writer and a reader, chunk by chunk, so that saving takes no second copy of guest memory.
//! Loading writes only what differs: a state that is loaded again and again costs what the guest has changed.

use crate::map::{self, MapError, MemoryMap};
use crate::ram::{Flush, GuestMemory};
use ringer_cpu::addr::PAGE_SIZE;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::ops::Range;

/// Bytes of a chunk: contents are saved by these, at offsets in the memory file that are multiples of it.
pub const CHUNK: usize = 64 << 10;
/// Stands behind the last chunk.
const END: u64 = u64::MAX;

/// What is to know of guest memory besides its contents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryState {
    /// Bytes of RAM.
    pub ram_size: u64,
    /// The map in force.
    pub ranges: Vec<map::Range>,
}

/// Why guest memory cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The machine has another amount of RAM.
    #[error(
        "the state is of {saved} bytes of guest memory, this machine has {here}: give it as much"
    )]
    OtherSize {
        /// Bytes in the state.
        saved: u64,
        /// Bytes in this machine.
        here: u64,
    },
    /// The state's map cannot be.
    #[error(transparent)]
    Map(#[from] MapError),
    /// The state's map names memory that this machine has not.
    #[error("the state's memory map needs {needed} bytes, this machine has {here}")]
    Beyond {
        /// Bytes that the map needs.
        needed: u64,
        /// Bytes that there are.
        here: u64,
    },
    /// A chunk lies where none can be.
    #[error("the state has a piece of guest memory at {0:#x}, out of order or beyond its end")]
    BadChunk(u64),
    /// The contents end early, or cannot be read.
    #[error("cannot read guest memory's contents: {0}")]
    Read(#[from] std::io::Error),
}

/// A chunk's bytes; at the end of the memory file it may be shorter.
type Bytes = [u8; CHUNK];

impl GuestMemory {
    /// What is to save besides the contents.
    #[must_use]
    pub fn state(&self) -> MemoryState {
        MemoryState { ram_size: self.ram_size(), ranges: self.map.ranges().to_vec() }
    }

    /// Takes a saved map over. No page is marked as code then, and all logged pages count as written.
    ///
    /// # Errors
    /// [`LoadError`], with nothing changed, when the state is of another machine or of none.
    pub fn load_state(&mut self, state: &MemoryState) -> Result<Flush, LoadError> {
        if state.ram_size != self.ram_size() {
            return Err(LoadError::OtherSize { saved: state.ram_size, here: self.ram_size() });
        }
        let map = MemoryMap::new(state.ranges.clone())?;
        if map.file_len() > self.file.len() {
            return Err(LoadError::Beyond { needed: map.file_len(), here: self.file.len() });
        }
        self.set_map(map);
        self.all_dirty();
        Ok(Flush::Everything)
    }

    /// Writes the contents: each chunk that is not all zeros as its offset (8 bytes, little-endian) and its bytes, and
    /// then an offset of all ones.
    ///
    /// # Errors
    /// The writer's.
    pub fn save_contents(&self, out: &mut dyn Write) -> std::io::Result<()> {
        self.each_chunk(&mut |offset, bytes| {
            out.write_all(&offset.to_le_bytes())?;
            out.write_all(bytes)
        })?;
        out.write_all(&END.to_le_bytes())
    }

    /// Reads contents that [`GuestMemory::save_contents`] wrote; chunks that it did not write are zeros then. All logged
    /// pages count as written. Marks of code stay, and what changes in marked pages is noted
    /// ([`GuestMemory::take_code_writes`]).
    ///
    /// # Errors
    /// [`LoadError`]; the contents are a mixture then, and the machine is to be thrown away.
    pub fn load_contents(&mut self, input: &mut dyn Read) -> Result<Flush, LoadError> {
        let mut new = vec![0; CHUNK];
        let mut next = 0;
        loop {
            let mut word = [0; 8];
            input.read_exact(&mut word)?;
            let offset = u64::from_le_bytes(word);
            if offset == END {
                break;
            }
            if !self.fits(offset, next) {
                return Err(LoadError::BadChunk(offset));
            }
            let bytes = &mut new[..self.chunk_len(offset)];
            input.read_exact(bytes)?;
            self.empty(next, offset);
            self.replace(offset, bytes);
            next = offset + CHUNK as u64;
        }
        self.empty(next, self.file.len());
        self.all_dirty();
        Ok(Flush::Everything)
    }

    /// Takes contents over that [`GuestMemory::each_chunk`] told of, as [`GuestMemory::load_contents`] does.
    ///
    /// # Errors
    /// [`LoadError`]; the contents are a mixture then.
    pub fn load_chunks<'a>(
        &mut self,
        chunks: impl Iterator<Item = (u64, &'a [u8])>,
    ) -> Result<Flush, LoadError> {
        let mut next = 0;
        for (offset, bytes) in chunks {
            if !self.fits(offset, next) || bytes.len() != self.chunk_len(offset) {
                return Err(LoadError::BadChunk(offset));
            }
            self.empty(next, offset);
            self.replace(offset, bytes);
            next = offset + CHUNK as u64;
        }
        self.empty(next, self.file.len());
        self.all_dirty();
        Ok(Flush::Everything)
    }

    /// Whether a chunk can be at `offset` when others up to `next` were there.
    fn fits(&self, offset: u64, next: u64) -> bool {
        offset >= next && offset < self.file.len() && offset.is_multiple_of(CHUNK as u64)
    }

    /// A number for the contents (CRC-32 of what [`GuestMemory::save_contents`] writes): equal contents have equal numbers,
    /// whatever of them the host has allocated.
    #[must_use]
    pub fn digest(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        let hashed = self.each_chunk(&mut |offset, bytes| {
            hasher.update(&offset.to_le_bytes());
            hasher.update(bytes);
            Ok(())
        });
        debug_assert!(hashed.is_ok(), "hashing fails never");
        hasher.finalize()
    }

    fn chunk_len(&self, offset: u64) -> usize {
        (self.file.len() - offset).min(CHUNK as u64) as usize
    }

    /// Calls `f` for each chunk that is not all zeros, in order.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn each_chunk(
        &self,
        f: &mut dyn FnMut(u64, &[u8]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let mut bytes: Box<Bytes> = Box::new([0; CHUNK]);
        let mut from = 0;
        while let Some(at) = self.file.next_data(from) {
            let offset = at / CHUNK as u64 * CHUNK as u64;
            let bytes = &mut bytes[..self.chunk_len(offset)];
            self.read_offset(offset, bytes);
            if !is_zero(bytes) {
                f(offset, bytes)?;
            }
            from = offset + CHUNK as u64;
        }
        Ok(())
    }

    /// Makes the chunks from `from` to `to` zeros.
    fn empty(&mut self, from: u64, to: u64) {
        let mut from = from;
        while let Some(at) = self.file.next_data(from).filter(|at| *at < to) {
            let offset = at / CHUNK as u64 * CHUNK as u64;
            let len = self.chunk_len(offset);
            for page in (offset..offset + len as u64).step_by(PAGE_SIZE as usize) {
                self.note_code(page, 0..PAGE_SIZE as usize);
            }
            self.file.punch(offset, len as u64);
            from = offset + CHUNK as u64;
        }
    }

    /// Writes a chunk where it differs.
    fn replace(&mut self, offset: u64, new: &[u8]) {
        let mut old = [0; 4096];
        for (at, new) in (offset..).step_by(old.len()).zip(new.chunks(old.len())) {
            let old = &mut old[..new.len()];
            self.read_offset(at, old);
            if let Some(changed) = difference(old, new) {
                self.note_code(at, changed);
                self.write_offset(at, new);
            }
        }
    }
}

/// From the first byte that differs to the last.
fn difference(old: &[u8], new: &[u8]) -> Option<Range<usize>> {
    if old == new {
        return None;
    }
    let differs = |(old, new): (&u8, &u8)| old != new;
    let first = old.iter().zip(new).position(differs)?;
    let last = old.iter().zip(new).rposition(differs)?;
    Some(first..last + 1)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(64).all(|chunk| chunk.iter().fold(0, |sum, byte| sum | byte) == 0)
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
