//! Assembling host operations: one guest instruction as a host function that works on a frame.
//!
//! The memory operand becomes `[rdi]` (the frame's operand buffer), the one general register that
//! these families can name becomes RAX or its low half, x87, MMX and XMM registers stay. Around it: save the host's
//! MXCSR, load the guest's image and whatever else the instruction reads; then the way back. The x87
//! unit is left as the ABI wants it, by FNINIT, which a pending exception does not disturb.

use super::frame::{FLAGS, FX, GPR, HOST_MXCSR, SECOND, YMM};
use iced_x86::{
    Code, Encoder, EncodingKind, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind,
    Register,
};

/// What the caller of a host operation has to know of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    /// Bytes of the memory operand; 0 without one.
    pub len: usize,
    /// The memory operand is read.
    pub reads: bool,
    /// The memory operand is written.
    pub writes: bool,
    /// The memory operand must lie on a boundary of its own length.
    pub aligned: bool,
    /// The memory operand is not checked for alignment, whatever its length.
    pub loose: bool,
    /// The general register, if operand 0 is one: it is written.
    pub gpr_out: bool,
    /// The general register, if another operand is one: it is read.
    pub gpr_in: bool,
    /// Reads or writes arithmetic flags.
    pub flags: bool,
    /// Reads the lengths of its strings in RAX and RDX.
    pub lengths: bool,
    /// Writes an index to RCX.
    pub index: bool,
    /// It has a VEX prefix: the upper halves of the YMM registers are part of it.
    pub vex: bool,
}

/// Tells instructions apart as far as their host operations differ: code, registers, immediate byte.
pub(super) fn key(i: &Instruction) -> u64 {
    let mut key = i.code() as u64;
    for n in 0..4 {
        let operand = if n >= i.op_count() {
            0
        } else {
            match i.op_kind(n) {
                OpKind::Register => u64::from(named(i.op_register(n)) as u16),
                OpKind::Immediate8 => u64::from(i.immediate8()),
                _ => 0x3ff,
            }
        };
        key = (key << 10) | (operand & 0x3ff);
    }
    key
}

/// The register that stands for `r` in a host operation.
fn named(r: Register) -> Register {
    match r {
        r if r.is_gpr32() => Register::EAX,
        r if r.is_gpr64() => Register::RAX,
        other => other,
    }
}

/// `i` with its operands renamed.
fn renamed(i: &Instruction) -> Instruction {
    let mut out = Instruction::default();
    out.set_code(i.code());
    for n in 0..i.op_count() {
        match i.op_kind(n) {
            OpKind::Register => {
                out.set_op_kind(n, OpKind::Register);
                out.set_op_register(n, named(i.op_register(n)));
            }
            OpKind::Memory => {
                out.set_op_kind(n, OpKind::Memory);
                out.set_memory_base(Register::RDI);
            }
            kind => {
                out.set_op_kind(n, kind);
                out.set_immediate8(i.immediate8());
            }
        }
    }
    out
}

fn plan(i: &Instruction) -> Plan {
    let mut plan = Plan::default();
    let mut factory = InstructionInfoFactory::new();
    let info = factory.info(i);
    if let Some(memory) = info.used_memory().first() {
        use OpAccess as A;
        plan.len = memory.memory_size().size();
        plan.reads = matches!(memory.access(), A::Read | A::CondRead | A::ReadWrite);
        plan.writes = matches!(memory.access(), A::Write | A::CondWrite | A::ReadWrite);
        plan.aligned = if i.code().op_code().encoding() == EncodingKind::VEX {
            must_be_aligned(i.mnemonic())
        } else {
            plan.len == 16 && !may_be_unaligned(i.mnemonic())
        };
    }
    let general = |k: u32| matches!(i.op_register(k), Register::EAX | Register::RAX);
    plan.gpr_out = i.op_count() > 0 && general(0);
    plan.gpr_in = (1..i.op_count()).any(general);
    plan.flags = (i.rflags_read() | i.rflags_modified()) != 0;
    use Mnemonic as M;
    let name = i.mnemonic();
    let to_index = matches!(name, M::Pcmpestri | M::Pcmpestri64 | M::Vpcmpestri | M::Vpcmpestri64);
    let to_mask = matches!(name, M::Pcmpestrm | M::Pcmpestrm64 | M::Vpcmpestrm | M::Vpcmpestrm64);
    plan.lengths = to_index || to_mask;
    plan.index = to_index || matches!(name, M::Pcmpistri | M::Vpcmpistri);
    plan.loose = matches!(name, M::Vcvtph2ps | M::Vcvtps2ph);
    plan.vex = i.code().op_code().encoding() == EncodingKind::VEX;
    plan
}

