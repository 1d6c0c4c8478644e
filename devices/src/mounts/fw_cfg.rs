//! The configuration device of firmware: selector and data at 510h, and the registers that start a copy into memory.
//!
//! A copy is told of by a structure in guest memory: a control word, a length, an address, all big-endian. It is over
//! when the write that starts it is, and the control word then says what came of it.

use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::fw_cfg::Selection;
use crate::memory::DmaError;
use crate::state::{StateError, decode, encode};
use serde::{Deserialize, Serialize};

const SELECTOR: usize = 0;
const DATA: usize = 1;

/// What the address registers read: they are there.
const SIGNATURE: u64 = u64::from_le_bytes(*b"QEMU CFG");
/// Bytes of the structure.
const COMMAND: usize = 16;
/// Bytes copied at a time.
const PIECE: usize = 4096;
/// Most bytes that one command copies: far more than an item has, and little enough for a guest not to stop the
/// machine with it.
const MAX_COPY: u32 = 16 << 20;

/// Bits of the control word; with [`control::SELECT`] its upper half is an item's number.
mod control {
    pub(super) const ERROR: u32 = 1 << 0;
    pub(super) const READ: u32 = 1 << 1;
    pub(super) const SKIP: u32 = 1 << 2;
    pub(super) const SELECT: u32 = 1 << 3;
    pub(super) const WRITE: u32 = 1 << 4;
}

/// The registers.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FwCfgPorts {
    selection: Selection,
    /// Upper half of the next structure's address.
    high: u32,
}

impl FwCfgPorts {
    /// Carries out the command at `address`.
    fn command(&mut self, address: u64, ctx: &mut Ctx<'_>) {
        let mut command = [0; COMMAND];
        if ctx.dma_read(address, &mut command).is_err() {
            return;
        }
        let word = |at: usize| {
            u32::from_be_bytes([command[at], command[at + 1], command[at + 2], command[at + 3]])
        };
        let (asked, len) = (word(0), word(4));
        let to = u64::from(word(8)) << 32 | u64::from(word(12));
        if asked & control::SELECT != 0 {
            self.selection.select(u16::from_be_bytes([command[0], command[1]]));
        }
        let done = if asked & control::READ != 0 {
            self.copy(to, len, ctx)
        } else if asked & control::WRITE != 0 {
            // No item can be written.
            false
        } else {
            if asked & control::SKIP != 0 {
                self.selection.skip(len);
            }
            true
        };
        let answer: u32 = if done { 0 } else { control::ERROR };
        // Where the structure cannot be written nobody waits for it.
        let _: Result<(), DmaError> = ctx.dma_write(address, &answer.to_be_bytes());
    }

    /// Copies `len` bytes of the selected item to `to`; false when they do not all fit into memory.
    fn copy(&mut self, to: u64, len: u32, ctx: &mut Ctx<'_>) -> bool {
        if len > MAX_COPY {
            return false;
        }
        let mut piece = [0; PIECE];
        let (mut at, mut left) = (to, len as usize);
        while left > 0 {
            let bytes = &mut piece[..left.min(PIECE)];
            self.selection.read(&ctx.plane.fw_cfg, bytes);
            if ctx.dma_write(at, bytes).is_err() {
                return false;
            }
            at = at.wrapping_add(bytes.len() as u64);
            left -= bytes.len();
        }
        true
    }
}

impl Device for FwCfgPorts {
    fn read(&mut self, region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        match region {
            SELECTOR => u64::MAX,
            DATA => {
                let mut byte = [0];
                self.selection.read(&ctx.plane.fw_cfg, &mut byte);
                u64::from(byte[0])
            }
            _ => SIGNATURE >> (8 * (offset & 7)),
        }
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let [a, b, c, d, ..] = value.to_le_bytes();
        let word = u32::from_be_bytes([a, b, c, d]);
        match (region, offset, size) {
            (SELECTOR, ..) => self.selection.select(u16::from_le_bytes([a, b])),
            (DATA, ..) => {}
            (_, 0, 4) => self.high = word,
            (_, 4, 4) => {
                let high = std::mem::take(&mut self.high);
                self.command(u64::from(high) << 32 | u64::from(word), ctx);
            }
            _ => {}
        }
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        *self = Self::default();
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(self)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        *self = decode(bytes)?;
        Ok(())
    }
}
