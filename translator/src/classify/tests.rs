//! The table is complete, and denies what it must.

use super::*;
use iced_x86::{
    Encoder, FlowControl, Instruction, MemoryOperand, OpCodeOperandKind, OpKind, Register,
};

/// Every code that 32-bit code can contain.
fn codes() -> impl Iterator<Item = Code> {
    Code::values().filter(|code| code.op_code().mode32())
}

fn is_inline(code: Code) -> bool {
    treatment(code) != Treatment::Callout
}

#[test]
fn only_known_encodings_of_modelled_features_are_inline() {
    for code in codes().filter(|code| is_inline(*code)) {
        let encoding = code.op_code().encoding();
        assert!(matches!(encoding, EncodingKind::Legacy | EncodingKind::VEX), "{code:?}");
        assert!(offers(code, Features::all()), "{code:?} is of a later processor");
    }
}

#[test]
fn the_table_denies_by_default() {
    let counted = codes().filter(|code| is_inline(*code)).count();
    assert!((800..2200).contains(&counted), "{counted} codes are inline");
    let later = [EncodingKind::EVEX, EncodingKind::XOP, EncodingKind::MVEX, EncodingKind::D3NOW];
    for code in codes().filter(|code| later.contains(&code.op_code().encoding())) {
        assert_eq!(treatment(code), Treatment::Callout, "{code:?}");
    }
}

#[test]
fn privileged_and_far_codes_are_callouts() {
    // CLI and STI are in the decoder's list of privileged instructions; their inline forms check
    // IOPL by the mode. The 16-bit far forms are inline in real and V86 mode only.
    let checked = [
        Code::Cli,
        Code::Sti,
        Code::Jmp_ptr1616,
        Code::Jmp_m1616,
        Code::Call_ptr1616,
        Code::Call_m1616,
        // To interrupt controllers' masks, at CPL 0.
        Code::Out_imm8_AL,
        // It leaves for a stub, which knows at which CPL it was done.
        Code::Sysexitd,
        // They do, too, or are nothing, at CPL 0 alone.
        Code::Clac,
        Code::Stac,
    ];
    for code in codes().filter(|code| !checked.contains(code)) {
        let op = code.op_code();
        if op.is_privileged() || op.is_input_output() || op.is_far_or_interrupt() {
            assert_eq!(treatment(code), Treatment::Callout, "{code:?}");
        }
    }
}

trait OpCodeExt {
    fn is_far_or_interrupt(&self) -> bool;
}

impl OpCodeExt for iced_x86::OpCodeInfo {
    fn is_far_or_interrupt(&self) -> bool {
        let flow = self.code().flow_control();
        let far = self.code().is_jmp_far()
            || self.code().is_jmp_far_indirect()
            || self.code().is_call_far()
            || self.code().is_call_far_indirect();
        far || matches!(
            flow,
            FlowControl::Interrupt | FlowControl::Exception | FlowControl::XbeginXabortXend
        )
    }
}

/// Instructions whose effect depends on, shows, or changes more than registers and operands.
#[rustfmt::skip]
const SENSITIVE: &[Mnemonic] = &[
    // Robin and Irvine's: they run at any privilege level and would show or change the host's.
    M::Sgdt, M::Sidt, M::Sldt, M::Smsw, M::Str, M::Pushf, M::Pushfd, M::Popf, M::Popfd, M::Lar,
    M::Lsl, M::Verr, M::Verw, M::Int, M::Int3, M::Into, M::Int1, M::Iret, M::Iretd, M::Retf,
    M::Lds, M::Les, M::Lfs, M::Lgs, M::Lss, M::Arpl,
    // I/O, system registers, identification, time.
    M::In, M::Out, M::Insb, M::Insw, M::Insd, M::Outsb, M::Outsw, M::Outsd, M::Cli, M::Sti,
    M::Cpuid, M::Rdtsc, M::Rdtscp, M::Rdrand, M::Rdpmc, M::Rdmsr, M::Wrmsr, M::Lgdt, M::Lidt, M::Lldt,
    M::Ltr, M::Lmsw, M::Clts, M::Hlt, M::Invd, M::Wbinvd, M::Invlpg, M::Sysenter, M::Sysexit,
    M::Syscall, M::Sysret, M::Rsm, M::Ud0, M::Ud1, M::Ud2, M::Monitor, M::Mwait, M::Xgetbv,
    M::Xsetbv, M::Bound,
    // Implicit operands on the stack, in ES:EDI or DS:EDI.
    M::Push, M::Pop, M::Pusha, M::Pushad, M::Popa, M::Popad, M::Enter, M::Leave, M::Call, M::Ret,
    M::Movsb, M::Movsw, M::Cmpsb, M::Cmpsw, M::Stosb, M::Stosw, M::Stosd, M::Scasb, M::Scasw,
    M::Scasd, M::Lodsb, M::Lodsw, M::Lodsd, M::Maskmovq, M::Maskmovdqu,
    // Absent from 64-bit mode.
    M::Aaa, M::Aad, M::Aam, M::Aas, M::Daa, M::Das, M::Salc,
    // Host pointers in memory, or whole register files.
    M::Fstenv, M::Fnstenv, M::Fsave, M::Fnsave, M::Fldenv, M::Frstor, M::Fxsave, M::Fxrstor,
    M::Xsave, M::Xrstor,
];

