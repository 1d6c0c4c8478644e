//! Near branches: JMP CALL RET Jcc JCXZ LOOP, and the sixteen conditions.
//!
//! A target beyond CS's limit raises #GP(0) before anything is committed: no push, no count.
//! 16-bit operand size cuts the target to 16 bits (the decoder has done so for relative ones).

use super::operand::mask;
use super::size::operand_size;
use super::{Ctx, Handler};
use crate::addr::Pc;
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::Gpr;
use iced_x86::{Code, Instruction, Mnemonic as M};

/// Whether condition `CC` (0 to 15, as encoded) holds in `eflags`.
#[inline]
pub(super) fn holds<const CC: u8>(eflags: u32) -> bool {
    let f = Eflags::from_bits_retain(eflags);
    let less = || f.contains(Eflags::SF) != f.contains(Eflags::OF);
    let truth = match CC >> 1 {
        0 => f.contains(Eflags::OF),
        1 => f.contains(Eflags::CF),
        2 => f.contains(Eflags::ZF),
        3 => f.intersects(Eflags::CF | Eflags::ZF),
        4 => f.contains(Eflags::SF),
        5 => f.contains(Eflags::PF),
        6 => less(),
        _ => f.contains(Eflags::ZF) || less(),
    };
    truth != (CC & 1 != 0)
}

/// Picks the instance of a handler for a condition, 0 to 15.
macro_rules! by_condition {
    ($condition:expr, $handler:ident) => {
        by_condition!(@ $condition, $handler, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $condition:expr, $handler:ident, $($cc:literal)*) => {
        match $condition {
            $($cc => Some($handler::<B, $cc> as $crate::interp::Handler<B>),)*
            _ => None,
        }
    };
}
pub(super) use by_condition;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    match code {
        C::Jmp_rel8_16 | C::Jmp_rel8_32 | C::Jmp_rel16 | C::Jmp_rel32_32 => Some(jmp::<B>),
        C::Jmp_rel8_64 | C::Jmp_rel32_64 => Some(jmp::<B>),
        C::Jmp_rm64 => Some(jmp_indirect::<B, 8>),
        C::Call_rel32_64 => Some(call::<B, 8>),
        C::Call_rm64 => Some(call_indirect::<B, 8>),
        C::Retnq | C::Retnq_imm16 => Some(ret::<B, 8>),
        C::Jecxz_rel8_64 => Some(jcxz::<B, 4>),
        C::Jrcxz_rel8_64 => Some(jcxz::<B, 8>),
        C::Jmp_rm16 => Some(jmp_indirect::<B, 2>),
        C::Jmp_rm32 => Some(jmp_indirect::<B, 4>),
        C::Call_rel16 => Some(call::<B, 2>),
        C::Call_rel32_32 => Some(call::<B, 4>),
        C::Call_rm16 => Some(call_indirect::<B, 2>),
        C::Call_rm32 => Some(call_indirect::<B, 4>),
        C::Retnw | C::Retnw_imm16 => Some(ret::<B, 2>),
        C::Retnd | C::Retnd_imm16 => Some(ret::<B, 4>),
        C::Jcxz_rel8_16 | C::Jcxz_rel8_32 => Some(jcxz::<B, 2>),
        C::Jecxz_rel8_16 | C::Jecxz_rel8_32 => Some(jcxz::<B, 4>),
        _ => conditional(code),
    }
}

