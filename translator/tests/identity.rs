//! Random instructions: what runs as itself is the same operation with renamed registers and a
//! re-based operand, checked by decoding the emitted bytes.

use iced_x86::{
    Code, Decoder, DecoderOptions, Instruction, InstructionInfoFactory, OpKind, Register,
};
use ringer_cpu::{Features, Lin, Pc};
use ringer_translator::X87;
use ringer_translator::classify::{Rewrite, Treatment, treatment};
use ringer_translator::context::TransferKind;
use ringer_translator::{
    GoesOn, KnownThunks, Mode, Placement, Source, StubAddresses, Translator, TranslatorOptions,
    listing,
};

/// A small generator of pseudo-random numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
}

/// Bytes of a store of a doubleword constant to the context.
const X87_NOTE: usize = 11;
const SEED: u64 = 0x5eed_0bad_cafe_0001;
const CASES: u32 = 400_000;
const BASE: u64 = 0x10_0000;

fn random_bytes(random: &mut Random) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut at = 0;
    let mut put = |byte: u8| {
        bytes[at] = byte;
        at += 1;
    };
    for prefix in [0x66, 0xf2, 0xf3, 0xf0, 0x3e, 0x36, 0x26] {
        if random.one_in(10) {
            put(prefix);
        }
    }
    if random.one_in(2) {
        put(0x0f);
    }
    while at < 16 {
        bytes[at] = random.next() as u8;
        at += 1;
    }
    bytes
}

fn renamed(reg: Register) -> Register {
    match reg {
        Register::ESP => Register::R12D,
        Register::SP => Register::R12W,
        other => other,
    }
}

/// The same operation? Codes may differ in form, so what they do is compared: mnemonic, operands,
/// flags read and written.
fn assert_same(guest: &Instruction, host: &Instruction, short: bool) {
    assert_eq!(guest.mnemonic(), host.mnemonic());
    assert_eq!(guest.op_count(), host.op_count());
    assert_eq!(guest.rflags_read(), host.rflags_read());
    assert_eq!(guest.rflags_modified(), host.rflags_modified());
    assert!(!host.has_lock_prefix());
    let access = guest.code().mnemonic() != iced_x86::Mnemonic::Lea;
    for k in 0..guest.op_count() {
        assert_eq!(guest.op_kind(k), host.op_kind(k), "operand {k}");
        match guest.op_kind(k) {
            OpKind::Register => assert_eq!(renamed(guest.op_register(k)), host.op_register(k)),
            OpKind::Memory => assert_same_memory(guest, host, access, short),
            _ => assert_eq!(guest.immediate(k), host.immediate(k)),
        }
    }
    let has_memory = guest.op_kinds().any(|kind| kind == OpKind::Memory);
    if access && has_memory {
        assert_eq!(guest.memory_size(), host.memory_size());
    }
}

fn assert_same_memory(guest: &Instruction, host: &Instruction, access: bool, short: bool) {
    let alone = guest.memory_index() == Register::None && guest.memory_displacement32() == 0;
    let same = |g: Register, h: Register| {
        let wide_ok = !access || (short && alone);
        h == renamed(g) || (wide_ok && g != Register::None && h == renamed(g).full_register())
    };
    let mut bases = (guest.memory_base(), guest.memory_index());
    if !access && bases.0 == Register::None && guest.memory_index_scale() == 1 {
        bases = (bases.1, bases.0);
    }
    assert!(same(bases.0, host.memory_base()), "base");
    assert!(same(bases.1, host.memory_index()), "index");
    if host.memory_index() != Register::None {
        assert_eq!(guest.memory_index_scale(), host.memory_index_scale());
    }
    assert_eq!(guest.memory_displacement32(), host.memory_displacement64() as u32);
    assert_eq!(host.segment_prefix(), if access { Register::GS } else { Register::None });
    if access && host.memory_base().size() == 8 {
        assert!(alone);
    }
    if access && host.memory_base() == Register::None && host.memory_index() == Register::None {
        assert_eq!(host.memory_displacement64(), u64::from(guest.memory_displacement32()));
    }
}

