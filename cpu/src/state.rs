//! The architectural state of one processor.

use crate::addr::{Lin, Pc};
use crate::flags::Eflags;
use crate::segment::{SegAttr, Segment};
use iced_x86::Register;

/// Indexes of the general registers, in encoding order; the first eight by the names of their low halves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
#[allow(missing_docs)]
pub enum Gpr {
    Eax = 0,
    Ecx = 1,
    Edx = 2,
    Ebx = 3,
    Esp = 4,
    Ebp = 5,
    Esi = 6,
    Edi = 7,
    R8 = 8,
    R9 = 9,
    R10 = 10,
    R11 = 11,
    R12 = 12,
    R13 = 13,
    R14 = 14,
    R15 = 15,
}

/// Indexes of the segment registers, in encoding order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
#[allow(missing_docs)]
pub enum SegReg {
    Es = 0,
    Cs = 1,
    Ss = 2,
    Ds = 3,
    Fs = 4,
    Gs = 5,
}

impl SegReg {
    /// All six, in encoding order.
    pub const ALL: [SegReg; 6] =
        [SegReg::Es, SegReg::Cs, SegReg::Ss, SegReg::Ds, SegReg::Fs, SegReg::Gs];

    /// The one that `register` names; `None` for what is no segment register.
    #[must_use]
    #[inline]
    pub fn named(register: Register) -> Option<Self> {
        Self::ALL.get((register as usize).wrapping_sub(Register::ES as usize)).copied()
    }
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct TableReg {
    /// Linear base address.
    pub base: Lin,
    /// Last valid byte offset.
    pub limit: u16,
}

/// The 512-byte FXSAVE image (SDM volume 2, FXSAVE, the layout without REX.W): x87, MMX, MXCSR, XMM0 to XMM15.
///
/// The upper halves of the instruction and data pointers, for which that layout has no room, are in bytes 416 to 423, which
/// FXSAVE leaves alone. They are not zero in 64-bit mode alone.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct FpuImage(pub [u8; 512]);

impl std::fmt::Debug for FpuImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FpuImage(fcw={:#06x} fsw={:#06x})", self.fcw(), self.fsw())
    }
}

impl FpuImage {
    /// The state after RESET/FNINIT with MXCSR 1F80h.
    #[must_use]
    pub fn reset() -> Self {
        let mut image = Self([0; 512]);
        image.0[0..2].copy_from_slice(&0x037fu16.to_le_bytes());
        image.0[24..28].copy_from_slice(&0x1f80u32.to_le_bytes());
        image
    }

    /// The x87 control word.
    #[must_use]
    pub fn fcw(&self) -> u16 {
        u16::from_le_bytes([self.0[0], self.0[1]])
    }

    /// The x87 status word.
    #[must_use]
    pub fn fsw(&self) -> u16 {
        u16::from_le_bytes([self.0[2], self.0[3]])
    }

    /// MXCSR.
    #[must_use]
    pub fn mxcsr(&self) -> u32 {
        u32::from_le_bytes([self.0[24], self.0[25], self.0[26], self.0[27]])
    }

    /// Clears the bits of MXCSR that no model has (SDM volume 1, 10.2.3): LDMXCSR and FXRSTOR refuse
    /// them. A guest cannot set them; a state from elsewhere may have them.
    #[inline]
    pub fn drop_reserved_mxcsr(&mut self) {
        self.0[26..28].fill(0);
    }
}

/// What the processor is doing between instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Activity {
    /// Executing.
    Running = 0,
    /// HLT: waits for an interrupt.
    Halted = 1,
    /// Shutdown after a triple fault: only a reset helps.
    Shutdown = 2,
}

/// Model-specific registers that the models implement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Msrs {
    /// IA32_SYSENTER_CS (174h).
    pub sysenter_cs: u64,
    /// IA32_SYSENTER_ESP (175h).
    pub sysenter_esp: u64,
    /// IA32_SYSENTER_EIP (176h).
    pub sysenter_eip: u64,
    /// IA32_APIC_BASE (1Bh).
    pub apic_base: u64,
    /// IA32_EFER (C0000080h): only NXE exists on a 32-bit model.
    pub efer: u64,
    /// IA32_STAR (C0000081h).
    pub star: u64,
    /// IA32_LSTAR (C0000082h).
    pub lstar: u64,
    /// IA32_CSTAR (C0000083h): SYSCALL of compatibility mode, which raises #UD here as on Intel's processors.
    pub cstar: u64,
    /// IA32_FMASK (C0000084h).
    pub fmask: u64,
    /// IA32_KERNEL_GS_BASE (C0000102h). (IA32_FS_BASE and IA32_GS_BASE are the bases of FS and GS.)
    pub kernel_gs_base: u64,
    /// IA32_PAT (277h).
    pub pat: u64,
    /// What WRMSR to IA32_TIME_STAMP_COUNTER added to the bus's counter.
    pub tsc_offset: u64,
    /// IA32_MISC_ENABLE (1A0h).
    pub misc_enable: u64,
}

