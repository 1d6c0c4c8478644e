//! Descriptors of the GDT and the LDT: finding, reading, marking. SDM volume 3A, 3.4.5 and 3.5.
//!
//! Table accesses are implicit: supervisor rights whatever the CPL, no limit of DS, no alignment
//! check. They can raise #PF all the same, and so can the writes of the accessed and busy bits;
//! callers make these writes before they commit anything.

use super::super::Ctx;
use crate::addr::{Lin, Pc};
use crate::bus::{Access, Bus, Privilege};
use crate::exception::Exception;
use crate::segment::{SegAttr, Segment, Selector};

/// Types of system descriptors (SDM volume 3A, table 3-2).
pub mod kind {
    /// 16-bit TSS, available.
    pub const TSS16: u8 = 1;
    /// LDT.
    pub const LDT: u8 = 2;
    /// 16-bit TSS, busy.
    pub const TSS16_BUSY: u8 = 3;
    /// 16-bit call gate.
    pub const CALL16: u8 = 4;
    /// Task gate.
    pub const TASK: u8 = 5;
    /// 16-bit interrupt gate.
    pub const INT16: u8 = 6;
    /// 16-bit trap gate.
    pub const TRAP16: u8 = 7;
    /// 32-bit TSS, available.
    pub const TSS32: u8 = 9;
    /// 32-bit TSS, busy.
    pub const TSS32_BUSY: u8 = 11;
    /// 32-bit call gate.
    pub const CALL32: u8 = 12;
    /// 32-bit interrupt gate.
    pub const INT32: u8 = 14;
    /// 32-bit trap gate.
    pub const TRAP32: u8 = 15;
}

/// The busy bit in a TSS descriptor's type.
const BUSY: u8 = 2;

/// An entry of a descriptor table, and where it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// Bytes 0 to 3.
    pub lo: u32,
    /// Bytes 4 to 7.
    pub hi: u32,
    /// Linear address of byte 0.
    pub lin: Lin,
}

impl Descriptor {
    /// Reads the eight bytes at `lin`.
    ///
    /// # Errors
    /// #PF.
    #[inline(always)]
    pub fn read<B: Bus>(ctx: &mut Ctx<'_, B>, lin: Lin) -> Result<Self, Exception> {
        let raw = ctx.bus.read_u64(lin, Privilege::Supervisor)?;
        Ok(Self { lo: raw as u32, hi: (raw >> 32) as u32, lin })
    }

    /// What long mode puts behind the eight bytes of a system descriptor: the upper half of the base or offset. The type field
    /// that would be there in another descriptor must be zero (SDM volume 3A, 3.5.2, 5.8.3.1 and 7.2.3).
    ///
    /// # Errors
    /// #GP(`code`), #PF.
    pub fn upper_half<B: Bus>(&self, ctx: &mut Ctx<'_, B>, code: u32) -> Result<u32, Exception> {
        let at = ctx.s.system_linear(self.lin, 8u64);
        let raw = ctx.bus.read_u64(at, Privilege::Supervisor)?;
        let kind = raw >> 40 & 0x1f;
        if kind == 0 { Ok(raw as u32) } else { Err(Exception::gp(code)) }
    }

    /// Access rights as a segment register keeps them.
    #[must_use]
    pub fn attr(&self) -> SegAttr {
        SegAttr::from_bits_retain((self.hi >> 8) as u16 & 0xf0ff)
    }

    /// S: code or data.
    #[must_use]
    pub fn is_segment(&self) -> bool {
        self.attr().contains(SegAttr::S)
    }

    /// The type field if this is a system descriptor.
    #[must_use]
    pub fn system_kind(&self) -> Option<u8> {
        (!self.is_segment()).then(|| self.attr().kind())
    }

    /// A code segment.
    #[must_use]
    pub fn is_code(&self) -> bool {
        self.attr().contains(SegAttr::S | SegAttr::CODE)
    }

    /// A code segment of 64-bit mode.
    #[must_use]
    pub fn is_64_bit_code(&self) -> bool {
        self.is_code() && self.attr().contains(SegAttr::L)
    }

    /// L and D are both set: reserved, in long mode.
    #[must_use]
    pub fn has_both_sizes(&self) -> bool {
        self.attr().contains(SegAttr::L | SegAttr::DB)
    }

    /// A conforming code segment.
    #[must_use]
    pub fn is_conforming(&self) -> bool {
        self.attr().contains(SegAttr::S | SegAttr::CODE | SegAttr::EXPAND_DOWN)
    }

