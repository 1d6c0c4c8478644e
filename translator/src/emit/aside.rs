//! Accesses by the inline TLB ([`ringer_mmu::inline_tlb`]) instead of the window: for instructions whose accesses keep meeting
//! pages that no window maps.
//!
//! No flag changes: the number of the operand's page is compared with the tag by an addition, and JRCXZ is the branch. The
//! number is that of the operand's *last* byte and the place that of its first, so an operand that lies in two pages finds
//! nothing. Guest ECX waits in r9; what is found leads to r11, and what is not to the interpreter, after which it is there.

use super::emitter::{Emitter, Refused};
use super::scheme::Address;
use crate::classify::{ExecutionUnit, Rewrite, Treatment};
use crate::mode::SegmentClass;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, OpAccess, OpKind, Register};
use ringer_cpu::interp::operand::is_address_16;
use ringer_mmu::inline_tlb::{DISTANCES, READ_TAGS, WRITE_TAGS};

/// Bits of an address within its page.
const PAGE_BITS: i32 = 12;
/// The largest operand that goes by it; the tables of FXSAVE and FNSAVE are no single accesses.
const LARGEST: usize = 16;

impl Emitter {
    /// Whether the access of `i`, which is treated so and runs on `unit`, can go by the inline TLB. Those of x87 cannot: the unit
    /// keeps the address as the guest's data pointer (SDM volume 1, 8.1.8).
    pub fn can_go_aside(&self, treatment: Treatment, unit: ExecutionUnit, i: &Instruction) -> bool {
        let itself = matches!(
            treatment,
            Treatment::Innocuous | Treatment::Rewritten(Rewrite::OtherForm | Rewrite::Exchange)
        );
        let memory = (0..i.op_count()).filter(|k| i.op_kind(*k) == OpKind::Memory).count();
        itself
            && unit != ExecutionUnit::Fpu
            && memory == 1
            && (1..=LARGEST).contains(&i.memory_size().size())
            && self.mode.class(i.memory_segment()) == SegmentClass::Flat
            && !is_address_16(i)
            && !super::operand::reaches_far(i.code())
            && i.code() != Code::Xlat_m8
    }

    /// The operand of `i` behind the question.
    pub(super) fn address_aside(
        &mut self,
        i: &Instruction,
        esp: Register,
    ) -> Result<Address, Refused> {
        let mut a = self.parts(i, esp)?;
        if a.base == Register::None && a.scale == 1 {
            (a.base, a.index) = (a.index, Register::None);
        }
        self.encode_lea(Register::R11D, a)?;
        let tags = if self.writes_memory(i) { WRITE_TAGS } else { READ_TAGS };
        let more = i.memory_size().size() as i32 - 1;
        dynasm!(self.asm ; .arch x64
            ; mov r9d, ecx
            ; mov r8d, PAGE_BITS
            ; shrx r10d, r11d, r8d
            ; lea ecx, [r11 + more]
            ; shrx ecx, ecx, r8d
            ; movzx r10d, r10b
            ; gs mov r8d, [r10 * 4 + tags]
            ; lea ecx, [rcx + r8 + 1]
        );
        self.leave_unless_zero();
        dynasm!(self.asm ; .arch x64
            ; gs mov r8, [r10 * 8 + DISTANCES]
            ; mov ecx, r9d
            ; lea r11, [r11 + r8]
        );
        Ok(Address::at(Register::R11))
    }

    fn writes_memory(&mut self, i: &Instruction) -> bool {
        let info = self.info.info(i);
        let mut operands = (0..i.op_count()).filter(|k| i.op_kind(*k) == OpKind::Memory);
        !operands.all(|k| {
            let access = info.op_access(k);
            matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess)
        })
    }
}
