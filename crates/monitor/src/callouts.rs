//! Callouts by what they are: sorted into the ledger's rows.

use crate::profile::Row;
use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};

/// The row that a callout of `i` is booked on.
pub(crate) fn row(i: &Instruction) -> Row {
    match i.mnemonic() {
        M::In | M::Out | M::Insb | M::Insw | M::Insd | M::Outsb | M::Outsw | M::Outsd => {
            Row::CalloutIo
        }
        M::Popf | M::Popfd | M::Pushf | M::Pushfd | M::Cli | M::Sti | M::Clac | M::Stac => {
            Row::CalloutFlags
        }
        M::Int | M::Int3 | M::Into | M::Iret | M::Iretd | M::Retf | M::Sysenter | M::Sysexit => {
            Row::CalloutTransfer
        }
        M::Lds | M::Les | M::Lfs | M::Lgs | M::Lss => Row::CalloutSegment,
        M::Lmsw | M::Clts | M::Invlpg | M::Lgdt | M::Lidt | M::Lldt | M::Ltr => Row::CalloutControl,
        M::Rdmsr | M::Wrmsr | M::Wbinvd | M::Invd => Row::CalloutControl,
        M::Fxsave | M::Fxrstor | M::Fnsave | M::Frstor | M::Fnstenv | M::Fldenv => Row::CalloutFpu,
        M::Xsave | M::Xsaveopt | M::Xrstor => Row::CalloutFpu,
        M::Xgetbv | M::Xsetbv => Row::CalloutControl,
        M::Jmp | M::Call => Row::CalloutTransfer,
        M::Mov | M::Pop | M::Push => moves(i),
        _ => Row::CalloutOther,
    }
}

fn moves(i: &Instruction) -> Row {
    let touches = |test: fn(Register) -> bool| {
        (0..i.op_count()).any(|k| i.op_kind(k) == OpKind::Register && test(i.op_register(k)))
    };
    if touches(Register::is_segment_register) {
        Row::CalloutSegment
    } else if touches(|r| r.is_cr() || r.is_dr()) {
        Row::CalloutControl
    } else {
        Row::CalloutOther
    }
}