#[test]
fn sensitive_instructions_are_never_innocuous() {
    for code in codes().filter(|code| SENSITIVE.contains(&code.mnemonic())) {
        assert_ne!(treatment(code), Treatment::Innocuous, "{code:?}");
    }
    let strings = [Code::Movsd_m32_m32, Code::Cmpsd_m32_m32];
    assert!(strings.iter().all(|code| treatment(*code) == Treatment::Rewritten(Rewrite::String)));
}

#[test]
fn no_innocuous_form_touches_system_registers_or_branches() {
    use OpCodeOperandKind as K;
    let denied = [
        K::seg_reg,
        K::cr_reg,
        K::dr_reg,
        K::tr_reg,
        K::seg_rDI,
        K::es_rDI,
        K::es,
        K::cs,
        K::ss,
        K::ds,
        K::fs,
        K::gs,
        K::farbr2_2,
        K::farbr4_2,
        K::br16_1,
        K::br32_1,
        K::br16_2,
        K::br32_4,
        K::seg_rSI,
    ];
    for code in codes().filter(|code| treatment(*code) == Treatment::Innocuous) {
        let op = code.op_code();
        for k in 0..op.op_count() {
            assert!(!denied.contains(&op.op_kind(k)), "{code:?} operand {k}");
        }
        assert_eq!(code.flow_control(), FlowControl::Next, "{code:?}");
        assert!(!code.is_stack_instruction(), "{code:?}");
    }
}

/// An instruction of `code` with plain operands, registers where there is a choice.
fn sample(code: Code, memory: bool) -> Option<Instruction> {
    use OpCodeOperandKind as K;
    let op = code.op_code();
    let mut i = Instruction::default();
    i.set_code(code);
    for k in 0..op.op_count() {
        let register = match op.op_kind(k) {
            K::al => Register::AL,
            K::cl => Register::CL,
            K::ax => Register::AX,
            K::eax => Register::EAX,
            K::dx => Register::DX,
            K::st0 => Register::ST0,
            K::sti_opcode => Register::ST2,
            K::r8_reg | K::r8_opcode => Register::BL,
            K::r16_reg | K::r16_rm | K::r16_opcode => Register::BX,
            K::r32_reg | K::r32_rm | K::r32_opcode | K::r32_vvvv => Register::EBX,
            K::mm_reg | K::mm_rm => Register::MM3,
            K::xmm_reg | K::xmm_rm | K::xmm_vvvv | K::xmm_is4 => Register::XMM3,
            K::ymm_reg | K::ymm_rm | K::ymm_vvvv | K::ymm_is4 => Register::YMM3,
            K::r8_or_mem if !memory => Register::CL,
            K::r16_or_mem if !memory => Register::CX,
            K::r32_or_mem if !memory => Register::ECX,
            K::mm_or_mem if !memory => Register::MM4,
            K::xmm_or_mem if !memory => Register::XMM4,
            K::ymm_or_mem if !memory => Register::YMM4,
            _ => Register::None,
        };
        if register != Register::None {
            i.set_op_register(k, register);
            i.set_op_kind(k, OpKind::Register);
            continue;
        }
        match op.op_kind(k) {
            K::imm8 => i.set_op_kind(k, OpKind::Immediate8),
            K::imm8sex16 => i.set_op_kind(k, OpKind::Immediate8to16),
            K::imm8sex32 => i.set_op_kind(k, OpKind::Immediate8to32),
            K::imm16 => i.set_op_kind(k, OpKind::Immediate16),
            K::imm32 => i.set_op_kind(k, OpKind::Immediate32),
            K::imm8_const_1 => {
                i.set_op_kind(k, OpKind::Immediate8);
                i.set_immediate8(1);
            }
            K::mem
            | K::r8_or_mem
            | K::r16_or_mem
            | K::r32_or_mem
            | K::mm_or_mem
            | K::xmm_or_mem
            | K::ymm_or_mem => {
                i.set_op_kind(k, OpKind::Memory);
                let m = MemoryOperand::with_base_displ(Register::ESI, 8);
                i.set_memory_base(m.base);
                i.set_memory_displacement64(8);
                i.set_memory_displ_size(1);
            }
            _ => return None,
        }
    }
    Some(i)
}

