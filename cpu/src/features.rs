//! The features of processors: their CPUID bits, the sets that the models have, and what this host can give.

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
        /// RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE in 64-bit mode (CR4.FSGSBASE).
        const FSGSBASE = 1 << 64;
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
        const XSAVEOPT = 1 << 127;
        /// User code may not see system registers (CR4.UMIP).
        const UMIP = 1 << (96 + 2);
        /// LAHF and SAHF in 64-bit mode.
        const LAHF_LM = 1 << 96;
        /// LZCNT.
        const LZCNT = 1 << (96 + 5);
        /// PREFETCHW, which is a hint.
        const PREFETCHW = 1 << (96 + 8);
        /// SYSCALL and SYSRET, in 64-bit mode alone.
        const SYSCALL = 1 << (96 + 11);
        /// Pages that forbid fetches (EFER.NXE).
        const NX = 1 << (96 + 20);
        /// RDTSCP.
        const RDTSCP = 1 << (96 + 27);
        /// Long mode.
        const LM = 1 << (96 + 29);
    }
}

/// Features in leaf 7: in its EBX and its ECX.
pub(crate) const LEAF_7: Features =
    Features::from_bits_retain(0xffff_ffff << 64).union(Features::UMIP);

/// Features in leaf 80000001h.
pub(crate) const LEAF_80000001: Features =
    Features::from_bits_retain(0x7fff_ffff << 96).difference(Features::UMIP);

/// Those of them that are in its ECX; the others are in its EDX.
pub(crate) const LEAF_80000001_ECX: Features =
    Features::LZCNT.union(Features::LAHF_LM).union(Features::PREFETCHW);

pub(crate) const PENTIUM: Features = Features::FPU
    .union(Features::VME)
    .union(Features::DE)
    .union(Features::PSE)
    .union(Features::TSC)
    .union(Features::MSR)
    .union(Features::CX8);

pub(crate) const PENTIUM3: Features = PENTIUM
    .union(Features::PAE)
    .union(Features::SEP)
    .union(Features::PGE)
    .union(Features::CMOV)
    .union(Features::PAT)
    .union(Features::MMX)
    .union(Features::FXSR)
    .union(Features::SSE);

pub(crate) const PENTIUM4: Features =
    PENTIUM3.union(Features::CLFSH).union(Features::SSE2).union(Features::RDRAND);

pub(crate) const MAX: Features = PENTIUM4
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
pub(crate) const ANYWHERE: Features = Features::POPCNT
    .union(Features::MOVBE)
    .union(Features::BMI1)
    .union(Features::BMI2)
    .union(Features::RDSEED)
    .union(Features::ADX)
    .union(Features::LZCNT)
    .union(Features::XSAVE)
    .union(Features::XSAVEOPT);

/// Those of them that are the interpreter's on every host.
pub(crate) const INTERPRETED: Features =
    Features::RDSEED.union(Features::XSAVE).union(Features::XSAVEOPT);

/// Every x86-64 processor's user-level instructions.
pub(crate) const ALWAYS: Features = Features::FPU
    .union(Features::TSC)
    .union(Features::CX8)
    .union(Features::CMOV)
    .union(Features::CLFSH)
    .union(Features::MMX)
    .union(Features::FXSR)
    .union(Features::SSE)
    .union(Features::SSE2);

/// What only 64-bit mode has, and who knows of it.
pub(crate) const ANYWHERE_64: Features = Features::LM
    .union(Features::SYSCALL)
    .union(Features::LAHF_LM)
    .union(Features::CX16)
    .union(Features::PREFETCHW)
    .union(Features::FSGSBASE);

/// The first level of x86-64, on a board and with system features of today.
pub(crate) const X86_64_V1: Features =
    MAX.union(Features::LM).union(Features::SYSCALL).union(Features::FSGSBASE);

pub(crate) const X86_64_V2: Features = X86_64_V1
    .union(Features::CX16)
    .union(Features::LAHF_LM)
    .union(Features::POPCNT)
    .union(Features::SSE3)
    .union(Features::SSSE3)
    .union(Features::SSE4_1)
    .union(Features::SSE4_2);

pub(crate) const X86_64_V3: Features = X86_64_V2
    .union(Features::AVX)
    .union(Features::AVX2)
    .union(Features::BMI1)
    .union(Features::BMI2)
    .union(Features::F16C)
    .union(Features::FMA)
    .union(Features::LZCNT)
    .union(Features::MOVBE)
    .union(Features::PREFETCHW)
    .union(Features::XSAVE)
    .union(Features::XSAVEOPT);

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
        MAX | ANYWHERE | ANYWHERE_64 | Self::of_host()
    }
}