/// The whole architectural state. `repr(C)`: translated code addresses fields by `offset_of!`.
///
/// Invariant: outside long mode the upper halves of the general registers, RIP, the control and debug
/// registers, and the bases are zero. Translated code of 16- and 32-bit guests relies on it: it reads and
/// writes the low halves alone. In compatibility mode RIP and the first eight general registers have none either:
/// a switch to it clears them, as the SDM lets it (volume 1, 3.4.1.1).
///
/// Conventions: EFLAGS is kept whole in `eflags` whenever Rust code sees the state; XMM registers and
/// MXCSR are in `fpu` then, and x87 and MMX unless `fpu_in_host` says that the host's own unit holds
/// them.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(16))]
pub struct CpuState {
    /// x87, MMX and SSE state; what is x87's and MMX's is stale while `fpu_in_host` is set.
    pub fpu: FpuImage,
    /// The upper halves of YMM0 to YMM15. Outside 64-bit mode nothing shows those from YMM8 on, nor changes them.
    pub ymm_high: [[u8; 16]; 16],
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub gpr: [u64; 16],
    /// Offset of the next instruction in CS.
    pub rip: Pc,
    /// EFLAGS; bit 1 always set. (The upper half of RFLAGS is reserved and reads as zero.)
    pub eflags: u32,
    /// ES, CS, SS, DS, FS, GS.
    pub seg: [Segment; 6],
    /// Local descriptor table register.
    pub ldtr: Segment,
    /// Task register.
    pub tr: Segment,
    /// Global descriptor table register.
    pub gdtr: TableReg,
    /// Interrupt descriptor table register.
    pub idtr: TableReg,
    /// CR0.
    pub cr0: u64,
    /// CR2, the linear address of the last #PF that the guest got.
    pub cr2: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// XCR0, the state components that the guest's system has enabled.
    pub xcr0: u64,
    /// DR0 to DR7 (4 and 5 unused: they alias 6 and 7 unless CR4.DE).
    pub dr: [u64; 8],
    /// Model-specific registers.
    pub msr: Msrs,
    /// Current privilege level, 0 to 3.
    pub cpl: u8,
    /// Running, halted or shut down.
    pub activity: Activity,
    /// Interrupts are held back until after the next instruction (STI, MOV SS, POP SS).
    pub shadow_irq: bool,
    /// Debug traps too are held back until after the next instruction (MOV SS, POP SS).
    pub shadow_debug: bool,
    /// The host's own x87 unit holds the guest's x87 and MMX state.
    pub fpu_in_host: bool,
    /// An NMI is being handled: further ones wait for IRET.
    pub nmi_blocked: bool,
    /// DR6 bits of debug traps (data breakpoints, task-switch T) gathered while an instruction ran.
    pub pending_debug: u32,
    /// The string instruction at CS:EIP that is between two of its iterations, or before an exception of its own that was
    /// not delivered yet.
    pub string: StringInProgress,
}

/// The bytes of a repeated string instruction that has stopped between two iterations, with no exception or interrupt
/// taken there. It goes on as it was decoded, whatever it has written over its own bytes or over the tables that they
/// are reached by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct StringInProgress {
    /// The bytes; zero beyond `len`.
    pub bytes: [u8; 15],
    /// How many there are; 0: none is in progress.
    pub len: u8,
}

impl StringInProgress {
    /// None.
    pub const NONE: Self = Self { bytes: [0; 15], len: 0 };

    /// Its bytes; `None` when none is in progress.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.get(..usize::from(self.len)).filter(|bytes| !bytes.is_empty())
    }
}

/// CR0 bits (SDM volume 3A, 2.5).
#[allow(missing_docs)]
pub mod cr0 {
    pub const PE: u64 = 1 << 0;
    pub const MP: u64 = 1 << 1;
    pub const EM: u64 = 1 << 2;
    pub const TS: u64 = 1 << 3;
    pub const ET: u64 = 1 << 4;
    pub const NE: u64 = 1 << 5;
    pub const WP: u64 = 1 << 16;
    pub const AM: u64 = 1 << 18;
    pub const NW: u64 = 1 << 29;
    pub const CD: u64 = 1 << 30;
    pub const PG: u64 = 1 << 31;
}

