//! Stubs for the instructions that change the mode, and with it the target table and perhaps the window: SYSENTER,
//! SYSEXIT, CLAC, STAC, and loads of FS. A block ends with such an instruction and jumps here. (RDTSC and OUT to
//! an interrupt controller's mask are here too: they need more than blocks may do.)
//!
//! What the instruction does was learnt when the interpreter did it last: the context has the new segments, the table
//! and the window. A stub checks that all that decided then is as it was; then it commits, and goes on in the other
//! table. Where anything differs it declines: the block's count is set right and the interpreter is called, as if
//! nothing had been tried.
//!
//! Invariants: no guest memory is read before EAX, the flags and the block's count are put aside, and nothing is
//! committed before the last such read; so the signal handler can send a fault here to [`TransferStubs::declined`].

// dynasm converts the numbers of dynamic registers itself.
#![allow(clippy::useless_conversion)]

use crate::context::{AcChange, FastCall, FsLoad, NO_X87, TransferKind};
use crate::pic_masks;
use crate::slots::{self, slot};
use dynasm::dynasm;
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler};
use ringer_cpu::{Eflags, SegReg, Segment};
use std::mem::offset_of;
use std::ops::Range;

type Asm = VecAssembler<X64Relocation>;

/// ES in the x87 status word, as a byte: an unmasked exception waits. Whose operand that was is found out when translated
/// code is left, by the segment registers as they are then.
const ERROR_SUMMARY: i8 = 0x80_u8 as i8;

const AC: i32 = Eflags::AC.bits() as i32;

/// Makes ADD set OF when AL is 1, as SETO left it.
const TO_OVERFLOW: i8 = 0x7f;

/// Offset of a field of the context's transfer for SYSENTER or SYSEXIT.
macro_rules! part {
    ($transfer:expr, $field:ident) => {
        $transfer + offset_of!(FastCall, $field) as i32
    };
}

/// Offset of a field of an [`FsLoad`].
macro_rules! load {
    ($field:ident) => {
        offset_of!(FsLoad, $field) as i32
    };
}

fn segment(reg: SegReg) -> i32 {
    slots::segment(reg as usize)
}

/// Where the stubs are.
#[derive(Clone, Debug)]
pub struct TransferStubs {
    /// By [`TransferKind`]: one that comes back to the dispatcher, and one that goes on in the next block.
    pub stubs: [[u64; 2]; TransferKind::COUNT],
    /// Host addresses in which a fault of the guest's memory may happen.
    pub reads: Range<u64>,
    /// Where such a fault leads.
    pub declined: u64,
}

/// Emits the stubs; the labels `exit_miss` and `exit_callout` are defined elsewhere.
pub(super) fn emit(a: &mut Asm, base: u64) -> TransferStubs {
    let here = |a: &Asm| base + a.offset().0 as u64;
    let mut stubs = [[0; 2]; TransferKind::COUNT];
    for on in [false, true] {
        stubs[TransferKind::Sysenter as usize][usize::from(on)] = here(a);
        sysenter(a, on);
        stubs[TransferKind::Sysexit as usize][usize::from(on)] = here(a);
        sysexit(a, on);
        stubs[TransferKind::Rdtsc as usize][usize::from(on)] = here(a);
        rdtsc(a, on);
        stubs[TransferKind::PicMask as usize][usize::from(on)] = here(a);
        pic_mask(a, on);
        for kind in [TransferKind::ClearAc, TransferKind::SetAc] {
            stubs[kind as usize][usize::from(on)] = here(a);
            change_ac(a, kind, on);
        }
    }
    let from = here(a);
    for on in [false, true] {
        stubs[TransferKind::LoadFs as usize][usize::from(on)] = here(a);
        load_fs(a, on);
    }
    let reads = from..here(a);
    let declined = here(a);
    dynasm!(a ; .arch x64 ; ->decline_load:);
    decline(a, TransferKind::LoadFs);
    dynasm!(a ; .arch x64 ; ->decline_enter:);
    decline(a, TransferKind::Sysenter);
    dynasm!(a ; .arch x64 ; ->decline_exit:);
    decline(a, TransferKind::Sysexit);
    dynasm!(a ; .arch x64 ; ->decline_rdtsc:);
    decline(a, TransferKind::Rdtsc);
    dynasm!(a ; .arch x64 ; ->decline_mask:);
    decline(a, TransferKind::PicMask);
    dynasm!(a ; .arch x64 ; ->decline_clac:);
    decline(a, TransferKind::ClearAc);
    dynasm!(a ; .arch x64 ; ->decline_stac:);
    decline(a, TransferKind::SetAc);
    TransferStubs { stubs, reads, declined }
}

/// Puts EAX and the flags aside, and r11: 1 when the block counted the instruction.
fn begin(a: &mut Asm) {
    dynasm!(a ; .arch x64
        ; mov [r15 + slot!(held_eax)], eax
        ; mov [r15 + slot!(held_count)], r11d
        ; lahf
        ; seto al
    );
}

