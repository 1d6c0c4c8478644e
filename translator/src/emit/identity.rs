//! Innocuous instructions: the same operation, with ESP renamed and the memory operand re-based.

use super::emitter::{Emitter, Refused};
use super::scheme::{Address, RegisterMap, Registers};
use crate::mode::{Mode, SegmentClass};
use iced_x86::{Code, CpuidFeature, EncodingKind, Instruction, OpKind, Register};

/// Modes that know no VEX prefix.
const NO_VEX: Mode = Mode::REAL.union(Mode::V86);

impl Emitter {
    /// Re-emits `i`. LOCK is dropped where nobody else can touch the guest's memory: a lock that straddles
    /// cache lines costs microseconds on the host. Redundant prefixes go too.
    pub fn identity(&mut self, i: &Instruction) -> Result<(), Refused> {
        self.identity_as(i.code(), i)
    }

    /// The forms that 64-bit mode lacks, or takes longer to decode (67h before a MOV with a plain
    /// offset changes its length), and those of which the guest's processor ignores a prefix.
    pub(super) fn other_form(&mut self, i: &Instruction) -> Result<(), Refused> {
        let code = match i.code() {
            Code::Inc_r16 => Code::Inc_rm16,
            Code::Inc_r32 => Code::Inc_rm32,
            Code::Dec_r16 => Code::Dec_rm16,
            Code::Dec_r32 => Code::Dec_rm32,
            Code::Mov_AL_moffs8 => Code::Mov_r8_rm8,
            Code::Mov_AX_moffs16 => Code::Mov_r16_rm16,
            Code::Mov_EAX_moffs32 => Code::Mov_r32_rm32,
            Code::Mov_moffs8_AL => Code::Mov_rm8_r8,
            Code::Mov_moffs16_AX => Code::Mov_rm16_r16,
            Code::Mov_moffs32_EAX => Code::Mov_rm32_r32,
            Code::Add_rm8_imm8_82 => Code::Add_rm8_imm8,
            Code::Or_rm8_imm8_82 => Code::Or_rm8_imm8,
            Code::Adc_rm8_imm8_82 => Code::Adc_rm8_imm8,
            Code::Sbb_rm8_imm8_82 => Code::Sbb_rm8_imm8,
            Code::And_rm8_imm8_82 => Code::And_rm8_imm8,
            Code::Sub_rm8_imm8_82 => Code::Sub_rm8_imm8,
            Code::Xor_rm8_imm8_82 => Code::Xor_rm8_imm8,
            Code::Cmp_rm8_imm8_82 => Code::Cmp_rm8_imm8,
            Code::Tzcnt_r16_rm16 => Code::Bsf_r16_rm16,
            Code::Tzcnt_r32_rm32 => Code::Bsf_r32_rm32,
            Code::Lzcnt_r16_rm16 => Code::Bsr_r16_rm16,
            Code::Lzcnt_r32_rm32 => Code::Bsr_r32_rm32,
            _ => return Err(Refused),
        };
        self.identity_as(code, i)
    }

    fn identity_as(&mut self, code: Code, i: &Instruction) -> Result<(), Refused> {
        if code.op_code().encoding() == EncodingKind::VEX && self.mode.intersects(NO_VEX) {
            return Err(Refused);
        }
        let mut host = *i;
        host.set_code(code);
        strip_prefixes(&mut host, self.mode.contains(Mode::SHARED));
        let memory = (0..host.op_count()).any(|k| host.op_kind(k) == OpKind::Memory);
        if memory && code.cpuid_features().contains(&CpuidFeature::SHA) {
            // AMD's processors do not check that the operand is aligned.
            return Err(Refused);
        }
        if memory && (self.aside || self.needs_sequence(i) || self.parts_high_byte(i)) {
            return self.identity_checked(&mut host, i);
        }
        for k in 0..host.op_count() {
            match host.op_kind(k) {
                OpKind::Register => host.set_op_register(k, Registers::host(host.op_register(k))),
                OpKind::Memory => {
                    let address = self.address(i, Registers::ESP)?;
                    address.apply(&mut host);
                }
                OpKind::Immediate8
                | OpKind::Immediate8_2nd
                | OpKind::Immediate16
                | OpKind::Immediate32
                | OpKind::Immediate8to16
                | OpKind::Immediate8to32 => {}
                // Implicit operands through ESI and EDI, branch targets, far pointers.
                _ => return Err(Refused),
            }
        }
        self.encode(&host)
    }

