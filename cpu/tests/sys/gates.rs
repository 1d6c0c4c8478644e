//! Far jumps, calls and returns, with call gates.

use crate::machine::*;
use ringer_cpu::{Exception, Lin, Outcome, SegReg};

fn far(opcode: u8, selector: u16, offset: u32) -> Vec<u8> {
    let mut code = vec![opcode];
    code.extend(offset.to_le_bytes());
    code.extend(selector.to_le_bytes());
    code
}

const JMP: u8 = 0xea;
const CALL: u8 = 0x9a;

#[test]
fn direct_far_jumps_follow_the_privilege_rules() {
    let cases = [
        (0, 0, Some(Exception::gp(0))),
        (0, CODE0, None),
        (0, CODE3, Some(Exception::gp(0x18))),
        (3, CODE0, Some(Exception::gp(0x08))),
        (3, CODE3, None),
        (3, CONFORMING, None),
        (0, DATA0, Some(Exception::gp(0x10))),
        (0, ABSENT_CODE, Some(Exception::np(0x88))),
        (0, SHORT, Some(Exception::gp(0))),
        (0, 0x108, Some(Exception::gp(0x108))),
        (0, LDT, Some(Exception::gp(0x38))),
        (0, CODE0 | 3, Some(Exception::gp(0x08))),
    ];
    for opcode in [JMP, CALL] {
        for (cpl, selector, expected) in cases {
            let mut m = Machine::at(cpl, &far(opcode, selector, HANDLER));
            match expected {
                Some(e) => assert_eq!(m.fault(), e, "{cpl} {selector:#x}"),
                None => {
                    assert_eq!(m.execute(), Ok(Outcome::Retired), "{cpl} {selector:#x}");
                    assert_eq!((m.s.eip(), m.s.cpl), (HANDLER, cpl));
                    assert_eq!(m.selector(SegReg::Cs), selector & !3 | u16::from(cpl));
                }
            }
        }
    }
}

#[test]
fn a_far_call_pushes_cs_and_eip_and_retf_releases_parameters() {
    let mut m = Machine::at(0, &far(CALL, CODE0, HANDLER));
    m.bus.load(HANDLER, &[0xca, 8, 0]); // retf 8
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.dwords(STACK0 - 8), [CODE + 7, 8]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.eip(), m.esp()), (CODE + 7, STACK0 + 8));
}

#[test]
fn a_call_gate_to_ring_0_copies_the_parameters_and_retf_comes_back() {
    let mut m = Machine::at(3, &far(CALL, GATE | 3, 0xdead));
    m.set_gdt(GATE, gate(CODE0, HANDLER, 0xec, 2));
    m.bus.load(HANDLER, &[0xca, 8, 0]);
    m.store(STACK3, &[0x1111, 0x2222]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    let frame: [u32; 6] = m.dwords(ESP0 - 24);
    assert_eq!(frame, [CODE + 7, 0x1b, 0x1111, 0x2222, STACK3, 0x23]);
    assert_eq!((m.s.cpl, m.s.eip(), m.esp()), (0, HANDLER, ESP0 - 24));

    // A data segment of the inner level must not leak to the outer one.
    m.s.seg[SegReg::Fs as usize] = *m.s.ss();
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cpl, m.s.eip(), m.esp()), (3, CODE + 7, STACK3 + 8));
    assert_eq!((m.selector(SegReg::Fs), m.selector(SegReg::Ds)), (0, DATA3));
    assert_eq!(m.selector(SegReg::Ss), DATA3);
}

#[test]
fn a_16_bit_gate_pushes_words_and_cuts_the_offset() {
    let mut m = Machine::at(3, &far(CALL, GATE | 3, 0));
    m.set_gdt(GATE, gate(CODE16, 0xffff_1000, 0xe4, 1));
    m.store(STACK3, &[0x7777_1111]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.words(ESP0 - 10), [7, 0x1b, 0x1111, 0, 0x23]);
    assert_eq!(m.s.eip(), 0x1000);
}

#[test]
fn a_gate_to_conforming_code_keeps_privilege_and_stack() {
    let mut m = Machine::at(3, &far(CALL, GATE | 3, 0));
    m.set_gdt(GATE, gate(CONFORMING, HANDLER, 0xec, 3));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cpl, m.esp(), m.selector(SegReg::Cs)), (3, STACK3 - 8, 0x43));
}

