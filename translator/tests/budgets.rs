//! Instruction budgets: what each guest instruction, and each common sequence, costs in host
//! instructions and bytes. No clock, so the file holds on any machine.
//!
//! `tests/budgets.tsv` has a line for each case: its name, the guest's bytes, host instructions and
//! host bytes of the straight path, and `callout` where the interpreter runs it. The test fails when
//! a figure differs; `RINGER_BLESS=1 cargo test -p ringer-translator --test budgets` writes the file
//! anew. Read the difference before committing it: a line that grew needs a reason.

use iced_x86::{
    Code, Decoder, DecoderOptions, Encoder, Instruction, MemoryOperand, OpCodeOperandKind as K,
    Register,
};
use ringer_cpu::interp::{offers, run_as};
use ringer_cpu::{Features, Lin, Pc};
use ringer_translator::classify::{Treatment, treatment};
use ringer_translator::{
    GoesOn, KnownThunks, Mode, Outline, Placement, Source, StubAddresses, Terminator, Translation,
    TranslatorOptions, translate,
};
use std::fmt::Write;

const EIP: u32 = 0x40_1000;
const BASE: u64 = 0x10_0000;
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/budgets.tsv");
const HEAD: &str = "# case\tguest bytes\thost instructions\thost bytes\n";

/// Features that are of user-level instructions: what of them the host lacks is not emitted.
const INSTRUCTIONS: Features = Features::POPCNT
    .union(Features::MOVBE)
    .union(Features::BMI1)
    .union(Features::BMI2)
    .union(Features::LZCNT)
    .union(Features::ADX)
    .union(Features::SSE3)
    .union(Features::SSSE3)
    .union(Features::SSE4_1)
    .union(Features::SSE4_2)
    .union(Features::AES)
    .union(Features::PCLMULQDQ)
    .union(Features::SHA)
    .union(Features::AVX)
    .union(Features::AVX2)
    .union(Features::F16C)
    .union(Features::FMA);

/// Sequences that compilers and kernels emit, by name.
#[rustfmt::skip]
const SEQUENCES: &[(&str, &str)] = &[
    ("function entry", "55 89e5 53 83ec14"),
    ("function entry, three registers", "55 57 56 53 83ec2c"),
    ("function exit", "8b5dfc c9 c3"),
    ("function exit, three registers", "83c42c 5b 5e 5f 5d c3"),
    ("call with two arguments", "ff7508 ff750c e8f0010000"),
    ("call with two moved arguments", "89442404 891c24 e8f0010000"),
    ("indirect call through a table", "ff149520304000"),
    ("virtual call", "8b03 891c24 ff500c"),
    ("get the instruction pointer", "e800000000 5b"),
    ("compare and branch", "3b4508 7c10"),
    ("test and branch", "85c0 7410"),
    ("loop end", "83c001 3945f0 75f0"),
    ("switch", "83f807 7710 ff248520304000"),
    ("set from a comparison", "31c0 39d1 0f9cc0"),
    ("64-bit add", "0345f0 1355f4"),
    ("64-bit shift", "0fa4c203 c1e003"),
    ("copy 32 bytes", "b908000000 f3a5"),
    ("fill", "31c0 b940000000 f3ab"),
    ("string length", "31c0 b9ffffffff f2ae f7d1"),
    ("local variable", "8b45f8 0345f4 8945f0"),
    ("segment with a base", "64895c4708"),
    ("thread variable", "65a114000000"),
    ("thread variable plus offset", "658b15f8ffffff 8b02"),
    ("x87 multiply and add", "dd4508 dc4d10 dc45f0 dd5de8"),
    ("SSE2 multiply and add", "f20f104508 f20f594d10 f20f58c1 f20f1145e8"),
    ("spin lock", "f0ff4f04 7905"),
    ("interrupts off and on", "9c 58 fa 50 9d"),
    ("save everything", "60 1e 06 0fa0"),
];