    /// Data, or code that can be read.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.is_segment()
            && (!self.attr().contains(SegAttr::CODE) || self.attr().contains(SegAttr::WRITABLE))
    }

    /// Data that can be written.
    #[must_use]
    pub fn is_writable_data(&self) -> bool {
        self.attr().contains(SegAttr::S | SegAttr::WRITABLE) && !self.attr().contains(SegAttr::CODE)
    }

    /// P.
    #[must_use]
    pub fn present(&self) -> bool {
        self.attr().contains(SegAttr::PRESENT)
    }

    /// Descriptor privilege level.
    #[must_use]
    pub fn dpl(&self) -> u8 {
        self.attr().dpl()
    }

    /// Base address of a segment, TSS or LDT.
    #[must_use]
    pub fn base(&self) -> Lin {
        Lin::from((self.lo >> 16) | ((self.hi & 0xff) << 16) | (self.hi & 0xff00_0000))
    }

    /// Limit in bytes, granularity applied.
    #[must_use]
    pub fn limit(&self) -> u32 {
        let raw = (self.lo & 0xffff) | (self.hi & 0xf_0000);
        if self.attr().contains(SegAttr::G) { (raw << 12) | 0xfff } else { raw }
    }

    /// What a segment register (or TR, LDTR) holds after a load with `selector`.
    #[must_use]
    #[inline]
    pub fn segment(&self, selector: Selector) -> Segment {
        Segment::from_descriptor(selector.0, self.lo, self.hi)
    }

    /// A gate's target selector.
    #[must_use]
    pub fn gate_selector(&self) -> Selector {
        Selector((self.lo >> 16) as u16)
    }

    /// Whether a call, interrupt or trap gate is a 32-bit one.
    #[must_use]
    pub fn is_gate_32(&self) -> bool {
        self.attr().kind() & 8 != 0
    }

    /// A gate's target offset; 16 bits of it in a 16-bit gate.
    #[must_use]
    pub fn gate_offset(&self) -> Pc {
        let high = if self.is_gate_32() { self.hi & 0xffff_0000 } else { 0 };
        Pc::from(high | (self.lo & 0xffff))
    }

    /// A call gate's parameter count.
    #[must_use]
    pub fn gate_parameters(&self) -> u32 {
        self.hi & 31
    }

    /// Sets the accessed bit in the table if it is clear, and here.
    ///
    /// # Errors
    /// #PF.
    pub fn mark_accessed<B: Bus>(&mut self, ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        if !self.attr().contains(SegAttr::ACCESSED) {
            self.hi |= 1 << 8;
            self.write_type(ctx)?;
        }
        Ok(())
    }

    /// Sets a TSS's busy bit in the table, and here.
    ///
    /// # Errors
    /// #PF.
    pub fn mark_busy<B: Bus>(&mut self, ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        self.hi |= u32::from(BUSY) << 8;
        self.write_type(ctx)
    }

    /// Clears a TSS's busy bit in the table, and here.
    ///
    /// # Errors
    /// #PF.
    pub fn clear_busy<B: Bus>(&mut self, ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        self.hi &= !(u32::from(BUSY) << 8);
        self.write_type(ctx)
    }

    /// Checks that [`Descriptor::mark_busy`] and its inverse will succeed.
    ///
    /// # Errors
    /// #PF.
    pub fn probe_type<B: Bus>(&self, ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        ctx.bus.probe(ctx.s.system_linear(self.lin, 5u64), 1, Access::Write, Privilege::Supervisor)
    }

    fn write_type<B: Bus>(&self, ctx: &mut Ctx<'_, B>) -> Result<(), Exception> {
        let byte = (self.hi >> 8) as u8;
        ctx.bus.write(ctx.s.system_linear(self.lin, 5u64), &[byte], Privilege::Supervisor)
    }
}

/// The descriptor that `sel` names; none when it lies beyond its table's limit. The null selector
/// is the caller's business.
///
/// # Errors
/// #PF.
#[inline(always)]
pub fn find<B: Bus>(ctx: &mut Ctx<'_, B>, sel: Selector) -> Result<Option<Descriptor>, Exception> {
    let (base, limit) = if sel.is_local() {
        let ldt = &ctx.s.ldtr;
        if ldt.attr.contains(SegAttr::NULL) || !ldt.attr.contains(SegAttr::PRESENT) {
            return Ok(None);
        }
        (ldt.base, ldt.limit)
    } else {
        (ctx.s.gdtr.base, u32::from(ctx.s.gdtr.limit))
    };
    if sel.offset() + 7 > limit {
        return Ok(None);
    }
    Descriptor::read(ctx, ctx.s.system_linear(base, sel.offset())).map(Some)
}

/// Whether all 16 bytes of the system descriptor `sel` are within its table.
#[must_use]
pub fn holds_16<B: Bus>(ctx: &Ctx<'_, B>, sel: Selector) -> bool {
    let limit = if sel.is_local() { ctx.s.ldtr.limit } else { u32::from(ctx.s.gdtr.limit) };
    sel.offset() + 15 <= limit
}

/// [`find`], with `missing` (given the selector's error code) raised beyond the limit.
///
/// # Errors
/// `missing`, #PF.
#[inline(always)]
pub fn fetch<B: Bus>(
    ctx: &mut Ctx<'_, B>,
    sel: Selector,
    missing: fn(u32) -> Exception,
) -> Result<Descriptor, Exception> {
    find(ctx, sel)?.ok_or_else(|| missing(sel.error_code()))
}

/// What a segment register holds after a null selector was loaded: every use faults.
#[must_use]
pub fn null_segment(selector: u16) -> Segment {
    Segment { selector, attr: SegAttr::NULL, limit: 0, base: Lin(0) }
}
