//! CPU models: features, CPUID leaves, the signature in EDX at reset.

use bitflags::bitflags;

bitflags! {
    /// CPUID.1:EDX feature bits (SDM volume 2, CPUID), at their architectural positions.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[allow(missing_docs)]
    pub struct Features: u32 {
        const FPU = 1 << 0;
        const VME = 1 << 1;
        const DE = 1 << 2;
        const PSE = 1 << 3;
        const TSC = 1 << 4;
        const MSR = 1 << 5;
        const PAE = 1 << 6;
        const CX8 = 1 << 8;
        const SEP = 1 << 11;
        const PGE = 1 << 13;
        const CMOV = 1 << 15;
        const PAT = 1 << 16;
        const CLFSH = 1 << 19;
        const MMX = 1 << 23;
        const FXSR = 1 << 24;
        const SSE = 1 << 25;
        const SSE2 = 1 << 26;
    }
}

/// The selectable processor models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CpuModel {
    /// Intel 486DX4-class: FPU, CPUID, no TSC.
    I486,
    /// Pentium: TSC, CX8, PSE, VME.
    Pentium,
    /// Pentium III: CMOV, MMX, FXSR, SSE, SEP, PGE, PAE.
    Pentium3,
    /// Pentium 4: SSE2.
    Pentium4,
}

impl CpuModel {
    /// The model's features.
    #[must_use]
    pub fn features(self) -> Features {
        match self {
            Self::I486 => Features::FPU,
            _ => Features::all(),
        }
    }

    /// Family, model and stepping: EDX at reset.
    #[must_use]
    pub fn signature(self) -> u32 {
        match self {
            Self::I486 => 0x480,
            Self::Pentium => 0x52c,
            Self::Pentium3 => 0x68a,
            Self::Pentium4 => 0xf29,
        }
    }
}