fn operand(kind: K, memory: Option<&MemoryOperand>, n: u32, i: &mut Instruction) -> Option<()> {
    const R32: [Register; 3] = [Register::EDX, Register::EBX, Register::ESI];
    const R16: [Register; 3] = [Register::DX, Register::BX, Register::SI];
    const R8: [Register; 3] = [Register::DL, Register::BL, Register::CL];
    const MM: [Register; 3] = [Register::MM1, Register::MM2, Register::MM3];
    const XMM: [Register; 3] = [Register::XMM1, Register::XMM2, Register::XMM3];
    const YMM: [Register; 3] = [Register::YMM1, Register::YMM2, Register::YMM3];
    let k = n as usize % 3;
    let (register, either) = match kind {
        K::r8_or_mem => (R8[k], true),
        K::r16_or_mem => (R16[k], true),
        K::r32_or_mem => (R32[k], true),
        K::mm_or_mem => (MM[k], true),
        K::xmm_or_mem => (XMM[k], true),
        K::ymm_or_mem => (YMM[k], true),
        K::r8_reg | K::r8_opcode => (R8[k], false),
        K::r16_reg | K::r16_rm | K::r16_opcode => (R16[k], false),
        K::r32_reg | K::r32_rm | K::r32_opcode | K::r32_vvvv => (R32[k], false),
        K::seg_reg => (Register::DS, false),
        K::mm_reg | K::mm_rm => (MM[k], false),
        K::xmm_reg | K::xmm_rm | K::xmm_vvvv | K::xmm_is4 => (XMM[k], false),
        K::ymm_reg | K::ymm_rm | K::ymm_vvvv | K::ymm_is4 => (YMM[k], false),
        K::sti_opcode => (Register::ST2, false),
        K::st0 => (Register::ST0, false),
        K::al => (Register::AL, false),
        K::cl => (Register::CL, false),
        K::ax => (Register::AX, false),
        K::dx => (Register::DX, false),
        K::eax => (Register::EAX, false),
        K::es => (Register::ES, false),
        K::cs => (Register::CS, false),
        K::ss => (Register::SS, false),
        K::ds => (Register::DS, false),
        K::fs => (Register::FS, false),
        K::gs => (Register::GS, false),
        K::mem => (Register::None, true),
        _ => return immediate(kind, n, i),
    };
    match memory {
        Some(m) if either => {
            i.set_op_kind(n, iced_x86::OpKind::Memory);
            i.set_memory_base(m.base);
            i.set_memory_index(m.index);
            i.set_memory_index_scale(m.scale);
            i.set_memory_displacement64(m.displacement as u64);
            i.set_memory_displ_size(m.displ_size);
            i.set_segment_prefix(m.segment_prefix);
            Some(())
        }
        _ if register == Register::None => None,
        _ => {
            i.set_op_kind(n, iced_x86::OpKind::Register);
            i.set_op_register(n, register);
            Some(())
        }
    }
}

fn immediate(kind: K, n: u32, i: &mut Instruction) -> Option<()> {
    use iced_x86::OpKind as O;
    let op = match kind {
        K::imm8 | K::imm8_const_1 => O::Immediate8,
        K::imm8sex16 => O::Immediate8to16,
        K::imm8sex32 => O::Immediate8to32,
        K::imm16 => O::Immediate16,
        K::imm32 => O::Immediate32,
        _ => return None,
    };
    i.set_op_kind(n, op);
    i.set_immediate_i32(n, 1);
    Some(())
}

/// `code` with registers, or with `memory` where it can have a memory operand.
fn form(code: Code, memory: Option<&MemoryOperand>) -> Option<Vec<u8>> {
    let op = code.op_code();
    let mut i = Instruction::default();
    i.set_code(code);
    for n in 0..op.op_count() {
        operand(op.op_kind(n), memory, n, &mut i)?;
    }
    let has_memory = (0..op.op_count()).any(|n| i.op_kind(n) == iced_x86::OpKind::Memory);
    if memory.is_some() != has_memory {
        return None;
    }
    let mut encoder = Encoder::new(32);
    encoder.encode(&i, u64::from(EIP)).ok()?;
    Some(encoder.take_buffer())
}

/// Every instruction of the table that is not a callout: with registers, and with a memory operand. Those that the host lacks
/// are callouts here, and not compared.
fn table_cases() -> Vec<(String, Vec<u8>)> {
    let none = Register::None;
    let array = MemoryOperand::new(Register::EDI, Register::EAX, 4, 0x1_2345, 4, false, none);
    let mut cases = Vec::new();
    for code in Code::values().filter(|code| treatment(*code) != Treatment::Callout) {
        for (name, memory) in [("", None), (" [edi+eax*4+N]", Some(&array))] {
            if let Some(bytes) = form(code, memory) {
                cases.push((format!("{code:?}{name}"), bytes));
            }
        }
    }
    cases
}