fn restore(a: &mut Asm) {
    dynasm!(a ; .arch x64
        ; add al, TO_OVERFLOW
        ; sahf
        ; mov eax, [r15 + slot!(held_eax)]
    );
}

/// Leaves for the interpreter, with everything as before the instruction.
fn decline(a: &mut Asm, kind: TransferKind) {
    dynasm!(a ; .arch x64
        ; mov r8d, [r15 + slot!(held_count)]
        ; sub [r15 + slot!(retired)], r8
        ; add [r15 + slot!(budget)], r8
    );
    restore(a);
    dynasm!(a ; .arch x64
        ; mov DWORD [r15 + slot!(declined)], kind as i32 + 1
        ; jmp ->exit_callout
    );
}

/// The flags as they were; then the block at the EIP in r8d, in the table in r13.
fn go(a: &mut Asm, on: bool) {
    restore(a);
    if on {
        dynasm!(a ; .arch x64
            ; mov r9d, [r13 + r8 * 4]
            ; lea r9, [r9 + r14]
            ; jmp r9
        );
    } else {
        dynasm!(a ; .arch x64 ; jmp ->exit_miss);
    }
}

/// A [`Segment`], 16 bytes, from `from` (an offset from register number `base`) to `to` in the context.
fn copy_segment(a: &mut Asm, base: u8, from: i32, to: i32) {
    dynasm!(a ; .arch x64
        ; mov r10, [Rq(base) + from]
        ; mov [r15 + to], r10
        ; mov r10, [Rq(base) + from + 8]
        ; mov [r15 + to + 8], r10
    );
}

const _: () = assert!(size_of::<Segment>() == 16, "as `copy_segment` and `transfer` have it");

const R8: u8 = 8;
const R15: u8 = 15;

/// What SYSENTER and SYSEXIT have in common: the checks, and all that changes but EIP, ESP, CPL and IF. (The classes of
/// ES, DS and FS are in the mode of the table that the code runs in; GS's are not always.)
fn transfer(a: &mut Asm, t: i32, kind: TransferKind) {
    let user = segment(SegReg::Gs);
    dynasm!(a ; .arch x64
        ; cmp r13, [r15 + part!(t, from)]
        ; jne >no
        ; mov r8d, [r15 + slot!(sys_flags)]
        ; cmp r8d, [r15 + part!(t, sys_flags)]
        ; jne >no
        ; mov r8, [r15 + user]
        ; cmp r8, [r15 + part!(t, gs)]
        ; jne >no
        ; mov r8, [r15 + user + 8]
        ; cmp r8, [r15 + part!(t, gs) + 8]
        ; je >yes
        ; no:
    );
    match kind {
        TransferKind::Sysenter => dynasm!(a ; .arch x64 ; jmp ->decline_enter),
        _ => dynasm!(a ; .arch x64 ; jmp ->decline_exit),
    }
    dynasm!(a ; .arch x64
        ; yes:
        ; mov r8d, [r15 + slot!(x87_eip)]
        ; cmp r8d, NO_X87 as i32
        ; je >settled
        ; fnstsw WORD [r15 + slot!(x87_status)]
        ; test BYTE [r15 + slot!(x87_status)], ERROR_SUMMARY
        ; jne <no
        ; mov [r15 + slot!(x87_before)], r8d
        ; movzx r8d, WORD [r15 + slots::selector(SegReg::Cs as usize)]
        ; mov [r15 + slot!(x87_before_cs)], r8d
        ; mov DWORD [r15 + slot!(x87_eip)], NO_X87 as i32
        ; settled:
    );
    copy_segment(a, R15, part!(t, cs), segment(SegReg::Cs));
    copy_segment(a, R15, part!(t, ss), segment(SegReg::Ss));
    dynasm!(a ; .arch x64
        ; mov r13, [r15 + part!(t, table)]
        ; mov [r15 + slot!(target_table)], r13
        ; mov r8, [r15 + part!(t, window)]
        ; mov [r15 + slot!(window_base)], r8
        ; wrgsbase r8
    );
}

/// SYSENTER (SDM volume 2B): CS, SS, ESP and EIP from the MSRs, CPL 0, IF clear.
fn sysenter(a: &mut Asm, on: bool) {
    let t = slot!(sysenter);
    begin(a);
    transfer(a, t, TransferKind::Sysenter);
    dynasm!(a ; .arch x64
        ; mov BYTE [r15 + slots::CPL], 0
        ; mov DWORD [r15 + slot!(if_flag)], 0
        ; mov r12d, [r15 + part!(t, esp)]
        ; mov r8d, [r15 + part!(t, eip)]
    );
    go(a, on);
}

