//! What an instruction handler works on, and segmented memory access.
//! SDM volume 3A, 5.3 (limit checking) and 5.4 (type checking).
//!
//! Every explicit data access of an instruction passes through here, so that the limit and type
//! checks, #AC and the data breakpoints stand in one place. Implicit accesses of the system
//! (descriptor tables, TSS, IDT) go to the bus directly, as supervisor, and see none of these.

use super::debug;
use crate::addr::{Lin, Pc};
use crate::bus::{Access, Bus, Privilege};
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::model::{CpuModel, Features};
use crate::segment::{SegAttr, Segment};
use crate::state::{CpuState, Gpr, SegReg, cr0};

/// What a processor has besides its architectural state: its model, and the host-execution cache of
/// the FPU families.
#[derive(Debug)]
pub struct Unit {
    /// The CPU model.
    pub model: CpuModel,
    /// Its features; an instruction of a feature that is not here raises #UD.
    pub features: Features,
    /// Executes x87/MMX/SSE instructions on the host's own unit.
    pub host: super::fpu::HostUnit,
}

/// One instruction's execution context.
#[derive(Debug)]
pub struct Ctx<'a, B: Bus> {
    /// The architectural state. `rip` is still the instruction's own.
    pub s: &'a mut CpuState,
    /// The rest of the machine.
    pub bus: &'a mut B,
    /// Model and host unit.
    pub unit: &'a mut Unit,
    /// Becomes RIP when the handler returns `Ok`. Starts as the address of the next instruction; cut to the bits that
    /// instruction pointers have in the running mode.
    pub next_rip: Pc,
    /// Set by a REP instruction that has done some iterations and has more left: EIP stays at it.
    pub partial: bool,
    /// Set by IRET and task switches: RF is what they loaded, not cleared after the instruction.
    pub keep_rf: bool,
    /// Set by INT n and its kin: TF, although set before, causes no trap after this instruction.
    pub no_trap: bool,
}

impl<'a, B: Bus> Ctx<'a, B> {
    /// A context in which no instruction has done anything yet; `next_rip` is RIP.
    pub fn new(s: &'a mut CpuState, bus: &'a mut B, unit: &'a mut Unit) -> Self {
        let next_rip = s.rip;
        Self { s, bus, unit, next_rip, partial: false, keep_rf: false, no_trap: false }
    }

    /// The privilege of explicit memory accesses.
    #[must_use]
    #[inline]
    pub fn who(&self) -> Privilege {
        Privilege::explicit(self.s.cpl, self.s.eflags)
    }

    /// A 32-bit general register.
    #[must_use]
    #[inline]
    pub fn gpr(&self, r: Gpr) -> u32 {
        self.s.reg32(r)
    }

    /// Sets a 32-bit general register.
    #[inline]
    pub fn set_gpr(&mut self, r: Gpr, value: u32) {
        self.s.set_reg32(r, value);
    }

    /// Holds interrupts back until after the next instruction (STI that sets IF).
    pub fn set_shadow_irq(&mut self) {
        self.s.shadow_irq = true;
    }

    /// Holds interrupts and debug traps back until after the next instruction (MOV SS, POP SS).
    pub fn set_shadow_ss(&mut self) {
        self.s.shadow_irq = true;
        self.s.shadow_debug = true;
    }

    /// Whether accesses that are not aligned raise #AC now (SDM volume 3A, 6.15, interrupt 17).
    #[must_use]
    #[inline]
    pub fn alignment_checked(&self) -> bool {
        self.s.cpl == 3 && self.s.cr0 & cr0::AM != 0 && self.s.eflags & Eflags::AC.bits() != 0
    }

    /// Checks `len` bytes at `seg:off` against the segment's type and limit and returns the linear
    /// address. Data accesses only (fetches check CS themselves). Limit violations raise #SS(0)
    /// for SS, #GP(0) for the others; so does a null or mistyped segment.
    ///
    /// # Errors
    /// #GP(0) or #SS(0).
    #[inline]
    pub fn linear(
        &self,
        seg: SegReg,
        off: u64,
        len: u32,
        access: Access,
    ) -> Result<Lin, Exception> {
        if self.s.in_64_bit_mode() {
            return self.linear_64(seg, off, len);
        }
        let d = &self.s.seg[seg as usize];
        if segment_allows(d, off, len, access) {
            Ok(self.s.linear(d.base, off))
        } else if seg == SegReg::Ss {
            Err(Exception::ss(0))
        } else {
            Err(Exception::gp(0))
        }
    }

