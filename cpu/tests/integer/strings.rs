//! String instructions and REP.

use crate::machine::{CODE, Machine};
use ringer_cpu::exception::pf;
use ringer_cpu::state::StringInProgress;
use ringer_cpu::{Eflags, Exception, Gpr, Lin, Outcome, SegReg};

#[test]
fn a_fault_in_rep_movs_leaves_exact_counts_and_resumes() {
    let mut m = Machine::flat(&[0xf3, 0xa4]);
    m.set(Gpr::Esi, 0x3000).set(Gpr::Edi, 0x4ffd).set(Gpr::Ecx, 8);
    m.bus.load(0x3000, b"abcdefgh");
    m.bus.absent.push(0x5000..0x6000);
    assert_eq!(m.run(), Err(Exception::page_fault(Lin(0x5000), pf::WRITE)));
    assert_eq!(
        (m.get(Gpr::Esi), m.get(Gpr::Edi), m.get(Gpr::Ecx), m.s.eip()),
        (0x3003, 0x5000, 5, CODE)
    );
    m.bus.absent.clear();
    m.retire();
    assert_eq!(&m.bus.mem[0x4ffd..0x5005], b"abcdefgh");
    assert_eq!((m.get(Gpr::Ecx), m.s.eip()), (0, CODE + 2));
}

#[test]
fn what_faulted_over_its_own_bytes_is_tried_again_as_it_was_decoded() {
    // REP STOSD from its own bytes downwards, and from below them upwards; neither comes to the end of a pass.
    for (first, down, absent) in [(CODE, true, 0xf00..0xf80), (CODE - 0x40, false, 0x1040..0x1080)]
    {
        let mut m = Machine::flat(&[0xf3, 0xab]);
        m.set(Gpr::Edi, first).set(Gpr::Ecx, 0x100).set(Gpr::Eax, 0x9090_9090);
        m.s.eflags |= if down { Eflags::DF.bits() } else { 0 };
        m.bus.absent.push(absent.clone());
        let fault = m.run();
        assert!(matches!(fault, Err(e) if absent.contains(&e.address.low())), "{fault:?}");
        assert_eq!(m.bus.peek32(CODE), 0x9090_9090, "it has overwritten itself");
        assert_eq!(m.fault(), fault.unwrap_err(), "nothing was delivered in between");
        m.interp.deliver(&mut m.s, &mut m.bus, Exception::gp(0));
        assert_eq!(m.s.string, StringInProgress::NONE, "now it is fetched anew");
    }
}

#[test]
fn a_long_rep_stops_in_between_and_goes_on() {
    let mut m = Machine::flat(&[0xf3, 0xaa]);
    m.set(Gpr::Edi, 0x4000).set(Gpr::Ecx, 3000).set(Gpr::Eax, 0x5a);
    let mut passes = 0;
    while m.run() == Ok(Outcome::Partial) {
        assert_eq!(m.s.eip(), CODE);
        passes += 1;
    }
    assert!(passes > 0);
    assert!(m.bus.mem[0x4000..0x4000 + 3000].iter().all(|&b| b == 0x5a));
    assert_eq!((m.bus.peek(0x4000 + 3000), m.s.eip()), (0, CODE + 2));
}

#[test]
fn rep_with_count_zero_touches_nothing() {
    let mut m = Machine::flat(&[0xf3, 0xa5]);
    m.bus.absent.push(0..0x1000);
    m.retire();
    assert_eq!((m.get(Gpr::Esi), m.get(Gpr::Edi)), (0, 0));
}

#[test]
fn the_16_bit_forms_use_si_di_and_cx() {
    let mut m = Machine::real(&[0xf3, 0xa4]);
    m.set(Gpr::Esi, 0xaaaa_ffff).set(Gpr::Edi, 0xbbbb_4000).set(Gpr::Ecx, 0xcccc_0002);
    m.bus.load(0xffff, &[1]);
    m.bus.load(0, &[2]);
    m.retire();
    assert_eq!((m.bus.peek(0x4000), m.bus.peek(0x4001)), (1, 2));
    assert_eq!(m.get(Gpr::Esi), 0xaaaa_0001);
    assert_eq!((m.get(Gpr::Edi), m.get(Gpr::Ecx)), (0xbbbb_4002, 0xcccc_0000));
}