/// The host instruction touches the same registers, implicit ones included.
fn assert_same_registers(
    factory: &mut InstructionInfoFactory,
    guest: &Instruction,
    host: &Instruction,
) {
    let mut list = |i: &Instruction| {
        let mut used: Vec<Register> = factory
            .info(i)
            .used_registers()
            .iter()
            .map(|u| renamed(u.register()))
            .filter(|reg| !reg.is_segment_register())
            .map(Register::full_register)
            .collect();
        used.sort();
        used.dedup();
        used
    };
    let (guest, host) = (list(guest), list(host));
    let full = |reg: &Register| if *reg == Register::RSP { Register::R12 } else { *reg };
    assert_eq!(guest.iter().map(full).collect::<Vec<_>>(), host);
}

fn is_single(code: Code) -> bool {
    matches!(
        treatment(code),
        Treatment::Innocuous | Treatment::Rewritten(Rewrite::Lea | Rewrite::OtherForm)
    )
}

#[test]
fn emitted_instructions_do_what_the_guest_s_do() {
    let stub = 0x1000;
    let stubs = StubAddresses {
        exit_link: stub,
        exit_miss: stub,
        exit_callout: stub,
        exit_check: stub,
        exit_budget: stub,
        transfer: [[stub; 2]; TransferKind::COUNT],
    };
    let mut random = Random(SEED);
    let mut factory = InstructionInfoFactory::new();
    // F3 before BSF and BSR means something to later processors.
    let older = Features::all() - (Features::BMI1 | Features::LZCNT);
    let mut translators = [
        (TranslatorOptions::default(), Features::all(), DecoderOptions::NONE),
        (
            TranslatorOptions::IDENTITY,
            older,
            DecoderOptions::NO_MPFX_0FBC | DecoderOptions::NO_MPFX_0FBD,
        ),
    ]
    .map(|(opts, features, decoder)| (opts, Translator::new(opts, features), decoder));
    let mut checked = 0;
    for case in 0..CASES {
        let bytes = random_bytes(&mut random);
        let (opts, translator, options) = &mut translators[(case & 1) as usize];
        let src = Source {
            eip: Pc(0x1000),
            linear: Lin(0x1000),
            bytes: &bytes,
            page_left: 16,
            max_instrs: 1,
            goes_on: GoesOn::NEVER,
            thunks: KnownThunks::NONE,
        };
        let target = Placement { base: BASE, stubs };
        let t = translator.translate(&src, Mode::CPL0, &target, 0);
        let guest = Decoder::with_ip(32, &bytes, 0x1000, *options).decode();
        let address_16 = guest.memory_base().is_gpr16()
            || guest.memory_index().is_gpr16()
            || guest.memory_displ_size() == 2;
        // No encoding has AH to BH beside r12, which is guest ESP: three more instructions.
        let high = [Register::AH, Register::CH, Register::DH, Register::BH];
        let beside_high = guest.memory_base() == Register::ESP
            && (0..guest.op_count()).any(|k| high.contains(&guest.op_register(k)));
        // CS can be read up to its limit only, which is a sequence.
        let checked_cs = guest.memory_segment() == Register::CS;
        if t.instrs == 0 || !is_single(guest.code()) || address_16 || beside_high || checked_cs {
            continue;
        }
        let host = Decoder::with_ip(64, &t.host, BASE, DecoderOptions::NONE).decode();
        let short = opts.contains(TranslatorOptions::SHORT_ADDRESS);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            assert_same(&guest, &host, short);
            assert_same_registers(&mut factory, &guest, &host);
            // The first x87 instruction of a block is followed by the note of FIP.
            let note = if t.map[0].x87 == X87::Other { 0 } else { X87_NOTE };
            assert_eq!(t.map[1].host_off as usize, host.len() + note, "one host instruction");
        }));
        assert!(
            outcome.is_ok(),
            "seed {SEED:#x} case {case}: {guest} ({:?}) became\n{}",
            guest.code(),
            listing(&t.host, BASE)
        );
        checked += 1;
    }
    assert!(checked > CASES / 8, "only {checked} cases were innocuous");
}
