//! The verifier against escapes made by hand, against every mutation that a random sweep finds, and
//! against the translator's own blocks, where it must stay silent.

use super::{Refusal, Rule, Scheme, Subject, Verified, Verifier, lists};
use crate::context::{ContextBlock, ExecContext};
use crate::listing::listing;
use crate::mode::Mode;
use crate::options::TranslatorOptions;
use crate::placement::{Placement, StubAddresses};
use crate::source::{GoesOn, Source};
use crate::thunk::{KnownThunks, PcThunk};
use crate::translate::Translator;
use crate::translation::{MapEntry, Translation, X87};
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Register};
use ringer_cpu::{Features, Lin, Pc};
use std::mem::offset_of;

pub(super) const BASE: u64 = 0x7f00_0010_0000;
pub(super) const STUBS: StubAddresses = StubAddresses {
    exit_link: BASE - 0xf00,
    exit_miss: BASE - 0xe00,
    exit_callout: BASE - 0xd00,
    exit_check: BASE - 0xc00,
    exit_budget: BASE - 0xb00,
    transfer: [
        [BASE - 0xa00, BASE - 0x9f0],
        [BASE - 0x9e0, BASE - 0x9d0],
        [BASE - 0x9c0, BASE - 0x9b0],
        [BASE - 0x9a0, BASE - 0x990],
        [BASE - 0x980, BASE - 0x970],
        [BASE - 0x960, BASE - 0x950],
        [BASE - 0x940, BASE - 0x930],
    ],
};

/// `jmp exit_callout` from offset `at`.
fn leave(at: usize) -> Vec<u8> {
    jump_to(at, STUBS.exit_callout)
}

fn jump_to(at: usize, target: u64) -> Vec<u8> {
    let rel = target.wrapping_sub(BASE + at as u64 + 5) as i32;
    let mut code = vec![0xe9];
    code.extend(rel.to_le_bytes());
    code
}

/// Verifies `code` followed by a way out.
fn verdict(code: &[u8]) -> Result<Verified, Refusal> {
    let mut host = code.to_vec();
    host.extend(leave(host.len()));
    bare(&host, &[0])
}

fn bare(host: &[u8], map: &[u32]) -> Result<Verified, Refusal> {
    bare_where(host, map, false)
}

fn bare_where(host: &[u8], map: &[u32], locks: bool) -> Result<Verified, Refusal> {
    let map: Vec<_> = map
        .iter()
        .map(|at| MapEntry {
            host_off: *at,
            eip: Pc(0x1000),
            esp: 0,
            x87: X87::Other,
            shadow: false,
        })
        .collect();
    let subject = Subject { host, base: BASE, stubs: &STUBS, map: &map, exits: &[], locks };
    Verifier::new().check(&subject, &|address| address == BASE + 0x5000)
}

/// `disp32` bytes of a field of the context.
fn field(at: usize) -> [u8; 4] {
    (at as i32).to_le_bytes()
}

fn with(head: &[u8], tail: [u8; 4]) -> Vec<u8> {
    [head, &tail].concat()
}

#[test]
fn the_approved_forms_pass() {
    let window = field(offset_of!(ExecContext, window_base));
    let accepted: Vec<(&str, Vec<u8>)> = vec![
        ("mov eax, gs:[ebx+8] (67h)", vec![0x65, 0x67, 0x8b, 0x43, 0x08]),
        ("mov eax, gs:[rbx]", vec![0x65, 0x8b, 0x03]),
        ("mov r8d, gs:[r12]", vec![0x65, 0x45, 0x8b, 0x04, 0x24]),
        ("mov eax, gs:[dword 1234h]", vec![0x65, 0x67, 0x8b, 0x04, 0x25, 0x34, 0x12, 0, 0]),
        ("add eax, ecx", vec![0x01, 0xc8]),
        ("lea r12d, [r12-4]", vec![0x45, 0x8d, 0x64, 0x24, 0xfc]),
        ("pushfq; pop r8", vec![0x9c, 0x41, 0x58]),
        ("jrcxz +0", vec![0xe3, 0x00]),
        ("a store of EIP", [vec![0x41, 0xc7, 0x87], field(eip()).to_vec(), vec![0; 4]].concat()),
        (
            "rep movsb",
            [
                with(&[0x4d, 0x8b, 0x87], window),
                vec![0x4a, 0x8d, 0x34, 0x06, 0x4a, 0x8d, 0x3c, 0x07],
                vec![0xf3, 0xa4, 0x89, 0xf6, 0x89, 0xff],
            ]
            .concat(),
        ),
    ];
    for (what, code) in accepted {
        assert!(verdict(&code).is_ok(), "{what}: {}", verdict(&code).unwrap_err());
    }
    // mov r8d, eax; mov r9d, [r13+r8*4]; lea r9, [r9+r14]; jmp r9
    let lookup =
        [0x41, 0x89, 0xc0, 0x47, 0x8b, 0x4c, 0x85, 0x00, 0x4f, 0x8d, 0x0c, 0x31, 0x41, 0xff, 0xe1];
    assert_eq!(bare(&lookup, &[0, 3]).unwrap().instructions, 4);
    assert_eq!(
        bare(&jump_to(0, BASE + 0x5000), &[0]).unwrap().instructions,
        1,
        "another block's entry"
    );
    assert_eq!(bare(&jump_to(0, BASE), &[0]).unwrap().instructions, 1, "its own entry");
}

