//! String instructions: MOVS CMPS STOS LODS SCAS INS OUTS, with REP, REPE and REPNE.
//!
//! # Exactness of REP
//! An iteration commits SI, DI and the count together, after its last access that can fault. So at
//! a fault or an interrupt the registers tell exactly what is done, EIP is still the
//! instruction's, and executing it again continues. At a fault in CMPS or SCAS the flags are those
//! from before the instruction (SDM volume 2, REP). A pass stops early, as [`Ctx::partial`], before
//! each [`MOST`]th iteration from the end, and after every one under single step, when a data breakpoint was met or when the
//! bus asks for it. The next pass is of the instruction as it was decoded ([`CpuState::string`]), unless an exception or
//! interrupt was taken in between: a processor has it already, whatever it writes over its own bytes.
//!
//! INS, OUTS, MOVS and STOS leave to the bus what is no more than data that moves ([`Bus::burst_in`]), but for the last
//! iteration of each pass: so passes stop where they would.
//!
//! [`CpuState::string`]: crate::CpuState

use super::alu::{Binary, Sub};
use super::operand::mask;
use super::{Ctx, Handler, debug, sys};
use crate::addr::{Lin, PAGE_SIZE};
use crate::bus::{Access, Bus};
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::{Gpr, SegReg};
use iced_x86::{Code, Instruction, Mnemonic as M, OpKind};

/// A pass ends where so many divide the count of iterations that are left: the longest that an interrupt waits. Counted from
/// the end, passes stop at the same places wherever the interpreter takes over from translated code.
const MOST: u32 = 1024;

/// Fewer iterations than this are not worth asking whether they can be moved at once.
const FEW: u32 = 4;

/// A pass in which the bus has moved nothing at so many iterations one after another does not ask it again. The first
/// iteration on a page makes the next ones known to it.
const PATIENCE: u32 = 2;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    use Code as C;
    Some(match code {
        C::Movsb_m8_m8 => string::<B, Movs, 1>,
        C::Movsw_m16_m16 => string::<B, Movs, 2>,
        C::Movsd_m32_m32 => string::<B, Movs, 4>,
        C::Movsq_m64_m64 => string::<B, Movs, 8>,
        C::Stosb_m8_AL => string::<B, Stos, 1>,
        C::Stosw_m16_AX => string::<B, Stos, 2>,
        C::Stosd_m32_EAX => string::<B, Stos, 4>,
        C::Stosq_m64_RAX => string::<B, Stos, 8>,
        C::Lodsb_AL_m8 => string::<B, Lods, 1>,
        C::Lodsw_AX_m16 => string::<B, Lods, 2>,
        C::Lodsd_EAX_m32 => string::<B, Lods, 4>,
        C::Lodsq_RAX_m64 => string::<B, Lods, 8>,
        C::Cmpsb_m8_m8 => string::<B, Cmps, 1>,
        C::Cmpsw_m16_m16 => string::<B, Cmps, 2>,
        C::Cmpsd_m32_m32 => string::<B, Cmps, 4>,
        C::Cmpsq_m64_m64 => string::<B, Cmps, 8>,
        C::Scasb_AL_m8 => string::<B, Scas, 1>,
        C::Scasw_AX_m16 => string::<B, Scas, 2>,
        C::Scasd_EAX_m32 => string::<B, Scas, 4>,
        C::Scasq_RAX_m64 => string::<B, Scas, 8>,
        C::Insb_m8_DX => string::<B, Ins, 1>,
        C::Insw_m16_DX => string::<B, Ins, 2>,
        C::Insd_m32_DX => string::<B, Ins, 4>,
        C::Outsb_DX_m8 => string::<B, Outs, 1>,
        C::Outsw_DX_m16 => string::<B, Outs, 2>,
        C::Outsd_DX_m32 => string::<B, Outs, 4>,
        _ => {
            debug_assert!(
                !matches!(code.mnemonic(), M::Insb | M::Outsb),
                "a string code is missing"
            );
            return None;
        }
    })
}

/// What all iterations of one instruction share.
#[derive(Clone, Copy)]
struct Walk {
    /// The source's segment: DS or an override. The destination's is always ES.
    seg: SegReg,
    /// Size of SI, DI and CX in bytes: 2, 4 or 8.
    address: u32,
    /// What SI and DI move by.
    step: u64,
}

