//! CPU models: features, CPUID leaves, the signature in EDX at reset. ([`crate::choice`] has their names, and what may be added
//! to them and taken from them.)

use crate::state::{misc_enable, xcr0};
use bitflags::bitflags;

bitflags! {
    /// CPUID feature bits (SDM volume 2, CPUID) at their architectural positions in a register of 32 bits: EDX
    /// and ECX of leaf 1 from bits 0 and 32 on, EBX of leaf 7 from 64 on, and from 96 on ECX of leaf 7, EDX and ECX of
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
        /// PCLMULQDQ.
        const PCLMULQDQ = 1 << (32 + 1);
        /// SSSE3.
        const SSSE3 = 1 << (32 + 9);
        /// Fused multiply and add.
        const FMA = 1 << (32 + 12);
        /// SSE4.1.
        const SSE4_1 = 1 << (32 + 19);
        /// SSE4.2.
        const SSE4_2 = 1 << (32 + 20);
        /// CMPXCHG16B.
        const CX16 = 1 << (32 + 13);
        /// MOVBE.
        const MOVBE = 1 << (32 + 22);
        /// POPCNT.
        const POPCNT = 1 << (32 + 23);
        /// The local APIC's timer has a TSC-deadline mode.
        const TSC_DEADLINE = 1 << (32 + 24);
        /// AES.
        const AES = 1 << (32 + 25);
        /// XSAVE, XRSTOR, XGETBV, XSETBV, and CR4.OSXSAVE.
        const XSAVE = 1 << (32 + 26);
        /// AVX.
        const AVX = 1 << (32 + 28);
        /// Conversions between singles and numbers of 16 bits.
        const F16C = 1 << (32 + 29);
        /// RDRAND.
        const RDRAND = 1 << (32 + 30);
        /// ANDN, BEXTR, BLSI, BLSMSK, BLSR, TZCNT.
        const BMI1 = 1 << (64 + 3);
        /// AVX2.
        const AVX2 = 1 << (64 + 5);
        /// Supervisor code may not run in user pages (CR4.SMEP).
        const SMEP = 1 << (64 + 7);
        /// BZHI, MULX, PDEP, PEXT, RORX, SARX, SHLX, SHRX.
        const BMI2 = 1 << (64 + 8);
        /// RDSEED.
        const RDSEED = 1 << (64 + 18);
        /// ADCX and ADOX.
        const ADX = 1 << (64 + 19);
        /// Supervisor code may not touch data in user pages by accident (CR4.SMAP); CLAC and STAC.
        const SMAP = 1 << (64 + 20);
        /// SHA-1 and SHA-256.
        const SHA = 1 << (64 + 29);
        /// XSAVEOPT; told by leaf 0Dh, and kept where no other leaf of ours has a bit.
        const XSAVEOPT = 1 << 96;
        /// User code may not see system registers (CR4.UMIP).
        const UMIP = 1 << (96 + 2);
        /// LZCNT.
        const LZCNT = 1 << (96 + 5);
        /// Pages that forbid fetches (EFER.NXE).
        const NX = 1 << (96 + 20);
        /// RDTSCP.
        const RDTSCP = 1 << (96 + 27);
        /// 64-bit mode. No model shows it yet.
        const LM = 1 << (96 + 29);
    }
}

/// What a processor model goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Base {
    I486,
    Pentium,
    Pentium3,
    Pentium4,
    Max,
    Host,
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

/// Features in leaf 7: in its EBX and its ECX.
const LEAF_7: Features = Features::from_bits_retain(0xffff_ffff << 64).union(Features::UMIP);

/// Features in leaf 80000001h.
const LEAF_80000001: Features =
    Features::from_bits_retain(0xffff_fffe << 96).difference(Features::UMIP);

/// Those of them that are in its ECX; the others are in its EDX.
const LEAF_80000001_ECX: Features = Features::LZCNT;

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
    .union(Features::SMEP)
    .union(Features::SMAP)
    .union(Features::UMIP)
    .union(Features::NX)
    .union(Features::RDTSCP);

/// User-level instructions that the interpreter executes on any host.
const ANYWHERE: Features = Features::POPCNT
    .union(Features::MOVBE)
    .union(Features::BMI1)
    .union(Features::BMI2)
    .union(Features::RDSEED)
    .union(Features::ADX)
    .union(Features::LZCNT)
    .union(Features::XSAVE)
    .union(Features::XSAVEOPT);

