//! What happens between two instructions: single step, breakpoints, RF, shadows.

use crate::machine::{CODE, Machine};
use ringer_cpu::interp::debug::DR6_BS;
use ringer_cpu::{Activity, Eflags, Exception, Gpr, Outcome};

#[test]
fn single_step_traps_after_the_instruction_that_found_tf_set() {
    let mut m = Machine::flat(&[0x90, 0x90]);
    m.retire();
    assert_eq!(m.s.pending_debug, 0);
    m.s.eflags |= Eflags::TF.bits();
    m.retire();
    assert_eq!(m.s.pending_debug, DR6_BS);
}

#[test]
fn single_step_stops_after_each_iteration_of_rep() {
    let mut m = Machine::flat(&[0xf3, 0xaa]);
    m.s.eflags |= Eflags::TF.bits();
    m.set(Gpr::Edi, 0x4000).set(Gpr::Ecx, 2);
    assert_eq!(m.run(), Ok(Outcome::Partial));
    assert_eq!((m.get(Gpr::Ecx), m.s.pending_debug), (1, DR6_BS));
    m.retire();
    assert_eq!(m.s.eip, CODE + 2);
}

#[test]
fn an_instruction_breakpoint_is_a_fault_that_rf_holds_back_once() {
    let mut m = Machine::flat(&[0x90, 0x90]);
    m.s.dr[1] = CODE;
    m.s.dr[7] = 0x400 | 1 << 2;
    assert_eq!(m.fault(), Exception::debug(2));
    m.s.eflags |= Eflags::RF.bits();
    m.retire();
    assert!(!m.flag(Eflags::RF));
    m.s.eip = CODE;
    assert_eq!(m.fault(), Exception::debug(2));
}

#[test]
fn rf_is_set_between_iterations_of_rep_so_that_its_breakpoint_hits_once() {
    let mut m = Machine::flat(&[0xf3, 0xaa]);
    m.set(Gpr::Edi, 0x4000).set(Gpr::Ecx, 2000);
    assert_eq!(m.run(), Ok(Outcome::Partial));
    m.s.dr[0] = CODE;
    m.s.dr[7] = 0x400 | 1;
    assert!(m.flag(Eflags::RF));
    m.retire();
    assert!(!m.flag(Eflags::RF));
}

#[test]
fn data_breakpoints_are_traps_on_any_overlap_with_their_range() {
    let watch = |len: u32, kind: u32, code: &[u8], at: u32| {
        let mut m = Machine::flat(code);
        m.s.dr[0] = 0x4002;
        m.s.dr[7] = 0x400 | 1 | (kind | len << 2) << 16;
        m.set(Gpr::Ebx, at);
        m.retire();
        m.s.pending_debug
    };
    let (load, store) = (&[0x8b, 0x03], &[0x89, 0x03]);
    assert_eq!(watch(1, 1, store, 0x4000), 1);
    assert_eq!(watch(1, 1, load, 0x4000), 0, "a write breakpoint lets reads pass");
    assert_eq!(watch(1, 3, load, 0x4000), 1);
    assert_eq!(watch(1, 3, load, 0x4004), 0);
    assert_eq!(watch(3, 3, load, 0x3ffd), 1, "a 4-byte range is aligned down");
    assert_eq!(watch(0, 3, load, 0x3ffe), 0);
}

#[test]
fn rep_stops_at_the_iteration_that_met_a_data_breakpoint() {
    let mut m = Machine::flat(&[0xf3, 0xaa]);
    m.s.dr[0] = 0x4001;
    m.s.dr[7] = 0x400 | 1 | 1 << 16;
    m.set(Gpr::Edi, 0x4000).set(Gpr::Ecx, 5);
    assert_eq!(m.run(), Ok(Outcome::Partial));
    assert_eq!((m.get(Gpr::Ecx), m.s.pending_debug), (3, 1));
}

#[test]
fn a_faulting_instruction_meets_no_data_breakpoint() {
    let mut m = Machine::flat(&[0xa5]); // movsd
    m.s.dr[0] = 0x4000;
    m.s.dr[7] = 0x400 | 1 | 3 << 16;
    m.set(Gpr::Esi, 0x4000).set(Gpr::Edi, 0x5000);
    m.bus.absent.push(0x5000..0x6000);
    m.fault();
}

#[test]
fn the_shadows_end_with_the_next_instruction() {
    let mut m = Machine::flat(&[0x90]);
    m.s.shadow_irq = true;
    m.s.shadow_debug = true;
    m.retire();
    assert!(!m.s.shadow_irq && !m.s.shadow_debug);
}

#[test]
fn a_halted_processor_stays_halted() {
    let mut m = Machine::flat(&[0x40]);
    m.s.activity = Activity::Halted;
    assert_eq!(m.run(), Ok(Outcome::Halted));
    assert_eq!(m.s.eip, CODE);
}
