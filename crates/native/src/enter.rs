//! Into compatibility mode and back.
//!
//! `ringer_native_enter` loads the whole state of a case and goes to the instruction by IRETQ, which
//! can load any EFLAGS. Behind the instruction stands a far jump to the landing page, which saves
//! EAX and goes on in `land` here; or a trap comes, and the signal handler leaves by
//! `ringer_native_leave`. Either way the caller of `enter` goes on with its registers as they were.
//!
//! Invariants: `Context` has the layout that the assembly names by `offset_of!`; `host_rsp` is valid
//! from `enter` to the return; nothing of the host is on the stack that ESP names.

use crate::wire::{Input, Output};
use std::arch::global_asm;
use std::mem::offset_of;

/// What the assembly works on.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Context {
    /// The state to load.
    pub input: Input,
    /// The state afterwards.
    pub output: Output,
    /// The stack pointer that `enter` returns with.
    pub host_rsp: u64,
    /// EFLAGS to start with, TF included.
    pub flags: u64,
    /// Flags as saved, 64 bits wide.
    pub flags_after: u64,
    /// MXCSR of Rust code.
    pub host_mxcsr: u32,
    /// Not 0: the host has YMM registers.
    pub avx: u32,
}

const IN: usize = offset_of!(Context, input);
const OUT: usize = offset_of!(Context, output);
const IN_GPR: usize = IN + offset_of!(Input, gpr);
/// Where EAX goes.
pub const OUT_GPR: usize = OUT + offset_of!(Output, gpr);

unsafe extern "C" {
    /// Runs the case in `context`; returns when it completed or trapped.
    pub fn ringer_native_enter(context: *mut Context);
    /// Returns from the `enter` that used `context`, from wherever the thread is.
    pub fn ringer_native_leave(context: *mut Context) -> !;
    /// What the landing page goes on to, with the context in RAX.
    pub fn ringer_native_land();
}

global_asm!(
    ".globl ringer_native_enter",
    "ringer_native_enter:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rdi + {rsp}], rsp",
    "fxrstor [rdi + {in_fpu}]",
    "cmp dword ptr [rdi + {avx}], 0",
    "je 2f",
    "vinsertf128 ymm0, ymm0, [rdi + {in_ymm} + 0], 1",
    "vinsertf128 ymm1, ymm1, [rdi + {in_ymm} + 16], 1",
    "vinsertf128 ymm2, ymm2, [rdi + {in_ymm} + 32], 1",
    "vinsertf128 ymm3, ymm3, [rdi + {in_ymm} + 48], 1",
    "vinsertf128 ymm4, ymm4, [rdi + {in_ymm} + 64], 1",
    "vinsertf128 ymm5, ymm5, [rdi + {in_ymm} + 80], 1",
    "vinsertf128 ymm6, ymm6, [rdi + {in_ymm} + 96], 1",
    "vinsertf128 ymm7, ymm7, [rdi + {in_ymm} + 112], 1",
    "2:",
    "push {ss}",
    "mov eax, [rdi + {in_gpr} + 16]",
    "push rax",
    "push qword ptr [rdi + {flags}]",
    "mov eax, [rdi + {in_cs}]",
    "push rax",
    "mov eax, [rdi + {in_eip}]",
    "push rax",
    "mov eax, [rdi + {in_gpr}]",
    "mov ecx, [rdi + {in_gpr} + 4]",
    "mov edx, [rdi + {in_gpr} + 8]",
    "mov ebx, [rdi + {in_gpr} + 12]",
    "mov ebp, [rdi + {in_gpr} + 20]",
    "mov esi, [rdi + {in_gpr} + 24]",
    "mov edi, [rdi + {in_gpr} + 28]",
    "iretq",
    ".globl ringer_native_land",
    "ringer_native_land:",
    "mov [rax + {out_gpr} + 4], ecx",
    "mov [rax + {out_gpr} + 8], edx",
    "mov [rax + {out_gpr} + 12], ebx",
    "mov [rax + {out_gpr} + 16], esp",
    "mov [rax + {out_gpr} + 20], ebp",
    "mov [rax + {out_gpr} + 24], esi",
    "mov [rax + {out_gpr} + 28], edi",
    "mov rsp, [rax + {rsp}]",
    "pushfq",
    "pop qword ptr [rax + {flags_after}]",
    "fxsave [rax + {out_fpu}]",
    "cmp dword ptr [rax + {avx}], 0",
    "je 2f",
    "vextractf128 [rax + {out_ymm} + 0], ymm0, 1",
    "vextractf128 [rax + {out_ymm} + 16], ymm1, 1",
    "vextractf128 [rax + {out_ymm} + 32], ymm2, 1",
    "vextractf128 [rax + {out_ymm} + 48], ymm3, 1",
    "vextractf128 [rax + {out_ymm} + 64], ymm4, 1",
    "vextractf128 [rax + {out_ymm} + 80], ymm5, 1",
    "vextractf128 [rax + {out_ymm} + 96], ymm6, 1",
    "vextractf128 [rax + {out_ymm} + 112], ymm7, 1",
    "vzeroupper",
    "2:",
    "mov rdi, rax",
    ".globl ringer_native_leave",
    "ringer_native_leave:",
    "mov rsp, [rdi + {rsp}]",
    "push 2",
    "popfq",
    "fninit",
    "ldmxcsr [rdi + {mxcsr}]",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    rsp = const offset_of!(Context, host_rsp),
    flags = const offset_of!(Context, flags),
    flags_after = const offset_of!(Context, flags_after),
    mxcsr = const offset_of!(Context, host_mxcsr),
    avx = const offset_of!(Context, avx),
    in_ymm = const IN + offset_of!(Input, ymm),
    out_ymm = const OUT + offset_of!(Output, ymm),
    in_fpu = const IN + offset_of!(Input, fpu),
    in_gpr = const IN_GPR,
    in_cs = const IN + offset_of!(Input, cs),
    in_eip = const IN + offset_of!(Input, eip),
    out_gpr = const OUT_GPR,
    out_fpu = const OUT + offset_of!(Output, fpu),
    ss = const crate::layout::DATA_SELECTOR,
);

/// The landing page's code: saves EAX, then goes to `ringer_native_land` with `context` in RAX.
#[must_use]
pub fn landing(context: *const Context) -> Vec<u8> {
    let at = context as u64;
    let land = ringer_native_land as *const () as u64;
    let mut out = vec![0x48, 0xa3]; // mov [at + OUT_GPR], rax
    out.extend((at + OUT_GPR as u64).to_le_bytes());
    out.extend([0x48, 0xb8]); // mov rax, at
    out.extend(at.to_le_bytes());
    // jmp [rip + 6]: the case may have set AC, so the address of the jump is aligned.
    out.extend([0xff, 0x25, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend(land.to_le_bytes());
    out
}