impl Walk {
    fn of<B: Bus, const N: u32>(ctx: &Ctx<'_, B>, i: &Instruction) -> Self {
        let short = |kind| matches!(kind, OpKind::MemorySegSI | OpKind::MemoryESDI);
        let long = |kind| matches!(kind, OpKind::MemorySegRSI | OpKind::MemoryESRDI);
        let either = |is: &dyn Fn(OpKind) -> bool| is(i.op0_kind()) || is(i.op1_kind());
        let address = if either(&short) {
            2
        } else if either(&long) {
            8
        } else {
            4
        };
        let back = ctx.s.eflags & Eflags::DF.bits() != 0;
        let source = |kind| {
            matches!(kind, OpKind::MemorySegSI | OpKind::MemorySegESI | OpKind::MemorySegRSI)
        };
        let has_source = either(&source);
        Self {
            seg: if has_source { ctx.data_segment(i) } else { SegReg::Ds },
            address,
            step: if back { u64::from(N).wrapping_neg() } else { u64::from(N) },
        }
    }

    fn pointer<B: Bus>(&self, ctx: &Ctx<'_, B>, r: Gpr) -> u64 {
        ctx.gpr_low(r, self.address)
    }

    fn advance<B: Bus>(&self, ctx: &mut Ctx<'_, B>, r: Gpr) {
        let value = ctx.s.gpr[r as usize].wrapping_add(self.step);
        ctx.set_gpr_low(r, self.address, value);
    }

    /// How many of `most` items from `seg:at` on lie, upwards, within one page and the segment and can be accessed with no
    /// more than paging's consent, and the address of the first.
    fn run<B: Bus, const N: u32>(
        &self,
        ctx: &Ctx<'_, B>,
        (seg, at): (SegReg, u64),
        most: u32,
        access: Access,
    ) -> Option<(Lin, u32)> {
        // (What the bus moves has four bytes at most.)
        if self.step != u64::from(N) || N > 4 || debug::is_armed(ctx.s) {
            return None;
        }
        let lin = ctx.data_linear(seg, at, N, access).ok()?;
        let left = mask(self.address) - at;
        let room = (PAGE_SIZE - lin.in_page()).min(left.saturating_add(1)) / u64::from(N);
        let count = most.min(u32::try_from(room).unwrap_or(most));
        if count < FEW {
            return None;
        }
        ctx.linear(seg, at, count * N, access).ok()?;
        Some((lin, count))
    }

    /// `count` items are through, by the pointer `r`.
    fn moved<B: Bus, const N: u32>(&self, ctx: &mut Ctx<'_, B>, r: Gpr, count: u32) {
        let value = ctx.s.gpr[r as usize].wrapping_add(u64::from(count) * u64::from(N));
        ctx.set_gpr_low(r, self.address, value);
    }
}

/// One string instruction.
trait Operation {
    /// The REP prefix also asks ZF: CMPS and SCAS.
    const COMPARES: bool = false;

    /// [`Operation::burst`] may move something.
    const BURSTS: bool = false;

    /// What is checked even when the count is zero: INS and OUTS must be allowed the port.
    fn permitted<B: Bus, const N: u32>(_: &mut Ctx<'_, B>) -> Result<(), Exception> {
        Ok(())
    }

    /// Up to `most` iterations at once, where the bus can do that: how many.
    fn burst<B: Bus, const N: u32>(_: &mut Ctx<'_, B>, _: &Walk, _most: u32) -> u32 {
        0
    }

    /// One iteration: the accesses, then SI and DI. Flags go to `flags`.
    fn once<B: Bus, const N: u32>(
        ctx: &mut Ctx<'_, B>,
        walk: &Walk,
        flags: &mut u32,
    ) -> Result<(), Exception>;
}