    /// The same in 64-bit mode, where only FS and GS have a base, none has a limit or a type, and all bytes are to be canonical (SDM
    /// volume 3A, 5.3.1).
    ///
    /// # Errors
    /// #GP(0), or #SS(0) for SS.
    fn linear_64(&self, seg: SegReg, off: u64, len: u32) -> Result<Lin, Exception> {
        let lin = linear_in_64(&self.s.seg[seg as usize], seg, off);
        match is_canonical(lin, len) {
            true => Ok(lin),
            false if seg == SegReg::Ss => Err(Exception::ss(0)),
            false => Err(Exception::gp(0)),
        }
    }

    /// [`Ctx::linear`] and the alignment check: what precedes every explicit data access.
    ///
    /// # Errors
    /// #GP(0), #SS(0), #AC.
    #[inline]
    pub fn data_linear(
        &self,
        seg: SegReg,
        off: u64,
        len: u32,
        access: Access,
    ) -> Result<Lin, Exception> {
        let lin = self.linear(seg, off, len, access)?;
        self.check_alignment(lin, len)?;
        Ok(lin)
    }

    /// #AC where an access of `len` bytes at `lin` is not aligned as the SDM's table 6-7 asks.
    ///
    /// # Errors
    /// #AC.
    #[inline]
    pub fn check_alignment(&self, lin: Lin, len: u32) -> Result<(), Exception> {
        let mask = match len {
            // Among them the x87 environment and state, 16-bit and 32-bit.
            2 | 14 | 94 => 1,
            4 | 28 | 108 => 3,
            8 | 10 => 7,
            _ => return Ok(()),
        };
        if lin.get() & mask != 0 && self.alignment_checked() {
            Err(Exception::ac())
        } else {
            Ok(())
        }
    }

    /// Reads `buf.len()` bytes at `seg:off` with all checks, data breakpoints and #AC included.
    ///
    /// # Errors
    /// #GP, #SS, #PF, #AC.
    #[inline]
    pub fn read_mem(&mut self, seg: SegReg, off: u64, buf: &mut [u8]) -> Result<(), Exception> {
        let len = buf.len() as u32;
        let lin = self.data_linear(seg, off, len, Access::Read)?;
        let who = self.who();
        self.bus.read(lin, buf, who)?;
        debug::note_data(self.s, lin, len, false);
        Ok(())
    }

    /// Writes `data` at `seg:off` with all checks.
    ///
    /// # Errors
    /// #GP, #SS, #PF, #AC; nothing was written then.
    #[inline]
    pub fn write_mem(&mut self, seg: SegReg, off: u64, data: &[u8]) -> Result<(), Exception> {
        let len = data.len() as u32;
        let lin = self.data_linear(seg, off, len, Access::Write)?;
        let who = self.who();
        self.bus.write(lin, data, who)?;
        debug::note_data(self.s, lin, len, true);
        Ok(())
    }

    /// Checks that `len` bytes at `seg:off` can be written, without writing: what precedes a
    /// read-modify-write, so that it faults as a write. Returns the linear address.
    ///
    /// # Errors
    /// #GP, #SS, #PF, #AC.
    #[inline]
    pub fn probe_write(&mut self, seg: SegReg, off: u64, len: u32) -> Result<Lin, Exception> {
        let lin = self.data_linear(seg, off, len, Access::Write)?;
        let who = self.who();
        self.bus.probe(lin, len, Access::Write, who)?;
        Ok(lin)
    }

    /// Reads the byte at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::read_mem`].
    #[inline]
    pub fn read_u8(&mut self, seg: SegReg, off: u64) -> Result<u8, Exception> {
        let mut b = [0; 1];
        self.read_mem(seg, off, &mut b)?;
        Ok(b[0])
    }

    /// Reads the word at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::read_mem`].
    #[inline]
    pub fn read_u16(&mut self, seg: SegReg, off: u64) -> Result<u16, Exception> {
        let mut b = [0; 2];
        self.read_mem(seg, off, &mut b)?;
        Ok(u16::from_le_bytes(b))
    }

