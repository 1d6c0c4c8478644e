//! An ATAPI CD-ROM drive: how packets and their data come and go, and the tray.

use super::answers::SECTOR;
use super::cd_state::{CdState, EVENT_EJECT, EVENT_NEW, EVENT_REMOVED, PACKET, SIGNATURE, Tray};
use super::front::{ABRT, DRDY, DRQ, DSC, ERR, MAX_BLOCK, Phase};
use super::identify;
use super::packet::{self, Disc, Packet, Reply};
use super::sense::Sense;
use crate::medium::Medium;

/// Bits of the interrupt reason: a command packet is wanted; data goes to the host.
const REASON_COMMAND: u8 = 1;
const REASON_IN: u8 = 2;

/// A drive, and what is in it.
#[derive(Debug)]
pub(crate) struct Cd {
    pub(super) state: CdState,
    medium: Option<Box<dyn Medium>>,
}

impl Cd {
    /// Drive number `unit`, empty and closed.
    pub(super) fn new(unit: u8) -> Self {
        Cd { state: CdState::new(unit), medium: None }
    }

    /// Puts `medium` in, or takes out what is in. False when the host has locked the tray: it is told that somebody wants it.
    pub(super) fn insert(&mut self, medium: Option<Box<dyn Medium>>) -> bool {
        if self.state.locked && self.medium.is_some() {
            self.state.event = EVENT_EJECT;
            return false;
        }
        let state = &mut self.state;
        state.event = match (&self.medium, &medium) {
            (_, Some(_)) => EVENT_NEW,
            (Some(_), None) => EVENT_REMOVED,
            (None, None) => state.event,
        };
        state.changed |= medium.is_some();
        state.tray = Tray::Closed;
        self.medium = medium;
        true
    }

    /// Bytes of what is in.
    pub(super) fn medium_len(&self) -> u64 {
        self.medium.as_ref().map_or(0, |medium| medium.len())
    }

    /// The reset line or a software reset. The medium stays, and so does an attention.
    pub(super) fn reset(&mut self, hard: bool) {
        let new = CdState::new(self.state.unit);
        let old = std::mem::replace(&mut self.state, new);
        self.state.tray = old.tray;
        (self.state.changed, self.state.event) = (old.changed, old.event);
        if !hard {
            self.state.mode = old.mode;
            self.state.locked = old.locked;
        }
    }

    /// A command was written.
    pub(super) fn command(&mut self, code: u8) {
        let front = &mut self.state.front;
        front.idle();
        front.intrq = false;
        front.regs.status = DRDY;
        front.regs.error = 0;
        match code {
            0xa0 => self.await_packet(),
            0xa1 => {
                let words = identify::cd(self.state.unit, self.state.mode);
                self.state.answer.clear();
                self.state.left = 0;
                self.state.front.offer(Phase::In, words);
                self.state.front.intrq = true;
            }
            // DEVICE RESET (ATA-6, 8.8), without an interrupt.
            0x08 => self.reset(false),
            0xe0..=0xe3 | 0xe6 | 0xe7 => self.state.front.end(DSC, 0),
            0xe5 => {
                self.state.front.regs.count.now = 0xff;
                self.state.front.end(DSC, 0);
            }
            0xef => self.set_features(),
            // What an ATA disk would know says that this is none.
            0xec => {
                self.state.front.sign(0, SIGNATURE.0, SIGNATURE.1);
                self.state.front.end(ERR, ABRT);
            }
            _ => self.state.front.end(ERR, ABRT),
        }
    }

    fn set_features(&mut self) {
        let regs = &self.state.front.regs;
        let (code, count) = (regs.features.now, regs.count.now);
        match code {
            0x03 if identify::has_mode(count) => self.state.mode = count,
            0x66 | 0xcc => {}
            _ => return self.state.front.end(ERR, ABRT),
        }
        self.state.front.end(DSC, 0);
    }

    fn await_packet(&mut self) {
        let state = &mut self.state;
        state.by_dma = state.front.regs.features.now & 1 != 0;
        state.limit = u16::from_le_bytes([state.front.regs.mid.now, state.front.regs.high.now]);
        state.answer.clear();
        state.parameters.clear();
        (state.left, state.wanted) = (0, 0);
        state.front.offer(Phase::Packet, vec![0; PACKET]);
        state.front.regs.status = DRQ;
        state.front.regs.count.now = REASON_COMMAND;
    }

    fn end(&mut self) {
        self.state.front.regs.count.now = REASON_IN | REASON_COMMAND;
        self.state.front.end(DSC, 0);
    }

    fn fail(&mut self, sense: Sense) {
        self.state.sense = sense;
        (self.state.left, self.state.wanted) = (0, 0);
        self.state.answer.clear();
        self.state.front.regs.count.now = REASON_IN | REASON_COMMAND;
        self.state.front.end(ERR, sense.key << 4 | ABRT);
    }

    fn take_packet(&mut self, block: &[u8]) {
        let mut bytes = [0; PACKET];
        bytes.iter_mut().zip(block).for_each(|(to, from)| *to = *from);
        self.state.packet = bytes;
        let packet = Packet(bytes);
        let disc = Disc::of(self.medium.as_deref(), self.state.tray == Tray::Open);
        // Sense is of the last command but REQUEST SENSE, which asks for it.
        if bytes[0] != 0x03 {
            self.state.sense = Sense::NONE;
        }
        let reply = packet::execute(&mut self.state, &packet, &disc);
        // A host that gives no room cannot move data.
        let moves = !matches!(reply, Ok(Reply::Done) | Err(_));
        if moves && !self.state.by_dma && self.state.limit < 2 {
            return self.fail(Sense::BAD_FIELD);
        }
        match reply {
            Ok(Reply::Done) => self.end(),
            Ok(Reply::Bytes(bytes)) => {
                self.state.answer = bytes;
                self.next_in();
            }
            Ok(Reply::Sectors { first, count }) => {
                (self.state.sector, self.state.left) = (first, count);
                self.next_in();
            }
            Ok(Reply::Parameters(bytes)) => {
                self.state.wanted = bytes;
                self.next_out();
            }
            Err(sense) => self.fail(sense),
        }
    }