/// The instruction with whatever REP prefix it has.
fn string<B: Bus, O: Operation, const N: u32>(
    ctx: &mut Ctx<'_, B>,
    i: &Instruction,
) -> Result<(), Exception> {
    O::permitted::<B, N>(ctx)?;
    let walk = Walk::of::<B, N>(ctx, i);
    let mut flags = ctx.s.eflags;
    if !(i.has_rep_prefix() || i.has_repne_prefix()) {
        O::once::<B, N>(ctx, &walk, &mut flags)?;
        ctx.s.eflags = flags;
        return Ok(());
    }
    // ZF that ends the repetition: clear for REPE, set for REPNE.
    let until = if i.has_repne_prefix() { Eflags::ZF.bits() } else { 0 };
    let single_step = ctx.s.eflags & Eflags::TF.bits() != 0;
    let mut patience = if O::BURSTS && !single_step { PATIENCE } else { 0 };
    loop {
        let mut count = walk.pointer(ctx, Gpr::Ecx);
        if count == 0 {
            break;
        }
        if patience != 0 && !ctx.bus.pauses_strings() {
            let moved = O::burst::<B, N>(ctx, &walk, (count - 1) as u32 % MOST);
            patience = if moved == 0 { patience - 1 } else { PATIENCE };
            ctx.partial |= moved != 0;
            count -= u64::from(moved);
            ctx.set_gpr_low(Gpr::Ecx, walk.address, count);
        }
        O::once::<B, N>(ctx, &walk, &mut flags)?;
        ctx.set_gpr_low(Gpr::Ecx, walk.address, count - 1);
        let ended = O::COMPARES && flags & Eflags::ZF.bits() == until;
        ctx.partial = count > 1 && !ended;
        let pauses = single_step || (count - 1).is_multiple_of(u64::from(MOST));
        if !ctx.partial || pauses || ctx.s.pending_debug != 0 || ctx.bus.pauses_strings() {
            break;
        }
    }
    // Between passes the flags stay those from before, so that a fault in a later one finds them.
    if !ctx.partial || single_step || ctx.s.pending_debug != 0 {
        ctx.s.eflags = flags;
    }
    Ok(())
}

struct Movs;

impl Operation for Movs {
    const BURSTS: bool = true;

    fn burst<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, walk: &Walk, most: u32) -> u32 {
        let from = (walk.seg, walk.pointer(ctx, Gpr::Esi));
        let Some((source, count)) = walk.run::<B, N>(ctx, from, most, Access::Read) else {
            return 0;
        };
        let to = (SegReg::Es, walk.pointer(ctx, Gpr::Edi));
        let Some((lin, count)) = walk.run::<B, N>(ctx, to, count, Access::Write) else { return 0 };
        let moved = ctx.bus.burst_move(source, lin, N as u8, count, ctx.who());
        walk.moved::<B, N>(ctx, Gpr::Esi, moved);
        walk.moved::<B, N>(ctx, Gpr::Edi, moved);
        moved
    }

    #[inline]
    fn once<B: Bus, const N: u32>(
        ctx: &mut Ctx<'_, B>,
        walk: &Walk,
        _: &mut u32,
    ) -> Result<(), Exception> {
        let from = walk.pointer(ctx, Gpr::Esi);
        let value = ctx.read_sized(walk.seg, from, N)?;
        let to = walk.pointer(ctx, Gpr::Edi);
        ctx.write_sized(SegReg::Es, to, N, value)?;
        walk.advance(ctx, Gpr::Esi);
        walk.advance(ctx, Gpr::Edi);
        Ok(())
    }
}

struct Stos;

impl Operation for Stos {
    const BURSTS: bool = true;

    fn burst<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, walk: &Walk, most: u32) -> u32 {
        let to = (SegReg::Es, walk.pointer(ctx, Gpr::Edi));
        let Some((lin, count)) = walk.run::<B, N>(ctx, to, most, Access::Write) else { return 0 };
        let value = ctx.gpr(Gpr::Eax);
        let moved = ctx.bus.burst_fill(lin, value, N as u8, count, ctx.who());
        walk.moved::<B, N>(ctx, Gpr::Edi, moved);
        moved
    }

    #[inline]
    fn once<B: Bus, const N: u32>(
        ctx: &mut Ctx<'_, B>,
        walk: &Walk,
        _: &mut u32,
    ) -> Result<(), Exception> {
        let to = walk.pointer(ctx, Gpr::Edi);
        let value = ctx.gpr_low(Gpr::Eax, N);
        ctx.write_sized(SegReg::Es, to, N, value)?;
        walk.advance(ctx, Gpr::Edi);
        Ok(())
    }
}

struct Lods;

impl Operation for Lods {
    #[inline]
    fn once<B: Bus, const N: u32>(
        ctx: &mut Ctx<'_, B>,
        walk: &Walk,
        _: &mut u32,
    ) -> Result<(), Exception> {
        let from = walk.pointer(ctx, Gpr::Esi);
        let value = ctx.read_sized(walk.seg, from, N)?;
        ctx.set_gpr_low(Gpr::Eax, N, value);
        walk.advance(ctx, Gpr::Esi);
        Ok(())
    }
}