fn sequence_cases() -> Vec<(String, Vec<u8>)> {
    let bytes = |text: &str| {
        let digits: String = text.split_whitespace().collect();
        let byte = |k: usize| u8::from_str_radix(&digits[k..k + 2], 16).expect("hexadecimal");
        (0..digits.len()).step_by(2).map(byte).collect()
    };
    SEQUENCES.iter().map(|(name, text)| ((*name).to_owned(), bytes(text))).collect()
}

fn translated(guest: &[u8]) -> (Translation, Outline) {
    let stubs = StubAddresses {
        exit_link: 0x1000,
        exit_miss: 0x1010,
        exit_callout: 0x1020,
        exit_check: 0x1030,
        exit_budget: 0x1040,
        transfer: [
            [0x1050, 0x1060],
            [0x1070, 0x1080],
            [0x1090, 0x10a0],
            [0x10b0, 0x10c0],
            [0x10d0, 0x10e0],
            [0x10f0, 0x1100],
            [0x1110, 0x1120],
        ],
    };
    let src = Source {
        eip: Pc::from(EIP),
        linear: Lin::from(EIP),
        bytes: guest,
        page_left: guest.len() as u32,
        max_instrs: 64,
        goes_on: GoesOn::NEVER,
        thunks: KnownThunks::NONE,
    };
    let mode = Mode::CPL0 | Mode::IOPL_OK | Mode::FS_BASED | Mode::GS_BASED | Mode::AVX;
    let target = Placement { base: BASE, stubs };
    translate(&src, mode, TranslatorOptions::default(), Features::all(), &target, 0)
}

/// Host instructions and bytes of the path that falls through, or of the whole block where it ends
/// in a branch (its cold exits are part of the cost in memory).
fn cost((t, outline): &(Translation, Outline)) -> Option<(usize, usize)> {
    let len = match outline.terminator {
        Terminator::Callout { .. } => return None,
        Terminator::FallThrough { .. } => t.map.last()?.host_off as usize,
        _ => t.host.len(),
    };
    let code = &t.host[..len];
    Some((Decoder::with_ip(64, code, BASE, DecoderOptions::NONE).into_iter().count(), len))
}

fn line(name: &str, guest: &[u8]) -> String {
    let hex: String = guest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    match cost(&translated(guest)) {
        Some((instructions, bytes)) => format!("{name}\t{hex}\t{instructions}\t{bytes}\n"),
        None => format!("{name}\t{hex}\tcallout\t\n"),
    }
}

#[test]
fn no_instruction_costs_more_than_its_budget() {
    let mut cases = sequence_cases();
    cases.extend(table_cases());
    assert!(cases.len() > 300, "only {} cases", cases.len());
    let lines: Vec<String> = cases.iter().map(|(name, guest)| line(name, guest)).collect();
    let found = HEAD.to_owned() + &lines.concat();
    if std::env::var_os("RINGER_BLESS").is_some() {
        std::fs::write(FILE, found).expect("budgets.tsv is written");
        return;
    }
    let lacking = |code: &Code| {
        let later = Features::of_host().complement() & INSTRUCTIONS;
        !offers(*code, later.complement()) || run_as(*code, later.complement()) != *code
    };
    let lacking: Vec<String> = Code::values().filter(lacking).map(|c| format!("{c:?}")).collect();
    let known = |line: &&str| {
        let name = line.split(['\t', ' ']).next().unwrap_or_default();
        !lacking.iter().any(|code| code == name)
    };
    let expected = std::fs::read_to_string(FILE).expect("budgets.tsv is there");
    let expected: Vec<&str> = expected.lines().filter(known).collect();
    let found: Vec<&str> = found.lines().filter(known).collect();
    let mut wrong = String::new();
    for (was, is) in expected.iter().zip(&found).filter(|(was, is)| was != is) {
        let _ = writeln!(wrong, "budget: {was}\nfound:  {is}");
    }
    let (was, is) = (expected.len(), found.len());
    assert!(
        wrong.is_empty() && was == is,
        "{was} lines, found {is}; RINGER_BLESS=1 accepts:\n{wrong}"
    );
}