fn eip() -> usize {
    offset_of!(ExecContext, cpu) + offset_of!(ringer_cpu::CpuState, rip)
}

/// An escape: what it is, its bytes, and the rule that must catch it.
type Escape = (&'static str, Vec<u8>, Rule);

fn v(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// Escapes to memory that is not the guest's.
#[rustfmt::skip]
fn escapes_to_memory() -> Vec<Escape> {
    use Rule as R;
    let context = size_of::<ContextBlock>();
    vec![
        ("a store without GS", v(&[0x89, 0x03]), R::Memory),
        ("a store without GS, 67h", v(&[0x67, 0x89, 0x03]), R::Memory),
        ("67h missing with a displacement", v(&[0x65, 0x89, 0x43, 0x08]), R::Memory),
        ("67h missing with an index", v(&[0x65, 0x89, 0x04, 0x0b]), R::Memory),
        ("67h missing, absolute", v(&[0x65, 0x89, 0x04, 0x25, 0, 0, 0, 0x80]), R::Memory),
        ("64-bit moffs", v(&[0x65, 0x48, 0xa1, 0, 0, 0, 0, 1, 0, 0, 0]), R::Instruction),
        ("64-bit moffs of a dword", v(&[0x65, 0xa1, 0, 0, 0, 0, 1, 0, 0, 0]), R::Memory),
        ("FS instead of GS", v(&[0x64, 0x67, 0x89, 0x43, 0x08]), R::Memory),
        ("DS: the stack", v(&[0x89, 0x04, 0x24]), R::Memory),
        ("RIP-relative", v(&[0x89, 0x05, 0, 0, 0, 0]), R::Memory),
        ("RIP-relative through GS", v(&[0x65, 0x89, 0x05, 0, 0, 0, 0]), R::Memory),
        ("gs:[rsp]", v(&[0x65, 0x89, 0x04, 0x24]), R::Memory),
        ("gs:[r8], which may be wide", v(&[0x65, 0x41, 0x89, 0x00]), R::WideAddress),
        ("BT with a 64-bit base", v(&[0x65, 0x0f, 0xa3, 0x03]), R::Memory),
        ("a register widened: mov rax, rcx", v(&[0x48, 0x89, 0xc8]), R::Wide),
        ("a register widened: add rbx, rbx", v(&[0x48, 0x01, 0xdb]), R::Instruction),
        ("a register widened: movsxd", v(&[0x48, 0x63, 0xd8]), R::Instruction),
        ("a register widened: not rbx", v(&[0x48, 0xf7, 0xd3]), R::Instruction),
        ("a register widened: cdqe", v(&[0x48, 0x98]), R::Instruction),
        ("a register widened: movq rax, mm0", v(&[0x48, 0x0f, 0x7e, 0xc0]), R::Instruction),
        ("a register widened: lea rbx", v(&[0x48, 0x8d, 0x5b, 0x08]), R::Wide),
        ("a register widened: bswap rax", v(&[0x48, 0x0f, 0xc8]), R::Wide),
        ("the context, below it", with(&[0x41, 0x89, 0x87], (-8i32).to_le_bytes()), R::Context),
        ("the context, beyond it", with(&[0x41, 0x89, 0x87], field(context)), R::Context),
        ("the context, CR0", with(&[0x41, 0x89, 0x87],
            field(offset_of!(ExecContext, cpu) + offset_of!(ringer_cpu::CpuState, cr0))), R::Context),
        ("the context, the host's stack pointer", with(&[0x4d, 0x8b, 0x87],
            field(offset_of!(ExecContext, host_rsp))), R::Context),
        ("the context, a new window", with(&[0x4d, 0x89, 0x87],
            field(offset_of!(ExecContext, window_base))), R::Context),
        ("the context, across a field's end", with(&[0x4d, 0x89, 0x87], field(eip())), R::Context),
        ("the context with an index", v(&[0x41, 0x89, 0x04, 0x0f]), R::Memory),
        ("a store to the target table", v(&[0x43, 0x89, 0x44, 0x85, 0x00]), R::Memory),
        ("the table with a wide index", v(&[0x47, 0x8b, 0x4c, 0x85, 0x00]), R::WideAddress),
        ("the table with another scale", v(&[0x47, 0x8b, 0x4c, 0xc5, 0x00]), R::Memory),
        ("the cache's bytes", v(&[0x41, 0x89, 0x06]), R::Memory),
        ("r15 moved", v(&[0x41, 0x83, 0xc7, 0x08]), R::Register),
        ("r13 replaced", v(&[0x41, 0x89, 0xc5]), R::Register),
        ("rsp replaced", v(&[0x89, 0xc4]), R::Register),
        ("r14 read", v(&[0x44, 0x89, 0xf0]), R::Register),
    ]
}

/// Escapes to the host's kernel, to its devices, and to other code.
#[rustfmt::skip]
fn escapes_to_code() -> Vec<Escape> {
    use Rule as R;
    vec![
        ("push rax", v(&[0x50]), R::Instruction),
        ("popfq of what was not pushed", v(&[0x9d]), R::Stack),
        ("pop r8 of what was not pushed", v(&[0x41, 0x58]), R::Stack),
        ("leaving with flags on the stack", v(&[0x9c]), R::Boundary),
        ("syscall", v(&[0x0f, 0x05]), R::Instruction),
        ("sysenter", v(&[0x0f, 0x34]), R::Instruction),
        ("int 80h", v(&[0xcd, 0x80]), R::Instruction),
        ("int3", v(&[0xcc]), R::Instruction),
        ("icebp", v(&[0xf1]), R::Instruction),
        ("hlt", v(&[0xf4]), R::Instruction),
        ("cli", v(&[0xfa]), R::Instruction),
        ("in al, dx", v(&[0xec]), R::Instruction),
        ("out dx, al", v(&[0xee]), R::Instruction),
        ("rep insb", v(&[0xf3, 0x6c]), R::Instruction),
        ("wrgsbase rax", v(&[0xf3, 0x48, 0x0f, 0xae, 0xd8]), R::Instruction),
        ("wrfsbase eax", v(&[0xf3, 0x0f, 0xae, 0xd0]), R::Instruction),
        ("swapgs", v(&[0x0f, 0x01, 0xf8]), R::Instruction),
        ("mov gs, eax", v(&[0x8e, 0xe8]), R::Register),
        ("mov eax, cr0", v(&[0x0f, 0x20, 0xc0]), R::Instruction),
        ("mov dr7, rax", v(&[0x0f, 0x23, 0xf8]), R::Instruction),
        ("rdtsc", v(&[0x0f, 0x31]), R::Instruction),
        ("cpuid", v(&[0x0f, 0xa2]), R::Instruction),
        ("xgetbv", v(&[0x0f, 0x01, 0xd0]), R::Instruction),
        ("fxrstor", v(&[0x65, 0x0f, 0xae, 0x0b]), R::Instruction),
        ("ldmxcsr", v(&[0x65, 0x0f, 0xae, 0x13]), R::Instruction),
        ("maskmovq, which stores through RDI", v(&[0x0f, 0xf7, 0xc1]), R::Instruction),
        ("movsb on plain pointers", v(&[0xa4]), R::String),
        ("movsb with 67h", v(&[0x67, 0xa4]), R::Memory),
        ("stosb with 67h and GS", v(&[0x65, 0x67, 0xaa]), R::Memory),
        ("movsq", v(&[0x48, 0xa5]), R::Instruction),
        ("a LOCK", v(&[0xf0, 0x65, 0x01, 0x03]), R::Prefix),
        ("call", v(&[0xe8, 0, 0, 0, 0]), R::Instruction),
        ("call rax", v(&[0xff, 0xd0]), R::Instruction),
        ("ret", v(&[0xc3]), R::Instruction),
        ("jmp rax", v(&[0xff, 0xe0]), R::Indirect),
        ("jmp r9, which is no entry", v(&[0x41, 0xff, 0xe1]), R::Indirect),
        ("jmp through memory", v(&[0x65, 0xff, 0x23]), R::Indirect),
        ("far jmp", v(&[0x65, 0xff, 0x2b]), R::Instruction),
        ("jmp into a stub's middle", jump_to(0, STUBS.exit_miss + 1), R::Target),
        ("jmp into another block's middle", jump_to(0, BASE + 0x5001), R::Target),
        ("jmp below the cache", jump_to(0, BASE - 0x10_0000), R::Target),
        ("a backward jump that is no entry", v(&[0x90, 0x90, 0xeb, 0xfd]), R::Target),
        ("a 16-bit jump (AMD)", v(&[0x66, 0xe9, 0, 0, 0, 0]), R::Prefix),
        ("jump over the mask into a jump", v(&[0xeb, 0x01, 0xb8, 0, 0, 0, 0]), R::Middle),
        ("loop with RCX", v(&[0xe2, 0x00]), R::Instruction),
        ("xmm8", v(&[0x44, 0x0f, 0x28, 0xc0]), R::Register),
        ("vgatherdps", v(&[0xc4, 0xe2, 0x61, 0x92, 0x14, 0x8b]), R::Instruction),
        ("no instruction", v(&[0x06]), R::Undecodable),
    ]
}

#[test]
fn the_rules_are_those_of_the_scheme() {
    static OTHER: Scheme = Scheme {
        memory: Register::FS,
        context: Register::R14,
        cache: Register::R15,
        scratch: [8, 9, 10, 12],
        guest: [0, 1, 2, 3, 5, 6, 7, 11],
        ..*Scheme::IA32
    };
    let verdict = |scheme, code: &[u8]| {
        let stub = STUBS.exit_callout;
        let host = [code, &jump_to(code.len(), stub)].concat();
        let subject =
            Subject { host: &host, base: BASE, stubs: &STUBS, map: &[], exits: &[], locks: false };
        Verifier::of(scheme).check(&subject, &|_| false).map_err(|r| r.rule)
    };
    let either =
        |code: &[u8]| [verdict(Scheme::IA32, code), verdict(&OTHER, code)].map(|v| v.err());
    let store = |rex| [&[rex, 0xc7, 0x87][..], &field(eip()), &[0; 4]].concat();
    assert_eq!(either(&store(0x41)), [None, Some(Rule::Memory)], "mov [r15+eip], 0");
    assert_eq!(either(&[0x65, 0x8b, 0x03]), [None, Some(Rule::Memory)], "mov eax, gs:[rbx]");
    assert_eq!(either(&[0x64, 0x8b, 0x03]), [Some(Rule::Memory), None], "mov eax, fs:[rbx]");
    // lea r11, [rax+rcx]: a wide sum in what holds a guest register elsewhere.
    assert_eq!(either(&[0x4c, 0x8d, 0x1c, 0x08]), [None, Some(Rule::Wide)]);
}

#[test]
fn blocks_lock_the_guest_s_memory_and_only_where_they_may() {
    let verdict = |code: &[u8], locks| {
        let host = [code, &leave(code.len())].concat();
        bare_where(&host, &[0], locks).map_err(|r| r.rule)
    };
    let add = [0xf0, 0x65, 0x01, 0x03]; // lock add gs:[rbx], eax
    assert!(verdict(&add, true).is_ok());
    assert_eq!(verdict(&add, false), Err(Rule::Prefix), "nobody else is there");
    let exchange = [0x65, 0x87, 0x03]; // xchg gs:[rbx], eax
    assert!(verdict(&exchange, true).is_ok() && verdict(&exchange, false).is_ok());
    let flag = field(offset_of!(ExecContext, if_flag));
    let context = with(&[0xf0, 0x41, 0x01, 0x87], flag); // lock add [r15+if_flag], eax
    assert_eq!(verdict(&context, true), Err(Rule::Prefix), "the context is nobody else's");
    let load = [0xf0, 0x65, 0x8b, 0x03]; // lock mov eax, gs:[rbx]
    assert!(verdict(&load, true).is_err());
}

#[test]
fn every_escape_is_refused_by_its_rule() {
    for (what, code, rule) in [escapes_to_memory(), escapes_to_code()].concat() {
        match verdict(&code) {
            Ok(_) => panic!("{what} passed"),
            Err(r) if r.rule == Rule::Target && rule == Rule::Middle => {}
            Err(r) => assert_eq!(r.rule, rule, "{what}: {r}"),
        }
    }
}

#[test]
fn pointers_into_the_window_do_not_outlive_their_sequence() {
    let window = with(&[0x4d, 0x8b, 0x87], field(offset_of!(ExecContext, window_base)));
    let into = [window.as_slice(), &[0x4a, 0x8d, 0x3c, 0x07]].concat(); // lea rdi, [rdi+r8]
    let case = |tail: &[u8]| verdict(&[into.as_slice(), tail].concat());
    assert!(case(&[0xaa, 0x89, 0xff]).is_ok(), "stosb; mov edi, edi");
    assert_eq!(case(&[0xaa]).unwrap_err().rule, Rule::Boundary, "the mask is missing");
    assert_eq!(case(&[0xaa, 0xaa]).unwrap_err().rule, Rule::String, "one step too many");
    assert_eq!(case(&[0x65, 0x89, 0x07]).unwrap_err().rule, Rule::WideAddress, "base twice");
    let twice = [window.as_slice(), &[0x4a, 0x8d, 0x3c, 0x07, 0x4a, 0x8d, 0x3c, 0x07]].concat();
    assert_eq!(verdict(&twice).unwrap_err().rule, Rule::Wide, "the base added twice");
    let scaled = [window.as_slice(), &[0x4a, 0x8d, 0x3c, 0x47]].concat();
    assert_eq!(verdict(&scaled).unwrap_err().rule, Rule::Wide, "the base doubled");
}

#[test]
fn what_is_known_is_joined_where_paths_meet() {
    // r8 is narrow on one path only: je +3; mov r8d, eax; mov eax, gs:[r8]
    let one = [0x74, 0x03, 0x41, 0x89, 0xc0, 0x65, 0x41, 0x8b, 0x00];
    assert_eq!(verdict(&one).unwrap_err().rule, Rule::WideAddress);
    let both = [&[0x41, 0x89, 0xc8][..], &one].concat();
    assert!(verdict(&both).is_ok());
    // je over a PUSHFQ: the stack would differ.
    assert_eq!(verdict(&[0x74, 0x01, 0x9c, 0x9d]).unwrap_err().rule, Rule::Stack);
    // The table's entry added to the cache's base twice, or changed in between.
    let lookup = |middle: &[u8]| {
        let head = [0x41, 0x89, 0xc0, 0x47, 0x8b, 0x4c, 0x85, 0x00];
        [&head[..], middle, &[0x4f, 0x8d, 0x0c, 0x31, 0x41, 0xff, 0xe1]].concat()
    };
    assert!(bare(&lookup(&[]), &[0]).is_ok());
    let changed = bare(&lookup(&[0x41, 0x83, 0xc1, 0x01]), &[0]); // add r9d, 1
    assert_eq!(changed.unwrap_err().rule, Rule::Indirect);
}

#[test]
fn map_exits_and_ends_must_be_instructions() {
    let mut host = vec![0x01, 0xc8];
    host.extend(leave(2));
    assert!(bare(&host, &[0, 2]).is_ok());
    assert_eq!(bare(&host, &[0, 1]).unwrap_err().rule, Rule::Map);
    assert_eq!(bare(&host, &[0, 7]).unwrap_err().rule, Rule::Map, "beyond the end");
    assert_eq!(bare(&[0x01, 0xc8], &[0]).unwrap_err().rule, Rule::End);
    assert_eq!(bare(&[0xe9, 0], &[0]).unwrap_err().rule, Rule::Undecodable, "cut off");
    let exits = [crate::DirectExit { site: 0, patch_off: 3, target: Pc(0) }];
    let map = [MapEntry { host_off: 0, eip: Pc(0), esp: 0, x87: X87::Other, shadow: false }];
    let (map, exits, locks) = (&map, &exits, false);
    let subject = Subject { host: &host, base: BASE, stubs: &STUBS, map, exits, locks };
    assert!(Verifier::new().check(&subject, &|_| false).is_ok());
    let exits = [crate::DirectExit { site: 0, patch_off: 2, target: Pc(0) }];
    let subject = Subject { exits: &exits, ..subject };
    assert_eq!(Verifier::new().check(&subject, &|_| false).unwrap_err().rule, Rule::Map);
}

#[test]
fn no_listed_form_has_operands_of_64_bits_or_changes_control() {
    for code in Code::values() {
        if super::walk::is_plain(code) {
            let form = code.op_code();
            assert_ne!(form.operand_size(), 64, "{code:?}");
            assert!(!form.is_privileged() && !form.is_save_restore(), "{code:?}");
            assert!(!lists::WIDE.contains(&code) && !lists::STRINGS.contains(&code), "{code:?}");
        }
    }
}

#[test]
fn it_knows_which_blocks_use_the_fpu() {
    let integer = |code: &[u8]| verdict(code).unwrap().integer;
    assert!(integer(&[0x01, 0xc8]) && integer(&[0xe3, 0x00]));
    let fpu: [&[u8]; 5] = [
        &[0xd9, 0xe8],
        &[0x9b],
        &[0x0f, 0xfc, 0xc1],
        &[0x66, 0x0f, 0x6e, 0xc0],
        &[0x65, 0x67, 0x0f, 0xae, 0x5b, 0x08],
    ];
    for code in fpu {
        assert!(!integer(code), "{code:02x?}");
    }
    // The names of all x87 instructions, and of no other on the lists, begin with F.
    let listed = Code::values().filter(|c| super::walk::is_plain(*c));
    for code in listed.filter(|c| format!("{:?}", c.mnemonic()).starts_with('F')) {
        assert!(!super::walk::is_integer(code), "{code:?}");
    }
}

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        ((self.next() >> 32) % n as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 40) as u8
    }
}

