//! Moving the guest's state between the image and the host's registers.
//!
//! While `CpuState::fpu_in_host` is set, x87 and MMX are in the host's unit; MXCSR and xmm0 to xmm7 are
//! in the image already (translated code's exit saved them, as Rust code uses the host's).

//! # Who may use the x87 unit
//! Rust code does not, on x86-64, and nor do the libraries that this project calls, so the guest's state
//! stays there from one block to the next. Code of others may (`long double` in C): it is called
//! through [`with_host_x87`], or after [`claim`].
//!
//! The
//! instruction and data pointers in the image are the guest's: the monitor keeps them up to date with
//! [`point_at`] and [`point_operand`], from what translated code leaves behind. Nothing here can trap: FXSAVE, FNINIT and FXRSTOR do not look for pending x87 exceptions.

use super::image::{REGISTERS, SUMMARY, WORDS};
use crate::state::{CpuState, FpuImage};
use std::arch::asm;

/// Takes the guest's state out of the host's registers, if it is there, and leaves the host's unit in
/// the state that Rust code expects.
#[inline]
pub fn claim(s: &mut CpuState) {
    if s.fpu_in_host {
        take(s);
    }
}

#[cold]
fn take(s: &mut CpuState) {
    let mut now = FpuImage([0; 512]);
    // SAFETY: FXSAVE writes the 512 aligned bytes of `now`; afterwards the unit is as the ABI says.
    unsafe {
        asm!(
            "fxsave [{now}]",
            "fninit",
            now = in(reg) &raw mut now,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            options(nostack, preserves_flags),
        );
    }
    for part in [WORDS, REGISTERS] {
        s.fpu.0[part.clone()].copy_from_slice(&now.0[part]);
    }
    s.fpu_in_host = false;
}

/// Gives the guest's state to the host's registers, if it is not there. From here on Rust code must
/// not use x87 or MMX until [`claim`].
#[inline]
pub fn release(s: &mut CpuState) {
    if s.fpu_in_host {
        return;
    }
    let mut image = s.fpu;
    image.set_mxcsr(mxcsr());
    // SAFETY: FXRSTOR reads 512 aligned bytes with the MXCSR that is there; the vector registers that it
    // loads are declared clobbered. That the x87 stack is not empty is this function's contract.
    unsafe {
        asm!(
            "fxrstor [{image}]",
            image = in(reg) &raw const image,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(readonly, nostack, preserves_flags),
        );
    }
    s.fpu_in_host = true;
}

/// MXCSR as it is.
#[must_use]
pub fn mxcsr() -> u32 {
    let mut value = 0_u32;
    // SAFETY: STMXCSR writes the four bytes of `value`.
    unsafe {
        asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags));
    }
    value
}

/// Calls `work`, which is not of this project, with the x87 unit as the ABI wants it (empty, all
/// exceptions masked, full precision), whoever's state the unit holds; that state is there again
/// afterwards, also when `work` panics.
pub fn with_host_x87<R>(work: impl FnOnce() -> R) -> R {
    let _aside = Aside::new();
    work()
}

/// The x87 unit's state, put aside.
struct Aside(FpuImage);

impl Aside {
    fn new() -> Self {
        let mut now = FpuImage([0; 512]);
        // SAFETY: FXSAVE64 writes the 512 aligned bytes of `now`; afterwards the unit is as the ABI says.
        unsafe {
            asm!(
                "fxsave64 [{now}]",
                "fninit",
                now = in(reg) &raw mut now,
                out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
                options(nostack, preserves_flags),
            );
        }
        Self(now)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.0.set_mxcsr(mxcsr());
        // SAFETY: FXRSTOR64 reads 512 aligned bytes that FXSAVE64 wrote, with the MXCSR that is there; the
        // vector registers that it loads are declared clobbered. The x87 unit gets back what it held
        // before `new`, which is as this thread's owner of it left it.
        unsafe {
            asm!(
                "fxrstor64 [{image}]",
                image = in(reg) &raw const self.0,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(readonly, nostack, preserves_flags),
            );
        }
    }
}

/// FIP and FCS become `eip` and `cs`, where an x87 instruction is.
pub fn point_at(s: &mut CpuState, eip: u32, cs: u16) {
    let mut pointers = s.fpu.pointers();
    (pointers.fip, pointers.fcs) = (u64::from(eip), cs);
    s.fpu.set_pointers(&pointers);
}

/// What an unmasked exception leaves in the other pointers: FOP, and, of a memory operand, FDP and
/// FDS.
pub fn point_operand(s: &mut CpuState, fop: u16, operand: Option<(u32, u16)>) {
    let mut pointers = s.fpu.pointers();
    pointers.fop = fop;
    if let Some((offset, selector)) = operand {
        (pointers.fdp, pointers.fds) = (u64::from(offset), selector);
    }
    s.fpu.set_pointers(&pointers);
}

/// The pointers of the host's x87 unit, as 64-bit code has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPointers {
    /// Host address of the instruction.
    pub instruction: u64,
    /// Offset of its operand.
    pub operand: u64,
}

/// Where the unmasked exception that waits in the host's unit comes from, if one waits there.
#[must_use]
pub fn host_pointers(s: &CpuState) -> Option<HostPointers> {
    if !s.fpu_in_host {
        return None;
    }
    let status: u16;
    // SAFETY: FNSTSW reads the status word and waits for nothing.
    unsafe { asm!("fnstsw ax", out("ax") status, options(nomem, nostack, preserves_flags)) };
    if status & SUMMARY == 0 {
        return None;
    }
    let mut now = FpuImage([0; 512]);
    // SAFETY: FXSAVE64 writes the 512 aligned bytes of `now` and changes nothing.
    unsafe { asm!("fxsave64 [{}]", in(reg) &raw mut now, options(nostack, preserves_flags)) };
    let long = |at: usize| u64::from_le_bytes(now.0[at..at + 8].try_into().expect("eight bytes"));
    Some(HostPointers { instruction: long(8), operand: long(16) })
}
