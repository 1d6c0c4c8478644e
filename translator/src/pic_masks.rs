//! Writes of the interrupt controllers' masks, which translated code does by itself where that is all that they do: their
//! ports, what the context knows of the controllers, and the stub's check. Whoever owns the controllers tells the context
//! what they are before translated code runs ([`PicMasks::set`]), and is told what became of them ([`PicMasks::take`]).

// dynasm converts the numbers of dynamic registers itself.
#![allow(clippy::useless_conversion)]

use dynasm::dynasm;
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler};
use std::mem::offset_of;

/// Requests of a controller whose masks are the interpreter's: no mask covers them.
const UNKNOWN: u32 = 0x100;

/// The masks of a PC's two interrupt controllers, master and slave, as translated code knows and changes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PicMasks {
    /// The masks (IMR).
    masks: [u32; 2],
    /// The requests (IRR): a mask that covers them all changes nothing but itself. [`UNKNOWN`]: leave it to the
    /// interpreter.
    requests: [u32; 2],
    /// Times that translated code wrote `masks`.
    writes: u64,
}

impl Default for PicMasks {
    /// Every write is the interpreter's.
    fn default() -> Self {
        Self { masks: [0; 2], requests: [UNKNOWN; 2], writes: 0 }
    }
}

impl PicMasks {
    /// The I/O ports of the masks.
    pub const PORTS: [u8; 2] = [0x21, 0xa1];

    /// Each controller's mask, and its requests when a mask that covers them leaves everything else as it is.
    #[inline]
    pub fn set(&mut self, controllers: [(u8, Option<u8>); 2]) {
        self.masks = controllers.map(|(mask, _)| u32::from(mask));
        self.requests = controllers.map(|(_, requests)| requests.map_or(UNKNOWN, u32::from));
    }

    /// The masks that translated code left and how often it wrote them since the last call, if it did.
    #[inline]
    pub fn take(&mut self) -> Option<([u8; 2], u64)> {
        let writes = std::mem::take(&mut self.writes);
        (writes != 0).then(|| (self.masks.map(|mask| mask as u8), writes))
    }

    /// Which controller's mask is at `port`.
    pub(crate) fn at(port: u8) -> Option<usize> {
        Self::PORTS.iter().position(|at| *at == port)
    }
}

/// Host code that writes the byte at `value` to the mask of controller r9d; or goes to `decline_mask`, which the caller
/// defines. `masks` and `value` are offsets in the context. r8 and r11 are used.
pub(crate) fn emit_write(a: &mut VecAssembler<X64Relocation>, masks: i32, value: i32) {
    let part = |field: usize| masks + field as i32;
    dynasm!(a ; .arch x64
        ; movzx r8d, BYTE [r15 + value]
        ; mov r11d, r8d
        ; not r11d
        ; test [r15 + r9 * 4 + part(offset_of!(PicMasks, requests))], r11d
        ; jnz ->decline_mask
        ; mov [r15 + r9 * 4 + part(offset_of!(PicMasks, masks))], r8d
        ; inc QWORD [r15 + part(offset_of!(PicMasks, writes))]
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_told_once() {
        let mut masks = PicMasks::default();
        masks.set([(0xf8, Some(1)), (0xff, None)]);
        assert_eq!(masks.take(), None);
        (masks.masks[0], masks.writes) = (0xfb, 3);
        assert_eq!(masks.take(), Some(([0xfb, 0xff], 3)));
        assert_eq!(masks.take(), None);
        assert_eq!(masks.requests, [1, UNKNOWN]);
        assert!((0..=u8::MAX).all(|mask| UNKNOWN & !u32::from(mask) != 0), "no mask covers it");
    }

    #[test]
    fn masks_are_at_two_ports() {
        assert_eq!([0x20, 0x21, 0xa0, 0xa1].map(PicMasks::at), [None, Some(0), None, Some(1)]);
    }
}
