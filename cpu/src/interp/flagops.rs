//! Instructions on single flags: CLC STC CMC CLD STD LAHF SAHF.
//! (CLI, STI, PUSHF and POPF, which privilege guards, belong to `sys`.)

use super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::Gpr;
use iced_x86::{Code, Instruction};

/// The flags that LAHF stores and SAHF loads.
const LOW: u32 = 0xd5;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    match code {
        Code::Clc => Some(clc::<B>),
        Code::Stc => Some(stc::<B>),
        Code::Cmc => Some(cmc::<B>),
        Code::Cld => Some(cld::<B>),
        Code::Std => Some(std::<B>),
        Code::Lahf => Some(lahf::<B>),
        Code::Sahf => Some(sahf::<B>),
        _ => None,
    }
}

fn clc<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    ctx.s.eflags &= !Eflags::CF.bits();
    Ok(())
}

fn stc<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    ctx.s.eflags |= Eflags::CF.bits();
    Ok(())
}

fn cmc<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    ctx.s.eflags ^= Eflags::CF.bits();
    Ok(())
}

fn cld<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    ctx.s.eflags &= !Eflags::DF.bits();
    Ok(())
}

fn std<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    ctx.s.eflags |= Eflags::DF.bits();
    Ok(())
}

fn lahf<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let ah = (ctx.s.eflags & LOW) | Eflags::FIXED_ONE;
    let rax = &mut ctx.s.gpr[Gpr::Eax as usize];
    *rax = (*rax & !0xff00) | u64::from(ah << 8);
    Ok(())
}

fn sahf<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let ah = ctx.gpr(Gpr::Eax) >> 8;
    ctx.s.eflags = (ctx.s.eflags & !LOW) | (ah & LOW);
    Ok(())
}