/// Guest bytes that are instructions more often than chance has it.
fn guest(rng: &mut Rng) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..rng.below(8) + 1 {
        match rng.below(6) {
            0 => out.push(0x66),
            1 => out.push(0xf2 | (rng.byte() & 1)),
            2 => out.push([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65][rng.below(6)]),
            _ => {}
        }
        if rng.below(2) == 0 {
            out.push(0x0f);
        }
        for _ in 0..rng.below(7) + 2 {
            out.push(rng.byte());
        }
    }
    out
}

#[test]
fn counts_are_beyond_reach_unless_blocks_count() {
    let mut store = vec![0x4d, 0x89, 0x87];
    store.extend(field(offset_of!(crate::context::CountingBlock, entries)));
    let entry =
        crate::MapEntry { host_off: 0, eip: Pc(0), esp: 0, x87: crate::X87::Other, shadow: false };
    // A store, and a jump out.
    let stub = STUBS.exit_miss.wrapping_sub(BASE + 12) as u32;
    store.push(0xe9);
    store.extend(stub.to_le_bytes());
    let subject = Subject {
        host: &store,
        base: BASE,
        stubs: &STUBS,
        map: &[entry],
        exits: &[],
        locks: false,
    };
    assert!(Verifier::counting().check(&subject, &|_| false).is_ok());
    assert_eq!(Verifier::new().check(&subject, &|_| false).unwrap_err().rule, Rule::Context);
}

