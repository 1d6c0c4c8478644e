//! The stack: single pushes and pops, and [`StackCursor`] for instructions of several.
//!
//! Only the low word of ESP moves on a 16-bit stack (SS.B clear; SDM volume 3A, 5.1.1 of the stack
//! chapter in volume 1, 6.2.3). Nothing is committed before everything has been checked: a cursor
//! probes each push and writes on `commit`, so an instruction that faults in its middle leaves
//! ESP and the memory below it as they were.

use super::ctx::{is_canonical, segment_allows};
use super::operand::mask;
use super::{Ctx, debug};
use crate::addr::Lin;
use crate::bus::{Access, Bus, Privilege};
use crate::exception::Exception;
use crate::segment::Segment;
use crate::state::{CpuState, Gpr, SegReg};
use arrayvec::ArrayVec;

/// The bytes of ESP that a stack in `ss` uses: 4 with SS.B, else 2.
#[must_use]
#[inline]
pub fn pointer_size(ss: &Segment) -> u32 {
    if ss.is_32() { 4 } else { 2 }
}

/// The bytes of the stack pointer that the running code's stack uses: 8 in 64-bit mode.
#[must_use]
#[inline]
pub fn current_pointer_size(s: &CpuState) -> u32 {
    if s.in_64_bit_mode() { 8 } else { pointer_size(s.ss()) }
}

/// As many pushes as any instruction makes: a call gate's 31 parameters and four more, PUSHA's 8,
/// ENTER's 32 and a few.
const MOST: usize = 40;

/// A push that has been checked.
#[derive(Clone, Copy, Debug)]
struct Pending {
    lin: Lin,
    value: u64,
    size: u32,
}

/// A stack pointer that moves ahead of ESP; see the module.
#[derive(Clone, Debug)]
pub struct StackCursor {
    seg: Segment,
    sp: u64,
    /// Bytes of the stack pointer; 8: SS has neither base nor limit.
    width: u32,
    who: Privilege,
    error: u32,
    /// Not an array: to clear one costs more than all of an instruction's pushes.
    pending: ArrayVec<Pending, MOST>,
}

impl StackCursor {
    /// At SS:ESP with the rights of the running code; violations raise #SS(0).
    #[must_use]
    #[inline]
    pub fn current(s: &CpuState) -> Self {
        let who = Privilege::explicit(s.cpl, s.eflags);
        let width = current_pointer_size(s);
        Self { width, ..Self::on(*s.ss(), s.gpr[Gpr::Esp as usize], who, 0) }
    }

    /// On another stack (gates, IRET): violations raise #SS(`error`).
    #[must_use]
    #[inline]
    pub fn on(seg: Segment, sp: impl Into<u64>, who: Privilege, error: u32) -> Self {
        let sp = sp.into();
        Self { seg, sp, width: pointer_size(&seg), who, error, pending: ArrayVec::new() }
    }

    /// On a stack of 64-bit mode, whatever the running code's mode; violations raise #SS(0).
    #[must_use]
    pub fn long(sp: u64, who: Privilege) -> Self {
        Self { width: 8, ..Self::on(Segment::default(), sp, who, 0) }
    }

    /// The stack pointer now; on a 16-bit stack the high word is the one it began with.
    #[must_use]
    pub fn sp(&self) -> u64 {
        self.sp
    }

    fn offset(&self, sp: u64) -> u64 {
        sp & mask(self.width)
    }

    fn moved(&self, by: u64) -> u64 {
        let m = mask(self.width);
        (self.sp & !m) | (self.sp.wrapping_add(by) & m)
    }

    fn linear<B: Bus>(
        &self,
        ctx: &Ctx<'_, B>,
        sp: u64,
        size: u32,
        access: Access,
    ) -> Result<Lin, Exception> {
        let off = self.offset(sp);
        let wide = self.width == 8;
        let lin = if wide { Lin(off) } else { ctx.s.linear(self.seg.base, off) };
        let allowed = match wide {
            true => is_canonical(lin, size),
            false => segment_allows(&self.seg, off, size, access),
        };
        if !allowed {
            return Err(Exception::ss(self.error));
        }
        if self.who == Privilege::User {
            ctx.check_alignment(lin, size)?;
        }
        Ok(lin)
    }

    /// Pushes the low `size` (2, 4 or 8) bytes of `value`: checked now, written by
    /// [`StackCursor::commit`] or [`StackCursor::flush`].
    ///
    /// # Errors
    /// #SS, #PF, #AC.
    pub fn push<B: Bus>(
        &mut self,
        ctx: &mut Ctx<'_, B>,
        size: u32,
        value: impl Into<u64>,
    ) -> Result<(), Exception> {
        let sp = self.moved(u64::from(size).wrapping_neg());
        let lin = self.linear(ctx, sp, size, Access::Write)?;
        ctx.bus.probe(lin, size, Access::Write, self.who)?;
        if self.pending.is_full() {
            self.flush(ctx)?;
        }
        self.pending.push(Pending { lin, value: value.into(), size });
        self.sp = sp;
        Ok(())
    }

