//! CPU models: CPUID leaves, the signature in EDX at reset. ([`crate::features`] has their features, [`crate::choice`] their
//! names, and what may be added to them and taken from them.)

pub use crate::features::Features;
use crate::features::{
    ANYWHERE_64, INTERPRETED, LEAF_7, LEAF_80000001, LEAF_80000001_ECX, MAX, PENTIUM, PENTIUM3,
    PENTIUM4, X86_64_V1, X86_64_V2, X86_64_V3,
};
use crate::state::{misc_enable, xcr0};

/// What a processor model goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Base {
    I486,
    Pentium,
    Pentium3,
    Pentium4,
    Max,
    Host,
    X86_64V1,
    X86_64V2,
    X86_64V3,
}

/// A processor model: one that has a name, with features added and taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CpuModel {
    base: Base,
    /// Added to the base's features.
    pub(crate) more: Features,
    /// Taken from them.
    pub(crate) less: Features,
}

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

/// The leaf of XSAVE's state components.
const XSAVE_LEAF: u32 = 0xd;

/// The first extended CPUID leaf.
const EXTENDED: u32 = 0x8000_0000;

/// The last extended CPUID leaf: the brand string's third part.
const EXTENDED_LAST: u32 = 0x8000_0004;

/// The last one of a model that tells its address widths.
const EXTENDED_LAST_MAX: u32 = 0x8000_0008;

/// Leaf 80000001h, EDX: there are pages of 1 GiB, as there always are in long mode here.
const PAGES_OF_1_GIB: u32 = 1 << 26;

/// The initial APIC ID, in the top byte of EBX of leaf 1: there is one processor.
const APIC_ID: u32 = 0;

impl CpuModel {
    /// Intel 486DX4-class: FPU, CPUID, no TSC.
    pub const I486: Self = Self::plain(Base::I486);
    /// Pentium: TSC, CX8, PSE, VME.
    pub const PENTIUM: Self = Self::plain(Base::Pentium);
    /// Pentium III: CMOV, MMX, FXSR, SSE, SEP, PGE, PAE.
    pub const PENTIUM3: Self = Self::plain(Base::Pentium3);
    /// Pentium 4: SSE2. It has RDRAND too, which the real one lacks: without it a guest may spend a
    /// second of its boot gathering entropy from timings.
    pub const PENTIUM4: Self = Self::plain(Base::Pentium4);
    /// All that Ringer does for 32-bit guests on this host: the features of a Pentium 4, and those of later processors. By its
    /// signature an in-order Atom.
    pub const MAX: Self = Self::plain(Base::Max);
    /// The same without the instructions that the host itself lacks, so that none is slow for that.
    pub const HOST: Self = Self::plain(Base::Host);

    /// A 64-bit processor with the instructions that all have (level 1 of the x86-64 psABI).
    pub const X86_64_V1: Self = Self::plain(Base::X86_64V1);
    /// The same with CMPXCHG16B, POPCNT and vector instructions up to SSE4.2.
    pub const X86_64_V2: Self = Self::plain(Base::X86_64V2);
    /// The same with AVX2, BMI, FMA and their like.
    pub const X86_64_V3: Self = Self::plain(Base::X86_64V3);

    /// All models: those of 32 bits, oldest first, then those of 64.
    pub const ALL: [Self; 9] = [
        Self::I486,
        Self::PENTIUM,
        Self::PENTIUM3,
        Self::PENTIUM4,
        Self::MAX,
        Self::HOST,
        Self::X86_64_V1,
        Self::X86_64_V2,
        Self::X86_64_V3,
    ];

    const fn plain(base: Base) -> Self {
        Self { base, more: Features::empty(), less: Features::empty() }
    }

    /// The model with just these `features`, whichever it had.
    #[must_use]
    pub fn with_features(self, features: Features) -> Self {
        let own = Self::plain(self.base).features();
        Self { more: features - own, less: own - features, ..self }
    }

    /// The model that this one goes back to.
    #[must_use]
    pub fn unchanged(self) -> Self {
        Self::plain(self.base)
    }

    /// The model's features.
    #[must_use]
    pub fn features(self) -> Features {
        let base = match self.base {
            Base::I486 => Features::FPU,
            Base::Pentium => PENTIUM,
            Base::Pentium3 => PENTIUM3,
            Base::Pentium4 => PENTIUM4,
            Base::Max => Features::possible() - ANYWHERE_64,
            Base::Host => MAX | Features::of_host() | INTERPRETED,
            Base::X86_64V1 => X86_64_V1,
            Base::X86_64V2 => X86_64_V2,
            Base::X86_64V3 => X86_64_V3,
        };
        (base | self.more) - self.less
    }

    /// Family, model and stepping: EDX at reset, EAX of CPUID leaf 1.
    #[must_use]
    pub fn signature(self) -> u32 {
        match self.base {
            Base::I486 => 0x480,
            Base::Pentium => 0x52c,
            Base::Pentium3 => 0x686,
            Base::Pentium4 => 0xf29,
            _ => 0x106ca,
        }
    }

