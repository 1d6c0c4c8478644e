//! The host executing a guest instruction's own bytes, for comparison with the handlers.
//!
//! The bytes mean the same in 64-bit mode as long as memory is `[esi]`/`[rsi]` and the general
//! registers are EAX, ECX and EDX. This shares nothing with the host operations but the arena.

use super::super::arena::Arena;
use crate::state::FpuImage;
use std::ffi::{c_int, c_void};
use std::mem::{offset_of, transmute};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};

/// What goes in and what comes out.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Trial {
    pub fx: FpuImage,
    pub mem: [u8; 64],
    /// EAX, ECX, EDX.
    pub gpr: [u32; 3],
    /// Arithmetic flags.
    pub flags: u64,
    mxcsr: u32,
}

impl Trial {
    pub fn new(fx: FpuImage, mem: [u8; 64], gpr: [u32; 3], flags: u64) -> Self {
        Self { fx, mem, gpr, flags, mxcsr: 0 }
    }

    /// Executes `bytes`: one x87, MMX or SSE instruction of the form described above.
    pub fn run(&mut self, arena: &mut Arena, bytes: &[u8]) {
        let gpr = offset_of!(Trial, gpr);
        let (flags, mxcsr) = (offset_of!(Trial, flags), offset_of!(Trial, mxcsr));
        let field = |opcode: &[u8], at: usize| [opcode, &(at as u32).to_le_bytes()].concat();
        let code = [
            field(&[0x0f, 0xae, 0x9f], mxcsr),                  // stmxcsr
            vec![0x0f, 0xae, 0x0f],                             // fxrstor [rdi]
            field(&[0x48, 0x8d, 0xb7], offset_of!(Trial, mem)), // lea rsi, mem
            field(&[0x8b, 0x87], gpr),
            field(&[0x8b, 0x8f], gpr + 4),
            field(&[0x8b, 0x97], gpr + 8),
            field(&[0xff, 0xb7], flags),
            vec![0x9d],
            bytes.to_vec(),
            vec![0x9c],
            field(&[0x8f, 0x87], flags),
            field(&[0x89, 0x87], gpr),
            field(&[0x89, 0x8f], gpr + 4),
            field(&[0x89, 0x97], gpr + 8),
            vec![0x0f, 0xae, 0x07, 0xdb, 0xe3], // fxsave [rdi]; fninit
            field(&[0x0f, 0xae, 0x97], mxcsr),  // ldmxcsr
            vec![0xc3],
        ]
        .concat();
        arena.clear();
        let entry = arena.push(&code).expect("the code fits");
        // SAFETY: the code is a function of this signature; it touches `self`, the stack and
        // registers that the ABI lets it clobber.
        unsafe {
            let run = transmute::<*mut u8, unsafe extern "sysv64" fn(*mut Trial)>(entry.as_ptr());
            run(&raw mut *self);
        }
    }
}

/// All SIMD exceptions masked.
const MASKS: u32 = 0x1f80;

/// MXCSR as the last SIGFPE found it; 0: there was none.
static TRAPPED: AtomicU32 = AtomicU32::new(0);

/// Notes MXCSR and masks everything, so that the instruction completes when it is tried again.
extern "C" fn on_fpe(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: the kernel passes a valid context with the FPU state; nothing else refers to it.
    unsafe {
        let unit = (*context).uc_mcontext.fpregs;
        TRAPPED.store((*unit).mxcsr, Ordering::SeqCst);
        (*unit).mxcsr |= MASKS;
    }
}

/// As [`Trial::run`], for states with unmasked SIMD exceptions: MXCSR as the exception left it, if
/// the instruction raised one. For one test at a time.
pub(super) fn run_trapping(trial: &mut Trial, arena: &mut Arena, bytes: &[u8]) -> Option<u32> {
    // SAFETY: the handler is async-signal-safe; all-zero is a valid `sigaction`.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fpe as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGFPE, &raw const action, null_mut()), 0);
    }
    TRAPPED.store(0, Ordering::SeqCst);
    trial.run(arena, bytes);
    match TRAPPED.load(Ordering::SeqCst) {
        0 => None,
        mxcsr => Some(mxcsr),
    }
}
