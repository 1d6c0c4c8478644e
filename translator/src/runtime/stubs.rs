//! The few host sequences that every block shares: into translated code, and out of it.
//!
//! They sit at the start of the cache and survive every flush. The miss stub is first of all, at
//! offset 0, because 0 is what an empty target-table entry says.
//!
//! Invariant: from the first instruction of a block to PUSHFQ in the exit stubs DF and MXCSR are the
//! guest's; before and behind, they are those of the code around. MXCSR in the image is the guest's
//! whenever Rust code runs (invariant 8).
//!
//! Invariant: between the check of `kick` in the entry stubs and the first instruction of a block
//! there is nothing but the stub itself, so that a signal handler which finds RIP in here can let it
//! step on to a place where it can be stopped (invariant 11).

use super::transfer::{TransferStubs, emit};
use crate::context::ExitReason;
use crate::placement::StubAddresses;
use crate::slots::{EIP, KICK, MXCSR, gpr, slot, wide, xmm, ymm_high};
use dynasm::dynasm;
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler};
use std::ops::Range;

/// Bytes at the start of the cache that are set aside for stubs.
pub const STUB_AREA: usize = 8192;

/// The assembled stubs and where each begins.
#[derive(Debug)]
pub struct Stubs {
    /// The bytes, to be written at offset 0 of the cache.
    pub code: Vec<u8>,
    /// `extern "sysv64" fn(*mut ContextBlock, host_pc)`: runs translated code from `host_pc`.
    pub enter: u64,
    /// `extern "sysv64" fn(*mut ContextBlock)`: goes on at `fault_rip` with all host registers as
    /// `wide` and `host_flags` have them.
    pub resume: u64,
    /// What leads back to Rust.
    pub ways_out: WaysOut,
    /// Where blocks leave to.
    pub exits: StubAddresses,
    /// The stubs for what changes the mode.
    pub transfers: TransferStubs,
}

/// The stubs that lead to Rust, each of them whatever happens.
#[derive(Clone, Debug)]
pub struct WaysOut {
    /// Where the signal handler redirects to.
    pub signal: u64,
    /// All of them.
    pub range: Range<u64>,
}

/// RFLAGS.TF.
const TF: i32 = 0x100;

type Asm = VecAssembler<X64Relocation>;

/// Assembles the stubs for a cache that executes at `base`.
///
/// # Panics
/// When the stubs outgrow [`STUB_AREA`]: a bug of ours.
#[must_use]
pub fn assemble(base: u64) -> Stubs {
    let mut a = Asm::new(base as usize);
    let addr = |a: &Asm| base + a.offset().0 as u64;
    let exit_miss = addr(&a);
    dynasm!(a ; .arch x64 ; ->exit_miss: ; mov [r15 + EIP], r8d);
    exit_with(&mut a, ExitReason::Miss);
    let exit_link = addr(&a);
    dynasm!(a ; .arch x64 ; mov [r15 + EIP], r8d ; mov [r15 + slot!(exit_arg)], r9d);
    exit_with(&mut a, ExitReason::Link);
    let exit_callout = addr(&a);
    dynasm!(a ; .arch x64 ; ->exit_callout:);
    exit_with(&mut a, ExitReason::Callout);
    let exit_check = addr(&a);
    exit_with(&mut a, ExitReason::Check);
    let exit_budget = addr(&a);
    exit_with(&mut a, ExitReason::Budget);
    let exit_signal = addr(&a);
    save_wide(&mut a);
    exit_with(&mut a, ExitReason::Signal);
    dynasm!(a ; .arch x64 ; ->common:);
    save_guest(&mut a);
    leave(&mut a);
    let enter = addr(&a);
    emit_enter(&mut a);
    let resume = addr(&a);
    emit_resume(&mut a);
    let transfers = emit(&mut a, base);
    let code = a.finalize().expect("stubs have only local labels");
    assert!(code.len() <= STUB_AREA, "stubs outgrew their area");
    let transfer = transfers.stubs;
    let exits =
        StubAddresses { exit_link, exit_miss, exit_callout, exit_check, exit_budget, transfer };
    let ways_out = WaysOut { signal: exit_signal, range: exit_miss..enter };
    Stubs { code, enter, resume, ways_out, exits, transfers }
}

