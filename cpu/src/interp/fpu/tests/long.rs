//! 64-bit mode: sixteen vector registers, images with pointers of 64 bits, and what is checked before an instruction runs. (Results
//! are the host-native judge's.)

use super::{DATA, DS, Machine, ps};
use crate::exception::{Exception, Vector};
use crate::flags::Eflags;
use crate::interp::Outcome;
use crate::model::Features;
use crate::segment::SegAttr;
use crate::state::{FpuImage, Gpr, SegReg, cr0, cr4};

/// An address that is not canonical.
const NOWHERE: u64 = 0x8000_0000_0000;
/// FXSAVE, FXRSTOR, and the two with REX.W, [RSI].
const FXSAVE: [u8; 3] = [0x0f, 0xae, 0x06];
const FXRSTOR: [u8; 3] = [0x0f, 0xae, 0x0e];
const FXSAVE64: [u8; 4] = [0x48, 0x0f, 0xae, 0x06];
const FXRSTOR64: [u8; 4] = [0x48, 0x0f, 0xae, 0x0e];
/// XSAVE and XRSTOR [RSI], and XSAVE64.
const XSAVE: [u8; 3] = [0x0f, 0xae, 0x26];
const XRSTOR: [u8; 3] = [0x0f, 0xae, 0x2e];
const XSAVE64: [u8; 4] = [0x48, 0x0f, 0xae, 0x26];
const XRSTOR64: [u8; 4] = [0x48, 0x0f, 0xae, 0x2e];
/// ADDPS XMM9, [RBX] and [RSP].
const ADD_RBX: [u8; 4] = [0x44, 0x0f, 0x58, 0x0b];
const ADD_RSP: [u8; 5] = [0x44, 0x0f, 0x58, 0x0c, 0x24];

/// With RSI at the data.
fn machine() -> Machine {
    let mut m = Machine::in_64_bit_mode();
    m.s.gpr[Gpr::Esi as usize] = u64::from(DATA);
    m
}

fn qword(m: &Machine, at: u32) -> u64 {
    u64::from_le_bytes(m.bytes(at))
}

/// FIP and FDP of 64 bits.
fn with_pointers(m: &mut Machine, fip: u64, fdp: u64) {
    let mut image = m.s.fpu.to_wide();
    image.0[8..16].copy_from_slice(&fip.to_le_bytes());
    image.0[16..24].copy_from_slice(&fdp.to_le_bytes());
    m.s.fpu = FpuImage::from_wide(&image);
}

#[test]
fn the_upper_eight_registers_are_operands() {
    let mut m = machine();
    m.set_xmm(9, ps([1.0, 2.0, 3.0, 4.0]));
    m.set_xmm(14, ps([10.0, 20.0, 30.0, 40.0]));
    m.run(&[0x45, 0x0f, 0x58, 0xce]).unwrap(); // addps xmm9, xmm14
    assert_eq!(m.xmm(9), ps([11.0, 22.0, 33.0, 44.0]));
    m.run(&[0x66, 0x4d, 0x0f, 0x7e, 0xcc]).unwrap(); // movq r12, xmm9
    assert_eq!(m.s.gpr[12].to_le_bytes(), m.xmm(9)[..8]);
    m.s.gpr[8] = u64::MAX;
    m.run(&[0x45, 0x0f, 0x50, 0xc1]).unwrap(); // movmskps r8d, xmm9
    assert_eq!(m.s.gpr[8], 0, "the upper half is cleared");
}

#[test]
fn fxsave_has_sixteen_registers_and_leaves_what_follows_alone() {
    let mut m = machine();
    m.set_xmm(15, [7; 16]);
    with_pointers(&mut m, 0x1_2345_6789, 0x2_3456_789a);
    m.bus.load(DATA, &[0xcc; 512]);
    m.run(&FXSAVE).unwrap();
    assert_eq!(m.bytes::<16>(DATA + 400), [7; 16]);
    assert_eq!(m.bytes::<96>(DATA + 416), [0xcc; 96]);
    assert_eq!([qword(&m, DATA + 8), qword(&m, DATA + 16)], [0x2345_6789, 0x3456_789a]);
    m.run(&FXSAVE64).unwrap();
    assert_eq!([qword(&m, DATA + 8), qword(&m, DATA + 16)], [0x1_2345_6789, 0x2_3456_789a]);

    let before = m.s;
    m.s.fpu = FpuImage::reset();
    m.run(&FXRSTOR64).unwrap();
    assert_eq!(
        (m.xmm(15), m.s.fpu.to_wide().0[8..24].to_vec()),
        ([7; 16], m.bytes::<16>(DATA + 8).to_vec())
    );
    m.s = before;
    m.run(&FXRSTOR).unwrap();
    let pointers = m.s.fpu.pointers();
    assert_eq!(
        (pointers.fip, pointers.fcs),
        (0x2345_6789, 1),
        "the selector is where the pointer went on"
    );
}

