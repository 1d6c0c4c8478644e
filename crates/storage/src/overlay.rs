//! An overlay: what the guest writes is kept apart from the image, and thrown away at the end.
//!
//! Blocks of 4 KiB that have been written are in a temporary file, at the same place as in the image, so that it grows by
//! what is written and no more. Which ones is a set of bits, a part of which exists once one of its blocks has been written.

use crate::host_file::HostFile;
use crate::layers::{Failure, Layer};
use std::collections::BTreeMap;

/// Bytes of a block.
const BLOCK: u64 = 4096;
/// Blocks of a part of the set.
const PART: u64 = 512;

/// Numbers of blocks.
#[derive(Debug, Default)]
struct Blocks(BTreeMap<u64, [u64; (PART / 64) as usize]>);

/// The word of a part and the bit in it that stand for a block.
fn place(block: u64) -> (usize, u64) {
    (usize::try_from(block % PART / 64).unwrap_or_default(), 1 << (block % 64))
}

impl Blocks {
    fn has(&self, block: u64) -> bool {
        let (word, bit) = place(block);
        self.0.get(&(block / PART)).is_some_and(|part| part[word] & bit != 0)
    }

    fn add(&mut self, block: u64) {
        let (word, bit) = place(block);
        self.0.entry(block / PART).or_default()[word] |= bit;
    }
}

/// An image that stays as it is, and what was written over it.
#[derive(Debug)]
pub(crate) struct Overlay {
    image: Box<dyn Layer>,
    over: HostFile,
    written: Blocks,
}

impl Overlay {
    /// `image`, over which the guest may write; `over` is an empty file for it.
    pub(crate) fn new(image: Box<dyn Layer>, over: HostFile) -> Self {
        Self { image, over, written: Blocks::default() }
    }

    /// Reads a block, or the start of the last one.
    fn read_block(&mut self, block: u64, buf: &mut [u8]) -> Result<(), Failure> {
        let at = block * BLOCK;
        let room = usize::try_from(self.image.length().saturating_sub(at)).unwrap_or(usize::MAX);
        let until = room.min(buf.len());
        let buf = buf.get_mut(..until).unwrap_or_default();
        if self.written.has(block) {
            let read = self.over.read_at(at, buf)?;
            buf.get_mut(read..).unwrap_or_default().fill(0);
            return Ok(());
        }
        self.image.read(at, buf)
    }

    /// The block at `offset`, and which of its bytes the range of `bytes` from there covers.
    fn piece(offset: u64, bytes: usize) -> (u64, usize, usize) {
        let start = usize::try_from(offset % BLOCK).unwrap_or_default();
        (offset / BLOCK, start, bytes.min(BLOCK as usize - start))
    }
}

impl Layer for Overlay {
    fn length(&self) -> u64 {
        self.image.length()
    }

    fn is_writable(&self) -> bool {
        true
    }

    fn read(&mut self, mut offset: u64, mut buf: &mut [u8]) -> Result<(), Failure> {
        while !buf.is_empty() {
            let (first, start, mut bytes) = Self::piece(offset, buf.len());
            // Blocks in a row that come from the same file are read at once.
            let over = self.written.has(first);
            let mut next = first + 1;
            while bytes < buf.len() && self.written.has(next) == over {
                bytes = buf.len().min(bytes + BLOCK as usize);
                next += 1;
            }
            let (now, rest) = buf.split_at_mut(bytes);
            match over {
                true => {
                    let read = self.over.read_at(first * BLOCK + start as u64, now)?;
                    now.get_mut(read..).unwrap_or_default().fill(0);
                }
                false => self.image.read(offset, now)?,
            }
            offset += bytes as u64;
            buf = rest;
        }
        Ok(())
    }

    fn write(&mut self, mut offset: u64, mut data: &[u8]) -> Result<(), Failure> {
        while !data.is_empty() {
            let (block, start, bytes) = Self::piece(offset, data.len());
            let (now, rest) = data.split_at(bytes);
            if self.written.has(block) || now.len() == BLOCK as usize {
                self.over.write_at(offset, now)?;
            } else {
                let mut whole = [0; BLOCK as usize];
                self.read_block(block, &mut whole)?;
                whole[start..start + bytes].copy_from_slice(now);
                self.over.write_at(block * BLOCK, &whole)?;
            }
            self.written.add(block);
            offset += bytes as u64;
            data = rest;
        }
        Ok(())
    }

    /// Nothing of it shall outlive the process.
    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
