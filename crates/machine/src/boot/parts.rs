//! The parts of an image in guest memory: pieces of its file, modules behind them, and what is free beside them.

use super::elf::Piece;
use super::error::{LoadError, PartsError};
use super::payload::Payload;
use crate::firmware::{HIGH_MEMORY, LOW_MEMORY_END};
use ringer_cpu::addr::Pa;
use ringer_mmu::GuestMemory;

/// First place tried for what a kernel is told, above vectors and BIOS data.
const FIRST_FREE: u32 = 0x1000;
const PAGE: u32 = 4096;

fn end_of(piece: &Piece) -> u64 {
    u64::from(piece.address) + u64::from(piece.size)
}

/// A kernel's pieces.
#[derive(Debug)]
pub struct Parts {
    /// What the pieces take their bytes from.
    file: Vec<u8>,
    pieces: Vec<Piece>,
}

impl Parts {
    /// Checks that the `pieces` of `file` fit into `ram` bytes of memory, and keeps no more of the file than they need:
    /// debugging information may be most of it.
    ///
    /// # Errors
    /// [`PartsError`].
    pub fn new(file: Vec<u8>, pieces: Vec<Piece>, ram: u64) -> Result<Self, PartsError> {
        if let Some(end) = pieces.iter().map(end_of).find(|end| *end > ram) {
            return Err(PartsError::Memory { end, ram });
        }
        // Each boot copies no more than there is memory.
        let sum = pieces.iter().map(|piece| u64::from(piece.size)).sum();
        if sum > ram {
            return Err(PartsError::Overlapping { sum, ram });
        }
        let mut parts = Self { file, pieces };
        parts.trim();
        Ok(parts)
    }

    fn trim(&mut self) {
        let needed = || self.pieces.iter().map(|it| &it.bytes).filter(|bytes| !bytes.is_empty());
        let start = needed().map(|bytes| bytes.start).min().unwrap_or(0);
        let end = needed().map(|bytes| bytes.end).max().unwrap_or(0);
        self.file.truncate(end);
        self.file.drain(..start.min(end));
        self.file.shrink_to_fit();
        for piece in &mut self.pieces {
            piece.bytes = match piece.bytes.is_empty() {
                true => 0..0,
                false => piece.bytes.start - start..piece.bytes.end - start,
            };
        }
    }

    /// Bytes of the file that are held.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.file.capacity()
    }

    /// How many pieces.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// The lowest address of a piece.
    pub fn start(&self) -> u32 {
        self.pieces.iter().map(|piece| piece.address).min().unwrap_or(0)
    }

    /// The end of the highest piece.
    pub fn end(&self) -> u64 {
        end(&self.pieces)
    }

    /// The lowest page-aligned place in conventional memory for `size` bytes that no piece uses.
    ///
    /// # Errors
    /// [`PartsError::NoRoom`].
    pub fn free_place(&self, size: usize) -> Result<u32, PartsError> {
        let size = size as u64;
        let mut at = u64::from(FIRST_FREE);
        while at + size <= u64::from(LOW_MEMORY_END) {
            let end = at + size;
            let clash = |piece: &&Piece| {
                u64::from(piece.address) < end && end_of(piece) > at && piece.size > 0
            };
            match self.pieces.iter().find(clash) {
                None => return u32::try_from(at).map_err(|_| PartsError::NoRoom),
                Some(piece) => at = end_of(piece).next_multiple_of(u64::from(PAGE)),
            }
        }
        Err(PartsError::NoRoom)
    }

    /// Puts them into memory.
    ///
    /// # Errors
    /// When memory refuses one.
    pub fn install(&self, memory: &mut GuestMemory) -> Result<(), LoadError> {
        for piece in &self.pieces {
            memory.load(Pa::from(piece.address), &self.file[piece.bytes.clone()])?;
            let loaded = piece.bytes.len() as u64;
            let rest = Pa(u64::from(piece.address) + loaded);
            memory.clear(rest, u64::from(piece.size) - loaded);
        }
        Ok(())
    }
}

/// The end of the highest of `pieces`.
pub fn end(pieces: &[Piece]) -> u64 {
    pieces.iter().map(end_of).max().unwrap_or(0)
}

/// A module that has its place.
#[derive(Debug)]
pub struct Placed {
    /// Its first physical address, the beginning of a page.
    pub address: u32,
    /// What is behind it.
    pub end: u32,
    /// What a kernel is told of it.
    pub name: String,
    /// Its contents.
    payload: Payload,
}

impl Placed {
    /// Puts it into memory.
    ///
    /// # Errors
    /// When memory refuses it, or its file cannot be read any more.
    pub fn install(&self, memory: &mut GuestMemory) -> Result<(), LoadError> {
        self.payload.install(memory, u64::from(self.address))
    }
}

/// Places modules (name and contents) behind a kernel that ends at `kernel_end`.
///
/// # Errors
/// [`PartsError::Memory`].
pub fn place_modules(
    modules: Vec<(String, Payload)>,
    kernel_end: u64,
    ram: u64,
) -> Result<Vec<Placed>, PartsError> {
    let mut next = kernel_end.max(u64::from(HIGH_MEMORY));
    let place = |(name, payload): (String, Payload)| {
        let start = next.next_multiple_of(u64::from(PAGE));
        next = start.saturating_add(payload.len());
        let fits = |at: u64| u32::try_from(at).ok().filter(|_| next <= ram);
        let address = fits(start).ok_or(PartsError::Memory { end: next, ram })?;
        let end = fits(next).ok_or(PartsError::Memory { end: next, ram })?;
        Ok(Placed { address, end, name, payload })
    };
    modules.into_iter().map(place).collect()
}
