//! Frames that go out: descriptors of three kinds (3.3 of the manual), checksums, and segmentation of TCP.

use super::E1000;
use super::SOON;
use super::checksum;
use super::offload::{MOST, Offload};
use super::registers::{at, cause};
use crate::ctx::Ctx;
use crate::link::{HEADER, MAX_FRAME, MIN_FRAME};

/// Descriptors, and bytes of their buffers, that are worked on at one moment.
const BURST: u32 = 512;
const BURST_BYTES: usize = 1 << 20;

/// Segments of a frame at most: what is behind them is not sent.
const SEGMENTS: usize = 2048;
/// What one costs beside its bytes.
const PER_SEGMENT: usize = 128;

/// TCTL: on, short frames are padded.
const ON: u32 = 1 << 1;
const PAD: u32 = 1 << 3;

/// A command: the frame's last descriptor, insert a checksum, segment, report, extended, insert a VLAN tag.
const LAST: u8 = 1;
const SUM: u8 = 4;
const SEGMENT: u8 = 4;
const REPORT: u8 = 8;
const EXTENDED: u8 = 0x20;
const TAG: u8 = 0x40;
/// Options of a data descriptor: the IP checksum, that of TCP or UDP.
const SUM_IP: u8 = 1;
const SUM_TRANSPORT: u8 = 2;
/// Commands of a context: TCP and not UDP, IPv4 and not IPv6.
const TCP: u8 = 1;
const IPV4: u8 = 2;
/// FIN and PSH, which only the last segment has.
const AT_THE_END: u8 = 9;

const DESCRIPTOR: u64 = 16;
const DONE: u8 = 1;

/// A descriptor.
struct Descriptor {
    address: u64,
    low: u32,
    high: u32,
}

impl Descriptor {
    fn command(&self) -> u8 {
        (self.low >> 24) as u8
    }

    fn is_extended(&self) -> bool {
        self.command() & EXTENDED != 0
    }

    fn is_context(&self) -> bool {
        self.is_extended() && self.low >> 20 & 15 == 0
    }

    fn len(&self) -> usize {
        (self.low & if self.is_extended() { 0xf_ffff } else { 0xffff }) as usize
    }
}

/// A field of two bytes.
fn set_length(header: &mut [u8], at: usize, value: usize) {
    if let Some(field) = header.get_mut(at..at + 2) {
        field.copy_from_slice(&(value as u16).to_be_bytes());
    }
}

impl E1000 {
    /// Works on descriptors between head and tail.
    pub(super) fn transmit(&mut self, ctx: &mut Ctx<'_>) {
        self.again = None;
        let count = self.regs.get(at::TDLEN) / 16;
        let tail = self.regs.get(at::TDT);
        if self.regs.get(at::TCTL) & ON == 0 || self.regs.get(at::TDH) >= count || tail >= count {
            return;
        }
        let (mut left, mut bytes) = (BURST, BURST_BYTES);
        while self.regs.get(at::TDH) != tail {
            if left == 0 || bytes == 0 {
                self.again = Some(ctx.now().saturating_add(SOON));
                return;
            }
            let took = self.next(count, ctx);
            left -= 1;
            bytes = bytes.saturating_sub(took);
        }
        self.cause(cause::TXQE);
    }

