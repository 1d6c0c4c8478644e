//! Fetch and decode: lengths, limits, pages, LOCK, features, self-modified code.

use crate::machine::{CODE, Machine};
use ringer_cpu::{CpuModel, Exception, Gpr, Lin, Outcome, SegReg};

#[test]
fn fifteen_bytes_run_and_sixteen_raise_gp() {
    let code = |prefixes: usize| [vec![0x3e; prefixes], vec![0x90]].concat();
    Machine::flat(&code(14)).retire();
    assert_eq!(Machine::flat(&code(15)).fault(), Exception::gp(0));
}

#[test]
fn a_prefix_run_of_fifteen_at_a_page_end_raises_gp_before_the_next_page_faults() {
    let mut m = Machine::flat(&[]);
    m.bus.load(0x1ff1, &[0x3e; 15]);
    m.bus.absent.push(0x2000..0x3000);
    m.s.set_eip(0x1ff1);
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn an_instruction_on_two_pages_faults_at_the_start_of_the_second() {
    let mut m = Machine::flat(&[]);
    m.bus.load(0x1ffe, &[0xb8, 1, 2, 3, 4]); // mov eax, 04030201h
    m.s.set_eip(0x1ffe);
    m.bus.absent.push(0x2000..0x3000);
    assert_eq!(m.fault(), Exception::page_fault(Lin(0x2000), 0));
    m.bus.absent.clear();
    m.retire();
    assert_eq!(m.get(Gpr::Eax), 0x0403_0201);
}

#[test]
fn an_instruction_that_ends_with_its_page_does_not_touch_the_next() {
    let mut m = Machine::flat(&[]);
    m.bus.load(0x1ffb, &[0xb8, 1, 2, 3, 4]);
    m.s.set_eip(0x1ffb);
    m.bus.absent.push(0x2000..0x3000);
    m.retire();
    assert_eq!(m.get(Gpr::Eax), 0x0403_0201);
}

#[test]
fn the_code_segment_limit_counts_every_byte() {
    let mut m = Machine::real(&[0xb8, 1, 2]); // mov ax, 0201h
    m.s.seg[SegReg::Cs as usize].limit = CODE + 1;
    assert_eq!(m.fault(), Exception::gp(0));
    m.s.seg[SegReg::Cs as usize].limit = CODE + 2;
    m.retire();
    assert_eq!(m.fault(), Exception::gp(0), "the next instruction is beyond the limit");
}

#[test]
fn sequential_code_does_not_wrap_at_64_kib() {
    let mut m = Machine::real(&[]);
    m.bus.load(0xffff, &[0x90]);
    m.s.set_eip(0xffff);
    m.retire();
    assert_eq!(m.s.eip(), 0x1_0000);
    assert_eq!(m.fault(), Exception::gp(0));
}

#[test]
fn a_short_jump_with_16_bit_operand_size_wraps() {
    let mut m = Machine::real(&[]);
    m.bus.load(0xfff0, &[0xeb, 0x20]);
    m.s.set_eip(0xfff0);
    m.retire();
    assert_eq!(m.s.eip(), 0x12);
}

#[test]
fn one_linear_address_reached_by_two_offsets_branches_to_two_targets() {
    let mut m = Machine::real(&[0xeb, 0x10]);
    m.retire();
    assert_eq!(m.s.eip(), CODE + 0x12);
    m.s.seg[SegReg::Cs as usize].base = Lin(0x800);
    m.s.set_eip(CODE - 0x800);
    m.retire();
    assert_eq!(m.s.eip(), CODE - 0x800 + 0x12);
}

#[test]
fn modified_code_is_decoded_anew() {
    let mut m = Machine::flat(&[0x40, 0x40]); // inc eax
    m.retire();
    m.s.set_eip(CODE);
    m.bus.load(CODE, &[0x48]); // dec eax
    m.retire();
    assert_eq!(m.get(Gpr::Eax), 0);
}

#[test]
fn the_same_bytes_in_16_and_32_bit_code_differ() {
    let mut m = Machine::flat(&[0xb8, 1, 2, 3, 4]);
    m.retire();
    assert_eq!(m.s.eip(), CODE + 5);
    let mut m = Machine { s: Machine::real(&[]).s, ..m };
    m.retire();
    assert_eq!((m.s.eip(), m.get(Gpr::Eax)), (CODE + 3, 0x201));
}

#[test]
fn lock_is_legal_only_on_memory_destinations_of_its_instructions() {
    let legal: &[&[u8]] = &[
        &[0x01, 0x03],          // add [ebx], eax
        &[0x11, 0x03],          // adc
        &[0x21, 0x03],          // and
        &[0x0f, 0xba, 0x3b, 1], // btc [ebx], 1
        &[0x0f, 0xb3, 0x03],    // btr [ebx], eax
        &[0x0f, 0xab, 0x03],    // bts
        &[0x0f, 0xb1, 0x03],    // cmpxchg
        &[0x0f, 0xc7, 0x0b],    // cmpxchg8b
        &[0xff, 0x0b],          // dec
        &[0xff, 0x03],          // inc
        &[0xf7, 0x1b],          // neg
        &[0xf7, 0x13],          // not
        &[0x09, 0x03],          // or
        &[0x19, 0x03],          // sbb
        &[0x29, 0x03],          // sub
        &[0x31, 0x03],          // xor
        &[0x0f, 0xc1, 0x03],    // xadd
        &[0x87, 0x03],          // xchg
    ];
    let illegal: &[&[u8]] = &[
        &[0x01, 0xc3],       // add ebx, eax
        &[0x03, 0x03],       // add eax, [ebx]
        &[0x39, 0x03],       // cmp [ebx], eax
        &[0x0f, 0xa3, 0x03], // bt [ebx], eax
        &[0x89, 0x03],       // mov [ebx], eax
        &[0x85, 0x03],       // test [ebx], eax
        &[0x87, 0xc3],       // xchg ebx, eax
        &[0xd1, 0x23],       // shl [ebx], 1
        &[0x50],             // push eax
        &[0x90],             // nop
        &[0xa4],             // movsb
    ];
    let with_lock = |code: &[u8]| {
        let mut m = Machine::flat(&[&[0xf0], code].concat());
        m.set(Gpr::Ebx, 0x4000);
        m
    };
    for code in legal {
        assert_eq!(with_lock(code).run(), Ok(Outcome::Retired), "{code:02x?}");
    }
    for code in illegal {
        assert_eq!(with_lock(code).fault(), Exception::ud(), "{code:02x?}");
    }
}

#[test]
fn a_model_raises_ud_for_what_it_lacks() {
    let run = |model, code: &[u8]| Machine::model(model, code).run();
    let cmov = [0x0f, 0x44, 0xc1];
    let cmpxchg8b = [0x0f, 0xc7, 0x0f];
    let long_nop = [0x0f, 0x1f, 0x00];
    for code in [&cmov, &cmpxchg8b, &long_nop] {
        assert_eq!(run(CpuModel::I486, code), Err(Exception::ud()), "{code:02x?}");
        assert_eq!(run(CpuModel::PENTIUM4, code), Ok(Outcome::Retired), "{code:02x?}");
    }
    assert_eq!(run(CpuModel::PENTIUM, &cmpxchg8b), Ok(Outcome::Retired));
    assert_eq!(run(CpuModel::PENTIUM, &cmov), Err(Exception::ud()));
    for ud in [&[0x0f, 0x0b][..], &[0x0f, 0xff, 0], &[0x0f, 0x38, 0xf0, 0x03], &[0x0f, 0x04]] {
        assert_eq!(run(CpuModel::PENTIUM4, ud), Err(Exception::ud()), "{ud:02x?}");
    }
}

#[test]
fn prefixed_bit_scans_and_nop_run_as_on_processors_that_ignore_the_prefix() {
    let mut m = Machine::flat(&[0xf3, 0x0f, 0xbd, 0xc1, 0xf3, 0x0f, 0xbc, 0xc1, 0xf3, 0x90]);
    m.set(Gpr::Ecx, 0x100);
    m.retire();
    assert_eq!(m.get(Gpr::Eax), 8, "LZCNT would answer 23");
    m.retire();
    m.retire();
    assert_eq!(m.s.eip(), CODE + 10);
}
