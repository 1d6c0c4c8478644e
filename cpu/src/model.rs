//! CPU models: features, CPUID leaves, the signature in EDX at reset.

use bitflags::bitflags;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

bitflags! {
    /// CPUID.1 feature bits (SDM volume 2, CPUID) at their architectural positions: EDX in the low
    /// half, ECX in the high one.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Features: u64 {
        /// x87 on chip.
        const FPU = 1 << 0;
        /// Virtual-8086 mode extensions.
        const VME = 1 << 1;
        /// Debugging extensions (I/O breakpoints).
        const DE = 1 << 2;
        /// 4 MiB pages.
        const PSE = 1 << 3;
        /// RDTSC.
        const TSC = 1 << 4;
        /// RDMSR and WRMSR.
        const MSR = 1 << 5;
        /// Physical address extension.
        const PAE = 1 << 6;
        /// CMPXCHG8B.
        const CX8 = 1 << 8;
        /// SYSENTER and SYSEXIT.
        const SEP = 1 << 11;
        /// Global pages.
        const PGE = 1 << 13;
        /// CMOVcc, and FCMOVcc with FPU.
        const CMOV = 1 << 15;
        /// Page attribute table.
        const PAT = 1 << 16;
        /// CLFLUSH.
        const CLFSH = 1 << 19;
        /// MMX.
        const MMX = 1 << 23;
        /// FXSAVE and FXRSTOR.
        const FXSR = 1 << 24;
        /// SSE.
        const SSE = 1 << 25;
        /// SSE2.
        const SSE2 = 1 << 26;
        /// RDRAND.
        const RDRAND = 1 << (32 + 30);
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
    /// Pentium 4: SSE2. It has RDRAND too, which the real one lacks: without it a guest may spend a
    /// second of its boot gathering entropy from timings.
    Pentium4,
}

/// A name that is no model's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown CPU model \"{0}\" (known: 486, pentium, pentium3, pentium4)")]
pub struct UnknownModel(pub String);

/// The first extended CPUID leaf.
const EXTENDED: u32 = 0x8000_0000;

/// The last extended CPUID leaf: the brand string's third part.
const EXTENDED_LAST: u32 = 0x8000_0004;

const PENTIUM: Features = Features::FPU
    .union(Features::VME)
    .union(Features::DE)
    .union(Features::PSE)
    .union(Features::TSC)
    .union(Features::MSR)
    .union(Features::CX8);

const PENTIUM3: Features = PENTIUM
    .union(Features::PAE)
    .union(Features::SEP)
    .union(Features::PGE)
    .union(Features::CMOV)
    .union(Features::PAT)
    .union(Features::MMX)
    .union(Features::FXSR)
    .union(Features::SSE);

const PENTIUM4: Features =
    PENTIUM3.union(Features::CLFSH).union(Features::SSE2).union(Features::RDRAND);

impl CpuModel {
    /// All models, oldest first.
    pub const ALL: [Self; 4] = [Self::I486, Self::Pentium, Self::Pentium3, Self::Pentium4];

    /// The model's features.
    #[must_use]
    pub fn features(self) -> Features {
        match self {
            Self::I486 => Features::FPU,
            Self::Pentium => PENTIUM,
            Self::Pentium3 => PENTIUM3,
            Self::Pentium4 => PENTIUM4,
        }
    }

    /// Family, model and stepping: EDX at reset, EAX of CPUID leaf 1.
    #[must_use]
    pub fn signature(self) -> u32 {
        match self {
            Self::I486 => 0x480,
            Self::Pentium => 0x52c,
            Self::Pentium3 => 0x686,
            Self::Pentium4 => 0xf29,
        }
    }