/// Those of them that are the interpreter's on every host.
const INTERPRETED: Features = Features::RDSEED.union(Features::XSAVE).union(Features::XSAVEOPT);

/// Every x86-64 processor's user-level instructions.
const ALWAYS: Features = Features::FPU
    .union(Features::TSC)
    .union(Features::CX8)
    .union(Features::CMOV)
    .union(Features::CLFSH)
    .union(Features::MMX)
    .union(Features::FXSR)
    .union(Features::SSE)
    .union(Features::SSE2);

impl Features {
    /// Those of the features with user-level instructions that the host's own processor has. What is re-emitted, or executed by
    /// the host's units, must be of these.
    #[must_use]
    pub fn of_host() -> Self {
        use std::arch::is_x86_feature_detected as detected;
        let vectors = [
            (Features::SSE3, detected!("sse3")),
            (Features::SSSE3, detected!("ssse3")),
            (Features::SSE4_1, detected!("sse4.1")),
            (Features::SSE4_2, detected!("sse4.2")),
            (Features::AVX, detected!("avx")),
            (Features::AVX2, detected!("avx2")),
        ];
        // Shown where the host has them, each with those before it.
        let vectors = vectors.into_iter().take_while(|(_, there)| *there);
        let others = [
            (Features::FMA, detected!("fma") && detected!("avx")),
            (Features::F16C, detected!("f16c") && detected!("avx")),
            (Features::AES, detected!("aes")),
            (Features::PCLMULQDQ, detected!("pclmulqdq")),
            (Features::SHA, detected!("sha")),
            (Features::POPCNT, detected!("popcnt")),
            (Features::MOVBE, detected!("movbe")),
            (Features::BMI1, detected!("bmi1")),
            (Features::BMI2, detected!("bmi2")),
            (Features::LZCNT, detected!("lzcnt")),
            (Features::ADX, detected!("adx")),
            (Features::RDRAND, detected!("rdrand")),
            (Features::RDSEED, detected!("rdseed")),
        ];
        let others = others.into_iter().filter(|(_, there)| *there);
        vectors.chain(others).fold(ALWAYS, |all, (feature, _)| all | feature)
    }