/// Instructions with operands of 16 bytes that may lie anywhere.
fn may_be_unaligned(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    let strings = matches!(mnemonic, M::Pcmpestri | M::Pcmpestrm | M::Pcmpistri | M::Pcmpistrm);
    let wide = matches!(mnemonic, M::Pcmpestri64 | M::Pcmpestrm64);
    strings || wide || matches!(mnemonic, M::Movups | M::Movupd | M::Movdqu | M::Lddqu)
}

/// Those with a VEX prefix whose operand must not (SDM volume 2, 2.4, exception type 1).
fn must_be_aligned(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    let moves = matches!(mnemonic, M::Vmovaps | M::Vmovapd | M::Vmovdqa);
    moves || matches!(mnemonic, M::Vmovntps | M::Vmovntpd | M::Vmovntdq | M::Vmovntdqa)
}

/// Loads (18h, VINSERTF128) or stores (19h, VEXTRACTF128) the upper halves of YMM0 to YMM15.
fn upper_halves(out: &mut Vec<u8>, opcode: u8) {
    for n in 0..16_u8 {
        let other = if opcode == 0x18 { !n & 15 } else { 15 };
        // (VEX.R is inverted.)
        let map = if n < 8 { 0xe3 } else { 0x63 };
        let bytes = [0xc4, map, other << 3 | 5, opcode, 0x87 | (n & 7) << 3];
        with_field(out, &bytes, YMM + 16 * usize::from(n));
        out.push(1);
    }
}

/// An instruction with a frame field as its operand: `bytes` up to the ModRM byte, which names
/// `[rdi+disp32]`.
fn with_field(out: &mut Vec<u8>, bytes: &[u8], field: usize) {
    out.extend_from_slice(bytes);
    out.extend_from_slice(&(field as u32).to_le_bytes());
}

/// The function for `i`, and what is to know of it; none for what has no such form.
pub(super) fn assemble(i: &Instruction) -> Option<(Vec<u8>, Plan)> {
    let body = renamed(i);
    let plan = plan(&body);
    let mut encoder = Encoder::new(64);
    encoder.encode(&body, 0).ok()?;
    let body = encoder.take_buffer();

    let mut out = Vec::with_capacity(80);
    with_field(&mut out, &[0x0f, 0xae, 0x9f], HOST_MXCSR); // stmxcsr
    with_field(&mut out, &[0x0f, 0xae, 0x8f], FX); // fxrstor
    if plan.vex {
        upper_halves(&mut out, 0x18);
    }
    if plan.gpr_in || plan.lengths {
        with_field(&mut out, &[0x48, 0x8b, 0x87], GPR); // mov rax, field
    }
    if plan.lengths {
        with_field(&mut out, &[0x48, 0x8b, 0x97], SECOND); // mov rdx, field
    }
    if plan.flags {
        with_field(&mut out, &[0xff, 0xb7], FLAGS); // push field
        out.push(0x9d); // popfq
    }
    out.extend_from_slice(&body);
    if plan.flags {
        out.push(0x9c); // pushfq
        with_field(&mut out, &[0x8f, 0x87], FLAGS); // pop field
    }
    if plan.gpr_out {
        with_field(&mut out, &[0x48, 0x89, 0x87], GPR); // mov field, rax
    }
    if plan.index {
        with_field(&mut out, &[0x48, 0x89, 0x8f], GPR); // mov field, rcx
    }
    if plan.vex {
        upper_halves(&mut out, 0x19);
        out.extend_from_slice(&[0xc5, 0xf8, 0x77]); // vzeroupper
    }
    with_field(&mut out, &[0x0f, 0xae, 0x87], FX); // fxsave
    out.extend_from_slice(&[0xdb, 0xe3]); // fninit
    with_field(&mut out, &[0x0f, 0xae, 0x97], HOST_MXCSR); // ldmxcsr
    out.push(0xc3);
    Some((out, plan))
}

/// `code` with its memory operand, if it has one: for instructions that the handlers themselves use.
pub(super) fn plain(code: Code) -> Instruction {
    let mut i = Instruction::default();
    i.set_code(code);
    if code.op_code().op_count() > 0 {
        i.set_op0_kind(OpKind::Memory);
        i.set_memory_base(Register::RDI);
    }
    i
}
