//! Delivery of exceptions and interrupts.

use crate::machine::*;
use ringer_cpu::{Activity, Eflags, Exception, Gpr, Lin, Outcome, SegReg, Vector};

const RF: u32 = 1 << 16;

#[test]
fn a_fault_at_the_same_privilege_pushes_the_frame_and_the_error_code() {
    let mut m = Machine::at(0, &[0x8e, 0xd8]); // mov ds, ax
    m.handle(13);
    m.set(Gpr::Eax, 0x58);
    m.s.eflags = 0x4302 | 0x3000; // NT, IF, TF, IOPL 3
    assert_eq!(m.step(), Outcome::Delivered(Vector::Gp));
    let frame: [u32; 4] = m.dwords(STACK0 - 16);
    assert_eq!(frame, [0x58, CODE, 8, 0x7302 | RF]);
    assert_eq!((m.s.eip(), m.esp(), m.s.cpl), (HANDLER, STACK0 - 16, 0));
    assert_eq!(m.s.eflags, 0x3002, "an interrupt gate clears IF, TF, NT, VM, RF");
}

#[test]
fn a_fault_of_user_code_switches_to_the_stack_of_the_tss() {
    let mut m = Machine::at(3, &[0x0f, 0x0b]); // ud2
    m.set_idt(6, gate(CODE0, HANDLER, 0x8f, 0)); // trap gate
    m.s.eflags = 0x202;
    assert_eq!(m.step(), Outcome::Delivered(Vector::Ud));
    let frame: [u32; 5] = m.dwords(ESP0 - 20);
    assert_eq!(frame, [CODE, 0x1b, 0x202 | RF, STACK3, 0x23]);
    assert_eq!((m.s.cpl, m.selector(SegReg::Cs), m.selector(SegReg::Ss)), (0, CODE0, DATA0));
    assert_eq!(m.s.eflags, 0x202, "a trap gate leaves IF");
    assert_eq!(m.selector(SegReg::Ds), 0x23);
}

#[test]
fn a_16_bit_gate_pushes_words() {
    let mut m = Machine::at(0, &[0xcd, 0x40]); // int 40h
    m.set_idt(0x40, gate(CODE16, 0x1000, 0x86, 0));
    assert_eq!(m.step(), Outcome::Retired);
    assert_eq!(m.words(STACK0 - 6), [2, 8, 2]);
    assert_eq!((m.s.eip(), m.selector(SegReg::Cs)), (0x1000, CODE16));
}

#[test]
fn conforming_handlers_run_at_the_privilege_of_the_interrupted_code() {
    let mut m = Machine::at(3, &[0xcd, 0x40]);
    m.set_idt(0x40, gate(CONFORMING, HANDLER, 0xee, 0));
    assert_eq!(m.step(), Outcome::Retired);
    assert_eq!((m.s.cpl, m.selector(SegReg::Cs), m.esp()), (3, 0x43, STACK3 - 12));
}

#[test]
fn the_gate_privilege_guards_int_n_int3_and_into_but_not_int1_or_hardware() {
    for (code, vector) in [(&[0xcd, 0x80][..], 0x80), (&[0xcc], 3), (&[0xce], 4)] {
        let mut m = Machine::at(3, code);
        m.handle(vector);
        m.s.eflags |= Eflags::OF.bits();
        assert_eq!(m.fault(), Exception::gp(u32::from(vector) * 8 + 2));
        m.set_idt(vector, gate(CODE0, HANDLER, 0xee, 0));
        assert_eq!(m.execute(), Ok(Outcome::Retired));
        assert_eq!(m.bus.peek32(ESP0 - 20), CODE + code.len() as u32);
    }
    let mut m = Machine::at(3, &[0xf1]); // int1
    m.handle(1);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.cpl, 0);
}

#[test]
fn into_without_overflow_does_nothing() {
    let mut m = Machine::at(3, &[0xce]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.s.eip(), CODE + 1);
}