/// SYSEXIT: EIP from EDX, ESP from ECX, CPL 3. An STI right before it takes effect now.
fn sysexit(a: &mut Asm, on: bool) {
    begin(a);
    transfer(a, slot!(sysexit), TransferKind::Sysexit);
    dynasm!(a ; .arch x64
        ; mov BYTE [r15 + slots::CPL], 3
        ; mov r12d, ecx
        ; mov r8d, edx
        ; cmp DWORD [r15 + slots::IRQ_PENDING], 0
        ; je >quiet
    );
    go(a, false);
    dynasm!(a ; .arch x64 ; quiet:);
    go(a, on);
}

/// A load of FS with the selector in r8d; ESP grows by r9d; the next instruction is at r10d.
fn load_fs(a: &mut Asm, on: bool) {
    begin(a);
    dynasm!(a ; .arch x64
        ; mov [r15 + slot!(held_next)], r10d
        ; cmp DWORD [r15 + slot!(x87_eip)], NO_X87 as i32
        ; je >settled
        ; fnstsw WORD [r15 + slot!(x87_status)]
        ; test BYTE [r15 + slot!(x87_status)], ERROR_SUMMARY
        ; je >settled
        ; jmp ->decline_load
        ; settled:
    );
    for slot in 0..2 {
        let base = slot!(fs_loads) + slot * size_of::<FsLoad>() as i32;
        dynasm!(a ; .arch x64
            ; cmp r8d, [r15 + base + load!(selector)]
            ; jne >other
            ; lea r11, [r15 + base]
            ; cmp r13, [r11 + load!(from)]
            ; je >found
            ; other:
        );
    }
    dynasm!(a ; .arch x64
        ; jmp ->decline_load
        ; no:
        ; jmp ->decline_load
        ; found:
        ; mov r8, r11
        ; cmp DWORD [r8 + load!(null)], 0
        ; jne >yes
        ; mov r10d, [r8 + load!(linear)]
        ; gs mov r11d, [r10d]
        ; cmp r11d, [r8 + load!(lo)]
        ; jne <no
        ; gs mov r11d, [r10d + 4]
        ; cmp r11d, [r8 + load!(hi)]
        ; jne <no
        ; yes:
    );
    copy_segment(a, R8, load!(segment), segment(SegReg::Fs));
    dynasm!(a ; .arch x64
        ; lea r12d, [r12 + r9]
        ; mov r13, [r8 + load!(table)]
        ; mov [r15 + slot!(target_table)], r13
        ; mov r8d, [r15 + slot!(held_next)]
    );
    go(a, on);
}

/// CLAC or STAC that changes AC, which is in EFLAGS as they are stored and in `sys_flags`; what is next is at r10d.
fn change_ac(a: &mut Asm, kind: TransferKind, on: bool) {
    let set = kind == TransferKind::SetAc;
    let change = slot!(ac_changes) + i32::from(set) * size_of::<AcChange>() as i32;
    let part = |offset: usize| change + offset as i32;
    begin(a);
    dynasm!(a ; .arch x64 ; cmp r13, [r15 + part(offset_of!(AcChange, from))]);
    if set {
        dynasm!(a ; .arch x64
            ; jne ->decline_stac
            ; or DWORD [r15 + slots::EFLAGS], AC
            ; add DWORD [r15 + slot!(sys_flags)], AC
        );
    } else {
        dynasm!(a ; .arch x64
            ; jne ->decline_clac
            ; and DWORD [r15 + slots::EFLAGS], !AC
            ; sub DWORD [r15 + slot!(sys_flags)], AC
        );
    }
    dynasm!(a ; .arch x64
        ; mov r13, [r15 + part(offset_of!(AcChange, table))]
        ; mov [r15 + slot!(target_table)], r13
        ; mov r8, [r15 + part(offset_of!(AcChange, window))]
        ; mov [r15 + slot!(window_base)], r8
        ; wrgsbase r8
        ; mov r8d, r10d
    );
    go(a, on);
}

/// RDTSC in real time: the host's counter, scaled; what is next is at r10d.
fn rdtsc(a: &mut Asm, on: bool) {
    begin(a);
    dynasm!(a ; .arch x64
        ; cmp QWORD [r15 + slot!(tsc_scale)], 0
        ; je ->decline_rdtsc
        ; mov r9d, eax
        ; mov r8d, r10d
        ; rdtsc
        ; shl rdx, 32
        ; or rax, rdx
        ; sub rax, [r15 + slot!(tsc_host)]
        ; mul QWORD [r15 + slot!(tsc_scale)]
        ; shrd rax, rdx, 32
        ; add rax, [r15 + slot!(tsc_guest)]
        ; mov rdx, rax
        ; shr rdx, 32
        ; mov [r15 + slot!(held_eax)], eax
        ; mov eax, r9d
    );
    go(a, on);
}

/// OUT of AL to the mask of interrupt controller r9d, when that is all it does. What is next is at r10d.
fn pic_mask(a: &mut Asm, on: bool) {
    begin(a);
    pic_masks::emit_write(a, slot!(masks), slot!(held_eax));
    dynasm!(a ; .arch x64 ; mov r8d, r10d);
    go(a, on);
}
