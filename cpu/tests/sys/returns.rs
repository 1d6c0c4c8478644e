//! IRET in protected mode.

use crate::machine::*;
use ringer_cpu::{Eflags, Exception, Lin, Outcome, SegAttr, SegReg};

const IRETD: &[u8] = &[0xcf];
const IRETW: &[u8] = &[0x66, 0xcf];

#[test]
fn iret_to_ring_3_loads_the_stack_and_nulls_inner_data_segments() {
    let mut m = Machine::at(0, IRETD);
    m.store(STACK0, &[HANDLER, 0x1b, 0x3202, STACK3, 0x23]);
    m.s.seg[SegReg::Es as usize].attr |= SegAttr::DPL;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cpl, m.s.eip(), m.esp()), (3, HANDLER, STACK3));
    assert_eq!(m.s.eflags, 0x3202);
    assert_eq!((m.selector(SegReg::Ds), m.selector(SegReg::Es)), (0, DATA0));
    assert!(m.s.seg[SegReg::Ds as usize].attr.contains(SegAttr::NULL));
}

#[test]
fn null_selectors_lose_their_rpl_on_the_way_to_an_outer_ring_and_only_there() {
    for (cs, ss, expected) in [(0x1b, 0x23, 0), (8, 0, 3)] {
        let mut m = Machine::at(0, IRETD);
        m.store(STACK0, &[HANDLER, cs, 0x3202, STACK3, ss]);
        for seg in [SegReg::Es, SegReg::Fs, SegReg::Gs] {
            let segment = &mut m.s.seg[seg as usize];
            (segment.selector, segment.attr) = (3, SegAttr::NULL);
        }
        assert_eq!(m.execute(), Ok(Outcome::Retired));
        for seg in [SegReg::Es, SegReg::Fs, SegReg::Gs] {
            assert_eq!(m.selector(seg), expected, "CS {cs:#x}");
            assert!(m.s.seg[seg as usize].attr.contains(SegAttr::NULL));
        }
    }
}

#[test]
fn the_16_bit_form_returns_to_an_outer_ring_too() {
    let mut m = Machine::at(0, IRETW);
    m.bus.load(STACK0, &[0x34, 0x12, 0x1b, 0, 0x02, 0x02, 0x78, 0x56, 0x23, 0]);
    m.s.eflags = 2 | 1 << 21;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cpl, m.s.eip(), m.esp()), (3, 0x1234, 0x5678));
    assert_eq!(m.s.eflags, 0x202 | 1 << 21, "the high word stays");
}

#[test]
fn what_iret_loads_depends_on_privilege_and_iopl() {
    let all = 0x003d_7fd5; // without VM
    let cases = [
        // CPL, IOPL before, expected
        (0, 0, 0x003d_7fd7),
        (3, 0, 0x0025_4dd7),
        (3, 3, 0x0025_7fd7),
    ];
    for (cpl, iopl, expected) in cases {
        let mut m = Machine::at(cpl, IRETD);
        let esp = m.esp();
        m.s.eflags = 2 | iopl << 12;
        let cs = u32::from(m.selector(SegReg::Cs));
        m.store(esp, &[HANDLER, cs, all]);
        assert_eq!(m.execute(), Ok(Outcome::Retired));
        assert_eq!(m.s.eflags, expected, "{cpl} {iopl}");
    }
}

#[test]
fn rf_lasts_for_the_instruction_returned_to() {
    let mut m = Machine::at(0, IRETD);
    m.store(STACK0, &[HANDLER, 8, 2 | 1 << 16]);
    m.bus.load(HANDLER, &[0x90, 0x90]);
    m.s.dr[0] = u64::from(HANDLER);
    m.s.dr[7] = 0x401;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_ne!(m.s.eflags & Eflags::RF.bits(), 0);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eflags & Eflags::RF.bits(), 0);
}

#[test]
fn iret_checks_what_it_returns_to() {
    let cases = [
        ([HANDLER, 0], Exception::gp(0)),
        ([HANDLER, 0x10], Exception::gp(0x10)),
        ([HANDLER, 0x18], Exception::gp(0x18)), // RPL 0, DPL 3
        ([HANDLER, 0x88], Exception::np(0x88)),
        ([HANDLER, 0x80], Exception::gp(0)), // beyond its limit
        ([HANDLER, 0x200], Exception::gp(0x200)),
    ];
    for ([eip, cs], expected) in cases {
        let mut m = Machine::at(0, IRETD);
        m.store(STACK0, &[eip, cs, 2]);
        assert_eq!(m.fault(), expected, "{cs:#x}");
    }
}

#[test]
fn an_outer_return_with_an_absent_stack_changes_nothing() {
    let mut m = Machine::at(0, IRETD);
    m.set_gdt(ABSENT, descriptor(0, 0xf_ffff, 0x73, BIG));
    m.store(STACK0, &[HANDLER, 0x1b, 2, STACK3, 0x53]);
    assert_eq!(m.fault(), Exception::ss(0x50));
    m.bus.absent.push(STACK0 + 12..STACK0 + 16);
    assert_eq!(m.fault(), Exception::page_fault(Lin::from(STACK0 + 12), 0));
}

#[test]
fn the_vm_flag_counts_at_cpl_0_only() {
    let mut m = Machine::at(3, IRETD);
    m.store(STACK3, &[HANDLER, 0x1b, 2 | 1 << 17]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert!(!m.s.v86());

    let mut m = Machine::at(0, IRETD);
    let frame = [0x100, 0x2000, 2 | 1 << 17 | 1 << 9, 0x7000, 0x3000, 0x11, 0x22, 0x33, 0x44];
    m.store(STACK0, &frame);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert!(m.s.v86());
    assert_eq!((m.s.cpl, m.s.eip(), m.esp()), (3, 0x100, 0x7000));
    let order = [SegReg::Cs, SegReg::Ss, SegReg::Es, SegReg::Ds, SegReg::Fs, SegReg::Gs];
    assert_eq!(order.map(|s| m.selector(s)), [0x2000, 0x3000, 0x11, 0x22, 0x33, 0x44]);
    assert_eq!(m.s.cs().base.low(), 0x2_0000);
    assert_eq!(m.s.ss().limit, 0xffff);
}

#[test]
fn a_return_to_v86_beyond_64k_faults() {
    let mut m = Machine::at(0, IRETD);
    m.store(STACK0, &[0x1_0000, 0x2000, 2 | 1 << 17, 0, 0, 0, 0, 0, 0]);
    assert_eq!(m.fault(), Exception::gp(0));
}
