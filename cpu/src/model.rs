//! CPU models: features, CPUID leaves, the signature in EDX at reset.

use crate::state::misc_enable;
use bitflags::bitflags;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

bitflags! {
    /// CPUID feature bits (SDM volume 2, CPUID) at their architectural positions in a register of 32 bits: EDX
    /// and ECX of leaf 1 from bits 0 and 32 on, EBX of leaf 7 from 64 on, and from 96 on both ECX of leaf 7 and EDX of
    /// leaf 80000001h, which have no bit of ours in common.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Features: u128 {
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
        /// Machine-check exception and CR4.MCE.
        const MCE = 1 << 7;
        /// CMPXCHG8B.
        const CX8 = 1 << 8;
        /// Local APIC.
        const APIC = 1 << 9;
        /// SYSENTER and SYSEXIT.
        const SEP = 1 << 11;
        /// Memory-type range registers.
        const MTRR = 1 << 12;
        /// Global pages.
        const PGE = 1 << 13;
        /// Machine-check registers.
        const MCA = 1 << 14;
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
        /// SSE3.
        const SSE3 = 1 << 32;
        /// SSSE3.
        const SSSE3 = 1 << (32 + 9);
        /// SSE4.1.
        const SSE4_1 = 1 << (32 + 19);
        /// SSE4.2.
        const SSE4_2 = 1 << (32 + 20);
        /// CMPXCHG16B.
        const CX16 = 1 << (32 + 13);
        /// POPCNT.
        const POPCNT = 1 << (32 + 23);
        /// The local APIC's timer has a TSC-deadline mode.
        const TSC_DEADLINE = 1 << (32 + 24);
        /// RDRAND.
        const RDRAND = 1 << (32 + 30);
        /// Supervisor code may not run in user pages (CR4.SMEP).
        const SMEP = 1 << (64 + 7);
        /// Supervisor code may not touch data in user pages by accident (CR4.SMAP); CLAC and STAC.
        const SMAP = 1 << (64 + 20);
        /// User code may not see system registers (CR4.UMIP).
        const UMIP = 1 << (96 + 2);
        /// Pages that forbid fetches (EFER.NXE).
        const NX = 1 << (96 + 20);
        /// RDTSCP.
        const RDTSCP = 1 << (96 + 27);
        /// 64-bit mode. No model shows it yet.
        const LM = 1 << (96 + 29);
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
    /// All that Ringer does for 32-bit guests: the features of a Pentium 4, and those of later processors that came
    /// with a local APIC. By its signature an in-order Atom.
    Max,
}

/// A name that is no model's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown CPU model \"{0}\" (known: 486, pentium, pentium3, pentium4, max)")]
pub struct UnknownModel(pub String);

/// The bits of IA32_ARCH_CAPABILITIES (10Ah) that hold for a guest of Ringer's, on any host (docs/security.md says why).
pub mod arch_capabilities {
    /// RDCL_NO: no load reads, not even speculatively, what page tables give to another privilege alone.
    pub const RDCL_NO: u64 = 1 << 0;
    /// IF_PSCHANGE_MC_NO: a page whose size changes while it is fetched from causes no machine check.
    pub const PSCHANGE_MC_NO: u64 = 1 << 6;
    /// TAA_NO: no transaction's abort leaks what others loaded; there are no transactions.
    pub const TAA_NO: u64 = 1 << 8;
    /// All of them.
    pub const ALL: u64 = RDCL_NO | PSCHANGE_MC_NO | TAA_NO;
}

/// CPUID leaf 7, EDX: IA32_ARCH_CAPABILITIES is there.
const HAS_ARCH_CAPABILITIES: u32 = 1 << 29;

/// The first extended CPUID leaf.
const EXTENDED: u32 = 0x8000_0000;

/// The last extended CPUID leaf: the brand string's third part.
const EXTENDED_LAST: u32 = 0x8000_0004;

/// The last one of a model that tells its address widths.
const EXTENDED_LAST_MAX: u32 = 0x8000_0008;

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

const MAX: Features = PENTIUM4
    .union(Features::APIC)
    .union(Features::TSC_DEADLINE)
    .union(Features::MCE)
    .union(Features::MCA)
    .union(Features::MTRR)
    .union(Features::POPCNT)
    .union(Features::SMEP)
    .union(Features::SMAP)
    .union(Features::UMIP)
    .union(Features::NX)
    .union(Features::RDTSCP);

/// Vector extensions that the host's own unit executes: shown where it has them, each with those before it.
fn vector_extensions() -> Features {
    [
        (Features::SSE3, std::arch::is_x86_feature_detected!("sse3")),
        (Features::SSSE3, std::arch::is_x86_feature_detected!("ssse3")),
        (Features::SSE4_1, std::arch::is_x86_feature_detected!("sse4.1")),
        (Features::SSE4_2, std::arch::is_x86_feature_detected!("sse4.2")),
    ]
    .into_iter()
    .take_while(|(_, there)| *there)
    .fold(Features::empty(), |all, (feature, _)| all | feature)
}

/// The initial APIC ID, in the top byte of EBX of leaf 1: there is one processor.
const APIC_ID: u32 = 0;

