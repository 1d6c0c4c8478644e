//! CPUID: what `model` says.

use super::super::{Ctx, Handler};
use crate::bus::Bus;
use crate::exception::Exception;
use crate::model::Features;
use crate::state::{Gpr, apic_base, cr4, misc_enable, xcr0};
use iced_x86::{Code, Instruction};

/// Leaf 1, ECX: CR4.OSXSAVE as it is.
const OSXSAVE: u32 = 1 << 27;
/// The leaf of XSAVE's state components; its ECX is not 0 where it exists.
const XSAVE_LEAF: u32 = 0xd;

/// The leaf of the features that came with 64-bit mode.
const FEATURES_OF_64: u32 = 0x8000_0001;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    (code == Code::Cpuid).then_some(cpuid::<B> as Handler<B>)
}

fn cpuid<B: Bus>(ctx: &mut Ctx<'_, B>, _: &Instruction) -> Result<(), Exception> {
    let limited = ctx.s.msr.misc_enable & misc_enable::LIMIT_CPUID != 0;
    let (leaf, subleaf) = (ctx.gpr(Gpr::Eax), ctx.gpr(Gpr::Ecx));
    let [eax, mut ebx, mut ecx, mut edx] = ctx.unit.model.cpuid(leaf, subleaf, limited);
    if leaf == 1 && ctx.s.msr.apic_base & apic_base::ON == 0 {
        // A local APIC that is switched off is not there (SDM volume 3A, 10.4.3).
        edx &= !(Features::APIC.bits() as u32);
    }
    if leaf == 1 && ctx.s.cr4 & cr4::OSXSAVE != 0 {
        ecx |= OSXSAVE;
    }
    if leaf == FEATURES_OF_64 && !ctx.s.in_64_bit_mode() {
        // SYSCALL is shown where it exists.
        edx &= !((Features::SYSCALL.bits() >> 96) as u32);
    }
    if leaf == XSAVE_LEAF && subleaf == 0 && ecx != 0 {
        ebx = xcr0::size(ctx.s.xcr0);
    }
    ctx.set_gpr(Gpr::Eax, eax);
    ctx.set_gpr(Gpr::Ebx, ebx);
    ctx.set_gpr(Gpr::Ecx, ecx);
    ctx.set_gpr(Gpr::Edx, edx);
    Ok(())
}