#[test]
fn outside_it_the_upper_eight_are_neither_saved_nor_loaded() {
    let mut m = machine();
    m.set_xmm(12, [7; 16]);
    m.s.ymm_high[12] = [9; 16];
    // Compatibility mode.
    let cs = &mut m.s.seg[SegReg::Cs as usize].attr;
    *cs = (*cs - SegAttr::L) | SegAttr::DB;
    m.bus.load(DATA, &[0; 832]);
    m.run(&FXSAVE).unwrap();
    assert_eq!(m.bytes::<128>(DATA + 288), [0; 128]);
    m.run(&FXRSTOR).unwrap();
    assert_eq!(m.xmm(12), [7; 16]);
    m.s.set_reg32(Gpr::Eax, 7);
    m.run(&XSAVE).unwrap();
    m.run(&XRSTOR).unwrap();
    assert_eq!((m.xmm(12), m.s.ymm_high[12]), ([7; 16], [9; 16]));
    if Features::of_host().contains(Features::AVX) {
        m.run(&[0xc5, 0xfc, 0x77]).unwrap(); // vzeroall
        assert_eq!((m.xmm(12), m.s.ymm_high[12]), ([7; 16], [9; 16]));
    }
}

#[test]
fn an_image_of_xsave_has_all_registers() {
    if !Features::of_host().contains(Features::AVX) {
        println!("NOT RUN: this host has no AVX");
        return;
    }
    let mut m = machine();
    m.set_xmm(11, [5; 16]);
    m.s.ymm_high[15] = [9; 16];
    with_pointers(&mut m, 0x1_2345_6789, 0x2_3456_789a);
    m.s.set_reg32(Gpr::Eax, 7);
    m.run(&XSAVE64).unwrap();
    assert_eq!(m.word(DATA + 512), 7);
    assert_eq!((m.bytes::<16>(DATA + 336), m.bytes::<16>(DATA + 816)), ([5; 16], [9; 16]));
    assert_eq!(qword(&m, DATA + 8), 0x1_2345_6789);
    let before = m.s;
    (m.s.fpu, m.s.ymm_high) = (FpuImage::reset(), [[1; 16]; 16]);
    m.run(&XRSTOR64).unwrap();
    assert_eq!((m.s.fpu.0, m.s.ymm_high), (before.fpu.0, before.ymm_high));
    // A component that the image has not is as after its initialisation, in all registers.
    m.bus.load(DATA + 512, &[1, 0]);
    m.run(&XRSTOR).unwrap();
    assert_eq!((m.xmm(11), m.s.ymm_high), ([0; 16], [[0; 16]; 16]));
    assert_eq!(m.s.fpu.pointers().fip, 0x2345_6789);
}

#[test]
fn an_instruction_leaves_pointers_of_64_bits() {
    let mut m = machine();
    m.bus.load(DATA, &0x033au16.to_le_bytes());
    m.bus.load(DATA + 0x100, &0.0f32.to_le_bytes());
    // fld1; fldcw [rsi]: #Z is unmasked.
    m.run(&[0xd9, 0xe8, 0xd9, 0x2e]).unwrap();
    m.s.gpr[Gpr::Ebx as usize] = u64::from(DATA) + 0x100;
    m.run(&[0xd8, 0x33]).unwrap(); // fdiv dword [rbx]
    let pointers = m.s.fpu.pointers();
    assert_eq!((pointers.fop, pointers.fdp, pointers.fds), (0x033, u64::from(DATA) + 0x100, DS));
    with_pointers(&mut m, 0x1234_5678_9abc, 0xffff_8000_1234_5678);
    m.run(&[0xd9, 0x36]).unwrap(); // fnstenv [rsi]
    assert_eq!([m.bus.peek32(DATA + 12), m.bus.peek32(DATA + 20)], [0x5678_9abc, 0x1234_5678]);
}