fn exit_with(a: &mut Asm, reason: ExitReason) {
    dynasm!(a ; .arch x64 ; mov DWORD [r15 + slot!(exit_reason)], reason as i32 ; jmp ->common);
}

/// Guest registers and MXCSR into the context, the host's MXCSR and DF back. No flag is touched before PUSHFQ.
fn save_guest(a: &mut Asm) {
    dynasm!(a ; .arch x64
        ; mov [r15 + gpr(0)], eax
        ; mov [r15 + gpr(1)], ecx
        ; mov [r15 + gpr(2)], edx
        ; mov [r15 + gpr(3)], ebx
        ; mov [r15 + gpr(4)], r12d
        ; mov [r15 + gpr(5)], ebp
        ; mov [r15 + gpr(6)], esi
        ; mov [r15 + gpr(7)], edi
        ; pushfq
        ; pop QWORD [r15 + slot!(host_flags)]
        ; cld
        ; stmxcsr [r15 + MXCSR]
        ; ldmxcsr [r15 + slot!(host_mxcsr)]
        ; movaps [r15 + xmm(0)], xmm0
        ; movaps [r15 + xmm(1)], xmm1
        ; movaps [r15 + xmm(2)], xmm2
        ; movaps [r15 + xmm(3)], xmm3
        ; movaps [r15 + xmm(4)], xmm4
        ; movaps [r15 + xmm(5)], xmm5
        ; movaps [r15 + xmm(6)], xmm6
        ; movaps [r15 + xmm(7)], xmm7
        ; cmp DWORD [r15 + slot!(avx)], 0
        ; je >lower
        ; vextractf128 [r15 + ymm_high(0)], ymm0, 1
        ; vextractf128 [r15 + ymm_high(1)], ymm1, 1
        ; vextractf128 [r15 + ymm_high(2)], ymm2, 1
        ; vextractf128 [r15 + ymm_high(3)], ymm3, 1
        ; vextractf128 [r15 + ymm_high(4)], ymm4, 1
        ; vextractf128 [r15 + ymm_high(5)], ymm5, 1
        ; vextractf128 [r15 + ymm_high(6)], ymm6, 1
        ; vextractf128 [r15 + ymm_high(7)], ymm7, 1
        ; vzeroupper
        ; lower:
    );
}

/// The upper halves of the YMM registers, where the guest may use them. Changes flags.
fn load_upper_halves(a: &mut Asm) {
    dynasm!(a ; .arch x64
        ; cmp DWORD [r15 + slot!(avx)], 0
        ; je >lower
        ; vinsertf128 ymm0, ymm0, [r15 + ymm_high(0)], 1
        ; vinsertf128 ymm1, ymm1, [r15 + ymm_high(1)], 1
        ; vinsertf128 ymm2, ymm2, [r15 + ymm_high(2)], 1
        ; vinsertf128 ymm3, ymm3, [r15 + ymm_high(3)], 1
        ; vinsertf128 ymm4, ymm4, [r15 + ymm_high(4)], 1
        ; vinsertf128 ymm5, ymm5, [r15 + ymm_high(5)], 1
        ; vinsertf128 ymm6, ymm6, [r15 + ymm_high(6)], 1
        ; vinsertf128 ymm7, ymm7, [r15 + ymm_high(7)], 1
        ; lower:
    );
}

fn leave(a: &mut Asm) {
    dynasm!(a ; .arch x64
        ; mov rsp, [r15 + slot!(host_rsp)]
        ; add rsp, 8
        ; pop r15
        ; pop r14
        ; pop r13
        ; pop r12
        ; pop rbp
        ; pop rbx
        ; ret
    );
}

fn prologue(a: &mut Asm) {
    dynasm!(a ; .arch x64
        ; push rbx
        ; push rbp
        ; push r12
        ; push r13
        ; push r14
        ; push r15
        ; sub rsp, 8
        ; mov r15, rdi
        ; mov [r15 + slot!(host_rsp)], rsp
        ; movaps xmm0, [r15 + xmm(0)]
        ; movaps xmm1, [r15 + xmm(1)]
        ; movaps xmm2, [r15 + xmm(2)]
        ; movaps xmm3, [r15 + xmm(3)]
        ; movaps xmm4, [r15 + xmm(4)]
        ; movaps xmm5, [r15 + xmm(5)]
        ; movaps xmm6, [r15 + xmm(6)]
        ; movaps xmm7, [r15 + xmm(7)]
        ; mov r13, [r15 + slot!(target_table)]
        ; mov r14, [r15 + slot!(cache_base)]
    );
}

