//! CPUID: what `model` says.

use super::super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::state::Gpr;
use iced_x86::{Code, Instruction};

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    (code == Code::Cpuid).then_some(cpuid::<B> as Handler<B>)
}

fn cpuid<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let (leaf, subleaf) = (ctx.gpr(Gpr::Eax), ctx.gpr(Gpr::Ecx));
    let [eax, ebx, ecx, edx] = ctx.unit.model.cpuid(leaf, subleaf);
    ctx.set_gpr(Gpr::Eax, eax);
    ctx.set_gpr(Gpr::Ebx, ebx);
    ctx.set_gpr(Gpr::Ecx, ecx);
    ctx.set_gpr(Gpr::Edx, edx);
    Ok(())
}
