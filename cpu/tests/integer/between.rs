//! What happens between two instructions: single step, breakpoints, RF, shadows.

use crate::machine::{CODE, Machine};
use ringer_cpu::interp::debug::DR6_BS;
use ringer_cpu::{Activity, Eflags, Exception, Gpr, Outcome, Vector};

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
    assert_eq!(m.s.eip(), CODE + 2);
}

#[test]
fn an_instruction_breakpoint_is_a_fault_that_rf_holds_back_once() {
    let mut m = Machine::flat(&[0x90, 0x90]);
    m.s.dr[1] = u64::from(CODE);
    m.s.dr[7] = 0x400 | 1 << 2;
    assert_eq!(m.fault(), Exception::debug(2));
    m.s.eflags |= Eflags::RF.bits();
    m.retire();
    assert!(!m.flag(Eflags::RF));
    m.s.set_eip(CODE);
    assert_eq!(m.fault(), Exception::debug(2));
}

#[test]
fn rf_is_set_between_iterations_of_rep_so_that_its_breakpoint_hits_once() {
    let mut m = Machine::flat(&[0xf3, 0xaa]);
    m.set(Gpr::Edi, 0x4000).set(Gpr::Ecx, 2000);
    assert_eq!(m.run(), Ok(Outcome::Partial));
    m.s.dr[0] = u64::from(CODE);
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
        m.s.dr[7] = u64::from(0x400 | 1 | (kind | len << 2) << 16);
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
    assert_eq!(m.s.eip(), CODE);
}

/// Real mode with handlers for #DB at 3000h and INT 20h at 3100h.
fn with_handlers(code: &[u8]) -> Machine {
    let mut m = Machine::real(code);
    m.bus.load(4, &[0x00, 0x30, 0, 0]);
    m.bus.load(0x20 * 4, &[0x00, 0x31, 0, 0]);
    m
}

fn step(m: &mut Machine) -> Outcome {
    m.interp.step(&mut m.s, &mut m.bus)
}

#[test]
fn a_single_step_is_delivered_with_the_next_ip_and_tf_in_the_saved_flags() {
    let mut m = with_handlers(&[0x40]); // inc ax
    m.s.eflags |= Eflags::TF.bits();
    assert_eq!(step(&mut m), Outcome::Delivered(Vector::Db));
    assert_eq!((m.s.eip(), m.get(Gpr::Eax)), (0x3000, 1));
    assert!(!m.flag(Eflags::TF));
    let sp = m.get(Gpr::Esp);
    assert_eq!(m.bus.peek32(sp) & 0xffff, CODE + 1);
    assert_ne!(m.bus.peek32(sp + 4) & Eflags::TF.bits(), 0);
    assert_ne!(m.s.dr[6] & u64::from(DR6_BS), 0);
}

#[test]
fn int_n_is_not_followed_by_a_single_step() {
    let mut m = with_handlers(&[0xcd, 0x20]);
    m.s.eflags |= Eflags::TF.bits();
    assert_eq!(step(&mut m), Outcome::Retired);
    assert_eq!((m.s.eip(), m.s.pending_debug), (0x3100, 0));
}

#[test]
fn popf_that_sets_tf_traps_after_the_instruction_behind_it() {
    let mut m = with_handlers(&[0x9d, 0x40]); // popf; inc ax
    m.bus.load(crate::machine::STACK, &[0x02, 0x01]);
    assert_eq!(step(&mut m), Outcome::Retired);
    assert_eq!(step(&mut m), Outcome::Delivered(Vector::Db));
    assert_eq!(m.get(Gpr::Eax), 1);
}

#[test]
fn mov_ss_holds_traps_and_interrupts_back_for_one_instruction() {
    let mut m = with_handlers(&[0x8e, 0xd0, 0x43]); // mov ss, ax; inc bx
    m.s.eflags |= Eflags::TF.bits();
    assert_eq!(step(&mut m), Outcome::Retired);
    assert!(m.s.shadow_irq && m.s.shadow_debug);
    assert_eq!(step(&mut m), Outcome::Delivered(Vector::Db));
    assert_eq!((m.get(Gpr::Ebx), m.s.shadow_irq), (1, false));
}

#[test]
fn sti_shadows_only_when_it_sets_if() {
    let mut m = with_handlers(&[0xfb, 0x90, 0xfb]); // sti; nop; sti
    step(&mut m);
    assert!(m.s.shadow_irq && !m.s.shadow_debug);
    step(&mut m);
    step(&mut m);
    assert!(!m.s.shadow_irq && m.flag(Eflags::IF));
}

#[test]
fn a_single_step_over_hlt_wakes_the_processor() {
    let mut m = with_handlers(&[0xf4]);
    m.s.eflags |= Eflags::TF.bits();
    assert_eq!(step(&mut m), Outcome::Delivered(Vector::Db));
    assert_eq!((m.s.activity, m.s.eip()), (Activity::Running, 0x3000));
}

#[test]
fn an_instruction_breakpoint_is_delivered_before_its_instruction() {
    let mut m = with_handlers(&[0x40]);
    m.s.dr[3] = u64::from(CODE);
    m.s.dr[7] = 0x400 | 1 << 6;
    assert_eq!(step(&mut m), Outcome::Delivered(Vector::Db));
    assert_eq!((m.get(Gpr::Eax), m.s.dr[6] & 15), (0, 8));
    assert_eq!(m.bus.peek32(m.get(Gpr::Esp)) & 0xffff, CODE);
}
