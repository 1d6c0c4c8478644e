//! Derivation, on cases written by hand.

use super::super::derive::TOO_LONG;
use super::super::reasons::REASONS;
use super::*;

fn case(bytes: &[u8], exception: Option<u8>) -> Case {
    let mut c = Case { bytes: bytes.to_vec(), ..Case::default() };
    for n in [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 17] {
        c.before.regs[n] = Some(0);
    }
    c.before.regs[reg::CS] = Some(0x1000);
    c.before.regs[reg::SS] = Some(0x2000);
    c.before.regs[reg::ESP] = Some(0x100);
    c.before.regs[reg::EIP] = Some(0x50);
    for (at, byte) in (0x1_0050..).zip(bytes) {
        c.before.set_byte(at, *byte);
    }
    c.exception = exception.map(|vector| (vector, 0x2_00fe));
    guarded(&c)
}

fn kind(bytes: &[u8], exception: Option<u8>) -> Option<Kind> {
    adapt(&case(bytes, exception)).map(|(kind, _)| kind)
}

#[test]
fn an_ordinary_case_is_never_adapted() {
    // ADD [BX],AX with LOCK may carry it; MOV AX,BX; DIV BX that faults; MOV AX,[FFFFh].
    assert_eq!(kind(&[0xf0, 0x01, 0x07, HLT], None), None);
    assert_eq!(kind(&[0x89, 0xd8, HLT], None), None);
    assert_eq!(kind(&[0xf7, 0xf3, HLT], Some(0)), None);
    assert_eq!(kind(&[0xa1, 0xff, 0xff, HLT], Some(vector::GP)), None);
}

#[test]
fn lock_is_refused_with_a_frame_and_dropped() {
    let (kind, derived) = adapt(&case(&[0x2e, 0xf0, 0x89, 0xd8, HLT], None)).unwrap();
    assert_eq!(kind, Kind::Lock);
    let [refused, without] = &derived[..] else { panic!("{derived:?}") };
    assert!(!refused.masked && without.masked);
    let word = |at: u32| [0, 1].map(|k| refused.case.end_byte(at + k));
    assert_eq!([word(0x2_00fa), word(0x2_00fc)], [[0x50, 0], [0, 0x10]]);
    assert_eq!(refused.case.end(reg::ESP), 0xfa);
    assert_eq!(without.case.bytes, [0x2e, 0x89, 0xd8, HLT]);
    assert_eq!(without.case.start(reg::EIP), 0x51);
    assert_eq!(without.case.before.byte(0x1_0054), Some(HLT));
}

#[test]
fn a_long_instruction_becomes_one_that_is_too_long_for_all() {
    let bytes = [&[0x26; 9][..], &[0x89, 0xd8, HLT]].concat();
    let (kind, derived) = adapt(&case(&bytes, Some(vector::GP))).unwrap();
    assert_eq!((kind, derived[0].case.bytes.len()), (Kind::Length, TOO_LONG + 1));
    assert_eq!(derived[0].case.before.byte(0x1_0050 + TOO_LONG as u32), Some(HLT));
}

#[test]
fn an_overrun_of_the_stack_goes_where_interrupt_13_leads() {
    // MOV AX,[BP+0] with BP = FFFFh.
    let mut c = case(&[0x8b, 0x46, 0, HLT], Some(vector::GP));
    c.before.set_byte(entry(vector::GP), 0x77);
    let (kind, derived) = adapt(&c).unwrap();
    assert_eq!(kind, Kind::StackVector);
    assert_eq!(derived[0].case.before.byte(entry(vector::SS)), Some(0x77));
}

#[test]
fn string_pointers_stop_before_the_element_that_does_not_fit() {
    // REP MOVSW, SI = FFF9h: FFF9, FFFB, FFFD are moved, FFFFh is not.
    let mut c = case(&[0xf3, 0xa5, HLT], Some(vector::GP));
    c.before.regs[reg::ESI] = Some(0xfff9);
    c.before.regs[reg::EDI] = Some(0x10);
    c.before.regs[reg::ECX] = Some(9);
    let (kind, derived) = adapt(&c).unwrap();
    let end = &derived[0].case;
    assert_eq!(kind, Kind::StringPointers);
    assert_eq!([reg::ESI, reg::EDI, reg::ECX].map(|r| end.end(r)), [0xffff, 0x16, 6]);
}

#[test]
fn new_segment_registers_become_one_that_nobody_has() {
    let (kind, derived) = adapt(&case(&[0x8e, 0xe0, HLT], Some(vector::UD))).unwrap();
    assert_eq!((kind, derived[0].case.bytes[1]), (Kind::NewSegments, 0xf0));
    assert_eq!(adapt(&case(&[0x8e, 0xd8, HLT], Some(vector::UD))).map(|a| a.0), None);
}

#[test]
fn every_kind_has_one_reason() {
    let all = [
        Kind::Length,
        Kind::Lock,
        Kind::StackVector,
        Kind::StringPointers,
        Kind::NewSegments,
        Kind::LengthInvalid,
        Kind::PopToMemory,
        Kind::WrappedPointer,
        Kind::AamByZero,
        Kind::CompareFlags,
        Kind::Quotient80h,
    ];
    assert_eq!(REASONS.map(|r| r.kind), all);
    assert!(REASONS.iter().all(|r| r.why.contains("Checked: ")));
}
