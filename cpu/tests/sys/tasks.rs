//! Hardware task switches.

use crate::machine::*;
use ringer_cpu::{Eflags, Exception, Gpr, Lin, Outcome, SegReg, Vector};

const NT: u32 = 1 << 14;
/// Entry point of the second task.
const ENTRY: u32 = 0x12000;
const STACK2: u32 = 0x38000;

/// A ready second task at CPL 0.
fn ready(m: &mut Machine) {
    m.store(TSS2_AT + 0x20, &[ENTRY, 2, 0xa0, 0xa1, 0xa2, 0xa3, STACK2, 0xa5, 0xa6, 0xa7]);
    let (data, code) = (u32::from(DATA0), u32::from(CODE0));
    m.store(TSS2_AT + 0x48, &[data, code, data, data, 0, 0, 0, 0]);
}

fn far(opcode: u8, selector: u16) -> Vec<u8> {
    let [low, high] = selector.to_le_bytes();
    vec![opcode, 0, 0, 0, 0, low, high]
}

const JMP: u8 = 0xea;
const CALL: u8 = 0x9a;

#[test]
fn jmp_to_a_tss_saves_the_old_task_and_loads_the_new() {
    let mut m = Machine::at(0, &far(JMP, TSS2));
    ready(&mut m);
    m.set(Gpr::Ebx, 0xbbbb);
    m.s.dr[7] = 0x4ff;
    m.store(TSS_AT + 0x48, &[0x9999_0000]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.eip(), m.esp(), m.s.gpr[0], m.s.gpr[7]), (ENTRY, STACK2, 0xa0, 0xa7));
    assert_eq!((m.s.tr.selector, m.s.tr.base.low(), m.s.tr.limit), (TSS2, TSS2_AT, 0x67));
    assert_eq!((m.access(TSS), m.access(TSS2)), (0x89, 0x8b), "busy bits");
    assert_eq!(m.s.eflags & NT, 0);
    assert_ne!(m.s.cr0 & 8, 0, "TS");
    assert_eq!(m.s.dr[7], 0x4aa, "local enables go");
    let saved: [u32; 6] = m.dwords(TSS_AT + 0x20);
    assert_eq!((saved[0], saved[1], saved[5]), (CODE + 7, 2, 0xbbbb));
    assert_eq!(m.bus.peek32(TSS_AT + 0x48), 0x9999_0000 | u32::from(DATA0), "words above stay");
    assert_eq!(m.bus.peek32(TSS2_AT), 0, "no back link");
    assert_eq!((m.selector(SegReg::Fs), m.selector(SegReg::Es)), (0, DATA0));
}

#[test]
fn the_instruction_that_switches_spends_rf_as_any_other() {
    // Else it would hold back a breakpoint at the instruction behind it, when the task comes back.
    for opcode in [JMP, CALL] {
        let mut m = Machine::at(0, &far(opcode, TSS2));
        ready(&mut m);
        m.s.eflags |= Eflags::RF.bits();
        assert_eq!(m.execute(), Ok(Outcome::Retired));
        assert_eq!(m.dwords(TSS_AT + 0x20), [CODE + 7, 2], "{opcode:x}");
    }
}

#[test]
fn call_nests_and_iret_comes_back() {
    let mut m = Machine::at(0, &far(CALL, TSS2));
    ready(&mut m);
    m.bus.load(ENTRY, &[0xcf]); // iretd
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_ne!(m.s.eflags & NT, 0);
    assert_eq!((m.access(TSS), m.access(TSS2)), (0x8b, 0x8b));
    assert_eq!(m.words(TSS2_AT), [TSS]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.eip(), m.esp(), m.s.tr.selector), (CODE + 7, STACK0, TSS));
    assert_eq!((m.access(TSS), m.access(TSS2)), (0x8b, 0x89));
    assert_eq!(m.bus.peek32(TSS2_AT + 0x24) & NT, 0, "the ended task is saved without NT");
    assert_eq!(m.bus.peek32(TSS2_AT + 0x20), ENTRY + 1);
    assert_eq!(m.s.eflags & NT, 0);
}

