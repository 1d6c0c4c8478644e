//! x87: exact results, status, pending exceptions, availability.

use super::*;
use crate::exception::Vector;
use crate::flags::Eflags;
use std::arch::asm;

const FNINIT: [u8; 2] = [0xdb, 0xe3];
const FLDPI: [u8; 2] = [0xd9, 0xeb];
const FLD1: [u8; 2] = [0xd9, 0xe8];
const FLDZ: [u8; 2] = [0xd9, 0xee];
const FWAIT: [u8; 1] = [0x9b];

/// Loads a control word.
fn control(m: &mut Machine, word: u16) {
    m.bus.load(DATA, &word.to_le_bytes());
    m.run(&at_data(&[0xd9], 5)).unwrap();
}

/// 1/0 with #Z unmasked: an exception is pending afterwards.
fn make_pending(m: &mut Machine) {
    m.run(&FNINIT).unwrap();
    control(m, 0x037b);
    m.run(&[&FLD1[..], &FLDZ, &[0xde, 0xf9]].concat()).unwrap();
    assert_eq!(m.s.fpu.fsw() & 0x8084, 0x8084);
}

#[test]
fn the_product_of_pi_with_itself_has_all_64_bits() {
    let mut m = Machine::new();
    m.run(&[&FNINIT[..], &FLDPI, &[0xdc, 0xc8]].concat()).unwrap();
    m.run(&at_data(&[0xdb], 7)).unwrap(); // fstp m80
    // C90FDAA22168C235h squared, rounded to 64 bits.
    assert_eq!(m.bytes::<10>(DATA), [0xd3, 0xf2, 0x2e, 0xf2, 0x4d, 0xe6, 0xe9, 0x9d, 0x02, 0x40]);
    assert_eq!(m.s.fpu.fsw() >> 11 & 7, 0);
    assert_eq!(m.s.fpu.0[4], 0, "all registers are empty");
}

#[test]
fn transcendental_functions_are_the_hosts() {
    let mut host = [0u8; 10];
    // SAFETY: balanced pushes and pops; the unit is empty again afterwards.
    unsafe {
        asm!(
            "fldl2e", "fsincos", "fpatan", "f2xm1", "fld1", "fxch", "fyl2xp1",
            "fstp tbyte ptr [{0}]",
            in(reg) host.as_mut_ptr(),
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            options(nostack),
        );
    }
    let mut m = Machine::new();
    let steps: [[u8; 2]; 8] = [
        FNINIT,
        [0xd9, 0xea],
        [0xd9, 0xfb],
        [0xd9, 0xf3],
        [0xd9, 0xf0],
        FLD1,
        [0xd9, 0xc9],
        [0xd9, 0xf9],
    ];
    m.run(steps.as_flattened()).unwrap();
    assert_eq!(m.st(0), host);
    assert_ne!(host, [0; 10]);
}

#[test]
fn a_ninth_push_is_a_stack_overflow() {
    let mut m = Machine::new();
    m.run(&FNINIT).unwrap();
    for _ in 0..8 {
        m.run(&FLD1).unwrap();
    }
    assert_eq!(m.s.fpu.fsw() & 0x7f, 0);
    m.run(&FLD1).unwrap();
    // IE, SF and C1 (overflow); the result is the indefinite.
    assert_eq!(m.s.fpu.fsw() & 0x0241, 0x0241);
    assert_eq!(m.st(0), [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff]);
}

#[test]
fn an_unmasked_exception_waits_for_the_next_waiting_instruction() {
    let mut m = Machine::new();
    make_pending(&mut m);
    let mf = Some(Exception::plain(Vector::Mf));
    for waiting in [&FLD1[..], &FWAIT, &[0x0f, 0x77], &[0x0f, 0x6f, 0xc1], &[0xd9, 0xd0]] {
        assert_eq!(m.one(waiting).err(), mf, "{waiting:02x?}");
    }
    assert_eq!(m.one(&at_data(&[0xd9], 5)).err(), mf, "fldcw");
    assert_eq!(m.one(&at_data(&[0xdd], 4)).err(), mf, "frstor");
    // Those that do not wait.
    m.run(&at_data(&[0xd9], 7)).unwrap(); // fnstcw
    assert_eq!(m.word(DATA), 0x037b);
    m.run(&[0xdf, 0xe0]).unwrap(); // fnstsw ax
    assert_eq!(m.s.gpr[0] & 0x8084, 0x8084);
    m.run(&[0xdb, 0xe2]).unwrap(); // fnclex
    assert_eq!(m.s.fpu.fsw() & 0x80ff, 0);
    m.run(&FWAIT).unwrap();
}