/// Jcc and the LOOPs.
fn conditional<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    let address = match code {
        C::Loop_rel8_64_RCX | C::Loope_rel8_64_RCX | C::Loopne_rel8_64_RCX => 8,
        C::Loop_rel8_16_ECX | C::Loop_rel8_32_ECX | C::Loop_rel8_64_ECX => 4,
        C::Loope_rel8_16_ECX | C::Loope_rel8_32_ECX | C::Loope_rel8_64_ECX => 4,
        C::Loopne_rel8_16_ECX | C::Loopne_rel8_32_ECX | C::Loopne_rel8_64_ECX => 4,
        _ => 2,
    };
    match (code.mnemonic(), address) {
        (M::Loop, 2) => return Some(loop_if::<B, 2, ALWAYS>),
        (M::Loop, 4) => return Some(loop_if::<B, 4, ALWAYS>),
        (M::Loop, _) => return Some(loop_if::<B, 8, ALWAYS>),
        (M::Loope, 2) => return Some(loop_if::<B, 2, EQUAL>),
        (M::Loope, 4) => return Some(loop_if::<B, 4, EQUAL>),
        (M::Loope, _) => return Some(loop_if::<B, 8, EQUAL>),
        (M::Loopne, 2) => return Some(loop_if::<B, 2, NOT_EQUAL>),
        (M::Loopne, 4) => return Some(loop_if::<B, 4, NOT_EQUAL>),
        (M::Loopne, _) => return Some(loop_if::<B, 8, NOT_EQUAL>),
        _ => {}
    }
    let mut i = Instruction::default();
    i.set_code(code);
    if !code.is_jcc_short_or_near() || operand_size(code, 0).is_some() {
        return None;
    }
    by_condition!((i.condition_code() as u8).wrapping_sub(1), jcc)
}

impl<B: Bus> Ctx<'_, B> {
    /// The instruction pointer of a branch to `offset`: cut to the bits that it has, and inside CS; canonical in 64-bit mode.
    ///
    /// # Errors
    /// #GP(0).
    #[inline]
    pub fn target(&self, offset: u64) -> Result<Pc, Exception> {
        let (target, reached) = match self.s.in_64_bit_mode() {
            true => (Pc(offset), Pc(offset).is_canonical()),
            false => (Pc::from(offset as u32), self.s.cs().reaches(Pc::from(offset as u32))),
        };
        if reached { Ok(target) } else { Err(Exception::gp(0)) }
    }

    /// Makes the instruction at `offset` the next.
    ///
    /// # Errors
    /// #GP(0) when it is beyond CS's limit.
    #[inline]
    pub fn jump(&mut self, offset: u64) -> Result<(), Exception> {
        self.next_rip = self.target(offset)?;
        Ok(())
    }
}

fn jmp<B: Bus>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    ctx.jump(i.near_branch_target())
}

fn jcc<B: Bus, const CC: u8>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    if holds::<CC>(ctx.s.eflags) { ctx.jump(i.near_branch_target()) } else { Ok(()) }
}

fn jmp_indirect<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let target = ctx.read_op(i, 0, N)?;
    ctx.jump(target)
}

fn call<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    call_to::<B, N>(ctx, i.near_branch_target())
}

fn call_indirect<B: Bus, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let target = ctx.read_op(i, 0, N)?;
    call_to::<B, N>(ctx, target)
}

fn call_to<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, offset: u64) -> Result<(), Exception> {
    let target = ctx.target(offset)?;
    ctx.push(N, ctx.next_rip.get())?;
    ctx.next_rip = target;
    Ok(())
}

fn ret<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    let target = ctx.peek(0, N)?;
    ctx.jump(target)?;
    let parameters = if i.op_count() == 0 { 0 } else { u32::from(i.immediate16()) };
    ctx.release(N + parameters);
    Ok(())
}

fn jcxz<B: Bus, const A: u32>(ctx: &mut Ctx<'_, B>, i: &Instruction) -> Result<(), Exception> {
    if ctx.gpr_low(Gpr::Ecx, A) == 0 { ctx.jump(i.near_branch_target()) } else { Ok(()) }
}

const ALWAYS: u8 = 0;
const EQUAL: u8 = 1;
const NOT_EQUAL: u8 = 2;

/// Counts CX (A = 2), ECX or RCX down; jumps while it is not zero and ZF is as asked.
fn loop_if<B: Bus, const A: u32, const WHEN: u8>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    let count = ctx.gpr_low(Gpr::Ecx, A).wrapping_sub(1) & mask(A);
    let zf = ctx.s.eflags & Eflags::ZF.bits() != 0;
    let asked = match WHEN {
        EQUAL => zf,
        NOT_EQUAL => !zf,
        _ => true,
    };
    if count != 0 && asked {
        ctx.jump(i.near_branch_target())?;
    }
    ctx.set_gpr_low(Gpr::Ecx, A, count);
    Ok(())
}
