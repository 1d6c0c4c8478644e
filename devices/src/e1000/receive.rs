//! Frames that come in: which are taken (3.2.2 of the manual), and how they lie in memory.

use super::E1000;
use super::checksum;
use super::registers::{RAH_AV, at, cause};
use crate::ctx::Ctx;
use crate::link::MIN_FRAME;

/// RCTL: on; all of unicast and of multicast; when few descriptors are left; how multicast is hashed; broadcast; sizes of
/// buffers; by VLAN; the frame's checksum is left out.
const ON: u32 = 1 << 1;
const ALL_UNICAST: u32 = 1 << 3;
const ALL_MULTICAST: u32 = 1 << 4;
const BROADCAST: u32 = 1 << 15;
const VLAN_FILTER: u32 = 1 << 18;
const LARGER: u32 = 1 << 25;
const STRIP: u32 = 1 << 26;
/// RXCSUM: checksums of IP, of TCP and UDP.
const SUM_IP: u32 = 1 << 8;
const SUM_TRANSPORT: u32 = 1 << 9;

/// Status of a descriptor: done, the frame's last, checksums were not looked at, it had a VLAN tag, they were.
const DONE: u8 = 1;
const LAST: u8 = 2;
const IGNORED: u8 = 4;
const TAGGED: u8 = 8;
const TRANSPORT: u8 = 0x20;
const IP: u8 = 0x40;
/// Its errors.
const BAD_TRANSPORT: u8 = 0x20;
const BAD_IP: u8 = 0x40;

const DESCRIPTOR: u64 = 16;
const VLAN: [u8; 2] = [0x81, 0x00];

impl E1000 {
    /// A frame comes in. False when there are no buffers for it.
    pub(crate) fn frame(&mut self, frame: &[u8], ctx: &mut Ctx<'_>) -> bool {
        if self.regs.get(at::RCTL) & ON == 0 || !self.accepts(frame) {
            return true;
        }
        let mut frame = frame.to_vec();
        let tag = self.strip_tag(&mut frame);
        if frame.len() < MIN_FRAME {
            frame.resize(MIN_FRAME, 0);
        }
        let (mut status, errors) = self.judged(&frame);
        let size = frame.len();
        if self.regs.get(at::RCTL) & STRIP == 0 {
            // The checksum on the wire is right; whoever wants it can have it.
            let sum = crc32fast::hash(&frame);
            frame.extend(sum.to_le_bytes());
        }
        let buffer = self.buffer_size();
        let pieces = frame.len().div_ceil(buffer) as u32;
        let count = self.regs.get(at::RDLEN) / 16;
        let free = self.free(count);
        if free < pieces {
            self.cause(cause::RXO);
            return false;
        }
        if tag.is_some() {
            status |= TAGGED;
        }
        let special = tag.unwrap_or(0);
        for (n, piece) in (1..).zip(frame.chunks(buffer)) {
            let last = if n == pieces { LAST | status } else { 0 };
            self.place(piece, DONE | last, errors, special, count, ctx);
        }
        self.counted(&frame[..6], size);
        self.cause(cause::RXT0);
        let few = count >> (1 + (self.regs.get(at::RCTL) >> 8 & 3).min(2));
        if free - pieces <= few {
            self.cause(cause::RXDMT0);
        }
        true
    }

    /// Descriptors that the controller may fill.
    fn free(&self, count: u32) -> u32 {
        let (head, tail) = (self.regs.get(at::RDH), self.regs.get(at::RDT));
        match head < count && tail < count {
            true => (tail + count - head) % count,
            false => 0,
        }
    }

    fn buffer_size(&self) -> usize {
        let control = self.regs.get(at::RCTL);
        let size = match control >> 16 & 3 {
            0 => 2048,
            1 => 1024,
            2 => 512,
            _ => 256,
        };
        // A size of 2048 cannot be made larger; the manual reserves it.
        if control & LARGER != 0 && size < 2048 { size * 16 } else { size }
    }

