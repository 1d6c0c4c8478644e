//! Callouts by what they are: sorted into the ledger's rows, and counted by instruction form.

use crate::profile::{HotCallout, Row};
use hashbrown::HashMap;
use iced_x86::{Code, Instruction, Mnemonic as M, OpKind, Register};

/// Instruction forms that a profile lists.
const LISTED: usize = 12;

/// Callouts by instruction form, when profiling.
#[derive(Debug, Default)]
pub(crate) struct CalloutCounts(HashMap<Code, u64>);

impl CalloutCounts {
    /// Counts a callout of `i`, and tells its row.
    pub fn count(&mut self, i: &Instruction) -> Row {
        *self.0.entry(i.code()).or_insert(0) += 1;
        row(i)
    }

    /// The most frequent forms.
    pub fn hottest(&self) -> Vec<HotCallout> {
        let mut callouts: Vec<_> = self.0.iter().collect();
        callouts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let hot = callouts.iter().take(LISTED).map(|(code, count)| HotCallout {
            instruction: code.op_code().instruction_string().to_owned(),
            count: **count,
        });
        hot.collect()
    }
}

/// The row that a callout of `i` is booked on.
fn row(i: &Instruction) -> Row {
    match i.mnemonic() {
        M::In | M::Out | M::Insb | M::Insw | M::Insd | M::Outsb | M::Outsw | M::Outsd => {
            Row::CalloutIo
        }
        M::Popf | M::Popfd | M::Pushf | M::Pushfd | M::Cli | M::Sti => Row::CalloutFlags,
        M::Int | M::Int3 | M::Into | M::Iret | M::Iretd | M::Retf | M::Sysenter | M::Sysexit => {
            Row::CalloutTransfer
        }
        M::Lds | M::Les | M::Lfs | M::Lgs | M::Lss => Row::CalloutSegment,
        M::Lmsw | M::Clts | M::Invlpg | M::Lgdt | M::Lidt | M::Lldt | M::Ltr => Row::CalloutControl,
        M::Rdmsr | M::Wrmsr | M::Wbinvd | M::Invd => Row::CalloutControl,
        M::Fxsave | M::Fxrstor | M::Fnsave | M::Frstor | M::Fnstenv | M::Fldenv => Row::CalloutFpu,
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