#[test]
fn operands_are_checked_in_order() {
    let mut m = machine();
    let before = m.s;
    let mut at = |address: u64, code: &[u8], change: fn(&mut Machine)| {
        m.s = before;
        (m.s.gpr[Gpr::Ebx as usize], m.s.gpr[Gpr::Esp as usize]) = (address, address);
        change(&mut m);
        m.one(code)
    };
    let none = |_: &mut Machine| {};
    let data = u64::from(DATA);
    assert_eq!(at(data, &ADD_RBX, none), Ok(Outcome::Retired));
    assert_eq!(at(data + 8, &ADD_RBX, none), Err(Exception::gp(0)));
    assert_eq!(at(NOWHERE, &ADD_RBX, none), Err(Exception::gp(0)));
    assert_eq!(at(NOWHERE, &ADD_RSP, none), Err(Exception::ss(0)));
    assert_eq!(
        at(NOWHERE - 8, &[0xf3, 0x44, 0x0f, 0x6f, 0x0b], none),
        Err(Exception::gp(0)),
        "movdqu"
    );
    let task_switched = |m: &mut Machine| m.s.cr0 |= cr0::TS;
    assert_eq!(at(NOWHERE, &ADD_RBX, task_switched), Err(Exception::nm()));
    let emulated = |m: &mut Machine| m.s.cr0 |= cr0::TS | cr0::EM;
    assert_eq!(at(NOWHERE, &ADD_RBX, emulated), Err(Exception::ud()));
    let disabled = |m: &mut Machine| m.s.cr4 &= !cr4::OSFXSR;
    assert_eq!(at(NOWHERE, &ADD_RBX, disabled), Err(Exception::ud()));
}

#[test]
fn conversions_of_halves_are_not_checked_for_alignment() {
    if !Features::of_host().contains(Features::F16C) {
        println!("NOT RUN: this host has no F16C");
        return;
    }
    let mut m = machine();
    (m.s.cpl, m.s.eflags) = (3, m.s.eflags | Eflags::AC.bits());
    m.s.cr0 |= cr0::AM;
    m.s.gpr[Gpr::Ebx as usize] = u64::from(DATA) + 1;
    m.bus.load(DATA + 1, &[0, 0x3c, 0, 0x40]);
    m.run(&[0xc4, 0x62, 0x79, 0x13, 0x0b]).unwrap(); // vcvtph2ps xmm9, [rbx]
    assert_eq!(m.xmm(9), ps([1.0, 2.0, 0.0, 0.0]));
    assert_eq!(m.one(&[0xf3, 0x44, 0x0f, 0x58, 0x0b]), Err(Exception::ac()), "addss xmm9, [rbx]");
}

#[test]
fn an_unmasked_exception_leaves_the_registers() {
    let mut m = machine();
    m.set_mxcsr(0x1f80 & !(1 << 9)); // #Z
    m.set_xmm(9, ps([1.0; 4]));
    m.set_xmm(10, ps([1.0, 0.0, 1.0, 1.0]));
    let divide = [0x45, 0x0f, 0x5e, 0xca]; // divps xmm9, xmm10
    assert_eq!(m.one(&divide), Err(Exception::plain(Vector::Xm)));
    assert_eq!((m.xmm(9), m.s.fpu.mxcsr() & 4), (ps([1.0; 4]), 4));
    m.s.cr4 &= !cr4::OSXMMEXCPT;
    assert_eq!(m.one(&divide), Err(Exception::ud()));
}

#[test]
fn a_misaligned_operand_at_a_rip_relative_address_is_gp() {
    let mut m = machine();
    // movaps xmm8, [rip + DATA - 1000h]: 8 bytes at 1000h.
    let load = |to: u32| [&[0x44, 0x0f, 0x28, 0x05][..], &(to - 0x1008).to_le_bytes()].concat();
    m.bus.load(DATA, &[3; 16]);
    m.run(&load(DATA)).unwrap();
    assert_eq!(m.xmm(8), [3; 16]);
    assert_eq!(m.one(&load(DATA + 4)), Err(Exception::gp(0)));
}