    /// Works on one; how many bytes that moved.
    fn next(&mut self, count: u32, ctx: &mut Ctx<'_>) -> usize {
        let head = self.regs.get(at::TDH);
        let base = u64::from(self.regs.get(at::TDBAH)) << 32 | u64::from(self.regs.get(at::TDBAL));
        let place = base.wrapping_add(u64::from(head) * DESCRIPTOR);
        let mut bytes = [0; 16];
        // Where there is no memory there is nothing to send.
        let read = ctx.dma_read(place, &mut bytes).is_ok();
        self.regs.set(at::TDH, (head + 1) % count);
        if !read {
            return 0;
        }
        let [a, b] = [0, 8].map(|at| {
            bytes[at..at + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
        });
        let descriptor = Descriptor { address: a, low: b as u32, high: (b >> 32) as u32 };
        let moved = match descriptor.is_context() {
            true => {
                self.context(&descriptor);
                0
            }
            false => self.data(&descriptor, ctx),
        };
        if descriptor.command() & REPORT != 0 {
            let status = (descriptor.high as u8 & 0xf0) | DONE;
            let _ = ctx.dma_write(place.wrapping_add(12), &[status]);
            self.cause(cause::TXDW);
        }
        moved
    }

    fn context(&mut self, descriptor: &Descriptor) {
        let [a, b, c, d, e, f, g, h] = descriptor.address.to_le_bytes();
        self.offload = Offload {
            ip: (a, b, u16::from_le_bytes([c, d])),
            transport: (e, f, u16::from_le_bytes([g, h])),
            command: descriptor.command(),
            header: (descriptor.high >> 8) as u8,
            segment: (descriptor.high >> 16) as u16,
            ..self.offload.clone()
        };
    }

    /// A piece of a frame.
    fn data(&mut self, descriptor: &Descriptor, ctx: &mut Ctx<'_>) -> usize {
        let command = descriptor.command();
        if self.frame.is_empty() && !self.oversize {
            // The first one says what is done with the frame.
            let extended = descriptor.is_extended();
            self.offload.options = if extended { (descriptor.high >> 8) as u8 } else { 0 };
            self.offload.segmented = extended && command & SEGMENT != 0;
        }
        let (before, len) = (self.frame.len(), descriptor.len());
        self.oversize |= before + len > MOST;
        let len = if self.oversize { 0 } else { len };
        self.frame.resize(before + len, 0);
        if ctx.dma_read(descriptor.address, &mut self.frame[before..]).is_err() {
            self.frame[before..].fill(0);
        }
        let mut cost = len;
        if command & LAST != 0 {
            let mut frame = std::mem::take(&mut self.frame);
            if !std::mem::take(&mut self.oversize) {
                if !descriptor.is_extended() && command & SUM != 0 {
                    let (start, place) = (descriptor.high >> 8 & 0xff, descriptor.low >> 16 & 0xff);
                    checksum::insert(&mut frame, start as usize, 0, place as usize);
                }
                let tags = command & TAG != 0 && self.regs.get(at::CTRL) & super::CTRL_VME != 0;
                cost += self.go(&mut frame, tags.then_some((descriptor.high >> 16) as u16), ctx);
            }
            // Its memory serves the next one.
            frame.clear();
            self.frame = frame;
        }
        cost
    }

    /// A whole frame goes out, or its segments do. What that costs beside its bytes.
    fn go(&mut self, frame: &mut Vec<u8>, tag: Option<u16>, ctx: &mut Ctx<'_>) -> usize {
        let (header, segment) =
            (usize::from(self.offload.header), usize::from(self.offload.segment));
        if !self.offload.segmented || segment == 0 || header == 0 || frame.len() <= header {
            self.sums(frame);
            self.out(frame, tag, ctx);
            return PER_SEGMENT;
        }
        let payload = frame.split_off(header);
        let mut sent = 0;
        let mut piece = Vec::with_capacity(header + segment);
        for (n, part) in (0u16..).zip(payload.chunks(segment).take(SEGMENTS)) {
            piece.clear();
            piece.extend_from_slice(frame);
            self.adapt(&mut piece, n, sent, part.len(), sent + part.len() == payload.len());
            piece.extend_from_slice(part);
            self.sums(&mut piece);
            self.out(&mut piece, tag, ctx);
            sent += part.len();
        }
        self.regs.count(at::TSCTC, 1);
        payload.len().div_ceil(segment).min(SEGMENTS) * PER_SEGMENT
    }

    /// Makes of the header of a frame that of its segment number `n`, which has `len` bytes behind `sent` others.
    fn adapt(&self, header: &mut [u8], n: u16, sent: usize, len: usize, last: bool) {
        let (ip, transport) =
            (usize::from(self.offload.ip.0), usize::from(self.offload.transport.0));
        let total = header.len() + len;
        if self.offload.command & IPV4 != 0 {
            set_length(header, ip + 2, total.saturating_sub(ip));
            let number = header.get(ip + 4..ip + 6).map(|at| u16::from_be_bytes([at[0], at[1]]));
            set_length(header, ip + 4, usize::from(number.unwrap_or(0).wrapping_add(n)));
        } else {
            set_length(header, ip + 4, total.saturating_sub(ip + 40));
        }
        if self.offload.command & TCP != 0 {
            if let Some(field) = header.get_mut(transport + 4..transport + 8) {
                let before = field.iter().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
                field.copy_from_slice(&before.wrapping_add(sent as u32).to_be_bytes());
            }
            if let Some(flags) = header.get_mut(transport + 13).filter(|_| !last) {
                *flags &= !AT_THE_END;
            }
        } else {
            set_length(header, transport + 4, total.saturating_sub(transport));
        }
        // The driver has summed the pseudo-header without its length.
        let place = usize::from(self.offload.transport.1);
        if let Some(field) = header.get_mut(place..place + 2) {
            let sum = u16::from_be_bytes([field[0], field[1]]);
            let length = (total.saturating_sub(transport) as u16).to_be_bytes();
            field.copy_from_slice(&checksum::add(sum, &length).to_be_bytes());
        }
    }

    /// Puts in the checksums that were asked for.
    fn sums(&self, frame: &mut [u8]) {
        let Offload { ip, transport, options, .. } = self.offload;
        let asked = [(SUM_TRANSPORT, transport), (SUM_IP, ip)];
        for (_, (start, place, end)) in asked.into_iter().filter(|(bit, _)| options & bit != 0) {
            checksum::insert(frame, usize::from(start), usize::from(end), usize::from(place));
        }
    }

    fn out(&mut self, frame: &mut Vec<u8>, tag: Option<u16>, ctx: &mut Ctx<'_>) {
        if frame.len() < HEADER {
            return;
        }
        if let Some(tag) = tag {
            let kind = (self.regs.get(at::VET) as u16).to_be_bytes();
            let tag = tag.to_be_bytes();
            frame.splice(12..12, [kind[0], kind[1], tag[0], tag[1]]);
        }
        if frame.len() < MIN_FRAME && self.regs.get(at::TCTL) & PAD != 0 {
            frame.resize(MIN_FRAME, 0);
        }
        if frame.len() > MAX_FRAME {
            return;
        }
        ctx.send_frame(frame);
        let size = frame.len() as u32 + 4;
        self.regs.count(at::GPTC, 1);
        self.regs.count(at::TPT, 1);
        self.regs.count_wide(at::GOTCL, size);
        self.regs.count_wide(at::TOTL, size);
        match frame[..6] {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => self.regs.count(at::BPTC, 1),
            [first, ..] if first & 1 != 0 => self.regs.count(at::MPTC, 1),
            _ => {}
        }
    }
}