impl CpuModel {
    /// All models, oldest first.
    pub const ALL: [Self; 5] =
        [Self::I486, Self::Pentium, Self::Pentium3, Self::Pentium4, Self::Max];

    /// The model's features.
    #[must_use]
    pub fn features(self) -> Features {
        match self {
            Self::I486 => Features::FPU,
            Self::Pentium => PENTIUM,
            Self::Pentium3 => PENTIUM3,
            Self::Pentium4 => PENTIUM4,
            Self::Max => MAX | vector_extensions(),
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
            Self::Max => 0x106ca,
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
            Self::Max => "max",
        }
    }

    /// The last basic CPUID leaf, as it is or as IA32_MISC_ENABLE limits it.
    fn last_leaf(self, limited: bool) -> u32 {
        match self {
            Self::I486 | Self::Pentium => 1,
            Self::Pentium4 | Self::Max if !limited => 7,
            Self::Pentium3 | Self::Pentium4 | Self::Max => 2,
        }
    }

    /// IA32_MISC_ENABLE as firmware leaves it: it limits CPUID where the processor is one of those whose systems did not know
    /// later leaves. Who wants to know them clears the limit.
    #[must_use]
    pub fn misc_enable(self) -> u64 {
        if self == Self::Pentium4 { misc_enable::LIMIT_CPUID } else { 0 }
    }

    /// IA32_ARCH_CAPABILITIES, if the model has the register.
    #[must_use]
    pub fn arch_capabilities(self) -> Option<u64> {
        matches!(self, Self::Pentium4 | Self::Max).then_some(arch_capabilities::ALL)
    }

    /// EAX, EBX, ECX, EDX of CPUID `leaf` (of these models' leaves only 4 and 7 have sub-leaves, and there is nothing in
    /// them but in the first of 7), where IA32_MISC_ENABLE has it `limited` or not. A leaf beyond the last one answers as the
    /// last basic leaf does (SDM volume 2, CPUID).
    #[must_use]
    pub fn cpuid(self, leaf: u32, subleaf: u32, limited: bool) -> [u32; 4] {
        if self == Self::Max
            && let Some(answer) = self.later_extended(leaf)
        {
            return answer;
        }
        let last = self.last_leaf(limited);
        match leaf {
            0 => self.identification(last),
            1 => self.version(),
            2 if last >= 2 => self.caches(),
            3..=7 if last == 7 => self.later(leaf, subleaf),
            EXTENDED if self.has_extended() => [EXTENDED_LAST, 0, 0, 0],
            0x8000_0001 if self.has_extended() => [0; 4],
            0x8000_0002..=EXTENDED_LAST if self.has_extended() => self.brand(leaf - EXTENDED - 2),
            _ if last == 7 => self.later(7, subleaf),
            _ if last == 2 => self.caches(),
            _ => self.version(),
        }
    }

    /// The basic leaves that came after the Pentium 4.
    fn later(self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let features = self.features();
        let word = |n: u32, mask: Features| ((features & mask).bits() >> (32 * n)) as u32;
        let timer_always_runs = u32::from(features.contains(Features::APIC)) << 2;
        let capabilities = self.arch_capabilities().map_or(0, |_| HAS_ARCH_CAPABILITIES);
        match (leaf, subleaf) {
            (6, _) => [timer_always_runs, 0, 0, 0],
            (7, 0) => {
                [0, word(2, Features::SMEP | Features::SMAP), word(3, Features::UMIP), capabilities]
            }
            // No cache parameters beyond those of leaf 2, no MONITOR.
            _ => [0; 4],
        }
    }

    /// The extended leaves that came after the Pentium 4.
    fn later_extended(self, leaf: u32) -> Option<[u32; 4]> {
        let late = self.features() & (Features::NX | Features::RDTSCP);
        Some(match leaf {
            EXTENDED => [EXTENDED_LAST_MAX, 0, 0, 0],
            0x8000_0001 => [0, 0, 0, (late.bits() >> 96) as u32],
            // The time-stamp counter never stops; 36 physical address bits, 32 linear ones.
            0x8000_0005 | 0x8000_0006 => [0; 4],
            0x8000_0007 => [0, 0, 0, 1 << 8],
            0x8000_0008 => [32 << 8 | 36, 0, 0, 0],
            _ => return None,
        })
    }

    fn has_extended(self) -> bool {
        matches!(self, Self::Pentium4 | Self::Max)
    }

    fn identification(self, last: u32) -> [u32; 4] {
        let part = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        [last, part(b"Genu"), part(b"ntel"), part(b"ineI")]
    }

    /// EBX has the CLFLUSH line size in units of 8 bytes, how many processors a package has, and the APIC ID.
    fn version(self) -> [u32; 4] {
        let features = self.features();
        let line = if features.contains(Features::CLFSH) { 8 << 8 } else { 0 };
        let apic = if features.contains(Features::APIC) { APIC_ID << 24 | 1 << 16 } else { 0 };
        [self.signature(), line | apic, (features.bits() >> 32) as u32, features.bits() as u32]
    }