/// Loads MXCSR, EAX..EDI and the flags; r8-r11 are left alone.
fn load_guest(a: &mut Asm) {
    dynasm!(a ; .arch x64
        ; ldmxcsr [r15 + MXCSR]
        ; push QWORD [r15 + slot!(host_flags)]
        ; popfq
        ; mov eax, [r15 + gpr(0)]
        ; mov ecx, [r15 + gpr(1)]
        ; mov edx, [r15 + gpr(2)]
        ; mov ebx, [r15 + gpr(3)]
        ; mov r12d, [r15 + gpr(4)]
        ; mov ebp, [r15 + gpr(5)]
        ; mov esi, [r15 + gpr(6)]
        ; mov edi, [r15 + gpr(7)]
    );
}

fn emit_enter(a: &mut Asm) {
    prologue(a);
    dynasm!(a ; .arch x64
        ; mov r11, rsi
        ; cmp DWORD [r15 + KICK], 0
        ; jne >kicked
    );
    load_upper_halves(a);
    load_guest(a);
    dynasm!(a ; .arch x64
        ; jmp r11
        ; kicked:
        ; mov DWORD [r15 + slot!(exit_reason)], ExitReason::Check as i32
    );
    leave(a);
}

fn save_wide(a: &mut Asm) {
    dynasm!(a ; .arch x64
        ; mov [r15 + wide(0)], rax
        ; mov [r15 + wide(1)], rcx
        ; mov [r15 + wide(2)], rdx
        ; mov [r15 + wide(3)], rbx
        ; mov [r15 + wide(4)], rsp
        ; mov [r15 + wide(5)], rbp
        ; mov [r15 + wide(6)], rsi
        ; mov [r15 + wide(7)], rdi
        ; mov [r15 + wide(8)], r8
        ; mov [r15 + wide(9)], r9
        ; mov [r15 + wide(10)], r10
        ; mov [r15 + wide(11)], r11
        ; mov [r15 + wide(12)], r12
        ; mov r11, [rsp]
        ; mov [r15 + slot!(stack_top)], r11
    );
}

/// As [`emit_enter`], with the full registers of a Signal exit, and what the sequence had on the
/// stack. POPFQ may set TF: the trap then comes after the final JMP, before anything of the block
/// has run. A kick that came since the exit is not lost: the host is stepped to a boundary.
fn emit_resume(a: &mut Asm) {
    prologue(a);
    dynasm!(a ; .arch x64
        ; mov rax, [r15 + slot!(stack_top)]
        ; mov [rsp - 8], rax
        ; sub rsp, [r15 + slot!(stack_depth)]
        ; cmp DWORD [r15 + KICK], 0
        ; je >quiet
        ; or DWORD [r15 + slot!(host_flags)], TF
        ; mov DWORD [r15 + slot!(step_skip)], 1
        ; quiet:
    );
    load_upper_halves(a);
    dynasm!(a ; .arch x64
        ; ldmxcsr [r15 + MXCSR]
        ; mov rax, [r15 + wide(0)]
        ; mov rcx, [r15 + wide(1)]
        ; mov rdx, [r15 + wide(2)]
        ; mov rbx, [r15 + wide(3)]
        ; mov rbp, [r15 + wide(5)]
        ; mov rsi, [r15 + wide(6)]
        ; mov rdi, [r15 + wide(7)]
        ; mov r8, [r15 + wide(8)]
        ; mov r9, [r15 + wide(9)]
        ; mov r10, [r15 + wide(10)]
        ; mov r11, [r15 + wide(11)]
        ; mov r12, [r15 + wide(12)]
        ; push QWORD [r15 + slot!(host_flags)]
        ; popfq
        ; jmp QWORD [r15 + slot!(fault_rip)]
    );
}