#[test]
fn bad_gates_name_the_idt_entry() {
    let cases = [
        (gate(CODE0, HANDLER, 0xe5 & 0x7f, 0), Exception::np(0x202)), // absent task gate
        (gate(CODE0, HANDLER, 0x6e, 0), Exception::np(0x202)),
        (gate(CODE0, HANDLER, 0xec, 0), Exception::gp(0x202)), // a call gate
        (gate(0, HANDLER, 0xee, 0), Exception::gp(0)),
        (gate(DATA0, HANDLER, 0xee, 0), Exception::gp(0x10)),
        (gate(0x100, HANDLER, 0xee, 0), Exception::gp(0x100)), // beyond the GDT
        (gate(0x0c, HANDLER, 0xee, 0), Exception::gp(0x0c)),   // no LDT
        (gate(ABSENT_CODE, HANDLER, 0xee, 0), Exception::np(0x88)),
        (gate(SHORT, HANDLER, 0xee, 0), Exception::gp(0)),
    ];
    for (entry, expected) in cases {
        let mut m = Machine::at(0, &[0xcd, 0x40]);
        m.set_idt(0x40, entry);
        assert_eq!(m.fault(), expected, "{entry:#x}");
    }
}

#[test]
fn beyond_the_idt_limit_is_gp_with_the_vector() {
    let mut m = Machine::at(0, &[0xcd, 0x40]);
    m.s.idtr.limit = 0x40 * 8 + 6;
    assert_eq!(m.fault(), Exception::gp(0x202));
}

#[test]
fn faults_in_the_delivery_of_an_external_interrupt_carry_ext() {
    let mut m = Machine::at(0, &[0x90]);
    m.handle(13);
    m.s.activity = Activity::Halted;
    m.interp.interrupt(&mut m.s, &mut m.bus, 0x21);
    assert_eq!(m.bus.peek32(STACK0 - 16), 0x21 * 8 + 3);
    assert_eq!(m.s.eip(), HANDLER);
}

#[test]
fn an_external_interrupt_ends_a_halt() {
    let mut m = Machine::at(0, &[0xf4, 0x90]);
    m.handle(0x20);
    assert_eq!(m.step(), Outcome::Halted);
    assert_eq!(m.step(), Outcome::Halted);
    m.interp.interrupt(&mut m.s, &mut m.bus, 0x20);
    assert_eq!((m.s.activity, m.s.eip()), (Activity::Running, HANDLER));
    assert_eq!(m.bus.peek32(STACK0 - 12), CODE + 1);
}

#[test]
fn a_fault_in_the_delivery_of_a_contributory_fault_is_a_double_fault() {
    let mut m = Machine::at(3, &[0xfa]); // cli: #GP(0), whose gate is missing
    m.handle(8);
    assert_eq!(m.step(), Outcome::Delivered(Vector::Df));
    let frame: [u32; 3] = m.dwords(ESP0 - 24);
    assert_eq!(frame, [0, CODE, 0x1b]);
}

#[test]
fn a_fault_in_the_delivery_of_a_double_fault_shuts_down() {
    let mut m = Machine::at(3, &[0xfa]);
    let before = m.s.eflags;
    m.s.eflags |= RF;
    assert_eq!(m.step(), Outcome::Shutdown);
    assert_eq!((m.s.activity, m.s.eip(), m.s.eflags), (Activity::Shutdown, CODE, before));
    assert_eq!(m.step(), Outcome::Shutdown);
    assert_eq!(m.deliver(Exception::plain(Vector::Nmi)), Outcome::Shutdown);
}

#[test]
fn a_page_fault_on_the_handlers_stack_after_gp_is_a_page_fault() {
    let mut m = Machine::at(3, &[0xfa]);
    m.handle(13);
    m.set_idt(14, gate(CONFORMING, HANDLER, 0x8e, 0));
    m.bus.absent.push(ESP0 - 0x1000..ESP0);
    m.s.cr2 = 7;
    assert_eq!(m.step(), Outcome::Delivered(Vector::Pf));
    assert_eq!(m.s.cr2, u64::from(ESP0 - 4));
    assert_eq!((m.bus.peek32(STACK3 - 16), m.bus.peek32(STACK3 - 12)), (2, CODE));
}

#[test]
fn page_faults_set_cr2_and_debug_exceptions_dr6() {
    let mut m = Machine::at(0, &[]);
    m.handle(14);
    m.handle(1);
    assert_eq!(m.deliver(Exception::page_fault(Lin(0x1234), 4)), Outcome::Delivered(Vector::Pf));
    assert_eq!((m.s.cr2, m.bus.peek32(STACK0 - 16)), (0x1234, 4));
    m.s.dr[7] |= 1 << 13;
    m.deliver(Exception::debug(1 << 14));
    assert_eq!(m.s.dr[6], 0xffff_4ff0);
    assert_eq!(m.s.dr[7], 0x400, "GD is cleared for the handler");
}