/// The forms that have no plain sample: XLAT's operand is implicit, and moffs forms are rewritten.
const NO_SAMPLE: &[Code] = &[Code::Xlat_m8];

#[test]
fn every_innocuous_form_survives_encoding_for_64_bit_mode() {
    let mut tried = 0;
    for code in codes().filter(|code| treatment(*code) == Treatment::Innocuous) {
        if NO_SAMPLE.contains(&code) {
            continue;
        }
        let mut worked = false;
        for memory in [false, true] {
            let Some(i) = sample(code, memory) else { panic!("no sample for {code:?}") };
            let mut encoder = Encoder::new(64);
            let Ok(len) = encoder.encode(&i, 0) else { continue };
            let bytes = encoder.take_buffer();
            let mut decoder = iced_x86::Decoder::new(64, &bytes, 0);
            let back = decoder.decode();
            assert_eq!(back.code(), code, "comes back as {:?}", back.code());
            assert_eq!(back.len(), len, "{code:?}");
            assert_eq!(back.memory_size(), i.memory_size(), "{code:?}");
            worked = true;
            tried += 1;
        }
        assert!(worked, "{code:?} has no form in 64-bit mode");
    }
    assert!(tried > 800, "only {tried} forms tried");
}

#[test]
fn units_follow_the_register_files() {
    let cases = [
        (Code::Fld_m32fp, ExecutionUnit::Fpu),
        (Code::Wait, ExecutionUnit::Fpu),
        (Code::Fnstsw_AX, ExecutionUnit::Fpu),
        (Code::Fcmovb_st0_sti, ExecutionUnit::Fpu),
        (Code::Paddb_mm_mmm64, ExecutionUnit::Fpu),
        (Code::Emms, ExecutionUnit::Fpu),
        (Code::Paddb_xmm_xmmm128, ExecutionUnit::Sse),
        (Code::Cvtpi2ps_xmm_mmm64, ExecutionUnit::Sse),
        (Code::Movnti_m32_r32, ExecutionUnit::Integer),
        (Code::Prefetcht0_m8, ExecutionUnit::Integer),
        (Code::Lfence, ExecutionUnit::Integer),
        (Code::Add_rm32_r32, ExecutionUnit::Integer),
    ];
    for (code, expected) in cases {
        assert_eq!(unit(code), expected, "{code:?}");
    }
}

#[test]
fn a_switch_that_is_off_turns_its_rows_into_callouts() {
    let features = Features::all();
    let none = TreatmentTable::new(TranslatorOptions::empty(), features);
    for code in codes() {
        assert_eq!(none.get(code).0, Treatment::Callout, "{code:?}");
    }
    let all = TreatmentTable::new(TranslatorOptions::default(), features);
    let host = Features::of_host();
    for code in codes().filter(|code| offers(*code, host) && run_as(*code, host) == *code) {
        assert_eq!(all.get(code).0, treatment(code), "{code:?}");
    }
    let old = TreatmentTable::new(TranslatorOptions::default(), Features::FPU);
    assert_eq!(old.get(Code::Cmove_r32_rm32).0, Treatment::Callout);
    assert_eq!(old.get(Code::Movaps_xmm_xmmm128).0, Treatment::Callout);
    assert_eq!(old.get(Code::Bswap_r32).0, Treatment::Innocuous);
    assert_eq!(old.get(Code::VEX_Andn_r32_r32_rm32).0, Treatment::Callout);
    let scan = Treatment::Rewritten(Rewrite::OtherForm);
    assert_eq!(old.get(Code::Tzcnt_r32_rm32).0, scan, "BSF there");
}
