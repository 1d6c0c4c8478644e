//! Segment register loads.

use crate::machine::*;
use ringer_cpu::{Exception, Gpr, Lin, Outcome, SegAttr, SegReg, Segment};

const MOV_SS_AX: &[u8] = &[0x8e, 0xd0];
const MOV_DS_AX: &[u8] = &[0x8e, 0xd8];

fn load(cpl: u8, code: &[u8], selector: u16) -> Result<Machine, Exception> {
    let mut m = Machine::at(cpl, code);
    m.set_gdt(LDT, descriptor(LDT_AT, 0x0f, 0x82, SMALL));
    m.set(Gpr::Eax, u32::from(selector));
    match m.execute() {
        Ok(_) => Ok(m),
        Err(e) => Err(e),
    }
}

#[test]
fn loads_of_ss() {
    let cases = [
        (0, 0, Err(Exception::gp(0))),
        (0, 3, Err(Exception::gp(0))),
        (0, DATA0, Ok(())),
        (0, DATA0 | 1, Err(Exception::gp(0x10))),  // RPL
        (0, DATA3, Err(Exception::gp(0x20))),      // DPL and RPL
        (0, DATA3 & !3, Err(Exception::gp(0x20))), // DPL
        (3, DATA0 | 3, Err(Exception::gp(0x10))),  // DPL
        (3, DATA3, Ok(())),
        (0, READ_ONLY, Err(Exception::gp(0x60))),
        (0, CODE0, Err(Exception::gp(0x08))),
        (0, TSS, Err(Exception::gp(0x28))),
        (0, ABSENT, Err(Exception::ss(0x50))),
        (0, 0xf8, Err(Exception::gp(0xf8))), // an empty entry: a system type
        (0, 0x100, Err(Exception::gp(0x100))), // beyond the limit
        (0, 0x0c, Err(Exception::gp(0x0c))), // no LDT
    ];
    for (cpl, selector, expected) in cases {
        let got = load(cpl, MOV_SS_AX, selector).map(|m| {
            assert_eq!(m.selector(SegReg::Ss), selector);
            assert!(m.s.shadow_irq && m.s.shadow_debug);
        });
        assert_eq!(got, expected, "CPL {cpl}, {selector:#x}");
    }
}

#[test]
fn loads_of_data_segments() {
    let cases = [
        (0, 0, Ok(())),
        (3, 3, Ok(())),
        (0, DATA0, Ok(())),
        (0, DATA0 | 3, Err(Exception::gp(0x10))), // RPL > DPL
        (0, DATA3, Ok(())),
        (3, DATA0, Err(Exception::gp(0x10))),
        (3, CONFORMING, Ok(())),
        (0, EXECUTE_ONLY, Err(Exception::gp(0x58))),
        (0, CODE0, Ok(())),
        (0, READ_ONLY, Ok(())),
        (0, LDT, Err(Exception::gp(0x38))),
        (0, ABSENT, Err(Exception::np(0x50))),
        (0, ABSENT_CODE, Err(Exception::np(0x88))),
        (0, 0x100, Err(Exception::gp(0x100))),
        (0, 0x0f, Err(Exception::gp(0x0c))),
    ];
    for (cpl, selector, expected) in cases {
        let got = load(cpl, MOV_DS_AX, selector).map(|m| {
            assert_eq!(m.selector(SegReg::Ds), selector);
            assert!(!m.s.shadow_irq);
        });
        assert_eq!(got, expected, "CPL {cpl}, {selector:#x}");
    }
}

#[test]
fn a_null_segment_faults_when_used() {
    let mut m = Machine::at(0, &[0x8e, 0xd8, 0xa1, 0, 0, 1, 0]); // mov ds, ax; mov eax, [10000h]
    m.set(Gpr::Eax, 0);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn the_accessed_bit_is_set_before_the_load_and_can_fault() {
    let mut m = Machine::at(0, MOV_DS_AX);
    m.set(Gpr::Eax, u32::from(FRESH));
    m.bus.read_only.push(GDT..GDT + 0x100);
    assert_eq!(m.fault(), Exception::page_fault(Lin::from(GDT + u32::from(FRESH) + 5), 3));
    m.bus.read_only.clear();
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.access(FRESH), 0x93);
    assert!(m.s.seg[SegReg::Ds as usize].attr.contains(SegAttr::ACCESSED));
}

#[test]
fn descriptor_tables_are_read_with_supervisor_rights() {
    let mut m = Machine::at(3, MOV_DS_AX);
    m.bus.supervisor.push(GDT..GDT + 0x100);
    m.set(Gpr::Eax, u32::from(DATA3));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    m.bus.absent.push(GDT + 0x20..GDT + 0x28);
    m.s.set_eip(CODE);
    assert_eq!(m.fault(), Exception::page_fault(Lin::from(GDT + 0x20), 0));
}