#[test]
fn an_exception_through_a_task_gate_pushes_its_error_code_on_the_new_stack() {
    let mut m = Machine::at(3, &[0xfa]); // cli: #GP(0)
    ready(&mut m);
    m.set_idt(13, gate(TSS2, 0, 0x85, 0));
    m.store(STACK2 - 4, &[u32::MAX]);
    assert_eq!(m.step(), Outcome::Delivered(Vector::Gp));
    assert_eq!((m.s.eip(), m.esp(), m.s.cpl), (ENTRY, STACK2 - 4, 0));
    assert_eq!(m.bus.peek32(STACK2 - 4), 0);
    assert_eq!(m.dwords(TSS_AT + 0x20), [CODE, 2 | 1 << 16], "RF is saved with a fault");
    assert_eq!(m.bus.peek32(TSS_AT + 0x4c), u32::from(CODE3));
    assert_ne!(m.s.eflags & NT, 0);
}

#[test]
fn a_double_fault_can_be_a_task() {
    let mut m = Machine::at(0, &[0x50]); // push eax
    ready(&mut m);
    m.set_idt(8, gate(TSS2, 0, 0x85, 0));
    m.handle(14);
    m.bus.absent.push(STACK0 - 0x1000..STACK0);
    assert_eq!(m.step(), Outcome::Delivered(Vector::Df));
    assert_eq!((m.s.eip(), m.s.tr.selector), (ENTRY, TSS2));
}

#[test]
fn a_16_bit_tss_works_too() {
    let mut m = Machine::at(0, &far(JMP, TSS2));
    m.set_gdt(TSS2, descriptor(TSS2_AT, 0x2b, 0x81, SMALL));
    let words = [0x2000u16, 0x4002, 1, 2, 3, 4, 0x9000, 6, 7, 8, DATA0, CODE0, DATA0, DATA0, 0];
    for (n, word) in words.iter().enumerate() {
        m.bus.load(TSS2_AT + 0x0e + 2 * n as u32, &word.to_le_bytes());
    }
    m.bus.load(0x2000, &[0xcf]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.eip(), m.esp() as u16, m.s.gpr[7] as u16), (0x2000, 0x9000, 8));
    assert_eq!(m.access(TSS2), 0x83);
    assert_eq!(m.s.eflags, 0x4002);
    // Back by the link, which names the first task, no longer busy: #TS.
    m.bus.load(TSS2_AT, &TSS.to_le_bytes());
    assert_eq!(m.fault(), Exception::ts(0x28));
    m.set_gdt(TSS, descriptor(TSS_AT, 0xff, 0x8b, SMALL));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.eip(), m.esp()), (CODE + 7, STACK0));
    assert_eq!(m.words(TSS2_AT + 0x0e), [0x2001, 2, 1]);
}

#[test]
fn faults_before_the_switch_belong_to_the_old_task() {
    let mut m = Machine::at(0, &far(JMP, TSS));
    assert_eq!(m.fault(), Exception::gp(0x28), "busy");
    let mut m = Machine::at(0, &far(JMP, TSS2));
    m.set_gdt(TSS2, descriptor(TSS2_AT, 0x66, 0x89, SMALL));
    assert_eq!(m.fault(), Exception::ts(0x30), "too small");
    m.set_gdt(TSS2, descriptor(TSS2_AT, 0x67, 0x09, SMALL));
    assert_eq!(m.fault(), Exception::np(0x30));
    let mut m = Machine::at(3, &far(JMP, TSS2));
    assert_eq!(m.fault(), Exception::gp(0x30), "DPL");
    let mut m = Machine::at(0, &far(JMP, TSS2));
    m.bus.read_only.push(TSS_AT + 0x40..TSS_AT + 0x44);
    assert_eq!(m.fault(), Exception::page_fault(Lin::from(TSS_AT + 0x40), 3));
    assert_eq!((m.access(TSS), m.access(TSS2)), (0x8b, 0x89));
}