#[test]
fn without_ne_the_error_goes_out_on_ferr() {
    let mut m = Machine::new();
    m.s.cr0 &= !cr0::NE;
    make_pending(&mut m);
    assert!(!m.bus.ferr);
    let before = m.s.fpu;
    assert_eq!(m.one(&FLD1), Ok(Outcome::Partial));
    assert!(m.bus.ferr);
    assert_eq!((m.s.eip(), m.s.fpu), (CODE, before));
    m.run(&[0xdb, 0xe2]).unwrap();
    assert!(!m.bus.ferr);
    m.run(&FLD1).unwrap();
}

#[test]
fn under_ignne_the_error_stays_and_work_goes_on() {
    let mut m = Machine::new();
    m.s.cr0 &= !cr0::NE;
    make_pending(&mut m);
    m.bus.ignne = true;
    m.run(&FLDPI).unwrap();
    assert_eq!(m.st(0)[9], 0x40);
    assert_eq!(m.s.fpu.fsw() & 0x8084, 0x8084);
    control(&mut m, 0x037f);
    assert_eq!(m.s.fpu.fsw() & 0x8084, 0x0004, "masked, it no longer counts");
}

#[test]
fn an_unmasked_store_exception_keeps_memory_and_the_stack() {
    let mut m = Machine::new();
    m.run(&FNINIT).unwrap();
    control(&mut m, 0x037e); // #I unmasked
    m.run(&FLDPI).unwrap();
    m.run(&[0xdd, 0xc0]).unwrap(); // ffree st0: storing an empty register is #I
    m.bus.load(DATA, &[0xaa; 4]);
    let top = m.s.fpu.fsw() >> 11 & 7;
    m.run(&at_data(&[0xd9], 3)).unwrap(); // fstp m32
    assert_eq!(m.bytes::<4>(DATA), [0xaa; 4]);
    assert_eq!(m.s.fpu.fsw() >> 11 & 7, top);
    assert_eq!(m.s.fpu.fsw() & 0x80c1, 0x80c1);
}

#[test]
fn an_inexact_store_is_made_before_the_exception() {
    let mut m = Machine::new();
    m.run(&FNINIT).unwrap();
    control(&mut m, 0x035f); // #P unmasked
    m.run(&FLDPI).unwrap();
    m.run(&at_data(&[0xd9], 3)).unwrap();
    assert_eq!(m.bytes::<4>(DATA), std::f32::consts::PI.to_le_bytes());
    assert_eq!(m.one(&FWAIT).err(), Some(Exception::plain(Vector::Mf)));
}

#[test]
fn a_store_that_faults_changes_nothing() {
    let mut m = Machine::new();
    m.run(&[&FNINIT[..], &FLDPI].concat()).unwrap();
    m.bus.absent.push(DATA..DATA + 16);
    let before = m.s.fpu;
    assert_eq!(m.one(&at_data(&[0xdb], 7)).err().map(|e| e.vector), Some(Vector::Pf));
    assert_eq!(m.s.fpu, before);
}

#[test]
fn availability_follows_em_ts_and_mp() {
    let nm = Some(Exception::nm());
    for bit in [cr0::EM, cr0::TS] {
        let mut m = Machine::new();
        m.s.cr0 |= bit;
        assert_eq!(m.one(&FLD1).err(), nm);
        assert_eq!(m.one(&FNINIT).err(), nm);
        assert_eq!(m.one(&at_data(&[0x0f, 0xae], 0)).err(), nm, "fxsave");
        assert_eq!(m.one(&FWAIT), Ok(Outcome::Retired));
    }
    let mut m = Machine::new();
    m.s.cr0 |= cr0::MP | cr0::TS;
    assert_eq!(m.one(&FWAIT).err(), nm);
}