/// Translators with random options: to make one takes far longer than a block.
fn translators(rng: &mut Rng) -> Vec<Translator> {
    (0..128).map(|_| Translator::new(options(rng), Features::all())).collect()
}

fn options(rng: &mut Rng) -> TranslatorOptions {
    let off = TranslatorOptions::from_bits_truncate(rng.next() as u32 & rng.next() as u32);
    let on = TranslatorOptions::from_bits_truncate(rng.next() as u32 & 0xffff_0000);
    let counters =
        TranslatorOptions::COUNT | TranslatorOptions::PROFILE | TranslatorOptions::BUDGET;
    if rng.below(2) == 0 {
        TranslatorOptions::default() | (on & counters)
    } else {
        (TranslatorOptions::default() - off) | (on & counters)
    }
}

/// A random block of one of the `translators`, in a random mode.
fn block(rng: &mut Rng, translators: &mut [Translator]) -> Translation {
    let bytes = guest(rng);
    let mode = Mode::from_bits_truncate(rng.next() & rng.next());
    let mode = if rng.below(2) == 0 { mode - Mode::FPU_OFF - Mode::SSE_OFF } else { mode };
    let eip = 0x40_0000 | rng.next() as u32 & 0xfff;
    let page_left = (0x1000 - (eip & 0xfff)).min(bytes.len() as u32);
    const REGISTERS: [u8; 7] = [0, 1, 2, 3, 5, 6, 7];
    let register = REGISTERS[rng.below(7)];
    let thunk = PcThunk { register, offset: rng.next() as u32 & 0x3fff_fff0 };
    let source = Source {
        eip: Pc::from(eip),
        linear: Lin::from(eip),
        bytes: &bytes,
        page_left,
        max_instrs: 16,
        goes_on: GoesOn(Some(&|taken: Pc, _| taken.get() & 1 == 0)),
        thunks: KnownThunks(Some(&|eip: Pc| (eip.get() & 1 == 0).then_some(thunk))),
    };
    let target = Placement { base: BASE, stubs: STUBS };
    let n = rng.below(translators.len());
    translators[n].translate(&source, mode, &target, 0)
}