/// CR4 bits (SDM volume 3A, 2.5).
#[allow(missing_docs)]
pub mod cr4 {
    pub const VME: u64 = 1 << 0;
    pub const PVI: u64 = 1 << 1;
    pub const TSD: u64 = 1 << 2;
    pub const DE: u64 = 1 << 3;
    pub const PSE: u64 = 1 << 4;
    pub const PAE: u64 = 1 << 5;
    pub const MCE: u64 = 1 << 6;
    pub const PGE: u64 = 1 << 7;
    pub const PCE: u64 = 1 << 8;
    pub const OSFXSR: u64 = 1 << 9;
    pub const OSXMMEXCPT: u64 = 1 << 10;
    pub const UMIP: u64 = 1 << 11;
    pub const FSGSBASE: u64 = 1 << 16;
    pub const OSXSAVE: u64 = 1 << 18;
    pub const SMEP: u64 = 1 << 20;
    pub const SMAP: u64 = 1 << 21;
}

/// XCR0's bits, and where their components are in an image of XSAVE (SDM volume 1, 13.3 and 13.4).
#[allow(missing_docs)]
pub mod xcr0 {
    pub const X87: u64 = 1 << 0;
    pub const SSE: u64 = 1 << 1;
    pub const AVX: u64 = 1 << 2;
    /// Bytes of the legacy region and the header.
    const HEADER_END: u32 = 576;
    /// Where AVX's component begins.
    pub const AVX_AT: u32 = HEADER_END;
    /// Its bytes, with those of registers that only 64-bit mode has.
    pub const AVX_LEN: u32 = 256;

    /// Bytes of an image with `components`.
    #[must_use]
    pub const fn size(components: u64) -> u32 {
        if components & AVX == 0 { HEADER_END } else { AVX_AT + AVX_LEN }
    }
}

/// IA32_APIC_BASE bits (SDM volume 3A, 10.4.4).
#[allow(missing_docs)]
pub mod apic_base {
    pub const BSP: u64 = 1 << 8;
    pub const ON: u64 = 1 << 11;
    /// The page, with 36 physical address bits.
    pub const BASE: u64 = 0xf_ffff_f000;
}

/// IA32_MISC_ENABLE bits (SDM volume 4, table 2-2).
pub mod misc_enable {
    /// CPUID leaf 0 tells of leaves up to 2, and no later one is there.
    pub const LIMIT_CPUID: u64 = 1 << 22;
}

/// IA32_EFER bits (SDM volume 3A, 2.2.1).
#[allow(missing_docs)]
pub mod efer {
    pub const SCE: u64 = 1 << 0;
    pub const LME: u64 = 1 << 8;
    pub const LMA: u64 = 1 << 10;
    pub const NXE: u64 = 1 << 11;
}

impl CpuState {
    /// The state after RESET (SDM volume 3A, table 9-1); `signature` is the family/model/stepping
    /// value that EDX holds.
    #[must_use]
    pub fn reset(signature: u32) -> Self {
        let mut seg = [Segment::real(0, 0); 6];
        seg[SegReg::Cs as usize].selector = 0xf000;
        seg[SegReg::Cs as usize].base = Lin(0xffff_0000);
        let system = |kind| Segment {
            selector: 0,
            attr: SegAttr::PRESENT | SegAttr::from_bits_retain(kind),
            base: Lin(0),
            limit: 0xffff,
        };
        let mut gpr = [0; 16];
        gpr[Gpr::Edx as usize] = u64::from(signature);
        let mut dr = [0; 8];
        dr[6] = 0xffff_0ff0;
        dr[7] = 0x400;
        Self {
            fpu: FpuImage::reset(),
            ymm_high: [[0; 16]; 16],
            gpr,
            rip: Pc(0xfff0),
            eflags: Eflags::FIXED_ONE,
            seg,
            ldtr: system(2),
            tr: system(11),
            gdtr: TableReg { base: Lin(0), limit: 0xffff },
            idtr: TableReg { base: Lin(0), limit: 0xffff },
            cr0: cr0::CD | cr0::NW | cr0::ET,
            cr2: 0,
            cr3: 0,
            cr4: 0,
            xcr0: xcr0::X87,
            dr,
            msr: Msrs { apic_base: 0xfee0_0100, pat: 0x0007_0406_0007_0406, ..Msrs::default() },
            cpl: 0,
            activity: Activity::Running,
            shadow_irq: false,
            shadow_debug: false,
            fpu_in_host: false,
            nmi_blocked: false,
            pending_debug: 0,
            string: StringInProgress::NONE,
        }
    }

    /// The low half of general register `r`: all of it outside long mode.
    #[inline]
    #[must_use]
    pub fn reg32(&self, r: Gpr) -> u32 {
        self.gpr[r as usize] as u32
    }

    /// Sets general register `r` to `value`, zero-extended.
    #[inline]
    pub fn set_reg32(&mut self, r: Gpr, value: u32) {
        self.gpr[r as usize] = u64::from(value);
    }