    /// The name of the model that this one goes back to.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.base {
            Base::I486 => "486",
            Base::Pentium => "pentium",
            Base::Pentium3 => "pentium3",
            Base::Pentium4 => "pentium4",
            Base::Max => "max",
            Base::Host => "host",
            Base::X86_64V1 => "x86-64-v1",
            Base::X86_64V2 => "x86-64-v2",
            Base::X86_64V3 => "x86-64-v3",
        }
    }

    /// The model, or what was added to it, is later than the Pentium 4.
    fn is_later(self) -> bool {
        let older =
            matches!(self.base, Base::I486 | Base::Pentium | Base::Pentium3 | Base::Pentium4);
        !older || self.features().intersects(LEAF_7 | LEAF_80000001)
    }

    /// The last basic CPUID leaf, as it is or as IA32_MISC_ENABLE limits it.
    fn last_leaf(self, limited: bool) -> u32 {
        match self.base {
            _ if !limited && self.features().contains(Features::XSAVE) => XSAVE_LEAF,
            _ if !limited && self.is_later() => 7,
            Base::Pentium4 if !limited => 7,
            Base::I486 | Base::Pentium => 1,
            _ => 2,
        }
    }

    /// IA32_MISC_ENABLE as firmware leaves it: it limits CPUID where the processor is one of those whose systems did not know
    /// later leaves. Who wants to know them clears the limit.
    #[must_use]
    pub fn misc_enable(self) -> u64 {
        let limited = self.base == Base::Pentium4 && !self.is_later();
        if limited { misc_enable::LIMIT_CPUID } else { 0 }
    }

    /// IA32_ARCH_CAPABILITIES, if the model has the register.
    #[must_use]
    pub fn arch_capabilities(self) -> Option<u64> {
        self.has_extended().then_some(arch_capabilities::ALL)
    }

    /// EAX, EBX, ECX, EDX of CPUID `leaf` (of these models' leaves only 4 and 7 have sub-leaves, and there is nothing in
    /// them but in the first of 7), where IA32_MISC_ENABLE has it `limited` or not. A leaf beyond the last one answers as the
    /// last basic leaf does (SDM volume 2, CPUID).
    #[must_use]
    pub fn cpuid(self, leaf: u32, subleaf: u32, limited: bool) -> [u32; 4] {
        if self.is_later()
            && let Some(answer) = self.later_extended(leaf)
        {
            return answer;
        }
        let last = self.last_leaf(limited);
        match leaf {
            0 => self.identification(last),
            1 => self.version(),
            2 if last >= 2 => self.caches(),
            3..=XSAVE_LEAF if leaf <= last => self.later(leaf, subleaf),
            EXTENDED if self.has_extended() => [EXTENDED_LAST, 0, 0, 0],
            0x8000_0001 if self.has_extended() => [0; 4],
            0x8000_0002..=EXTENDED_LAST if self.has_extended() => self.brand(leaf - EXTENDED - 2),
            _ if last >= 7 => self.later(last, subleaf),
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
            (7, 0) => [0, word(2, LEAF_7), word(3, LEAF_7), capabilities],
            (XSAVE_LEAF, _) => self.state_components(subleaf),
            // No cache parameters beyond those of leaf 2, no MONITOR.
            _ => [0; 4],
        }
    }

    /// The state components that XCR0 can enable.
    #[must_use]
    pub fn xcr0(self) -> u64 {
        let features = self.features();
        let sse = if features.contains(Features::SSE) { xcr0::SSE } else { 0 };
        let avx = if features.contains(Features::AVX) { xcr0::AVX } else { 0 };
        xcr0::X87 | sse | avx
    }

    /// Leaf 0Dh, without the size of what is enabled (EBX of the first sub-leaf), of which a model knows nothing.
    fn state_components(self, subleaf: u32) -> [u32; 4] {
        let all = self.xcr0();
        match subleaf {
            0 => [all as u32, 0, xcr0::size(all), 0],
            1 => [u32::from(self.features().contains(Features::XSAVEOPT)), 0, 0, 0],
            2 if all & xcr0::AVX != 0 => [xcr0::AVX_LEN, xcr0::AVX_AT, 0, 0],
            _ => [0; 4],
        }
    }

    /// The extended leaves that came after the Pentium 4.
    fn later_extended(self, leaf: u32) -> Option<[u32; 4]> {
        let word = |mask: Features| ((self.features() & mask).bits() >> 96) as u32;
        let long = self.features().contains(Features::LM);
        Some(match leaf {
            EXTENDED => [EXTENDED_LAST_MAX, 0, 0, 0],
            0x8000_0001 => {
                let edx = word(LEAF_80000001 - LEAF_80000001_ECX);
                [0, 0, word(LEAF_80000001_ECX), if long { edx | PAGES_OF_1_GIB } else { edx }]
            }
            // The time-stamp counter never stops; 36 physical address bits, 32 or 48 linear ones.
            0x8000_0005 | 0x8000_0006 => [0; 4],
            0x8000_0007 => [0, 0, 0, 1 << 8],
            0x8000_0008 => [if long { 48 << 8 | 36 } else { 32 << 8 | 36 }, 0, 0, 0],
            _ => return None,
        })
    }

    fn has_extended(self) -> bool {
        !matches!(self.base, Base::I486 | Base::Pentium | Base::Pentium3)
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
        match self.base {
            Base::I486 | Base::Pentium | Base::Pentium3 => [0x0302_0101, 0, 0, 0x0c04_0843],
            _ => [0x665b_5001, 0, 0, 0x007a_7040],
        }
    }

    /// The `n`th 16 bytes of the brand string.
    fn brand(self, n: u32) -> [u32; 4] {
        let text: &[u8] = match self.base {
            Base::Max => b"Ringer Virtual CPU (max)",
            Base::Host => b"Ringer Virtual CPU (host)",
            Base::X86_64V1 => b"Ringer Virtual CPU (x86-64-v1)",
            Base::X86_64V2 => b"Ringer Virtual CPU (x86-64-v2)",
            Base::X86_64V3 => b"Ringer Virtual CPU (x86-64-v3)",
            _ => b"Ringer Virtual CPU (Pentium 4)",
        };
        let byte = |at: usize| text.get(at).copied().unwrap_or(0);
        [0, 4, 8, 12].map(|k| {
            let at = n as usize * 16 + k;
            u32::from_le_bytes([byte(at), byte(at + 1), byte(at + 2), byte(at + 3)])
        })
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