    /// Puts a piece of a frame where the next descriptor says. One that names no memory gets its frame there, too: nowhere.
    fn place(
        &mut self,
        piece: &[u8],
        status: u8,
        errors: u8,
        special: u16,
        count: u32,
        ctx: &mut Ctx<'_>,
    ) {
        let head = self.regs.get(at::RDH);
        let base = u64::from(self.regs.get(at::RDBAH)) << 32 | u64::from(self.regs.get(at::RDBAL));
        let at = base.wrapping_add(u64::from(head) * DESCRIPTOR);
        let mut address = [0; 8];
        if ctx.dma_read(at, &mut address).is_ok() {
            let _ = ctx.dma_write(u64::from_le_bytes(address), piece);
        }
        let mut rest = [0; 8];
        rest[..2].copy_from_slice(&(piece.len() as u16).to_le_bytes());
        (rest[4], rest[5]) = (status, errors);
        rest[6..].copy_from_slice(&special.to_le_bytes());
        let _ = ctx.dma_write(at.wrapping_add(8), &rest);
        self.regs.set(at::RDH, (head + 1) % count.max(1));
    }

    /// Whether the filters let a frame through.
    fn accepts(&self, frame: &[u8]) -> bool {
        let control = self.regs.get(at::RCTL);
        if control & VLAN_FILTER != 0 && frame[12..14] == VLAN {
            let tag = u32::from(frame[14] & 15) << 8 | u32::from(frame[15]);
            if self.regs.get(at::VFTA + (tag >> 5) * 4) >> (tag & 31) & 1 == 0 {
                return false;
            }
        }
        let to = &frame[..6];
        if to == [0xff; 6] {
            return control & (BROADCAST | ALL_MULTICAST) != 0;
        }
        let group = to[0] & 1 != 0;
        if control & if group { ALL_MULTICAST } else { ALL_UNICAST } != 0 {
            return true;
        }
        if group && self.in_table(to, control >> 12 & 3) {
            return true;
        }
        (0..16).any(|n| {
            let (low, high) = (self.regs.get(at::RAL0 + 8 * n), self.regs.get(at::RAH0 + 8 * n));
            let [a, b, c, d] = low.to_le_bytes();
            let [e, f, ..] = high.to_le_bytes();
            high & RAH_AV != 0 && to == [a, b, c, d, e, f]
        })
    }

    /// Whether the multicast table has a group's address: which twelve bits of it count RCTL says.
    fn in_table(&self, to: &[u8], bits: u32) -> bool {
        let shift = [4, 3, 2, 0][bits as usize & 3];
        let hash = (u32::from(to[5]) << 8 | u32::from(to[4])) >> shift & 0xfff;
        self.regs.get(at::MTA + (hash >> 5) * 4) >> (hash & 31) & 1 != 0
    }

    /// Takes the VLAN tag out of a frame, if the controller is to do so.
    fn strip_tag(&self, frame: &mut Vec<u8>) -> Option<u16> {
        let strips = self.regs.get(at::CTRL) & super::CTRL_VME != 0;
        if !strips || frame.len() < 16 || frame[12..14] != VLAN {
            return None;
        }
        let tag = u16::from_be_bytes([frame[14], frame[15]]);
        frame.drain(12..16);
        Some(tag)
    }

    /// Status and errors for the checksums in a frame.
    fn judged(&self, frame: &[u8]) -> (u8, u8) {
        let wanted = self.regs.get(at::RXCSUM);
        let found = checksum::find(frame);
        let ip = found.ip.filter(|_| wanted & SUM_IP != 0);
        let transport = found.transport.filter(|_| wanted & SUM_TRANSPORT != 0);
        let (mut status, mut errors) = (0, 0);
        if let Some(right) = ip {
            status |= IP;
            errors |= if right { 0 } else { BAD_IP };
        }
        if let Some(right) = transport {
            status |= TRANSPORT;
            errors |= if right { 0 } else { BAD_TRANSPORT };
        }
        (if status == 0 { IGNORED } else { status }, errors)
    }

    /// Statistics.
    fn counted(&mut self, to: &[u8], size: usize) {
        let size = size as u32 + 4;
        self.regs.count(at::GPRC, 1);
        self.regs.count(at::TPR, 1);
        self.regs.count_wide(at::GORCL, size);
        self.regs.count_wide(at::TORL, size);
        match to {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => self.regs.count(at::BPRC, 1),
            [first, ..] if first & 1 != 0 => self.regs.count(at::MPRC, 1),
            _ => {}
        }
    }

    /// Whether a frame that comes in can raise the pin.
    pub(crate) fn listens(&self) -> bool {
        let causes = cause::RXT0 | cause::RXDMT0 | cause::RXO;
        self.regs.get(at::RCTL) & ON != 0 && self.regs.get(at::IMS) & causes != 0
    }
}