struct Cmps;

impl Operation for Cmps {
    const COMPARES: bool = true;

    #[inline]
    fn once<B: Bus, const N: u32>(
        ctx: &mut Ctx<'_, B>,
        walk: &Walk,
        flags: &mut u32,
    ) -> Result<(), Exception> {
        let a = ctx.read_sized(walk.seg, walk.pointer(ctx, Gpr::Esi), N)?;
        let b = ctx.read_sized(SegReg::Es, walk.pointer(ctx, Gpr::Edi), N)?;
        Sub::run::<N>(flags, a, b);
        walk.advance(ctx, Gpr::Esi);
        walk.advance(ctx, Gpr::Edi);
        Ok(())
    }
}

struct Scas;

impl Operation for Scas {
    const COMPARES: bool = true;

    #[inline]
    fn once<B: Bus, const N: u32>(
        ctx: &mut Ctx<'_, B>,
        walk: &Walk,
        flags: &mut u32,
    ) -> Result<(), Exception> {
        let b = ctx.read_sized(SegReg::Es, walk.pointer(ctx, Gpr::Edi), N)?;
        Sub::run::<N>(flags, ctx.gpr_low(Gpr::Eax, N), b);
        walk.advance(ctx, Gpr::Edi);
        Ok(())
    }
}

struct Ins;

impl Operation for Ins {
    const BURSTS: bool = true;

    fn burst<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, walk: &Walk, most: u32) -> u32 {
        let to = (SegReg::Es, walk.pointer(ctx, Gpr::Edi));
        let Some((lin, count)) = walk.run::<B, N>(ctx, to, most, Access::Write) else { return 0 };
        let (port, who) = (ctx.gpr(Gpr::Edx) as u16, ctx.who());
        let moved = ctx.bus.burst_in(port, N as u8, lin, count, who);
        walk.moved::<B, N>(ctx, Gpr::Edi, moved);
        moved
    }

    fn permitted<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        sys::io::check(ctx, ctx.gpr(Gpr::Edx) as u16, N as u8)
    }

    /// The destination is checked before the port is read, so that no device loses data to a fault.
    fn once<B: Bus, const N: u32>(
        ctx: &mut Ctx<'_, B>,
        walk: &Walk,
        _: &mut u32,
    ) -> Result<(), Exception> {
        let port = ctx.gpr(Gpr::Edx) as u16;
        let to = walk.pointer(ctx, Gpr::Edi);
        ctx.probe_write(SegReg::Es, to, N)?;
        let value = u64::from(ctx.bus.port_in(port, N as u8));
        debug::note_io(ctx.s, port, N);
        ctx.write_sized(SegReg::Es, to, N, value)?;
        walk.advance(ctx, Gpr::Edi);
        Ok(())
    }
}

struct Outs;

impl Operation for Outs {
    const BURSTS: bool = true;

    fn burst<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>, walk: &Walk, most: u32) -> u32 {
        let from = (walk.seg, walk.pointer(ctx, Gpr::Esi));
        let Some((lin, count)) = walk.run::<B, N>(ctx, from, most, Access::Read) else { return 0 };
        let (port, who) = (ctx.gpr(Gpr::Edx) as u16, ctx.who());
        let moved = ctx.bus.burst_out(port, N as u8, lin, count, who);
        walk.moved::<B, N>(ctx, Gpr::Esi, moved);
        moved
    }

    fn permitted<B: Bus, const N: u32>(ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        sys::io::check(ctx, ctx.gpr(Gpr::Edx) as u16, N as u8)
    }

    fn once<B: Bus, const N: u32>(
        ctx: &mut Ctx<'_, B>,
        walk: &Walk,
        _: &mut u32,
    ) -> Result<(), Exception> {
        let port = ctx.gpr(Gpr::Edx) as u16;
        let from = walk.pointer(ctx, Gpr::Esi);
        let value = ctx.read_sized(walk.seg, from, N)?;
        ctx.bus.port_out(port, N as u8, value as u32);
        debug::note_io(ctx.s, port, N);
        walk.advance(ctx, Gpr::Esi);
        Ok(())
    }
}