#[test]
fn selectors_of_the_ldt_use_its_limit() {
    let mut m = Machine::at(0, &[0x0f, 0x00, 0xd0, 0x8e, 0xdb, 0x8e, 0xd9]);
    m.set(Gpr::Eax, u32::from(LDT));
    m.set(Gpr::Ebx, 0x0c);
    m.set(Gpr::Ecx, 0x14);
    m.bus.load(LDT_AT + 8, &descriptor(0x1234, 0xff, P_DATA, SMALL).to_le_bytes());
    assert_eq!(m.execute(), Ok(Outcome::Retired)); // lldt ax
    assert_eq!(m.execute(), Ok(Outcome::Retired)); // mov ds, bx
    let ds = &m.s.seg[SegReg::Ds as usize];
    assert_eq!((ds.base.low(), ds.limit), (0x1234, 0xff));
    assert_eq!(m.fault(), Exception::gp(0x14)); // mov ds, cx
}

#[test]
fn mov_to_cs_is_undefined_and_mov_from_a_segment_zero_extends() {
    let mut m = Machine::at(0, &[0x8e, 0xc8]);
    assert_eq!(m.fault(), Exception::ud());
    let mut m = Machine::at(0, &[0x8c, 0xc8, 0x66, 0x8c, 0xcb, 0x8c, 0x0d, 0, 0, 6, 0]);
    m.store(0x6_0000, &[u32::MAX]);
    for _ in 0..3 {
        assert_eq!(m.execute(), Ok(Outcome::Retired));
    }
    assert_eq!(m.s.gpr[Gpr::Eax as usize], 8);
    assert_eq!(m.s.gpr[Gpr::Ebx as usize], 0x1234_0008);
    assert_eq!(m.bus.peek32(0x6_0000), 0xffff_0008);
}

#[test]
fn pop_ss_moves_the_old_stack_pointer() {
    let mut m = Machine::at(0, &[0x17]);
    m.store(STACK0, &[u32::from(DATA16)]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.selector(SegReg::Ss), m.esp()), (DATA16, STACK0 + 4));
    assert!(m.s.shadow_debug);
}

#[test]
fn a_far_pointer_load_is_all_or_nothing() {
    let mut m = Machine::at(0, &[0x0f, 0xb2, 0x1d, 0, 0, 6, 0]); // lss ebx, [60000h]
    m.store(0x6_0000, &[0x7000, u32::from(READ_ONLY)]);
    assert_eq!(m.fault(), Exception::gp(0x60));
    m.store(0x6_0000, &[0x7000, u32::from(DATA0)]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.gpr[Gpr::Ebx as usize], 0x7000);
    assert!(!m.s.shadow_irq);
    m.bus.absent.push(0x6_0004..0x6_0006);
    m.s.set_eip(CODE);
    assert_eq!(m.fault(), Exception::page_fault(Lin(0x6_0004), 0));
}

#[test]
fn a_big_limit_outlives_the_switch_to_real_mode() {
    // mov ds, ax; mov cr0, ebx; mov ds, cx
    let mut m = Machine::at(0, &[0x8e, 0xd8, 0x0f, 0x22, 0xc3, 0x8e, 0xd9]);
    m.set(Gpr::Eax, u32::from(DATA0));
    m.set(Gpr::Ebx, 0x10);
    m.set(Gpr::Ecx, 0x2000);
    for _ in 0..3 {
        assert_eq!(m.execute(), Ok(Outcome::Retired));
    }
    assert!(!m.s.protected());
    let ds = m.s.seg[SegReg::Ds as usize];
    assert_eq!((ds.selector, ds.base.low(), ds.limit), (0x2000, 0x2_0000, u32::MAX));
}

#[test]
fn the_descriptor_cache_outlives_edits_of_the_table() {
    let mut m = Machine::at(0, &[0xa1, 0, 0, 6, 0]);
    m.set_gdt(DATA0, 0);
    m.store(0x6_0000, &[0x5555]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.gpr[0], 0x5555);
}

#[test]
fn real_mode_loads_take_any_selector() {
    let mut m = Machine::real(MOV_SS_AX);
    m.set(Gpr::Eax, 0xffff);
    m.s.seg[SegReg::Ss as usize] = Segment { attr: SegAttr::NULL, ..Segment::default() };
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(*m.s.ss(), Segment::real(0xffff, 0));
}
