//! What an instruction handler works on, and segmented memory access.
//! SDM volume 3A, 5.3 (limit checking) and 5.4 (type checking).

use crate::bus::{Access, Bus, Privilege};
use crate::exception::Exception;
use crate::model::{CpuModel, Features};
use crate::segment::{SegAttr, Segment};
use crate::state::{CpuState, Gpr, SegReg};

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
    /// The architectural state. `eip` is still the instruction's own.
    pub s: &'a mut CpuState,
    /// The rest of the machine.
    pub bus: &'a mut B,
    /// Model and host unit.
    pub unit: &'a mut Unit,
    /// Becomes EIP when the handler returns `Ok`. Starts as the address of the next instruction.
    pub next_eip: u32,
}

impl<B: Bus> Ctx<'_, B> {
    /// The privilege of explicit memory accesses.
    #[must_use]
    pub fn who(&self) -> Privilege {
        if self.s.cpl == 3 { Privilege::User } else { Privilege::Supervisor }
    }

    /// A 32-bit general register.
    #[must_use]
    pub fn gpr(&self, r: Gpr) -> u32 {
        self.s.gpr[r as usize]
    }

    /// Checks `len` bytes at `seg:off` against the segment's type and limit and returns the linear
    /// address. Data accesses only (fetches check CS themselves). Limit violations raise #SS(0)
    /// for SS, #GP(0) for the others; so does a null or mistyped segment.
    ///
    /// # Errors
    /// #GP(0) or #SS(0).
    pub fn linear(&self, seg: SegReg, off: u32, len: u32, access: Access) -> Result<u32, Exception> {
        let d = &self.s.seg[seg as usize];
        if segment_allows(d, off, len, access) {
            Ok(d.base.wrapping_add(off))
        } else if seg == SegReg::Ss {
            Err(Exception::ss(0))
        } else {
            Err(Exception::gp(0))
        }
    }

    /// Reads `buf.len()` bytes at `seg:off` with all checks, data breakpoints and #AC included.
    ///
    /// # Errors
    /// #GP, #SS, #PF, #AC.
    pub fn read_mem(&mut self, seg: SegReg, off: u32, buf: &mut [u8]) -> Result<(), Exception> {
        let lin = self.linear(seg, off, buf.len() as u32, Access::Read)?;
        let who = self.who();
        self.bus.read(lin, buf, who)
    }

    /// Writes `data` at `seg:off` with all checks.
    ///
    /// # Errors
    /// #GP, #SS, #PF, #AC; nothing was written then.
    pub fn write_mem(&mut self, seg: SegReg, off: u32, data: &[u8]) -> Result<(), Exception> {
        let lin = self.linear(seg, off, data.len() as u32, Access::Write)?;
        let who = self.who();
        self.bus.write(lin, data, who)
    }
}

/// Whether `len` bytes at offset `off` of `d` may be accessed so: present and not null, readable or
/// writable as asked, inside the limit (expand-down segments: above it).
#[must_use]
pub fn segment_allows(d: &Segment, off: u32, len: u32, access: Access) -> bool {
    let a = d.attr;
    if a.contains(SegAttr::NULL) || !a.contains(SegAttr::PRESENT) {
        return false;
    }
    let code = a.contains(SegAttr::CODE);
    let type_ok = match access {
        Access::Write => !code && a.contains(SegAttr::WRITABLE),
        Access::Read | Access::Fetch => !code || a.contains(SegAttr::WRITABLE),
    };
    let Some(last) = off.checked_add(len - 1) else { return type_ok && d.limit == u32::MAX && !a.contains(SegAttr::EXPAND_DOWN) };
    let limit_ok = if !code && a.contains(SegAttr::EXPAND_DOWN) {
        let top = if a.contains(SegAttr::DB) { u32::MAX } else { 0xffff };
        off > d.limit && last <= top
    } else {
        last <= d.limit
    };
    type_ok && limit_ok
}