    /// Pops `size` (2, 4 or 8) bytes.
    ///
    /// # Errors
    /// #SS, #PF, #AC.
    pub fn pop<B: Bus>(&mut self, ctx: &mut Ctx<'_, B>, size: u32) -> Result<u64, Exception> {
        let value = self.peek(ctx, 0, size)?;
        self.sp = self.moved(u64::from(size));
        Ok(value)
    }

    /// Reads `size` (2, 4 or 8) bytes at `above` the stack pointer.
    ///
    /// # Errors
    /// #SS, #PF, #AC.
    pub fn peek<B: Bus>(
        &self,
        ctx: &mut Ctx<'_, B>,
        above: u32,
        size: u32,
    ) -> Result<u64, Exception> {
        let lin = self.linear(ctx, self.moved(u64::from(above)), size, Access::Read)?;
        let value = match size {
            2 => u64::from(ctx.bus.read_u16(lin, self.who)?),
            4 => u64::from(ctx.bus.read_u32(lin, self.who)?),
            _ => ctx.bus.read_u64(lin, self.who)?,
        };
        debug::note_data(ctx.s, lin, size, false);
        Ok(value)
    }

    /// Moves the pointer up over `bytes` (RET n, parameters) without reading.
    pub fn skip(&mut self, bytes: impl Into<u64>) {
        self.sp = self.moved(bytes.into());
    }

    /// Writes the pushes made so far.
    ///
    /// # Errors
    /// None after the checks of `push`, unless the bus's rights changed in between.
    pub fn flush<B: Bus>(&mut self, ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        for p in &self.pending {
            match p.size {
                2 => ctx.bus.write(p.lin, &(p.value as u16).to_le_bytes(), self.who)?,
                4 => ctx.bus.write(p.lin, &(p.value as u32).to_le_bytes(), self.who)?,
                _ => ctx.bus.write(p.lin, &p.value.to_le_bytes(), self.who)?,
            }
            debug::note_data(ctx.s, p.lin, p.size, true);
        }
        self.pending.clear();
        Ok(())
    }

    /// Writes the pushes and moves ESP (SS stays; a caller that changes SS sets both itself).
    ///
    /// # Errors
    /// As [`StackCursor::flush`].
    pub fn commit<B: Bus>(&mut self, ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        self.flush(ctx)?;
        ctx.s.gpr[Gpr::Esp as usize] = self.sp;
        Ok(())
    }
}

impl<B: Bus> Ctx<'_, B> {
    /// The bits of RSP that the stack uses: FFFFh or FFFFFFFFh by SS.B, all in 64-bit mode.
    #[must_use]
    #[inline]
    pub fn sp_mask(&self) -> u64 {
        mask(current_pointer_size(self.s))
    }

    /// The stack pointer: SP or ESP by SS.B, or RSP.
    #[must_use]
    #[inline]
    pub fn sp(&self) -> u64 {
        self.s.gpr[Gpr::Esp as usize] & self.sp_mask()
    }

    /// Sets SP or ESP by SS.B, or RSP.
    #[inline]
    pub fn set_sp(&mut self, value: u64) {
        let size = current_pointer_size(self.s);
        self.set_gpr_low(Gpr::Esp, size, value);
    }

    /// Pushes the low `size` (2, 4 or 8) bytes of `value`.
    ///
    /// # Errors
    /// #SS, #PF, #AC; ESP has not moved then.
    #[inline]
    pub fn push(&mut self, size: u32, value: impl Into<u64>) -> Result<(), Exception> {
        let sp = self.sp().wrapping_sub(u64::from(size)) & self.sp_mask();
        self.write_sized(SegReg::Ss, sp, size, value.into())?;
        self.set_sp(sp);
        Ok(())
    }

    /// The `size` (2, 4 or 8) bytes at `above` the top of the stack, which does not move.
    ///
    /// # Errors
    /// #SS, #PF, #AC.
    #[inline]
    pub fn peek(&mut self, above: u32, size: u32) -> Result<u64, Exception> {
        let off = self.sp().wrapping_add(u64::from(above)) & self.sp_mask();
        self.read_sized(SegReg::Ss, off, size)
    }

    /// Moves the stack pointer up by `bytes`.
    #[inline]
    pub fn release(&mut self, bytes: u32) {
        let sp = self.sp().wrapping_add(u64::from(bytes));
        self.set_sp(sp);
    }

    /// Pops `size` (2, 4 or 8) bytes.
    ///
    /// # Errors
    /// #SS, #PF, #AC; ESP has not moved then.
    #[inline]
    pub fn pop(&mut self, size: u32) -> Result<u64, Exception> {
        let value = self.peek(0, size)?;
        self.release(size);
        Ok(value)
    }
}