#[test]
fn comparisons_and_conditional_moves_use_eflags() {
    let mut m = Machine::new();
    m.run(&[&FNINIT[..], &FLD1, &FLDZ, &[0xdb, 0xf1]].concat()).unwrap(); // fcomi st0, st1
    let arith = m.s.eflags & Eflags::ARITH.bits();
    assert_eq!(arith, Eflags::CF.bits(), "0 < 1");
    m.run(&[0xda, 0xc1]).unwrap(); // fcmovb st0, st1
    assert_eq!(m.st(0), m.st(1));
}

#[test]
fn the_8087s_and_80287s_instructions_do_nothing() {
    let mut m = Machine::new();
    m.run(&FNINIT).unwrap();
    let before = m.s.fpu;
    m.run(&[0xdb, 0xe0, 0xdb, 0xe1, 0xdb, 0xe4]).unwrap();
    assert_eq!(m.s.fpu, before);
}

#[test]
fn state_survives_a_stay_in_the_hosts_registers() {
    let mut m = Machine::new();
    make_pending(&mut m);
    m.run(&at_data(&[0xdd], 7)).unwrap(); // fnstsw
    let before = m.s;
    super::super::release(&mut m.s);
    assert!(m.s.fpu_in_host);
    assert_eq!(mxcsr(), HOST_MXCSR, "MXCSR is not the guest's");
    m.s.fpu.0[..160].fill(0xee);
    m.s.fpu.0[6..24].copy_from_slice(&before.fpu.0[6..24]);
    m.s.fpu.0[24..32].copy_from_slice(&before.fpu.0[24..32]);
    super::super::claim(&mut m.s);
    assert_eq!(m.s.fpu.0[..], before.fpu.0[..]);
    assert!(!m.s.fpu_in_host);
    assert_eq!(std::hint::black_box(1.5f64) * 2.0, 3.0);
}

const HOST_MXCSR: u32 = 0x1f80;

fn mxcsr() -> u32 {
    let mut value = 0_u32;
    // SAFETY: STMXCSR writes the four bytes of `value`.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
    value & !0x3f
}

/// 1 / 3 in an x87 register, to 64 bits: what C calls `long double`.
fn a_third() -> f64 {
    let mut out = 0.0f64;
    // SAFETY: the unit is as the ABI says, and is again afterwards; FSTP writes the eight bytes of `out`.
    unsafe {
        std::arch::asm!(
            "fld1", "fld1", "fld1", "fld1", "faddp", "faddp", "fdivp", "fstp qword ptr [{}]",
            in(reg) &raw mut out, options(nostack),
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
        );
    }
    out
}

#[test]
fn code_of_others_has_the_x87_unit_to_itself() {
    let mut m = Machine::new();
    make_pending(&mut m);
    m.s.fpu.set_mxcsr(0x5f80);
    let before = m.s;
    super::super::release(&mut m.s);
    // An exception waits there: but for the shield, FLD1 would be this process's SIGFPE.
    assert_eq!(super::super::with_host_x87(a_third), 1.0 / 3.0);
    let panicked = std::panic::catch_unwind(|| super::super::with_host_x87(|| panic!("in a sink")));
    assert!(panicked.is_err());
    assert_eq!(mxcsr(), HOST_MXCSR);
    super::super::claim(&mut m.s);
    assert_eq!(m.s.fpu.0[..], before.fpu.0[..]);
}

#[test]
fn handlers_claim_the_state_first() {
    let mut m = Machine::new();
    m.run(&[&FNINIT[..], &FLDPI].concat()).unwrap();
    super::super::release(&mut m.s);
    m.s.fpu.0[..6].fill(0);
    m.run(&at_data(&[0xdb], 7)).unwrap();
    assert_eq!(m.bytes::<10>(DATA), [0x35, 0xc2, 0x68, 0x21, 0xa2, 0xda, 0x0f, 0xc9, 0, 0x40]);
}
