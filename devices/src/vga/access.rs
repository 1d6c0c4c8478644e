//! The processor's accesses to memory that is not plain: through the graphics controller, byte by byte.

use super::Vga;
use super::size::{DWORDS, TEXT, VIDEO};
use crate::memory::DeviceRam;

/// Where a byte of the processor's is: a doubleword, and planes there.
#[derive(Clone, Copy, Debug)]
struct At {
    dword: u32,
    /// The plane that is read.
    plane: u8,
    /// Those that are written.
    mask: u8,
}

/// Ones in the low `size` bytes.
fn keep(value: u64, size: u8) -> u64 {
    value & (u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8))))
}

impl Vga {
    /// Reads `size` bytes at `offset` from A0000h on. What is not decoded reads all ones.
    pub(crate) fn window_in(&mut self, offset: u64, size: u8, ram: &mut dyn DeviceRam) -> u64 {
        let bytes = (offset..).take(usize::from(size));
        let mut value = [0xff; 8];
        for (place, at) in value.iter_mut().zip(bytes) {
            *place = self.byte_in(at, ram);
        }
        keep(u64::from_le_bytes(value), size)
    }

    /// Writes `size` bytes at `offset` from A0000h on.
    pub(crate) fn window_out(
        &mut self,
        offset: u64,
        size: u8,
        value: u64,
        ram: &mut dyn DeviceRam,
    ) {
        for (at, byte) in (offset..).zip(value.to_le_bytes()).take(usize::from(size)) {
            self.byte_out(at, byte, ram);
        }
    }

    fn byte_in(&mut self, offset: u64, ram: &mut dyn DeviceRam) -> u8 {
        let mut byte = [0xff];
        if let Some(at) = self.banked(offset) {
            ram.read(at, &mut byte);
        } else if let Some(at) = self.paged_at(offset) {
            ram.read(at, &mut byte);
        } else if let Some(at) = self.locate(offset) {
            let stored = dword(ram, at.dword);
            byte[0] = self.graphics.read_memory(stored, at.plane);
        }
        byte[0]
    }

    fn byte_out(&mut self, offset: u64, value: u8, ram: &mut dyn DeviceRam) {
        if let Some(at) = self.banked(offset) {
            ram.write(at, &[value]);
        } else if let Some(at) = self.paged_at(offset) {
            ram.write(at, &[value]);
        } else if let Some(at) = self.locate(offset) {
            let stored = dword(ram, at.dword);
            let new = self.graphics.write_memory(stored, value, at.mask);
            if new != stored {
                ram.write(u64::from(at.dword) * 4, &new.to_le_bytes());
            }
        }
    }

    /// Where `offset` is in a linear mode, whose memory has a window of 64 KiB.
    fn banked(&self, offset: u64) -> Option<u64> {
        let linear = self.dispi.is_enabled() && self.dispi.bits() != 4;
        (linear && offset < 0x1_0000).then(|| u64::from(self.dispi.bank()) << 16 | offset)
    }

    /// Where it is in the page of text.
    fn paged_at(&self, offset: u64) -> Option<u64> {
        let (first, _) = self.graphics.place();
        let at = offset.checked_sub(u64::from(first))?;
        (self.paged && at < TEXT).then_some(VIDEO + at)
    }

    /// Where it is in the planes.
    fn locate(&self, offset: u64) -> Option<At> {
        let dispi = self.dispi.is_enabled();
        if dispi && self.dispi.bits() != 4 {
            return None;
        }
        let (first, len) = if dispi { (0, 0x1_0000) } else { self.graphics.place() };
        let at = u32::try_from(offset).ok()?.checked_sub(first).filter(|at| *at < len)?;
        let mask = self.sequencer.map_mask();
        let [lane, ..] = at.to_le_bytes();
        let mut to = At { dword: at, plane: self.graphics.read_plane(), mask };
        if self.sequencer.chain4() {
            to = At { dword: at >> 2, plane: lane & 3, mask: mask & 1 << (lane & 3) };
        } else if self.sequencer.odd_even() && self.graphics.reads_odd_even() {
            // IBM's does so by the sequencer alone; the adapter that this one is needs both, and GRUB as firmware loads its
            // font with one of them.
            to.dword = at >> 1;
            to.mask &= if lane & 1 == 0 { 0x05 } else { 0x0a };
        }
        if self.graphics.reads_odd_even() && !self.sequencer.chain4() {
            to.plane = to.plane & 2 | lane & 1;
        }
        to.dword = if dispi { self.dispi.bank() << 16 | at } else { to.dword % DWORDS };
        Some(to)
    }

    /// Reads `size` bytes at `offset` of the frame buffer, where that is not plain.
    pub(crate) fn frame_in(&mut self, offset: u64, size: u8, ram: &mut dyn DeviceRam) -> u64 {
        let mut value = [0; 8];
        let bytes = value.get_mut(..usize::from(size)).unwrap_or_default();
        for (at, byte) in (offset..).zip(bytes.chunks_exact_mut(1)) {
            ram.read(self.frame_at(at), byte);
        }
        u64::from_le_bytes(value)
    }

    /// Writes `size` bytes at `offset` of the frame buffer, where that is not plain.
    pub(crate) fn frame_out(&mut self, offset: u64, size: u8, value: u64, ram: &mut dyn DeviceRam) {
        let bytes = value.to_le_bytes();
        let bytes = bytes.get(..usize::from(size)).unwrap_or_default();
        for (at, byte) in (offset..).zip(bytes.chunks_exact(1)) {
            ram.write(self.frame_at(at), byte);
        }
    }

    /// Where byte `offset` of the frame buffer is: with the page of text, if that has it.
    fn frame_at(&self, offset: u64) -> u64 {
        let (dword, plane) = (offset / 4, offset % 4);
        if self.paged && plane < 2 && dword < TEXT / 2 { VIDEO + 2 * dword + plane } else { offset }
    }
}

/// Doubleword `number` of video memory.
fn dword(ram: &mut dyn DeviceRam, number: u32) -> u32 {
    let mut bytes = [0; 4];
    ram.read(u64::from(number) * 4, &mut bytes);
    u32::from_le_bytes(bytes)
}