    /// More bytes of the answer, from the medium if that is where it comes from. False: it cannot be read.
    fn refill(&mut self) -> bool {
        let state = &mut self.state;
        if !state.answer.is_empty() || state.left == 0 {
            return true;
        }
        let most = u32::try_from(MAX_BLOCK / SECTOR).unwrap_or(1);
        let sectors = state.left.min(most);
        let mut block = vec![0; usize::try_from(sectors).unwrap_or_default() * SECTOR];
        let at = u64::from(state.sector) * SECTOR as u64;
        let read = match self.medium.as_mut() {
            Some(medium) => {
                // The last sector of an image may be a short one.
                let there = usize::try_from(medium.len().saturating_sub(at)).unwrap_or(usize::MAX);
                let there = there.min(block.len());
                medium.read(at, &mut block[..there]).map_err(|_| Sense::READ_ERROR)
            }
            None => Err(state.absent()),
        };
        match read {
            Ok(()) => {
                state.answer = block;
                state.sector = state.sector.saturating_add(sectors);
                state.left -= sectors;
                true
            }
            Err(sense) => {
                self.fail(sense);
                false
            }
        }
    }

    /// The most bytes of a block that the host takes by PIO: even, but for the last.
    fn block_limit(&self) -> usize {
        usize::from(self.state.limit & !1).clamp(2, MAX_BLOCK)
    }

    fn say_block(&mut self, bytes: usize, reason: u8) {
        let regs = &mut self.state.front.regs;
        let [low, high, ..] = bytes.to_le_bytes();
        (regs.mid.now, regs.high.now) = (low, high);
        regs.count.now = reason;
    }

    fn next_in(&mut self) {
        if self.state.by_dma {
            self.state.front.offer(Phase::DmaIn, Vec::new());
            return;
        }
        if !self.refill() {
            return;
        }
        if self.state.answer.is_empty() {
            return self.end();
        }
        let bytes = self.block_limit().min(self.state.answer.len());
        let rest = self.state.answer.split_off(bytes);
        let block = std::mem::replace(&mut self.state.answer, rest);
        self.say_block(bytes, REASON_IN);
        self.state.front.offer(Phase::In, block);
        self.state.front.intrq = true;
    }

    fn next_out(&mut self) {
        if self.state.by_dma {
            self.state.front.offer(Phase::DmaOut, Vec::new());
            return;
        }
        let bytes = self.block_limit().min(self.state.wanted);
        self.say_block(bytes, 0);
        self.state.front.offer(Phase::Out, vec![0; bytes]);
        self.state.front.intrq = true;
    }

    fn take_parameters(&mut self, block: &[u8]) {
        self.state.parameters.extend_from_slice(block);
        self.state.wanted = self.state.wanted.saturating_sub(block.len());
        if self.state.wanted > 0 {
            return;
        }
        let parameters = std::mem::take(&mut self.state.parameters);
        match packet::take_parameters(&Packet(self.state.packet), &parameters) {
            Ok(()) => self.end(),
            Err(sense) => self.fail(sense),
        }
    }

    /// The host has moved the whole block.
    pub(super) fn block_moved(&mut self) {
        let phase = self.state.front.phase;
        let block = std::mem::take(&mut self.state.front.block);
        match phase {
            Phase::Packet => self.take_packet(&block),
            // IDENTIFY PACKET DEVICE ends like a read of ATA's, without a second interrupt.
            Phase::In if block.len() == 512 && self.state.front.regs.count.now & REASON_IN == 0 => {
                self.state.front.idle();
            }
            Phase::In => self.next_in(),
            Phase::Out => {
                self.take_parameters(&block);
                if self.state.wanted > 0 {
                    self.next_out();
                }
            }
            _ => {}
        }
    }

    /// Gives the bus master the next bytes of a DMA command; false when the command is over.
    pub(super) fn dma_in(&mut self, buf: &mut [u8]) -> bool {
        let mut done = 0;
        while done < buf.len() {
            if !self.refill() || self.state.answer.is_empty() {
                return false;
            }
            let now = self.state.answer.len().min(buf.len() - done);
            buf[done..done + now].copy_from_slice(&self.state.answer[..now]);
            self.state.answer.drain(..now);
            done += now;
        }
        true
    }

    /// Takes the next bytes of a DMA command from the bus master; false when the command is over.
    pub(super) fn dma_out(&mut self, data: &[u8]) -> bool {
        let now = data.len().min(self.state.wanted);
        self.state.parameters.extend_from_slice(&data[..now]);
        self.state.wanted -= now;
        true
    }

    /// Bytes that a DMA command has still to move.
    pub(super) fn dma_left(&self) -> usize {
        let state = &self.state;
        let sectors = usize::try_from(state.left).unwrap_or(usize::MAX);
        match state.front.phase {
            Phase::DmaIn => sectors.saturating_mul(SECTOR).saturating_add(state.answer.len()),
            Phase::DmaOut => state.wanted,
            _ => 0,
        }
    }

    /// The bus master has moved all of it.
    pub(super) fn dma_done(&mut self) {
        match self.state.front.phase {
            Phase::DmaOut => self.take_parameters(&[]),
            _ => self.end(),
        }
    }
}
