//! Which host register a guest register has.

use dynasmrt::{DynasmApi, SimpleAssembler, dynasm};
use iced_x86::Register;

/// Numbers of the registers that some host instruction names by itself: EAX, ECX, EBP (LEAVE and ENTER), ESI, EDI.
pub(in crate::emit) const IN_PLACE: [u8; 5] = [0, 1, 5, 6, 7];

/// A register map. Its sequences change no flag.
pub(in crate::emit) trait RegisterMap {
    /// The host register's number by the guest register's, in the order of the encoding.
    const MAP: [u8; 8];
    /// Guest ESP's host register.
    const ESP: Register;
    /// Its low word.
    const SP: Register;

    /// The host register for the guest's `reg`, of the same size. Segment, MMX, XMM and x87 registers are themselves.
    fn host(reg: Register) -> Register;

    /// ESP moves by `by`.
    fn move_esp(asm: &mut SimpleAssembler, by: i32);

    /// SP moves by `by`; the high word of ESP stays.
    fn move_sp(asm: &mut SimpleAssembler, by: i32);

    /// Scratch register `to` gets ESP plus `by`, -128 to 127.
    fn esp_plus(asm: &mut SimpleAssembler, to: u8, by: i8);

    /// ESP gets scratch register `from`.
    fn set_esp(asm: &mut SimpleAssembler, from: u8);

    /// SP gets the low word of scratch register `from`.
    fn set_sp(asm: &mut SimpleAssembler, from: u8);

    /// LEAVE: ESP gets EBP plus 4.
    fn leave_frame(asm: &mut SimpleAssembler);

    /// LEAVE of other sizes: ESP, or SP alone if `short`, gets EBP plus `by`.
    fn leave_frame_by(asm: &mut SimpleAssembler, by: i32, short: bool);

    /// ENTER: EBP, or BP alone if `short`, gets ESP plus `by`.
    fn enter_frame(asm: &mut SimpleAssembler, by: i32, short: bool);

    /// EBP gets ESP.
    fn copy_esp_to_ebp(asm: &mut SimpleAssembler);
}

/// Every register in place, but for ESP, which is in r12: the host needs its own stack.
pub(in crate::emit) struct AllButEsp;

impl RegisterMap for AllButEsp {
    const MAP: [u8; 8] = [0, 1, 2, 3, 12, 5, 6, 7];
    const ESP: Register = Register::R12D;
    const SP: Register = Register::R12W;

    #[inline]
    fn host(reg: Register) -> Register {
        match reg {
            Register::ESP => Self::ESP,
            Register::SP => Self::SP,
            other => other,
        }
    }

    fn move_esp(asm: &mut SimpleAssembler, by: i32) {
        match i8::try_from(by) {
            Ok(0) => {}
            Ok(by) => dynasm!(asm ; .arch x64 ; lea r12d, [BYTE r12 + by]),
            Err(_) => dynasm!(asm ; .arch x64 ; lea r12d, [r12 + by]),
        }
    }

    fn move_sp(asm: &mut SimpleAssembler, by: i32) {
        dynasm!(asm ; .arch x64 ; lea r12w, [r12 + by]);
    }

    fn esp_plus(asm: &mut SimpleAssembler, to: u8, by: i8) {
        dynasm!(asm ; .arch x64 ; lea Rd(to), [BYTE r12 + by]);
    }

    fn set_esp(asm: &mut SimpleAssembler, from: u8) {
        dynasm!(asm ; .arch x64 ; mov r12d, Rd(from));
    }

    fn set_sp(asm: &mut SimpleAssembler, from: u8) {
        dynasm!(asm ; .arch x64 ; mov r12w, Rw(from));
    }

    fn leave_frame(asm: &mut SimpleAssembler) {
        dynasm!(asm ; .arch x64 ; lea r12d, [rbp + 4]);
    }

    fn leave_frame_by(asm: &mut SimpleAssembler, by: i32, short: bool) {
        if short {
            dynasm!(asm ; .arch x64 ; lea r12w, [rbp + by]);
        } else {
            dynasm!(asm ; .arch x64 ; lea r12d, [rbp + by]);
        }
    }

    fn enter_frame(asm: &mut SimpleAssembler, by: i32, short: bool) {
        if short {
            dynasm!(asm ; .arch x64 ; lea bp, [r12 + by]);
        } else {
            dynasm!(asm ; .arch x64 ; lea ebp, [r12 + by]);
        }
    }

    fn copy_esp_to_ebp(asm: &mut SimpleAssembler) {
        dynasm!(asm ; .arch x64 ; mov ebp, r12d);
    }
}
