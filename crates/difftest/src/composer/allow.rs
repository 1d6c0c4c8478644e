//! What a sequence may contain where: at CPL 0 and in real mode nothing else keeps a case within its
//! pages, and some instructions would stop the machine or change what the next case finds.

use super::{Composer, is_relative};
use crate::case::Kind;
use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};
use ringer_casegen::rows::{Class, Row};

impl Composer<'_> {
    pub(super) fn may(&mut self, row: Row) -> bool {
        let op = row.code.mnemonic();
        if matches!(op, M::Rdtsc | M::Rdrand) || op == M::Hlt && self.s.cpl() == 0 {
            return false;
        }
        if ENVIRONMENT.contains(&op) {
            return false;
        }
        match row.class {
            Class::User => true,
            Class::Sensitive => op != M::Rdpmc || self.s.cpl() == 3,
            Class::Transfer => match self.s.kind {
                Kind::Real => matches!(op, M::Int | M::Into | M::Int3 | M::Bound),
                // A frame of nonsense could lead to V86 mode with VIP, which the peer then keeps.
                Kind::Supervisor if matches!(op, M::Iret | M::Iretd) => false,
                _ => !self.rng.one_in(3),
            },
            Class::System => self.may_system(op),
        }
    }

    pub(super) fn may_system(&mut self, op: M) -> bool {
        let io = matches!(op, M::In | M::Out | M::Insb | M::Insw | M::Insd)
            || matches!(op, M::Outsb | M::Outsw | M::Outsd);
        match self.s.kind {
            Kind::V86 => true,
            Kind::User => !(io && self.s.eflags & 0x3000 == 0x3000),
            Kind::Supervisor | Kind::Real => {
                matches!(op, M::Clts | M::Invd | M::Wbinvd | M::Invlpg | M::Cli | M::Sti)
                    || (op == M::Lmsw && self.s.kind == Kind::Supervisor)
            }
        }
    }

    /// In real mode an exception without room on the stack shuts the processor down: SP stays even,
    /// and under 64 KiB.
    pub(super) fn forms_bad_stack(&self, i: &Instruction) -> bool {
        let writes = !matches!(i.mnemonic(), M::Cmp | M::Test | M::Push | M::Bt);
        let names = |k| {
            i.op_kind(k) == OpKind::Register && i.op_register(k).full_register32() == Register::ESP
        };
        writes && (0..i.op_count()).any(names)
            || matches!(i.mnemonic(), M::Leave | M::Enter)
            || (i.mnemonic() == M::Ret && i.op_count() > 0)
    }

    pub(super) fn refuses(&self, i: &Instruction) -> bool {
        // In real mode nothing keeps a wild jump or segment within the case's pages.
        if self.s.kind == Kind::Real && self.forms_bad_stack(i) {
            return true;
        }
        self.s.kind == Kind::Real
            && (matches!(i.mnemonic(), M::Jmp | M::Call | M::Ret) && !is_relative(i)
                || (i.op0_kind() == OpKind::Register && i.op0_register().is_segment_register())
                || matches!(i.mnemonic(), M::Retf | M::Iret | M::Iretd | M::Lds | M::Les)
                || matches!(i.mnemonic(), M::Lss | M::Lfs | M::Lgs))
    }
}

/// They write the x87 instruction and data pointers to memory, which translated code does not keep.
const ENVIRONMENT: &[M] =
    &[M::Fnsave, M::Fnstenv, M::Fsave, M::Fstenv, M::Fxsave, M::Fxrstor, M::Frstor, M::Fldenv];
