//! Frames of the RTL8139: four that go out, and a ring of those that have come.

use super::{CR_RE, CR_TE, OVERFLOW, OWN, ROK, Rtl8139, SENT, TOK};
use crate::ctx::Ctx;
use crate::link::MIN_FRAME;

/// RCR: all of unicast; what matches; multicast by the table; broadcast; a frame may lie across the end; the ring's length.
const ALL: u32 = 1;
const MATCHES: u32 = 2;
const MULTICAST: u32 = 4;
const BROADCAST: u32 = 8;
const WRAP: u32 = 1 << 7;
/// TCR: what goes out comes in.
const LOOPBACK: u32 = 3 << 17;
/// Status of a frame in the ring: well received; to all, to this address, to a group.
const WELL: u16 = 1;
const TO_ALL: u16 = 1 << 13;
const TO_ME: u16 = 1 << 14;
const TO_GROUP: u16 = 1 << 15;
/// Bytes of a frame's head in the ring, and of the checksum behind it.
const HEAD: usize = 4;
const SUM: usize = 4;
/// How far the driver's pointer lies behind what it has read.
const BEHIND: u32 = 16;

impl Rtl8139 {
    /// A descriptor is written: without OWN its frame goes out.
    pub(super) fn send(&mut self, n: usize, value: u32, ctx: &mut Ctx<'_>) {
        self.tsd[n] = value & 0x003f_ffff & !SENT;
        if value & OWN != 0 || self.command & CR_TE == 0 {
            return;
        }
        let mut frame = vec![0; (value & 0x1fff) as usize];
        // Where there is no memory there is nothing to send.
        if ctx.dma_read(self.tsad[n].into(), &mut frame).is_ok() {
            if self.tcr & LOOPBACK == LOOPBACK {
                self.frame(&frame, ctx);
            } else {
                ctx.send_frame(&frame);
            }
        }
        self.tsd[n] |= OWN | SENT;
        self.isr |= TOK;
    }

    /// Bytes of the ring.
    fn ring(&self) -> u32 {
        8192 << (self.rcr >> 11 & 3)
    }

    /// Whether all that has come has been read.
    pub(super) fn is_empty(&self) -> bool {
        self.read_up_to() == u32::from(self.cbr) % self.ring()
    }

    fn read_up_to(&self) -> u32 {
        (u32::from(self.capr) + BEHIND) % self.ring()
    }

    /// Bytes of the ring that have come and are not read.
    fn used(&self) -> u32 {
        let ring = self.ring();
        (ring + u32::from(self.cbr) % ring - self.read_up_to()) % ring
    }

    /// Whether there is room for several frames, or frames are not wanted and gone at once. A driver reads one after the other, and
    /// to bring one more behind each is dear.
    pub(crate) fn has_much_room(&self) -> bool {
        self.command & CR_RE == 0 || self.used() <= self.ring() / 2
    }

    /// A frame comes in. False when the ring has no room for it.
    pub(crate) fn frame(&mut self, frame: &[u8], ctx: &mut Ctx<'_>) -> bool {
        let on = self.command & CR_RE != 0 && frame.len() >= 6;
        let Some(kind) = self.kind(frame).filter(|_| on) else { return true };
        let ring = self.ring();
        let at = u32::from(self.cbr) % ring;
        let len = frame.len().max(MIN_FRAME);
        let all = HEAD + len + SUM;
        // One that fills the ring to its last byte would look like none.
        if u32::try_from(all).is_ok_and(|all| self.used() + all + 4 >= ring) {
            // Drivers that have acknowledged all that came before look at the ring again for this. No overflow: the frame waits,
            // and a driver that counted it as lost would be busy with that at each look.
            self.isr |= ROK;
            return false;
        }
        let mut entry = Vec::with_capacity(all);
        entry.extend((WELL | kind).to_le_bytes());
        entry.extend(((len + SUM) as u16).to_le_bytes());
        entry.extend(frame);
        entry.resize(HEAD + len, 0);
        let sum = crc32fast::hash(&entry[HEAD..]);
        entry.extend(sum.to_le_bytes());
        let base = u64::from(self.rbstart);
        let room = (ring - at) as usize;
        // The largest ring has nothing behind it.
        let wraps = self.rcr & WRAP == 0 || self.rcr >> 11 & 3 == 3;
        let (first, rest) = entry.split_at(if wraps { room.min(all) } else { all });
        let _ = ctx.dma_write(base + u64::from(at), first);
        if !rest.is_empty() {
            let _ = ctx.dma_write(base, rest);
        }
        // The next one begins at a multiple of four.
        let next = (at as usize + all).next_multiple_of(4) % ring as usize;
        self.cbr = next as u16;
        self.isr |= ROK;
        true
    }

    /// To whom a frame is, if the filters let it through.
    fn kind(&self, frame: &[u8]) -> Option<u16> {
        let to = frame.get(..6)?;
        let passes = |bit: u32, kind: u16| (self.rcr & bit != 0).then_some(kind);
        if to == [0xff; 6] {
            return passes(BROADCAST, TO_ALL);
        }
        if to[0] & 1 != 0 {
            let table = u64::from(self.mar[1]) << 32 | u64::from(self.mar[0]);
            let group = passes(MULTICAST, TO_GROUP).filter(|_| table >> hash(to) & 1 != 0);
            return group.or(passes(ALL, TO_GROUP));
        }
        let mine = to == self.idr;
        passes(MATCHES, TO_ME).filter(|_| mine).or(passes(ALL, if mine { TO_ME } else { 0 }))
    }

    /// The mask is written. On a wire frames come one after another, and each asks for an interrupt; here many come at once. A driver
    /// that has acknowledged all of them, stopped before the last (Linux's after 64) and listens again would hear of it only with
    /// the next frame, for which its peer may wait for an answer first: it hears of it now.
    pub(super) fn unmask(&mut self, mask: u16) {
        if mask & !self.imr & ROK != 0 && self.command & CR_RE != 0 && !self.is_empty() {
            self.isr |= ROK;
        }
        self.imr = mask;
    }

    /// Whether a frame that comes in can raise the pin.
    pub(crate) fn listens(&self) -> bool {
        self.command & CR_RE != 0 && self.imr & (ROK | OVERFLOW) != 0
    }
}

/// The upper six bits of the checksum of an address, most significant bit first.
fn hash(to: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in to {
        for bit in 0..8 {
            let flip = (sum >> 31) ^ u32::from(byte >> bit & 1) != 0;
            sum = sum << 1 ^ if flip { 0x04c1_1db7 } else { 0 };
        }
    }
    sum >> 26
}

#[cfg(test)]
mod tests {
    use super::hash;

    /// Places in the table that drivers know: all hosts, and the base of solicited nodes.
    #[test]
    fn groups_are_hashed_by_the_checksum_of_ethernet() {
        // The checksum of the address as frames have it, its bits turned round, is the same number.
        for to in [[1, 0, 0x5e, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 1], [1, 0x80, 0xc2, 0, 0, 0]] {
            let turned = (!crc32fast::hash(&to)).reverse_bits();
            assert_eq!(hash(&to), turned >> 26);
        }
    }
}
