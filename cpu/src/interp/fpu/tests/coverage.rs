//! Every instruction of these families that the decoder can yield has a handler and a host operation.

use super::super::{avx, control, host::HostUnit, host_op, lookup, memory, ours};
use crate::testing::FlatBus;
use iced_x86::{
    Code, CpuidFeature as F, Instruction, Mnemonic, OpCodeOperandKind as K, OpKind, Register,
};

/// Codes whose features are all of these families.
fn family() -> impl Iterator<Item = Code> {
    Code::values().filter(|code| {
        let info = code.op_code();
        let features = code.cpuid_features();
        !info.fwait()
            && !features.is_empty()
            && features.iter().all(|f| ours(*f))
            && !matches!(features, [F::CMOV] | [F::X64])
            // It came with SSE4.2, and is an integer instruction.
            && code.mnemonic() != Mnemonic::Crc32
    })
}

#[test]
fn every_code_of_the_families_has_a_handler() {
    let missing: Vec<Code> = family().filter(|c| lookup::<FlatBus>(*c).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(family().count() > 430, "{}", family().count());
}

#[test]
fn later_extensions_have_none() {
    for code in [Code::Extrq_xmm_xmm, Code::EVEX_Vaddps_xmm_k1z_xmm_xmmm128b32] {
        assert!(lookup::<FlatBus>(code).is_none(), "{code:?}");
    }
}

/// `code` with some operand of each kind; none for kinds that handlers do by hand.
fn sample(code: Code, memory: bool) -> Option<Instruction> {
    let mut i = Instruction::default();
    i.set_code(code);
    for (n, kind) in (0u32..).zip(code.op_code().op_kinds()) {
        let register = match kind {
            K::mm_reg | K::mm_rm => Register::MM3,
            K::ymm_reg | K::ymm_rm | K::ymm_vvvv | K::ymm_is4 => Register::YMM3,
            K::ymm_or_mem if !memory => Register::YMM3,
            K::xmm_vvvv | K::xmm_is4 => Register::XMM3,
            K::xmm_reg | K::xmm_rm => Register::XMM3,
            K::mm_or_mem if !memory => Register::MM3,
            K::xmm_or_mem if !memory => Register::XMM3,
            K::r32_or_mem if !memory => Register::EBX,
            K::r32_or_mem_mpx if !memory => Register::EBX,
            K::r32_reg | K::r32_rm => Register::EBX,
            K::r64_or_mem if !memory => Register::RBX,
            K::r64_or_mem_mpx if !memory => Register::RBX,
            K::r64_reg | K::r64_rm => Register::RBX,
            K::st0 => Register::ST0,
            K::sti_opcode => Register::ST3,
            K::ax => Register::AX,
            K::imm8 => {
                i.set_op_kind(n, OpKind::Immediate8);
                continue;
            }
            K::seg_rDI => return None,
            _ => {
                i.set_op_kind(n, OpKind::Memory);
                i.set_memory_base(Register::EBX);
                continue;
            }
        };
        i.set_op_kind(n, OpKind::Register);
        i.set_op_register(n, register);
    }
    Some(i)
}

#[test]
fn every_code_that_runs_on_the_host_can_be_assembled() {
    let by_hand = |code| {
        memory::lookup::<FlatBus>(code).is_some()
            || control::lookup::<FlatBus>(code).is_some()
            || avx::by_hand::<FlatBus>(code).is_some()
    };
    for code in family().filter(|code| !by_hand(*code)) {
        for i in [true, false].into_iter().filter_map(|memory| sample(code, memory)) {
            let (_, plan) = host_op::assemble(&i).unwrap_or_else(|| panic!("{code:?}"));
            let memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
            assert!(plan.len <= 32, "{code:?} {plan:?}");
            assert_eq!(plan.len, if memory { i.memory_size().size() } else { 0 }, "{code:?}");
            assert_eq!(memory, plan.reads != plan.writes, "{code:?} {plan:?}");
        }
    }
}

#[test]
fn a_full_arena_starts_over() {
    let mut host = HostUnit::new().unwrap();
    // All immediates of two shuffles between all registers: some 8 MiB of host operations.
    for code in [Code::Pshufd_xmm_xmmm128_imm8, Code::Shufps_xmm_xmmm128_imm8] {
        for k in 0..16384u32 {
            let mut i = Instruction::default();
            i.set_code(code);
            let register = |n: u32| Register::XMM0 + (n & 7);
            i.set_op0_register(register(k));
            i.set_op1_register(register(k >> 3));
            i.set_op2_kind(OpKind::Immediate8);
            i.set_immediate8((k >> 6) as u8);
            let plan = host.prepare(&i).expect("a shuffle can be assembled");
            assert!(plan.len == 0);
            if k % 1024 == 77 {
                host.frame().fx.0[160..288].fill(k as u8);
                host.run();
                assert!(host.frame().fx.0[160..288].iter().all(|b| *b == k as u8));
            }
        }
    }
}