    /// The name that [`FromStr`] takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::I486 => "486",
            Self::Pentium => "pentium",
            Self::Pentium3 => "pentium3",
            Self::Pentium4 => "pentium4",
        }
    }

    /// The last basic CPUID leaf.
    fn last_leaf(self) -> u32 {
        match self {
            Self::I486 | Self::Pentium => 1,
            Self::Pentium3 | Self::Pentium4 => 2,
        }
    }

    /// EAX, EBX, ECX, EDX of CPUID `leaf` (none of these models has sub-leaves). A leaf beyond the
    /// last one answers as the last basic leaf does (SDM volume 2, CPUID).
    #[must_use]
    pub fn cpuid(self, leaf: u32, _subleaf: u32) -> [u32; 4] {
        match leaf {
            0 => self.identification(),
            1 => self.version(),
            2 if self.last_leaf() == 2 => self.caches(),
            EXTENDED if self.has_extended() => [EXTENDED_LAST, 0, 0, 0],
            0x8000_0001 if self.has_extended() => [0; 4],
            0x8000_0002..=EXTENDED_LAST if self.has_extended() => Self::brand(leaf - EXTENDED - 2),
            _ if self.last_leaf() == 2 => self.caches(),
            _ => self.version(),
        }
    }

    fn has_extended(self) -> bool {
        self == Self::Pentium4
    }

    fn identification(self) -> [u32; 4] {
        let part = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        [self.last_leaf(), part(b"Genu"), part(b"ntel"), part(b"ineI")]
    }

    /// EBX has the CLFLUSH line size in units of 8 bytes.
    fn version(self) -> [u32; 4] {
        let features = self.features();
        let line = if features.contains(Features::CLFSH) { 8 << 8 } else { 0 };
        [self.signature(), line, (features.bits() >> 32) as u32, features.bits() as u32]
    }

    /// Cache and TLB descriptor bytes (SDM volume 2, table 3-12).
    fn caches(self) -> [u32; 4] {
        match self {
            Self::Pentium4 => [0x665b_5001, 0, 0, 0x007a_7040],
            _ => [0x0302_0101, 0, 0, 0x0c04_0843],
        }
    }

    /// The `n`th 16 bytes of the brand string.
    fn brand(n: u32) -> [u32; 4] {
        const TEXT: &[u8] = b"Ringer Virtual CPU (Pentium 4)";
        let byte = |at: usize| TEXT.get(at).copied().unwrap_or(0);
        [0, 4, 8, 12].map(|k| {
            let at = n as usize * 16 + k;
            u32::from_le_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)])
        })
    }
}

impl fmt::Display for CpuModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CpuModel {
    type Err = UnknownModel;

    fn from_str(name: &str) -> Result<Self, UnknownModel> {
        Self::ALL.into_iter().find(|m| m.name() == name).ok_or_else(|| UnknownModel(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for model in CpuModel::ALL {
            assert_eq!(model.to_string().parse(), Ok(model));
        }
        assert_eq!("386".parse::<CpuModel>(), Err(UnknownModel("386".into())));
    }

    #[test]
    fn leaves_beyond_the_last_answer_as_the_last() {
        let p4 = CpuModel::Pentium4;
        assert_eq!(p4.cpuid(3, 0), p4.cpuid(2, 0));
        assert_eq!(p4.cpuid(0x4000_0000, 0), p4.cpuid(2, 0));
        assert_eq!(p4.cpuid(0x8000_0005, 0), p4.cpuid(2, 0));
        let p5 = CpuModel::Pentium;
        assert_eq!(p5.cpuid(2, 0), p5.cpuid(1, 0));
        assert_eq!(p5.cpuid(EXTENDED, 0), p5.cpuid(1, 0));
    }

    #[test]
    fn the_brand_string_is_whole() {
        let p4 = CpuModel::Pentium4;
        let text: Vec<u8> = (2..=4)
            .flat_map(|n| p4.cpuid(EXTENDED + n, 0))
            .flat_map(u32::to_le_bytes)
            .take_while(|&b| b != 0)
            .collect();
        assert_eq!(text, b"Ringer Virtual CPU (Pentium 4)");
    }

    #[test]
    fn vendor_and_features() {
        let [max, b, c, d] = CpuModel::I486.cpuid(0, 0);
        assert_eq!((max, b, d, c), (1, 0x756e_6547, 0x4965_6e69, 0x6c65_746e));
        assert_eq!(CpuModel::I486.cpuid(1, 0)[3], 1);
        assert!(!CpuModel::Pentium3.features().contains(Features::SSE2));
        assert!(CpuModel::Pentium4.features().contains(Features::SSE2 | Features::PAE));
    }
}
