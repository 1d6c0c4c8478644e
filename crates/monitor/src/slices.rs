//! Lockstep compares a string instruction that repeats long in slices: what is put aside to undo a slice has a bound,
//! and the run loop gets the floor in between.
//!
//! A block of lockstep's that has such an instruction has no other ([`LONE_STRINGS`]). For a slice the count register
//! holds the slice's count; what both engines make of that is compared, and then the rest is added again.
//!
//! [`LONE_STRINGS`]: ringer_translator::TranslatorOptions::LONE_STRINGS

use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind};
use ringer_cpu::{CpuState, Eflags, Gpr};

/// Iterations of a slice at most, some megabytes put aside; slices end where it divides the count, as the interpreter's passes do.
const SLICE: u32 = 1 << 14;

/// A slice of a string instruction that repeats longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    /// Iterations behind the slice.
    rest: u32,
    /// The bits of ECX that count.
    mask: u32,
    eip: u32,
    eflags: u32,
    /// ZF that ends the repetition, for CMPS and SCAS.
    until: Option<bool>,
}

impl Slice {
    /// Whether a block of so many instructions at the state `cpu` may need one.
    #[inline]
    pub fn may_be(instrs: u32, cpu: &CpuState) -> bool {
        instrs == 1 && cpu.reg32(Gpr::Ecx) > SLICE
    }

    /// Begins a slice of the instruction in `bytes`, if it is one that repeats longer.
    pub fn begin(bytes: &[u8], bitness: u32, cpu: &mut CpuState) -> Option<Self> {
        let i = Decoder::new(bitness, bytes, DecoderOptions::NONE).decode();
        if !i.is_string_instruction() || !(i.has_rep_prefix() || i.has_repne_prefix()) {
            return None;
        }
        let mask = if is_short(&i) { 0xffff } else { u32::MAX };
        let ecx = cpu.reg32(Gpr::Ecx);
        let rest = (ecx & mask).saturating_sub(1) / SLICE * SLICE;
        if rest == 0 {
            return None;
        }
        cpu.set_reg32(Gpr::Ecx, ecx - rest);
        let compares = i.rflags_modified() != 0;
        let until = compares.then(|| i.has_repne_prefix());
        Some(Self { rest, mask, eip: cpu.eip(), eflags: cpu.eflags, until })
    }

    /// The slice is over: what is behind it counts again. True when the instruction is to go on, as one that was
    /// interrupted between two iterations.
    pub fn end(&self, cpu: &mut CpuState) -> bool {
        let ecx = cpu.reg32(Gpr::Ecx);
        cpu.set_reg32(Gpr::Ecx, (ecx & !self.mask) | ((ecx & self.mask) + self.rest));
        let zero = cpu.eflags & Eflags::ZF.bits() != 0;
        if cpu.eip() == self.eip || self.until == Some(zero) {
            return false;
        }
        cpu.set_eip(self.eip);
        // As the interpreter leaves it: a fault in what follows finds the flags of before (SDM volume 2, REP).
        cpu.eflags = self.eflags | Eflags::RF.bits();
        true
    }
}

/// SI, DI and CX, of 16 bits.
fn is_short(i: &Instruction) -> bool {
    let short =
        |k| matches!(i.op_kind(k), OpKind::MemorySegSI | OpKind::MemorySegDI | OpKind::MemoryESDI);
    (0..i.op_count()).any(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(ecx: u32) -> CpuState {
        let mut cpu = CpuState::reset(0);
        cpu.set_eip(0x1000);
        cpu.set_reg32(Gpr::Ecx, ecx);
        cpu
    }

    #[test]
    fn a_long_store_goes_on_and_a_short_one_has_no_slice() {
        let stosd = [0xf3, 0xab];
        let mut cpu = state(SLICE);
        assert!(Slice::begin(&stosd, 32, &mut cpu).is_none());
        let mut cpu = state(SLICE + 5);
        let slice = Slice::begin(&stosd, 32, &mut cpu).unwrap();
        assert_eq!(cpu.reg32(Gpr::Ecx), 5);
        cpu.set_reg32(Gpr::Ecx, 0);
        cpu.set_eip(0x1002);
        assert!(slice.end(&mut cpu));
        assert_eq!((cpu.reg32(Gpr::Ecx), cpu.eip()), (SLICE, 0x1000));
    }

    #[test]
    fn a_fault_in_a_slice_finds_the_whole_count() {
        let mut cpu = state(0x7654_9000);
        let slice = Slice::begin(&[0xf3, 0xaa], 16, &mut cpu).unwrap();
        assert_eq!(cpu.reg32(Gpr::Ecx), 0x7654_1000);
        cpu.set_reg32(Gpr::Ecx, 0x7654_0ffe);
        assert!(!slice.end(&mut cpu));
        assert_eq!(cpu.reg32(Gpr::Ecx), 0x7654_8ffe);
    }

    #[test]
    fn a_comparison_ends_where_its_condition_says() {
        // REPE CMPSB: at the last iteration of the slice the operands differ.
        let mut cpu = state(SLICE + 9);
        let slice = Slice::begin(&[0xf3, 0xa6], 32, &mut cpu).unwrap();
        cpu.set_reg32(Gpr::Ecx, 0);
        cpu.set_eip(0x1002);
        cpu.eflags &= !Eflags::ZF.bits();
        assert!(!slice.end(&mut cpu));
        assert_eq!((cpu.reg32(Gpr::Ecx), cpu.eip()), (SLICE, 0x1002));
        // They are equal there: it goes on.
        cpu.set_eip(0x1000);
        cpu.set_reg32(Gpr::Ecx, SLICE + 9);
        let slice = Slice::begin(&[0xf3, 0xa6], 32, &mut cpu).unwrap();
        cpu.set_reg32(Gpr::Ecx, 0);
        cpu.set_eip(0x1002);
        cpu.eflags |= Eflags::ZF.bits();
        assert!(slice.end(&mut cpu));
        assert_eq!((cpu.reg32(Gpr::Ecx), cpu.eip()), (SLICE, 0x1000));
    }

    #[test]
    fn what_is_no_repeated_string_has_no_slice() {
        for bytes in [&[0xaa_u8][..], &[0xf3, 0x90], &[0x90]] {
            assert!(Slice::begin(bytes, 32, &mut state(u32::MAX)).is_none(), "{bytes:x?}");
        }
    }
}