fn check(verifier: &mut Verifier, t: &Translation, host: &[u8]) -> Result<Verified, Refusal> {
    let (map, exits) = (&t.map, &t.exits);
    let subject = Subject { host, base: BASE, stubs: &STUBS, map, exits, locks: true };
    verifier.check(&subject, &|_| false)
}

#[test]
fn the_translators_own_blocks_pass() {
    let mut rng = Rng(0x5eed_0001);
    let mut translators = translators(&mut rng);
    let mut verifier = Verifier::counting();
    let (mut blocks, mut instructions) = (0, 0);
    for _ in 0..60_000 {
        let t = block(&mut rng, &mut translators);
        blocks += u32::from(t.instrs > 0);
        match check(&mut verifier, &t, &t.host) {
            Ok(v) => instructions += u64::from(v.instructions),
            Err(r) => panic!("{r}\n{}", listing(&t.host, BASE)),
        }
    }
    println!("seed 5eed0001: {blocks} blocks with host instructions, {instructions} in all");
    assert!(blocks > 20_000);
}

/// What resource control says about one instruction, stated anew and in the crudest way, without the
/// verifier's lists: for judging what it let through.
fn harmless(i: &Instruction) -> bool {
    let form = i.code().op_code();
    let memory_ok = (0..i.op_count()).all(|k| match i.op_kind(k) {
        iced_x86::OpKind::Memory => {
            let lea = matches!(i.code(), Code::Lea_r16_m | Code::Lea_r32_m | Code::Lea_r64_m);
            let base = i.memory_base();
            lea || i.segment_prefix() == Register::GS
                || (matches!(base, Register::R13 | Register::R15)
                    && i.segment_prefix() == Register::None)
        }
        _ => true,
    });
    let control = !i.is_call_near() && !i.is_call_far() && form.is_available_in_mode(64);
    let stray = matches!(
        i.flow_control(),
        iced_x86::FlowControl::Interrupt | iced_x86::FlowControl::Return
    );
    let system = form.is_privileged()
        || form.is_input_output()
        || matches!(
            i.code(),
            Code::Syscall | Code::Sysenter | Code::Wrgsbase_r32 | Code::Wrgsbase_r64 | Code::Hlt
        );
    let loads_segment = i.op_count() > 0
        && i.op0_kind() == iced_x86::OpKind::Register
        && i.op0_register().is_segment_register();
    memory_ok && control && !stray && !system && !loads_segment
}

#[test]
fn mutated_blocks_that_pass_reach_nothing() {
    let mut rng = Rng(0x5eed_0002);
    let mut translators = translators(&mut rng);
    let mut verifier = Verifier::counting();
    let (mut refused, mut passed) = (0u64, 0u64);
    for _ in 0..12_000 {
        let t = block(&mut rng, &mut translators);
        for _ in 0..8 {
            let mut host = t.host.clone();
            for _ in 0..rng.below(2) + 1 {
                let at = rng.below(host.len());
                host[at] =
                    if rng.below(2) == 0 { rng.byte() } else { host[at] ^ 1 << rng.below(8) };
            }
            if check(&mut verifier, &t, &host).is_err() {
                refused += 1;
                continue;
            }
            passed += 1;
            for i in Decoder::with_ip(64, &host, BASE, DecoderOptions::NONE) {
                assert!(harmless(&i), "{i:?} passed in\n{}", listing(&host, BASE));
            }
        }
    }
    println!("seed 5eed0002: {refused} mutations refused, {passed} passed and were harmless");
    assert!(refused > passed, "{refused} refused, {passed} passed");
}