#[test]
fn an_nmi_blocks_the_next_until_iret() {
    let mut m = Machine::at(0, &[0x90]);
    m.handle(2);
    m.bus.load(HANDLER, &[0xcf]); // iretd
    m.deliver(Exception::plain(Vector::Nmi));
    assert!(m.s.nmi_blocked);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert!(!m.s.nmi_blocked);
    assert_eq!((m.s.eip(), m.esp()), (CODE, STACK0));
}

#[test]
fn a_bad_inner_stack_is_ts_with_its_selector() {
    let cases = [
        (0, Exception::ts(0)),
        (DATA3, Exception::ts(0x20)),
        (READ_ONLY, Exception::ts(0x60)),
        (ABSENT, Exception::ss(0x50)),
        (0x100, Exception::ts(0x100)),
    ];
    for (selector, expected) in cases {
        let mut m = Machine::at(3, &[0xcd, 0x40]);
        m.set_idt(0x40, gate(CODE0, HANDLER, 0xee, 0));
        m.bus.load(TSS_AT + 8, &selector.to_le_bytes());
        assert_eq!(m.fault(), expected, "{selector:#x}");
    }
    let mut m = Machine::at(3, &[0xcd, 0x40]);
    m.set_idt(0x40, gate(CODE0, HANDLER, 0xee, 0));
    m.s.tr.limit = 8;
    assert_eq!(m.fault(), Exception::ts(0x28));
    m.s.tr.limit = 9;
    m.bus.load(TSS_AT + 4, &[8, 0, 0, 0]); // an ESP0 with room for two dwords
    assert_eq!(m.execute(), Ok(Outcome::Retired), "the flat stack wraps");
}

#[test]
fn an_inner_stack_without_room_is_ss_with_its_selector_and_leaves_no_trace() {
    let mut m = Machine::at(3, &[0xcd, 0x40]);
    m.set_idt(0x40, gate(CODE0, HANDLER, 0xee, 0));
    m.set_gdt(FRESH, descriptor(0, 0xff, 0x97, 4)); // expand-down: offsets above FFh
    m.bus.load(TSS_AT + 4, &0x10cu32.to_le_bytes());
    m.bus.load(TSS_AT + 8, &FRESH.to_le_bytes());
    assert_eq!(m.fault(), Exception::ss(u32::from(FRESH)));
    assert_eq!(m.dwords(0x100), [0u32; 3]);
}

#[test]
fn real_mode_interrupts_push_words_and_iret_undoes_them() {
    let mut m = Machine::real(&[0xcd, 0x21]);
    m.bus.load(0x21 * 4, &[0x10, 0, 0, 0x11]); // 1100h:0010h
    m.bus.load(0x1_1010, &[0xcf]);
    m.s.eflags = 0x0302 | 1 << 18;
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.words(0x7ffa), [2, 0x1000, 0x0302]);
    assert_eq!((m.s.cs().base.low(), m.s.eip(), m.esp()), (0x1_1000, 0x10, 0x7ffa));
    assert_eq!(m.s.eflags, 2, "IF, TF, AC cleared");
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cs().base.low(), m.s.eip(), m.esp(), m.s.eflags), (CODE, 2, 0x8000, 0x302));
}

#[test]
fn beyond_the_real_mode_table_is_gp_then_double_then_triple_fault() {
    let mut m = Machine::real(&[0xcd, 0x21]);
    m.s.idtr.limit = 0x21 * 4 + 2;
    assert_eq!(m.fault(), Exception::gp(0x21 * 8 + 2));
    m.s.idtr.limit = 3;
    assert_eq!(m.step(), Outcome::Shutdown);
}

#[test]
fn tables_outside_memory_fault_and_do_not_panic() {
    let mut m = Machine::at(0, &[0xcd, 0x21]);
    m.s.idtr.base = Lin(0xffff_fff0);
    m.s.gdtr.base = Lin(0xffff_fffe);
    m.set(Gpr::Esp, 2);
    // All ones are no gate.
    assert_eq!(m.step(), Outcome::Shutdown);
}