#[test]
fn jmp_through_a_gate_cannot_change_privilege() {
    let mut m = Machine::at(3, &far(JMP, GATE | 3, 0));
    m.set_gdt(GATE, gate(CODE0, HANDLER, 0xec, 0));
    assert_eq!(m.fault(), Exception::gp(8));
    m.set_gdt(GATE, gate(CODE3, HANDLER, 0xec, 0));
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.eip(), m.s.cpl, m.esp()), (HANDLER, 3, STACK3));
}

#[test]
fn the_gate_is_checked_before_its_target() {
    let cases = [
        (gate(CODE0, HANDLER, 0x8c, 0), Exception::gp(0x48)), // DPL 0
        (gate(CODE0, HANDLER, 0x6c, 0), Exception::np(0x48)),
        (gate(0, HANDLER, 0xec, 0), Exception::gp(0)),
        (gate(DATA0, HANDLER, 0xec, 0), Exception::gp(0x10)),
        (gate(ABSENT_CODE, HANDLER, 0xec, 0), Exception::np(0x88)),
        (gate(SHORT, HANDLER, 0xec, 0), Exception::gp(0)),
        (gate(CODE0, HANDLER, 0xee, 0), Exception::gp(0x48)), // an interrupt gate
    ];
    for (entry, expected) in cases {
        let mut m = Machine::at(3, &far(CALL, GATE | 3, 0));
        m.set_gdt(GATE, entry);
        assert_eq!(m.fault(), expected, "{entry:#x}");
    }
}

#[test]
fn a_call_gate_whose_new_stack_faults_leaves_no_trace() {
    let mut m = Machine::at(3, &far(CALL, GATE | 3, 0));
    m.set_gdt(GATE, gate(CODE0, HANDLER, 0xec, 0));
    m.bus.load(TSS_AT + 4, &0x28008u32.to_le_bytes());
    m.bus.absent.push(0x27000..0x28000);
    assert_eq!(m.fault(), Exception::page_fault(Lin(0x27ffc), 2));
    assert_eq!(m.dwords(0x28000), [0u32; 2]);
}

#[test]
fn retf_refuses_inner_levels_and_bad_stacks() {
    let mut m = Machine::at(3, &[0xcb]);
    m.store(STACK3, &[HANDLER, u32::from(CODE0)]);
    assert_eq!(m.fault(), Exception::gp(8));
    let cases = [
        (0, Exception::gp(0)),
        (DATA0, Exception::gp(0x10)),
        (0x53, Exception::gp(0x50)), // DPL 0 beats the missing P
        (0x103, Exception::gp(0x100)),
    ];
    for (ss, expected) in cases {
        let mut m = Machine::at(0, &[0xcb]);
        m.store(STACK0, &[HANDLER, u32::from(CODE3), STACK3, u32::from(ss)]);
        assert_eq!(m.fault(), expected, "{ss:#x}");
    }
}

#[test]
fn far_transfers_in_real_mode_keep_limit_and_set_base() {
    let mut m = Machine::real(&[0x9a, 0x34, 0x12, 0x00, 0x20]); // call 2000h:1234h
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cs().base.low(), m.s.eip()), (0x2_0000, 0x1234));
    assert_eq!(m.words(0x7ffc), [5, 0x1000]);
    m.bus.load(0x2_1234, &[0xcb]);
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!((m.s.cs().base.low(), m.s.eip(), m.esp()), (CODE, 5, 0x8000));
}

#[test]
fn a_32_bit_far_jump_beyond_64k_in_real_mode_faults() {
    let mut m = Machine::real(&[0x66, 0xea, 0, 0, 1, 0, 0, 0x20]);
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn the_accessed_bit_of_code_is_set_and_that_write_can_fault() {
    let mut m = Machine::at(0, &far(JMP, FRESH, HANDLER));
    m.set_gdt(FRESH, descriptor(0, 0xf_ffff, 0x9a, BIG));
    m.bus.read_only.push(GDT..GDT + 0x100);
    let at = GDT + u32::from(FRESH) + 5;
    assert_eq!(m.fault(), Exception::page_fault(Lin::from(at), 3));
    m.bus.read_only.clear();
    assert_eq!(m.execute(), Ok(Outcome::Retired));
    assert_eq!(m.access(FRESH), 0x9b);
}
