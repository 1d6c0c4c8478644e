//! Debug registers and the traps after an instruction. SDM volume 3B, 17.2 and 17.3.
//!
//! Instruction breakpoints are faults, found before the instruction runs; data breakpoints are
//! traps: the accesses gather DR6 bits in `CpuState::pending_debug` while the instruction runs.
//! DR7's GD bit (general detect) belongs to MOV DR.

use crate::addr::Lin;
use crate::exception::Exception;
use crate::flags::Eflags;
use crate::state::CpuState;

/// DR6.BS: the trap is a single step.
pub const DR6_BS: u32 = 1 << 14;

/// The local and global enable bits of the four breakpoints in DR7.
const DR7_ENABLES: u64 = 0xff;

/// Kinds in DR7's R/W fields.
const EXECUTE: u64 = 0;
const WRITE: u64 = 1;
const IO: u64 = 2;

/// Kind, length in bytes and whether it is enabled, of breakpoint `n`.
fn breakpoint(dr7: u64, n: u32) -> (u64, u64, bool) {
    let field = dr7 >> (16 + 4 * n);
    let len = match field >> 2 & 3 {
        0 => 1,
        1 => 2,
        3 => 4,
        // Undefined on the 32-bit models; later processors give it 8 bytes.
        _ => 8,
    };
    (field & 3, len, dr7 >> (2 * n) & 3 != 0)
}

/// The DR6 bits of those breakpoints of a kind accepted by `kinds` whose range meets
/// `at .. at+len`. A breakpoint that is not enabled counts only along with one that is
/// (SDM volume 3B, 17.2.3), so the enabled ones decide.
fn matches(s: &CpuState, at: u64, len: u32, kinds: impl Fn(u64) -> bool) -> u32 {
    let (dr7, mask) = (s.dr[7], s.address_mask());
    let mut hit = 0;
    for n in 0..4 {
        let (kind, size, enabled) = breakpoint(dr7, n);
        if !enabled || !kinds(kind) {
            continue;
        }
        let base = s.dr[n as usize] & !(size - 1);
        let meets =
            at.wrapping_sub(base) & mask < size || base.wrapping_sub(at) & mask < u64::from(len);
        if meets {
            hit |= 1 << n;
        }
    }
    hit
}

/// Whether an access can meet a breakpoint.
#[inline]
pub fn is_armed(s: &CpuState) -> bool {
    s.dr[7] & DR7_ENABLES != 0
}

/// Gathers the data breakpoints that a completed access of `len` bytes at linear `lin` meets.
#[inline]
pub fn note_data(s: &mut CpuState, lin: Lin, len: u32, write: bool) {
    if is_armed(s) {
        s.pending_debug |= matches(s, lin.get(), len, |kind| kind == 3 || (write && kind == WRITE));
    }
}

/// Gathers the I/O breakpoints (CR4.DE) that an access of `len` bytes at `port` meets.
#[inline]
pub fn note_io(s: &mut CpuState, port: u16, len: u32) {
    if is_armed(s) && s.cr4 & crate::state::cr4::DE != 0 {
        s.pending_debug |= matches(s, u64::from(port), len, |kind| kind == IO);
    }
}

/// The instruction breakpoints at CS:EIP: a fault, unless RF or the MOV SS shadow holds it back.
///
/// # Errors
/// #DB with the breakpoints' DR6 bits.
#[inline]
pub fn check_fetch(s: &CpuState) -> Result<(), Exception> {
    if !is_armed(s) || s.eflags & Eflags::RF.bits() != 0 || s.shadow_debug {
        return Ok(());
    }
    let lin = s.code_linear();
    let hit = matches(s, lin.get(), 1, |kind| kind == EXECUTE);
    if hit == 0 { Ok(()) } else { Err(Exception::debug(hit)) }
}

/// The traps that follow a retired instruction, taken out of `s`: none while the MOV SS shadow
/// lasts.
pub fn take_traps(s: &mut CpuState) -> Option<Exception> {
    if s.shadow_debug || s.pending_debug == 0 {
        return None;
    }
    Some(Exception::debug(std::mem::take(&mut s.pending_debug)))
}
