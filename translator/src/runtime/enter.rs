//! The calls into translated code.
//!
//! Safety argument of this module: the stubs follow the sysv64 convention (they save every
//! callee-saved register and return with the stack as it was), and blocks are made of the
//! translator's output only, which reaches guest memory through GS alone and the context through r15
//! alone. So a call is sound as long as the context is valid, which the `&mut` of its owner proves, and
//! its MXCSR has no reserved bit, which LDMXCSR would refuse.

use crate::context::{ContextBlock, SharedContext};
use std::io;
use std::sync::OnceLock;

/// Addresses of the two entry stubs in a live cache.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub(super) enter: u64,
    pub(super) resume: u64,
}

impl Entry {
    /// Runs translated code from host address `pc` until it exits. GS base must be the window.
    ///
    /// # Safety
    /// `pc` is the entry of a valid block of the cache these stubs belong to, and GS base, r13's
    /// table and the cache base in `context` belong together.
    pub unsafe fn enter(self, context: &mut SharedContext, pc: u64) {
        context.cpu.fpu.drop_reserved_mxcsr();
        // SAFETY: see the module's argument; the caller vouches for `pc`.
        unsafe {
            let stub: extern "sysv64" fn(*mut ContextBlock, u64) =
                std::mem::transmute(self.enter as usize);
            stub(context.block_ptr(), pc);
        }
    }

    /// Goes on at `context.fault_rip` after a Signal exit.
    ///
    /// # Safety
    /// As [`Entry::enter`]; nothing was invalidated since that exit.
    pub unsafe fn resume(self, context: &mut SharedContext) {
        context.cpu.fpu.drop_reserved_mxcsr();
        // SAFETY: see the module's argument.
        unsafe {
            let stub: extern "sysv64" fn(*mut ContextBlock) =
                std::mem::transmute(self.resume as usize);
            stub(context.block_ptr());
        }
    }
}

/// AT_HWCAP2 bit: the kernel lets user code use WRGSBASE.
const HWCAP2_FSGSBASE: u64 = 1 << 1;
const AT_HWCAP2: libc::c_ulong = 26;
const ARCH_SET_GS: libc::c_long = 0x1001;
const ARCH_GET_GS: libc::c_long = 0x1004;

fn has_fsgsbase() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        // SAFETY: getauxval has no preconditions.
        unsafe { libc::getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE != 0 }
    })
}

/// Whether translated code may set GS base itself.
#[must_use]
pub fn can_set_gs_base() -> bool {
    has_fsgsbase()
}

/// This thread's GS base.
///
/// # Errors
/// When the host refuses to say.
pub fn gs_base() -> io::Result<u64> {
    let mut base: u64;
    if has_fsgsbase() {
        // SAFETY: the kernel announced FSGSBASE; the instruction reads the register and nothing else.
        unsafe {
            std::arch::asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags))
        }
        return Ok(base);
    }
    base = 0;
    // SAFETY: ARCH_GET_GS writes the eight bytes of `base`.
    let done = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_GS, &raw mut base) };
    if done == 0 { Ok(base) } else { Err(io::Error::last_os_error()) }
}

/// Points GS at a window. Neither Rust nor the C library uses GS on x86-64 Linux, so this changes
/// nothing but what translated code sees.
///
/// # Errors
/// When the host, without FSGSBASE, refuses.
#[inline]
pub fn set_gs_base(base: u64) -> io::Result<()> {
    if has_fsgsbase() {
        // SAFETY: the kernel announced FSGSBASE; GS is not used by this process's own code.
        unsafe {
            std::arch::asm!("wrgsbase {}", in(reg) base, options(nomem, nostack, preserves_flags))
        }
    } else {
        // SAFETY: ARCH_SET_GS changes the GS base of this thread only.
        let done = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, base) };
        if done != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