#[test]
fn the_source_segment_can_be_overridden_and_the_destination_cannot() {
    let mut m = Machine::flat(&[0x64, 0xa4]); // movsb es:[edi], fs:[esi]
    m.s.seg[SegReg::Fs as usize].base = Lin(0x3000);
    m.s.seg[SegReg::Es as usize].base = Lin(0x4000);
    m.bus.load(0x3000, &[7]);
    m.retire();
    assert_eq!(m.bus.peek(0x4000), 7);
    let mut m = Machine::flat(&[0x64, 0xaa]); // stosb
    m.s.seg[SegReg::Fs as usize].base = Lin(0x3000);
    m.set(Gpr::Edi, 0x100).set(Gpr::Eax, 9);
    m.retire();
    assert_eq!((m.bus.peek(0x100), m.bus.peek(0x3100)), (9, 0));
}

#[test]
fn overlapping_and_backward_copies_go_one_element_at_a_time() {
    let mut m = Machine::flat(&[0xf3, 0xa4]);
    m.bus.load(0x4000, b"x");
    m.set(Gpr::Esi, 0x4000).set(Gpr::Edi, 0x4001).set(Gpr::Ecx, 5);
    m.retire();
    assert_eq!(&m.bus.mem[0x4000..0x4006], b"xxxxxx");
    let mut m = Machine::flat(&[0xf3, 0xa5]);
    m.s.eflags |= Eflags::DF.bits();
    m.bus.load(0x4000, b"aaaabbbbcccc");
    m.set(Gpr::Esi, 0x4008).set(Gpr::Edi, 0x400c).set(Gpr::Ecx, 3);
    m.retire();
    assert_eq!(&m.bus.mem[0x4000..0x4010], b"aaaaaaaabbbbcccc");
    assert_eq!(m.get(Gpr::Esi), 0x3ffc);
}

#[test]
fn repe_and_repne_end_on_zf_with_its_flags() {
    let mut m = Machine::flat(&[0xf3, 0xa6]); // repe cmpsb
    m.bus.load(0x4000, b"same1");
    m.bus.load(0x5000, b"same2");
    m.set(Gpr::Esi, 0x4000).set(Gpr::Edi, 0x5000).set(Gpr::Ecx, 100);
    m.retire();
    assert_eq!((m.get(Gpr::Ecx), m.get(Gpr::Esi)), (95, 0x4005));
    assert!(m.flag(Eflags::CF) && !m.flag(Eflags::ZF));
    let mut m = Machine::flat(&[0xf2, 0xae]); // repne scasb
    m.bus.load(0x5000, b"find me\0");
    m.set(Gpr::Edi, 0x5000).set(Gpr::Ecx, u32::MAX);
    m.retire();
    assert_eq!(!m.get(Gpr::Ecx), 8);
    assert!(m.flag(Eflags::ZF));
}

#[test]
fn a_fault_in_repe_cmps_keeps_the_flags_from_before() {
    let mut m = Machine::flat(&[0xf3, 0xa6]);
    m.s.eflags |= Eflags::CF.bits();
    m.set(Gpr::Esi, 0x4ffe).set(Gpr::Edi, 0x6000).set(Gpr::Ecx, 9);
    m.bus.absent.push(0x5000..0x6000);
    let flags = m.s.eflags;
    assert_eq!(m.run(), Err(Exception::page_fault(Lin(0x5000), 0)));
    assert_eq!((m.get(Gpr::Ecx), m.s.eflags), (7, flags));
}

#[test]
fn ins_and_outs_move_between_ports_and_memory() {
    let mut m = Machine::flat(&[0xf3, 0x6c, 0x66, 0x6f]); // rep insb; outsw
    m.bus.ports.insert(0x60, 0x41);
    m.set(Gpr::Edx, 0x60).set(Gpr::Edi, 0x4000).set(Gpr::Ecx, 3).set(Gpr::Esi, 0x4000);
    m.retire();
    assert_eq!(&m.bus.mem[0x4000..0x4004], b"AAA\0");
    m.retire();
    assert_eq!(m.bus.port_writes, [(0x60, 2, 0x4141)]);
}