    /// Reads the dword at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::read_mem`].
    #[inline]
    pub fn read_u32(&mut self, seg: SegReg, off: u64) -> Result<u32, Exception> {
        let mut b = [0; 4];
        self.read_mem(seg, off, &mut b)?;
        Ok(u32::from_le_bytes(b))
    }

    /// Reads the qword at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::read_mem`].
    #[inline]
    pub fn read_u64(&mut self, seg: SegReg, off: u64) -> Result<u64, Exception> {
        let mut b = [0; 8];
        self.read_mem(seg, off, &mut b)?;
        Ok(u64::from_le_bytes(b))
    }

    /// Reads `size` (1, 2, 4 or 8) bytes at `seg:off`, zero-extended.
    ///
    /// # Errors
    /// As [`Ctx::read_mem`].
    #[inline]
    pub fn read_sized(&mut self, seg: SegReg, off: u64, size: u32) -> Result<u64, Exception> {
        match size {
            1 => self.read_u8(seg, off).map(u64::from),
            2 => self.read_u16(seg, off).map(u64::from),
            4 => self.read_u32(seg, off).map(u64::from),
            _ => self.read_u64(seg, off),
        }
    }

    /// Writes a byte at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::write_mem`].
    #[inline]
    pub fn write_u8(&mut self, seg: SegReg, off: u64, value: u8) -> Result<(), Exception> {
        self.write_mem(seg, off, &[value])
    }

    /// Writes a word at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::write_mem`].
    #[inline]
    pub fn write_u16(&mut self, seg: SegReg, off: u64, value: u16) -> Result<(), Exception> {
        self.write_mem(seg, off, &value.to_le_bytes())
    }

    /// Writes a dword at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::write_mem`].
    #[inline]
    pub fn write_u32(&mut self, seg: SegReg, off: u64, value: u32) -> Result<(), Exception> {
        self.write_mem(seg, off, &value.to_le_bytes())
    }

    /// Writes the low `size` (1, 2, 4 or 8) bytes of `value` at `seg:off`.
    ///
    /// # Errors
    /// As [`Ctx::write_mem`].
    #[inline]
    pub fn write_sized(
        &mut self,
        seg: SegReg,
        off: u64,
        size: u32,
        value: u64,
    ) -> Result<(), Exception> {
        match size {
            1 => self.write_u8(seg, off, value as u8),
            2 => self.write_u16(seg, off, value as u16),
            4 => self.write_u32(seg, off, value as u32),
            _ => self.write_mem(seg, off, &value.to_le_bytes()),
        }
    }
}

/// The linear address of offset `off` in 64-bit mode, where `seg` holds `d`.
#[must_use]
pub fn linear_in_64(d: &Segment, seg: SegReg, off: u64) -> Lin {
    if matches!(seg, SegReg::Fs | SegReg::Gs) { d.base.plus(off) } else { Lin(off) }
}

/// Whether all of `len` bytes at `lin` are at canonical addresses.
#[must_use]
pub fn is_canonical(lin: Lin, len: u32) -> bool {
    lin.is_canonical() && lin.plus(u64::from(len.wrapping_sub(1))).is_canonical()
}

/// Whether `len` bytes at offset `off` of `d` may be accessed so: present and not null, readable or
/// writable as asked, inside the limit (expand-down segments: above it).
#[must_use]
#[inline]
pub fn segment_allows(d: &Segment, off: u64, len: u32, access: Access) -> bool {
    let a = d.attr;
    if a.contains(SegAttr::NULL) || !a.contains(SegAttr::PRESENT) {
        return false;
    }
    let code = a.contains(SegAttr::CODE);
    let type_ok = match access {
        Access::Write => !code && a.contains(SegAttr::WRITABLE),
        Access::Read | Access::Fetch => !code || a.contains(SegAttr::WRITABLE),
    };
    let expand_down = !code && a.contains(SegAttr::EXPAND_DOWN);
    let last = off.wrapping_add(u64::from(len.wrapping_sub(1)));
    if last > u64::from(u32::MAX) {
        // The access wraps at 4 GiB: only a segment of the full size has both ends inside.
        return type_ok && d.limit == u32::MAX && !expand_down;
    }
    let limit = u64::from(d.limit);
    let limit_ok = if expand_down {
        let top = if a.contains(SegAttr::DB) { 0xffff_ffff } else { 0xffff };
        off > limit && last <= top
    } else {
        last <= limit
    };
    type_ok && limit_ok
}
