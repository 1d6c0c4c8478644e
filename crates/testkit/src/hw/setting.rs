//! The mode in which captured cases run. The captures are of real mode; most instructions do the
//! same in V86 mode and in a 16-bit protected-mode segment of the same base and limit, so the
//! hardware's results hold there too, and other paths of both engines are tried.

use super::moo::{Case, Family, reg};
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    Register,
};
use ringer_cpu::state::cr0;
use ringer_cpu::{CpuState, Eflags, SegAttr, SegReg};
use std::str::FromStr;

/// A mode to run cases in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunMode {
    /// As captured.
    #[default]
    Real,
    /// V86 mode at IOPL 3.
    V86,
    /// Protected mode at CPL 0, 16-bit segments with the bases and limits of real mode.
    Protected,
}

impl FromStr for RunMode {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "real" => Ok(Self::Real),
            "v86" => Ok(Self::V86),
            "protected" => Ok(Self::Protected),
            other => Err(format!("unknown mode '{other}': use real, v86 or protected")),
        }
    }
}

/// What decides how a case is set up and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// What the file was captured on.
    pub family: Family,
    /// The mode it runs in.
    pub mode: RunMode,
}

const IOPL_3: u32 = 0x3000;

impl Setting {
    /// Instructions to run: in the other modes only the one under test, since the HLT behind it and
    /// handlers of interrupts would do something else there.
    #[must_use]
    pub fn limit(self) -> u32 {
        // In real mode: the HLT too, and what a file may add.
        if self.mode == RunMode::Real { 16 } else { 1 }
    }

    /// Turns the real-mode state `s` into one of the mode.
    pub fn enter(self, s: &mut CpuState) {
        if self.mode == RunMode::Real {
            return;
        }
        s.cr0 |= cr0::PE;
        // An exception must not find a gate: it ends the run.
        s.idtr.limit = 0;
        if self.mode == RunMode::V86 {
            s.eflags |= Eflags::VM.bits() | IOPL_3;
            s.cpl = 3;
            for segment in &mut s.seg {
                *segment = ringer_cpu::Segment::real(segment.selector, 3);
            }
        } else {
            s.seg[SegReg::Cs as usize].attr |= SegAttr::CODE;
        }
    }

    /// Why the hardware's result does not hold for `case` in the mode; `None`: it does.
    #[must_use]
    pub fn inapplicable(self, case: &Case) -> Option<&'static str> {
        if self.mode == RunMode::Real {
            return (case.start(reg::CR0) & cr0::PE as u32 != 0)
                .then_some("protected mode: the format has no descriptor caches");
        }
        let i = Decoder::new(16, &case.bytes, DecoderOptions::NONE).decode();
        if case.exception.is_some() || i.is_invalid() {
            return Some("other mode: exceptions are delivered in another way");
        }
        if matches!(i.flow_control(), FlowControl::Interrupt) || mode_bound(i.mnemonic()) {
            return Some("other mode: the instruction depends on the mode or on privilege");
        }
        let selects = self.mode == RunMode::Protected && (loads_segment(&i) || through_cs(&i));
        selects.then_some("protected mode: selectors name descriptors, CS cannot be written")
    }
}

/// Instructions that mean something else outside real mode, or are refused there.
fn mode_bound(mnemonic: Mnemonic) -> bool {
    use Mnemonic as M;
    matches!(
        mnemonic,
        M::Int
            | M::Int3
            | M::Into
            | M::Iret
            | M::Hlt
            | M::In
            | M::Out
            | M::Insb
            | M::Insw
            | M::Outsb
            | M::Outsw
            | M::Smsw
            | M::Lmsw
            | M::Lgdt
            | M::Lidt
            | M::Sgdt
            | M::Sidt
            | M::Clts
    )
}

fn loads_segment(i: &Instruction) -> bool {
    let far = matches!(i.mnemonic(), Mnemonic::Retf) || i.is_jmp_far() || i.is_call_far();
    let indirect = i.is_jmp_far_indirect() || i.is_call_far_indirect();
    let mut factory = InstructionInfoFactory::new();
    let written =
        |access| matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite);
    let mut used = factory.info(i).used_registers().iter();
    far || indirect || used.any(|r| r.register().is_segment_register() && written(r.access()))
}

fn through_cs(i: &Instruction) -> bool {
    i.segment_prefix() == Register::CS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(mode: RunMode, bytes: &[u8], exception: Option<(u8, u32)>) -> Option<&'static str> {
        let case = Case { bytes: bytes.to_vec(), exception, ..Case::default() };
        Setting { mode, ..Setting::default() }.inapplicable(&case)
    }

    #[test]
    fn cases_are_left_out_only_where_the_mode_matters() {
        let modes = [RunMode::V86, RunMode::Protected];
        // ADD [BX],AX; POP BP; REP MOVSW; JMP short.
        let plain: [&[u8]; 4] = [&[1, 7], &[0x5d], &[0xf3, 0xa5], &[0xeb, 5]];
        // INT3; IRET; HLT; IN AL,DX; SMSW AX; an invalid instruction.
        let bound: [&[u8]; 6] =
            [&[0xcc], &[0xcf], &[0xf4], &[0xec], &[0x0f, 1, 0xe0], &[0xff, 0xff]];
        for mode in modes {
            assert!(plain.iter().all(|bytes| why(mode, bytes, None).is_none()), "{mode:?}");
            assert!(bound.iter().all(|bytes| why(mode, bytes, None).is_some()), "{mode:?}");
            assert!(why(mode, plain[0], Some((13, 0))).is_some());
        }
        // POP DS; LES AX,[BX]; MOV ES,AX; RETF; CALL far; CALL far [BX]; MOV CS:[BX],AX.
        let selects: [&[u8]; 7] = [
            &[0x1f],
            &[0xc4, 7],
            &[0x8e, 0xc0],
            &[0xcb],
            &[0x9a, 1, 2, 3, 4],
            &[0xff, 0x1f],
            &[0x2e, 0x89, 7],
        ];
        for bytes in selects {
            assert_eq!(why(RunMode::V86, bytes, None), None, "{bytes:02x?}");
            assert!(why(RunMode::Protected, bytes, None).is_some(), "{bytes:02x?}");
        }
        assert_eq!(why(RunMode::Real, &[0xcc], Some((3, 0))), None);
    }
}
