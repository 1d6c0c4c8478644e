//! The question to the inline TLB: the emitter's passes, and nothing that differs from it in one instruction does.

use super::tests::{BASE, STUBS};
use super::{Rule, Subject, Verifier};
use crate::translation::{MapEntry, X87};
use dynasmrt::{DynasmApi, SimpleAssembler, dynasm};
use ringer_cpu::Pc;
use ringer_mmu::inline_tlb::{DISTANCES, READ_TAGS, WRITE_TAGS};

/// What may be wrong with a question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    ShiftByMore,
    OtherPlace,
    FirstByteOnly,
    TagsOfReads,
    AnotherDistance,
    Inverted,
    NoBranch,
    AddressChanged,
}

/// The question for a write of 4 bytes at EBX with a flaw, `access`, and the ways out; `access` begins an instruction of its own
/// if `boundary`.
fn verdict(flaw: Flaw, access: &[u8], boundary: bool) -> Result<(), Rule> {
    let mut asm = SimpleAssembler::new();
    let is = |other| flaw == other;
    let bits = if is(Flaw::ShiftByMore) { 13 } else { 12 };
    let more = if is(Flaw::FirstByteOnly) { 0 } else { 3 };
    let tags = if is(Flaw::TagsOfReads) { READ_TAGS } else { WRITE_TAGS };
    let distances = DISTANCES + if is(Flaw::AnotherDistance) { 8 } else { 0 };
    dynasm!(asm ; .arch x64
        ; lea r11d, [rbx]
        ; mov r9d, ecx
        ; mov r8d, bits
        ; shrx r10d, r11d, r8d
        ; lea ecx, [r11 + more]
        ; shrx ecx, ecx, r8d
    );
    if is(Flaw::OtherPlace) {
        dynasm!(asm ; .arch x64 ; movzx r10d, cl);
    } else {
        dynasm!(asm ; .arch x64 ; movzx r10d, r10b);
    }
    dynasm!(asm ; .arch x64 ; gs mov r8d, [r10 * 4 + tags] ; lea ecx, [rcx + r8 + 1]);
    let jump = |asm: &mut SimpleAssembler| {
        let rel = STUBS.exit_callout.wrapping_sub(BASE + asm.ops.len() as u64 + 5) as i32;
        asm.ops.push(0xe9);
        asm.ops.extend_from_slice(&rel.to_le_bytes());
    };
    // The way out stands here; it restores ECX.
    let out = |asm: &mut SimpleAssembler| {
        dynasm!(asm ; .arch x64 ; mov ecx, r9d);
        jump(asm);
    };
    match flaw {
        Flaw::NoBranch => {}
        Flaw::Inverted => {
            asm.ops.extend_from_slice(&[0xe3, 2, 0xeb, 8]);
            out(&mut asm);
        }
        _ => {
            asm.ops.extend_from_slice(&[0xe3, 8]);
            out(&mut asm);
        }
    }
    dynasm!(asm ; .arch x64 ; gs mov r8, [r10 * 8 + distances] ; mov ecx, r9d);
    if is(Flaw::AddressChanged) {
        dynasm!(asm ; .arch x64 ; lea r11d, [r11 + 1]);
    }
    dynasm!(asm ; .arch x64 ; lea r11, [r11 + r8]);
    let second = asm.ops.len() as u32;
    asm.ops.extend_from_slice(access);
    jump(&mut asm);
    let entry =
        |host_off| MapEntry { host_off, eip: Pc(0x1000), esp: 0, x87: X87::Other, shadow: false };
    let map = if boundary { vec![entry(0), entry(second)] } else { vec![entry(0)] };
    let host = &asm.ops;
    let subject = Subject { host, base: BASE, stubs: &STUBS, map: &map, exits: &[], locks: false };
    Verifier::new().check(&subject, &|_| false).map(drop).map_err(|refusal| refusal.rule)
}

/// `mov gs:[r11], eax`
const STORE: &[u8] = &[0x65, 0x41, 0x89, 0x03];

#[test]
fn the_sequence_leads_to_what_it_asked_about() {
    assert_eq!(verdict(Flaw::None, STORE, false), Ok(()));
    let load_16_bits = [0x65, 0x66, 0x41, 0x8b, 0x03];
    assert_eq!(verdict(Flaw::None, &load_16_bits, false), Ok(()));
    let twice = [STORE, STORE].concat();
    assert_eq!(verdict(Flaw::None, &twice, false), Ok(()));
}

#[test]
fn it_leads_nowhere_else() {
    let eight_bytes = [0x65, 0x41, 0x0f, 0x7f, 0x03]; // movq gs:[r11], mm0
    let beyond = [0x65, 0x41, 0x89, 0x43, 0x01]; // mov gs:[r11+1], eax
    let bits = [0x65, 0x41, 0x0f, 0xab, 0x03]; // bts gs:[r11], eax
    let indexed = [0x65, 0x41, 0x89, 0x04, 0x03]; // mov gs:[r11+rax], eax
    let without = [0x41, 0x89, 0x03]; // mov [r11], eax
    let changed = [&[0x4d, 0x8d, 0x1b][..], STORE].concat(); // lea r11, [r11]
    for access in [&eight_bytes[..], &beyond, &bits, &indexed, &without, &changed] {
        assert!(verdict(Flaw::None, access, false).is_err(), "{access:02x?}");
    }
    assert_eq!(verdict(Flaw::None, STORE, true), Err(Rule::WideAddress), "for one instruction");
}

#[test]
fn nothing_less_than_the_whole_sequence_will_do() {
    use Flaw as F;
    let flaws = [
        F::ShiftByMore,
        F::OtherPlace,
        F::FirstByteOnly,
        F::TagsOfReads,
        F::AnotherDistance,
        F::Inverted,
        F::NoBranch,
        F::AddressChanged,
    ];
    for (k, flaw) in flaws.into_iter().enumerate() {
        assert!(verdict(flaw, STORE, false).is_err(), "flaw {k}");
    }
}