    /// Cache and TLB descriptor bytes (SDM volume 2, table 3-12).
    fn caches(self) -> [u32; 4] {
        match self {
            Self::Pentium4 | Self::Max => [0x665b_5001, 0, 0, 0x007a_7040],
            _ => [0x0302_0101, 0, 0, 0x0c04_0843],
        }
    }

    /// The `n`th 16 bytes of the brand string.
    fn brand(self, n: u32) -> [u32; 4] {
        let text: &[u8] = match self {
            Self::Max => b"Ringer Virtual CPU (max)",
            _ => b"Ringer Virtual CPU (Pentium 4)",
        };
        let byte = |at: usize| text.get(at).copied().unwrap_or(0);
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
        assert_eq!(p4.cpuid(3, 0, true), p4.cpuid(2, 0, true));
        assert_eq!(p4.cpuid(0x4000_0000, 0, true), p4.cpuid(2, 0, true));
        assert_eq!(p4.cpuid(0x8000_0005, 0, true), p4.cpuid(2, 0, true));
        let p5 = CpuModel::Pentium;
        assert_eq!(p5.cpuid(2, 0, true), p5.cpuid(1, 0, true));
        assert_eq!(p5.cpuid(EXTENDED, 0, true), p5.cpuid(1, 0, true));
    }

    #[test]
    fn the_brand_string_is_whole() {
        let p4 = CpuModel::Pentium4;
        let text: Vec<u8> = (2..=4)
            .flat_map(|n| p4.cpuid(EXTENDED + n, 0, true))
            .flat_map(u32::to_le_bytes)
            .take_while(|&b| b != 0)
            .collect();
        assert_eq!(text, b"Ringer Virtual CPU (Pentium 4)");
    }

    #[test]
    fn the_later_leaves_tell_the_later_features() {
        let max = CpuModel::Max;
        let [last, ..] = max.cpuid(0, 0, false);
        assert_eq!((last, max.cpuid(EXTENDED, 0, false)[0]), (7, EXTENDED_LAST_MAX));
        assert_eq!(max.cpuid(7, 0, false)[1..3], [1 << 7 | 1 << 20, 1 << 2], "SMEP and SMAP; UMIP");
        assert_eq!(max.cpuid(7, 1, false), [0; 4]);
        assert_eq!(max.cpuid(0x8000_0001, 0, false)[3], 1 << 27 | 1 << 20, "RDTSCP, NX");
        assert_eq!(max.cpuid(1, 0, false)[3] & (1 << 9 | 1 << 12), 1 << 9 | 1 << 12, "APIC, MTRR");
        assert_eq!(max.cpuid(0x4000_0000, 0, false), max.cpuid(7, 0, false));
        for older in [CpuModel::Pentium3, CpuModel::Pentium4] {
            assert_eq!(older.cpuid(1, 0, false)[3] & 1 << 9, 0, "{older}");
            assert_eq!(older.cpuid(0x8000_0001, 0, false)[3] & 1 << 20, 0, "{older}");
        }
    }

    #[test]
    fn a_limit_that_is_lifted_shows_the_capabilities() {
        let p4 = CpuModel::Pentium4;
        assert_eq!(p4.misc_enable(), misc_enable::LIMIT_CPUID);
        assert_eq!((p4.cpuid(0, 0, true)[0], p4.cpuid(0, 0, false)[0]), (2, 7));
        assert_eq!(p4.cpuid(7, 0, true), p4.cpuid(2, 0, true));
        assert_eq!(p4.cpuid(2, 0, true), p4.cpuid(2, 0, false));
        for leaf in 3..=6 {
            assert_eq!(p4.cpuid(leaf, 0, false), [0; 4], "leaf {leaf}");
        }
        assert_eq!(p4.cpuid(7, 0, false), [0, 0, 0, HAS_ARCH_CAPABILITIES]);
        assert_eq!(p4.cpuid(7, 1, false), [0; 4]);
        assert_eq!(p4.cpuid(8, 0, false), p4.cpuid(7, 0, false));
        assert_eq!(CpuModel::Max.cpuid(7, 0, false)[3], HAS_ARCH_CAPABILITIES);
        assert_eq!(CpuModel::Max.misc_enable(), 0);
        for older in [CpuModel::I486, CpuModel::Pentium, CpuModel::Pentium3] {
            assert_eq!(older.arch_capabilities(), None, "{older}");
            assert_eq!(older.cpuid(7, 0, false), older.cpuid(7, 0, true), "{older}");
            assert!(older.cpuid(0, 0, false)[0] <= 2, "{older}");
        }
    }

    #[test]
    fn vendor_and_features() {
        let [max, b, c, d] = CpuModel::I486.cpuid(0, 0, true);
        assert_eq!((max, b, d, c), (1, 0x756e_6547, 0x4965_6e69, 0x6c65_746e));
        assert_eq!(CpuModel::I486.cpuid(1, 0, true)[3], 1);
        assert!(!CpuModel::Pentium3.features().contains(Features::SSE2));
        assert!(CpuModel::Pentium4.features().contains(Features::SSE2 | Features::PAE));
    }
}
