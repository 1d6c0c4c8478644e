//! CLAC and STAC, and whose rights accesses have where SMAP tells them apart: explicit ones with EFLAGS.AC, without, and
//! implicit ones (SDM volume 3A, 4.6).

use crate::machine::*;
use ringer_cpu::{CpuModel, Eflags, Exception, Gpr, Interp, Lin, Outcome};

const AC: u32 = Eflags::AC.bits();
const CLAC: &[u8] = &[0x0f, 0x01, 0xca];
const STAC: &[u8] = &[0x0f, 0x01, 0xcb];

/// The processor that has it, before `code`.
fn max(cpl: u8, code: &[u8]) -> Machine {
    let mut m = Machine::at(cpl, code);
    m.interp = Interp::new(CpuModel::MAX).unwrap();
    m
}

/// #PF of a supervisor's read, or write, at `at`.
fn kept_off(at: u32, write: bool) -> Exception {
    Exception::page_fault(Lin::from(at), if write { 3 } else { 1 })
}

#[test]
fn clac_and_stac_are_cpl_0s_and_of_a_processor_that_has_smap() {
    let mut m = max(0, &[STAC, STAC, CLAC].concat());
    for flags in [2 | AC, 2 | AC, 2] {
        assert_eq!(m.execute(), Ok(Outcome::Retired));
        assert_eq!(m.s.eflags, flags);
    }
    for code in [CLAC, STAC] {
        assert_eq!(max(3, code).fault(), Exception::ud());
        assert_eq!(Machine::at(0, code).fault(), Exception::ud(), "a Pentium 4");
        let mut m = max(0, code);
        m.enter_v86(3);
        assert_eq!(m.fault(), Exception::ud());
    }
}

#[test]
fn ac_is_for_explicit_accesses_below_cpl_3() {
    // mov eax, [3000h]; mov [3000h], eax; push eax
    let cases: [(&[u8], u32, bool); 3] = [
        (&[0xa1, 0, 0x30, 0, 0], 0x3000, false),
        (&[0xa3, 0, 0x30, 0, 0], 0x3000, true),
        (&[0x50], STACK0 - 4, true),
    ];
    for (code, at, write) in cases {
        let mut m = max(0, code);
        m.bus.kept_off.push(at..at + 4);
        assert_eq!(m.fault(), kept_off(at, write));
        m.s.eflags |= AC;
        assert_eq!(m.execute(), Ok(Outcome::Retired));
    }
    let mut m = max(3, cases[0].0);
    m.bus.kept_off.push(0x3000..0x3004);
    assert_eq!(m.execute(), Ok(Outcome::Retired), "its own page");
}

#[test]
fn tables_are_read_without_it() {
    let places = [
        (0, &[0x8e, 0xd8][..], GDT + u32::from(DATA0)), // mov ds, ax
        (0, &[0xcd, 0x40], IDT + 0x40 * 8),             // int 40h
        (3, &[0xcd, 0x40], IDT + 0x40 * 8),
        (3, &[0xcd, 0x40], TSS_AT + 4),
        (3, &[0xec], TSS_AT + 0x66), // in al, dx
    ];
    for (cpl, code, at) in places {
        let mut m = max(cpl, code);
        m.set_idt(0x40, gate(CODE0, HANDLER, 0xee, 0));
        m.set(Gpr::Eax, u32::from(DATA0));
        m.s.eflags |= AC;
        m.bus.kept_off.push(at..at + 1);
        assert_eq!(m.fault(), kept_off(at, false), "CPL {cpl}, {code:x?}");
    }
}

#[test]
fn pushes_of_an_interrupt_are_explicit_below_cpl_3_only() {
    for ac in [0, AC] {
        let mut inner = max(3, &[0xcd, 0x40]);
        let mut same = max(0, &[0xcd, 0x40]);
        for m in [&mut inner, &mut same] {
            m.set_idt(0x40, gate(CODE0, HANDLER, 0xee, 0));
            m.s.eflags |= ac;
        }
        inner.bus.kept_off.push(ESP0 - 4..ESP0);
        assert_eq!(inner.fault(), kept_off(ESP0 - 4, true), "AC {ac:x}");
        same.bus.kept_off.push(STACK0 - 4..STACK0);
        if ac == 0 {
            assert_eq!(same.fault(), kept_off(STACK0 - 4, true));
        } else {
            assert_eq!(same.execute(), Ok(Outcome::Retired));
            assert_eq!(same.s.eflags & AC, AC, "delivery leaves it");
        }
    }
}

#[test]
fn pushes_of_a_call_gate_are_implicit_from_cpl_3() {
    let mut m = max(3, &[0x9a, 0, 0, 0, 0, GATE as u8 | 3, 0]);
    m.set_gdt(GATE, gate(CODE0, HANDLER, 0xec, 1));
    m.s.eflags |= AC;
    m.bus.kept_off.push(STACK3..STACK3 + 4);
    assert_eq!(m.execute(), Ok(Outcome::Retired), "its parameters are read as its own");
    let mut m = max(3, &[0x9a, 0, 0, 0, 0, GATE as u8 | 3, 0]);
    m.set_gdt(GATE, gate(CODE0, HANDLER, 0xec, 1));
    m.s.eflags |= AC;
    m.bus.kept_off.push(ESP0 - 8..ESP0 - 4);
    assert_eq!(m.fault(), kept_off(ESP0 - 8, true));
}