#[test]
fn faults_after_the_switch_belong_to_the_new_task() {
    let cases = [
        (0x4c, u32::from(DATA0), Exception::ts(0x10)), // CS is data
        (0x4c, u32::from(ABSENT_CODE), Exception::np(0x88)),
        (0x50, 0, Exception::ts(0)), // SS null
        (0x50, u32::from(ABSENT), Exception::ss(0x50)),
        (0x54, u32::from(EXECUTE_ONLY), Exception::ts(0x58)),
        (0x54, u32::from(ABSENT), Exception::np(0x50)),
        (0x60, u32::from(DATA0), Exception::ts(0x10)), // LDTR
        (0x4c, u32::from(SHORT), Exception::gp(0)),    // EIP beyond CS's limit
    ];
    for (field, selector, expected) in cases {
        let mut m = Machine::at(0, &far(JMP, TSS2));
        ready(&mut m);
        m.store(TSS2_AT + field, &[selector]);
        assert_eq!(m.execute(), Err(expected), "{field:#x} {selector:#x}");
        assert_eq!((m.s.tr.selector, m.s.eip()), (TSS2, ENTRY));
        assert_eq!(m.bus.peek32(TSS_AT + 0x20), CODE + 7);
    }
}

#[test]
fn the_trap_bit_raises_a_debug_exception_in_the_new_task() {
    let mut m = Machine::at(0, &far(JMP, TSS2));
    ready(&mut m);
    m.handle(1);
    m.store(TSS2_AT + 0x64, &[1]);
    assert_eq!(m.step(), Outcome::Delivered(Vector::Db));
    assert_ne!(m.s.dr[6] & 1 << 15, 0);
    assert_eq!(m.bus.peek32(STACK2 - 12), ENTRY);
}

#[test]
fn a_task_in_v86_mode() {
    let mut m = Machine::at(0, &far(JMP, TSS2));
    ready(&mut m);
    m.store(TSS2_AT + 0x20, &[0x100, 2 | 1 << 17]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert!(m.s.v86());
    assert_eq!((m.s.cpl, m.s.cs().base.low(), m.s.cs().limit), (3, 0x80, 0xffff));
}

#[test]
fn a_task_gate_in_the_gdt_leads_to_its_tss() {
    let mut m = Machine::at(3, &far(CALL, GATE | 3));
    ready(&mut m);
    m.set_gdt(GATE, gate(TSS2, 0, 0xe5, 0));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.eip(), m.s.cpl), (ENTRY, 0));
    assert_eq!(m.bus.peek32(TSS_AT + 0x50), u32::from(DATA3), "the user's SS is saved");
}

#[test]
fn an_interrupt_task_with_the_trap_bit_traps_before_its_first_instruction() {
    let mut m = Machine::at(0, &[0x90]);
    ready(&mut m);
    m.set_idt(0x20, gate(TSS2, 0, 0x85, 0));
    m.handle(1);
    m.store(TSS2_AT + 0x64, &[1]);
    let outcome = m.interp.interrupt(&mut m.s, &mut m.bus, 0x20);
    assert_eq!(outcome, Outcome::Delivered(Vector::Db));
    assert_eq!((m.s.eip(), m.bus.peek32(STACK2 - 12)), (HANDLER, ENTRY));
    assert_eq!(m.s.pending_debug, 0);
}

/// A #DB task with the T bit: its own trap finds its TSS busy, and no other gate is there.
#[test]
fn a_debug_task_that_traps_itself_ends_in_shutdown() {
    let mut m = Machine::at(0, &[0xf1]); // int1
    ready(&mut m);
    m.set_idt(1, gate(TSS2, 0, 0x85, 0));
    m.store(TSS2_AT + 0x64, &[1]);
    assert_eq!(m.step(), Outcome::Shutdown, "the second #DB meets a busy TSS, and so on");
}