    /// AH to BH stand beside an operand whose address needs one of r8 to r15: no encoding has both.
    fn parts_high_byte(&self, i: &Instruction) -> bool {
        let high = (0..i.op_count())
            .any(|k| i.op_kind(k) == OpKind::Register && is_high(i.op_register(k)));
        let flat = self.mode.class(i.memory_segment()) == SegmentClass::Flat;
        high && (!flat || i.memory_base() == Register::ESP)
    }

    /// With an operand at r11 or on the stack, which AH to BH cannot stand next to.
    fn identity_checked(&mut self, host: &mut Instruction, i: &Instruction) -> Result<(), Refused> {
        let address = self.address(i, Registers::ESP)?;
        if host.code() == Code::Xlat_m8 {
            return self.move_sized(Code::Mov_r8_rm8, Register::AL, address.operand());
        }
        for k in 0..host.op_count() {
            match host.op_kind(k) {
                OpKind::Register if is_high(host.op_register(k)) => {
                    return self.beside_high_byte(host, k, address);
                }
                OpKind::Register => host.set_op_register(k, Registers::host(host.op_register(k))),
                OpKind::Memory => address.apply(host),
                OpKind::Immediate8
                | OpKind::Immediate8_2nd
                | OpKind::Immediate16
                | OpKind::Immediate32
                | OpKind::Immediate8to16
                | OpKind::Immediate8to32 => {}
                _ => return Err(Refused),
            }
        }
        self.encode(host)
    }

    /// Operand `k` of `host` is one of AH to DH, the other one is at `address`. The byte passes
    /// through AL to DL between two exchanges: before the access when it is only read, else after the
    /// load.
    fn beside_high_byte(
        &mut self,
        host: &mut Instruction,
        k: u32,
        address: Address,
    ) -> Result<(), Refused> {
        let only_two = host.op_count() == 2 && host.op_kind(1 - k) == OpKind::Memory;
        if !only_two || matches!(host.code(), Code::Xadd_rm8_r8 | Code::Xchg_rm8_r8) {
            return Err(Refused);
        }
        let high = host.op_register(k);
        let low = LOW_BYTES[high.number() & 3];
        let exchange = Instruction::with2(Code::Xchg_rm8_r8, low, high).map_err(|_| Refused)?;
        if k == 1 {
            self.encode(&exchange)?;
            let keep = Instruction::with2(Code::Movzx_r32_rm8, Register::R8D, low);
            self.encode(&keep.map_err(|_| Refused)?)?;
            self.encode(&exchange)?;
            host.set_op1_register(Register::R8L);
            address.apply(host);
            return self.encode(host);
        }
        let load = Instruction::with2(Code::Movzx_r32_rm8, Register::R8D, address.operand());
        self.encode(&load.map_err(|_| Refused)?)?;
        self.encode(&exchange)?;
        host.set_op0_register(low);
        host.set_op1_kind(OpKind::Register);
        host.set_op1_register(Register::R8L);
        self.encode(host)?;
        self.encode(&exchange)
    }
}

/// AL, CL, DL, BL: those that are the low bytes beside AH to BH.
const LOW_BYTES: [Register; 4] = [Register::AL, Register::CL, Register::DL, Register::BL];

fn is_high(reg: Register) -> bool {
    matches!(reg, Register::AH | Register::CH | Register::DH | Register::BH)
}

/// What no host instruction needs; LOCK is kept if `locks`.
fn strip_prefixes(i: &mut Instruction, locks: bool) {
    i.set_has_lock_prefix(locks && i.has_lock_prefix());
    i.set_has_repe_prefix(false);
    i.set_has_repne_prefix(false);
    i.set_segment_prefix(Register::None);
}