    /// All that Ringer can give a guest on this host.
    #[must_use]
    pub fn possible() -> Self {
        MAX | ANYWHERE | Self::of_host()
    }
}

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

    /// All models, oldest first.
    pub const ALL: [Self; 6] =
        [Self::I486, Self::PENTIUM, Self::PENTIUM3, Self::PENTIUM4, Self::MAX, Self::HOST];

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
            Base::Max => Features::possible(),
            Base::Host => MAX | Features::of_host() | INTERPRETED,
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
            Base::Max | Base::Host => 0x106ca,
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
        }
    }

    /// The model, or what was added to it, is later than the Pentium 4.
    fn is_later(self) -> bool {
        let latest = matches!(self.base, Base::Max | Base::Host);
        latest || self.features().intersects(LEAF_7 | LEAF_80000001)
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
        Some(match leaf {
            EXTENDED => [EXTENDED_LAST_MAX, 0, 0, 0],
            0x8000_0001 => [0, 0, word(LEAF_80000001_ECX), word(LEAF_80000001 - LEAF_80000001_ECX)],
            // The time-stamp counter never stops; 36 physical address bits, 32 linear ones.
            0x8000_0005 | 0x8000_0006 => [0; 4],
            0x8000_0007 => [0, 0, 0, 1 << 8],
            0x8000_0008 => [32 << 8 | 36, 0, 0, 0],
            _ => return None,
        })
    }

    fn has_extended(self) -> bool {
        matches!(self.base, Base::Pentium4 | Base::Max | Base::Host)
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
            Base::Pentium4 | Base::Max | Base::Host => [0x665b_5001, 0, 0, 0x007a_7040],
            _ => [0x0302_0101, 0, 0, 0x0c04_0843],
        }
    }

    /// The `n`th 16 bytes of the brand string.
    fn brand(self, n: u32) -> [u32; 4] {
        let text: &[u8] = match self.base {
            Base::Max => b"Ringer Virtual CPU (max)",
            Base::Host => b"Ringer Virtual CPU (host)",
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
mod tests {
    use super::*;

    #[test]
    fn leaves_beyond_the_last_answer_as_the_last() {
        let p4 = CpuModel::PENTIUM4;
        assert_eq!(p4.cpuid(3, 0, true), p4.cpuid(2, 0, true));
        assert_eq!(p4.cpuid(0x4000_0000, 0, true), p4.cpuid(2, 0, true));
        assert_eq!(p4.cpuid(0x8000_0005, 0, true), p4.cpuid(2, 0, true));
        let p5 = CpuModel::PENTIUM;
        assert_eq!(p5.cpuid(2, 0, true), p5.cpuid(1, 0, true));
        assert_eq!(p5.cpuid(EXTENDED, 0, true), p5.cpuid(1, 0, true));
    }

    #[test]
    fn the_brand_string_is_whole() {
        let p4 = CpuModel::PENTIUM4;
        let text: Vec<u8> = (2..=4)
            .flat_map(|n| p4.cpuid(EXTENDED + n, 0, true))
            .flat_map(u32::to_le_bytes)
            .take_while(|&b| b != 0)
            .collect();
        assert_eq!(text, b"Ringer Virtual CPU (Pentium 4)");
    }

    #[test]
    fn the_later_leaves_tell_the_later_features() {
        let max = CpuModel::MAX;
        let [last, ..] = max.cpuid(0, 0, false);
        assert_eq!((last, max.cpuid(EXTENDED, 0, false)[0]), (XSAVE_LEAF, EXTENDED_LAST_MAX));
        let [_, ebx, ecx, _] = max.cpuid(7, 0, false);
        let [smep, bmi, seed, adx] = [1 << 7, 1 << 3 | 1 << 8, 1 << 18, 1 << 19];
        let wanted = smep | bmi | seed | adx | 1 << 20;
        assert_eq!(ebx & wanted, wanted, "and SMAP");
        assert_eq!(ecx, 1 << 2, "UMIP");
        assert_eq!(max.cpuid(7, 1, false), [0; 4]);
        let [.., ecx, edx] = max.cpuid(0x8000_0001, 0, false);
        assert_eq!((ecx, edx), (1 << 5, 1 << 27 | 1 << 20), "LZCNT; RDTSCP, NX");
        assert_eq!(max.cpuid(1, 0, false)[3] & (1 << 9 | 1 << 12), 1 << 9 | 1 << 12, "APIC, MTRR");
        assert_eq!(max.cpuid(0x4000_0000, 0, false), max.cpuid(XSAVE_LEAF, 0, false));
        assert_eq!(max.cpuid(XSAVE_LEAF, 1, false), [1, 0, 0, 0]);
        let sse = max.with_features(max.features() - Features::AVX);
        assert_eq!(sse.cpuid(XSAVE_LEAF, 0, false), [3, 0, 576, 0]);
        assert_eq!(sse.cpuid(XSAVE_LEAF, 2, false), [0; 4]);
        for older in [CpuModel::PENTIUM3, CpuModel::PENTIUM4] {
            assert_eq!(older.cpuid(1, 0, false)[3] & 1 << 9, 0, "{older:?}");
            assert_eq!(older.cpuid(0x8000_0001, 0, false)[3] & 1 << 20, 0, "{older:?}");
        }
    }

    #[test]
    fn a_limit_that_is_lifted_shows_the_capabilities() {
        let p4 = CpuModel::PENTIUM4;
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
        assert_eq!(CpuModel::MAX.cpuid(7, 0, false)[3], HAS_ARCH_CAPABILITIES);
        assert_eq!(CpuModel::MAX.misc_enable(), 0);
        for older in [CpuModel::I486, CpuModel::PENTIUM, CpuModel::PENTIUM3] {
            assert_eq!(older.arch_capabilities(), None, "{older:?}");
            assert_eq!(older.cpuid(7, 0, false), older.cpuid(7, 0, true), "{older:?}");
            assert!(older.cpuid(0, 0, false)[0] <= 2, "{older:?}");
        }
    }

    #[test]
    fn vendor_and_features() {
        let [max, b, c, d] = CpuModel::I486.cpuid(0, 0, true);
        assert_eq!((max, b, d, c), (1, 0x756e_6547, 0x4965_6e69, 0x6c65_746e));
        assert_eq!(CpuModel::I486.cpuid(1, 0, true)[3], 1);
        assert!(!CpuModel::PENTIUM3.features().contains(Features::SSE2));
        assert!(CpuModel::PENTIUM4.features().contains(Features::SSE2 | Features::PAE));
    }
}