    /// EAX to EDI: the low halves of the first eight general registers, in encoding order.
    #[must_use]
    pub fn gpr32(&self) -> [u32; 8] {
        std::array::from_fn(|n| self.gpr[n] as u32)
    }

    /// Sets the first eight general registers to `values`, zero-extended; R8 to R15 stay.
    pub fn set_gpr32(&mut self, values: [u32; 8]) {
        for (reg, value) in self.gpr.iter_mut().zip(values) {
            *reg = u64::from(value);
        }
    }

    /// EIP: the low half of RIP, all of it outside long mode.
    #[inline]
    #[must_use]
    pub fn eip(&self) -> u32 {
        self.rip.low()
    }

    /// Sets RIP to `eip`, zero-extended.
    #[inline]
    pub fn set_eip(&mut self, eip: u32) {
        self.rip = Pc::from(eip);
    }

    /// Long mode is active, in one of its two submodes (SDM volume 3A, 2.2: IA-32e mode).
    #[inline]
    #[must_use]
    pub fn in_long_mode(&self) -> bool {
        self.msr.efer & efer::LMA != 0
    }

    /// 64-bit mode: long mode is active and the code segment is a 64-bit one (SDM volume 3A, 5.2.1).
    #[inline]
    #[must_use]
    pub fn in_64_bit_mode(&self) -> bool {
        self.in_long_mode() && self.cs().attr.contains(SegAttr::L)
    }

    /// The linear address of the instruction at RIP. In 64-bit mode CS has no base.
    #[inline]
    #[must_use]
    pub fn code_linear(&self) -> Lin {
        let base = if self.in_64_bit_mode() { Lin(0) } else { self.cs().base };
        self.linear(base, self.rip.get())
    }

    /// Clears what only 64-bit mode shows of RIP and of the first eight general registers, on the way out of it.
    pub fn leave_64_bit_mode(&mut self) {
        self.rip = Pc::from(self.rip.low());
        self.set_gpr32(self.gpr32());
    }

    /// Clears what only long mode shows, on the way out of it: the upper halves of everything.
    pub fn leave_long_mode(&mut self) {
        self.leave_64_bit_mode();
        self.gpr[Gpr::R8 as usize..].fill(0);
        let low = u64::from(u32::MAX);
        let segments = self.seg.iter_mut().chain([&mut self.ldtr, &mut self.tr]);
        segments.for_each(|segment| segment.base = segment.base.masked(low));
        for table in [&mut self.gdtr, &mut self.idtr] {
            table.base = table.base.masked(low);
        }
        for register in self.dr.iter_mut().chain([&mut self.cr2, &mut self.cr3]) {
            *register &= low;
        }
    }

    /// The bits that a linear address has: 32 outside 64-bit mode (SDM volume 1, 3.3.7).
    #[inline]
    #[must_use]
    pub fn address_mask(&self) -> u64 {
        if self.in_64_bit_mode() { u64::MAX } else { u64::from(u32::MAX) }
    }

    /// The linear address `offset` bytes after `base`, cut to the bits that it has.
    #[inline]
    #[must_use]
    pub fn linear(&self, base: Lin, offset: impl Into<u64>) -> Lin {
        base.plus(offset.into()).masked(self.address_mask())
    }

    /// The same for a system table (GDT, LDT, IDT, TSS): in long mode all 64 bits, also for compatibility mode.
    #[inline]
    #[must_use]
    pub fn system_linear(&self, base: Lin, offset: impl Into<u64>) -> Lin {
        let mask = if self.in_long_mode() { u64::MAX } else { u64::from(u32::MAX) };
        base.plus(offset.into()).masked(mask)
    }

    /// EFLAGS as flags.
    #[must_use]
    pub fn flags(&self) -> Eflags {
        Eflags::from_bits_retain(self.eflags)
    }

    /// Protected mode, V86 included (CR0.PE).
    #[must_use]
    pub fn protected(&self) -> bool {
        self.cr0 & cr0::PE != 0
    }

    /// Whether instructions on YMM registers are enabled: CR4.OSXSAVE and XCR0. (CR0.TS and the mode are other matters.)
    #[must_use]
    #[inline]
    pub fn avx_enabled(&self) -> bool {
        let both = xcr0::SSE | xcr0::AVX;
        self.cr4 & cr4::OSXSAVE != 0 && self.xcr0 & both == both
    }

    /// Virtual-8086 mode.
    #[must_use]
    pub fn v86(&self) -> bool {
        self.protected() && self.eflags & Eflags::VM.bits() != 0
    }

    /// CS of the running code.
    #[must_use]
    pub fn cs(&self) -> &Segment {
        &self.seg[SegReg::Cs as usize]
    }

    /// SS.
    #[must_use]
    pub fn ss(&self) -> &Segment {
        &self.seg[SegReg::Ss as usize]
    }
}
