//! The surroundings of a random case: mode and privilege, segments, page tables, control registers,
//! x87 and SSE state.
//!
//! The data pages are reached at several linear addresses: through the low megabyte, which 16-bit
//! code can reach too, 1 GiB higher, and at the very end of the address space, where offsets wrap.

use crate::case::Kind;
use crate::layout::*;
use crate::tables::descriptor;
use ringer_casegen::rng::Rng;
use ringer_casegen::values;
use ringer_cpu::Eflags;

/// Linear addresses of the first data page.
pub const ORIGINS: &[u32] = &[0x1_0000, 0x4001_0000, 0xffff_c000, 0x3f_c000, 0xffc1_0000];
/// Linear addresses of the first code page.
const CODE_AT: &[u32] = &[0x2_0000, 0x4002_0000, 0xffc2_0000];

/// What a segment register holds at the start.
#[derive(Clone, Debug)]
pub struct Seg {
    /// Base address.
    pub base: u32,
    /// Offsets at which the data pages begin.
    pub origins: Vec<u32>,
    /// The peer treats accesses through it as we do: it has no limit, and can be written.
    pub plain: bool,
}

/// Everything but the instructions.
#[derive(Clone, Debug)]
pub struct Setting {
    /// How it is entered.
    pub kind: Kind,
    /// 16 or 32: the size that CS gives code.
    pub bits: u32,
    /// ES, CS, SS, DS, FS, GS.
    pub segs: [Seg; 6],
    /// Their selectors.
    pub selectors: [u16; 6],
    /// The case's own descriptors.
    pub slots: [u64; 8],
    /// Linear address of the first code page.
    pub code_at: u32,
    /// The case's code can be written.
    pub writable_code: bool,
    /// See [`crate::case::Case`].
    pub ptes: [u32; 8],
    /// See [`crate::case::Case`].
    pub frames: [u32; 4],
    /// See [`crate::case::Case`].
    pub pdes: [u32; 3],
    /// CR0.
    pub cr0: u32,
    /// CR4.
    pub cr4: u32,
    /// EFLAGS.
    pub eflags: u32,
    /// x87, MMX and SSE.
    pub fpu: [u8; 512],
}

impl Setting {
    /// A random one.
    pub fn new(rng: &mut Rng) -> Self {
        let (kind, bits, flat) = match rng.below(100) {
            0..=35 => (Kind::User, 32, true),
            36..=57 => (Kind::Supervisor, 32, true),
            58..=64 => (Kind::User, 32, false),
            65..=68 => (Kind::Supervisor, 32, false),
            69..=77 => (Kind::User, 16, false),
            78..=84 => (Kind::Supervisor, 16, false),
            85..=94 => (Kind::V86, 16, false),
            _ => (Kind::Real, 16, false),
        };
        let code_at = if bits == 32 { rng.pick(CODE_AT) } else { CODE_AT[0] };
        let writable_code = rng.one_in(6);
        let mut s = Self {
            kind,
            bits,
            segs: std::array::from_fn(|_| Seg { base: 0, origins: ORIGINS.to_vec(), plain: true }),
            selectors: [0; 6],
            slots: [0; 8],
            code_at,
            writable_code,
            ptes: [0; 8],
            frames: [0, 1, 2, 3],
            pdes: [PT_ARENA | 0x67; 3],
            cr0: CR0_DEFAULT,
            cr4: CR4_DEFAULT,
            eflags: flags(rng, kind),
            fpu: values::fpu(rng).0,
        };
        s.segments(rng, flat);
        s.pages(rng);
        s.controls(rng);
        s
    }

    /// Privilege level.
    pub fn cpl(&self) -> u32 {
        match self.kind {
            Kind::Supervisor | Kind::Real => 0,
            Kind::User | Kind::V86 => 3,
        }
    }

    /// Whether the case can write to its code pages: their entries permit it, or nothing forbids it.
    pub fn can_write_code(&self) -> bool {
        self.writable_code || self.kind == Kind::Real || self.cr0 & WP == 0
    }

    fn segments(&mut self, rng: &mut Rng, flat: bool) {
        match self.kind {
            Kind::V86 | Kind::Real => {
                self.selectors = [0x1000, 0x2000, 0x1000, 0x1000, 0x1000, 0x1000];
                for (seg, selector) in self.segs.iter_mut().zip(self.selectors) {
                    let base = u32::from(selector) << 4;
                    let origins = if selector == 0x1000 { vec![0] } else { Vec::new() };
                    *seg = Seg { base, origins, plain: true };
                }
            }
            Kind::User | Kind::Supervisor => {
                for register in 0..6 {
                    self.segment(rng, register, flat);
                }
            }
        }
    }

    /// Descriptor, selector and description of one segment register, in protected mode.
    fn segment(&mut self, rng: &mut Rng, register: usize, flat: bool) {
        let rpl = self.cpl() as u16;
        let dpl = (rpl as u8) << 5;
        let slot = register + 1;
        self.selectors[register] = (CASE_SLOTS + 8 * slot as u16) | rpl;
        let based = |rng: &mut Rng| rng.pick(ORIGINS).wrapping_sub(rng.pick(&[0, 0, 16, 0x120]));
        let (d, seg) = match register {
            1 => self.code_segment(rng, dpl, flat),
            2 => {
                let based =
                    if self.bits == 16 || (!flat && rng.one_in(3)) { based(rng) } else { 0 };
                let big = if self.bits == 16 && rng.below(3) > 0 { 0 } else { 4 };
                data_segment(based, self.bits == 16 && big == 0, 0x93 | dpl, big)
            }
            _ if flat => data_segment(0, false, 0x93 | dpl, 4),
            _ => {
                let base = if rng.one_in(4) && self.bits == 32 { 0 } else { based(rng) };
                match rng.below(if self.bits == 16 { 10 } else { 14 }) {
                    0..=3 => data_segment(base, self.bits == 16, 0x93 | dpl, 4),
                    4..=6 => data_segment(base, false, 0x93 | dpl, 4),
                    7 => data_segment(base, true, 0x91 | dpl, 4), // read-only
                    8 => data_segment(base, true, 0x9b | dpl, 4), // code, readable
                    9 => {
                        self.selectors[register] = 0;
                        (0, Seg { base: 0, origins: Vec::new(), plain: false })
                    }
                    10 | 11 => {
                        let limit = rng.pick(&[0xfff, 0x1fff, 0x3fff, 0x2003, 0x1000]);
                        let d = descriptor(base, limit, 0x93 | dpl, 4);
                        (d, Seg { base, origins: origin(base), plain: false })
                    }
                    _ => {
                        let limit = rng.pick(&[0, 0xfff, 0x1fff, 0x1003]);
                        let d = descriptor(base, limit, 0x97 | dpl, 4);
                        (d, Seg { base, origins: origin(base), plain: false })
                    }
                }
            }
        };
        self.slots[slot] = d;
        self.segs[register] = seg;
    }

    fn code_segment(&mut self, rng: &mut Rng, dpl: u8, flat: bool) -> (u64, Seg) {
        let none = Vec::new();
        if self.bits == 16 {
            let d = descriptor(self.code_at, 0xffff, 0x9b | dpl, 0);
            return (d, Seg { base: self.code_at, origins: none, plain: false });
        }
        if !flat && rng.one_in(4) {
            let base = self.code_at - 0x100;
            let d = descriptor(base, 0xf_ffff, 0x9b | dpl, 0xc);
            return (d, Seg { base, origins: none, plain: false });
        }
        let d = descriptor(0, 0xf_ffff, 0x9b | dpl, 0xc);
        (d, Seg { base: 0, origins: ORIGINS.to_vec(), plain: true })
    }

    fn pages(&mut self, rng: &mut Rng) {
        const PLAIN: u32 = 0x67;
        let code = if self.writable_code { PLAIN } else { 0x25 };
        self.ptes =
            [PLAIN, PLAIN, PLAIN, PLAIN, CODE_PAGES | code, (CODE_PAGES + 0x1000) | code, 0, 0];
        if self.kind == Kind::Real {
            return;
        }
        if rng.one_in(3) {
            for _ in 0..1 + rng.below(2) {
                let page = rng.below(4) as usize;
                // Not present, read-only, supervisor, neither accessed nor dirty, not dirty.
                self.ptes[page] = rng.pick(&[0x66, 0x65, 0x63, 0x07, 0x27, 0x61, 0x05, 0x27]);
            }
        }
        if rng.one_in(8) {
            // Two linear pages, one frame.
            let (a, b) = (rng.below(4) as usize, rng.below(4));
            self.frames[a] = b;
        }
        if rng.one_in(16) {
            self.ptes[4 + rng.below(2) as usize] &= !0x20; // a code page not accessed yet
        }
        if rng.one_in(24) {
            self.ptes[5] &= !1; // The second code page is not present.
        }
        let code_pde = match self.code_at >> 22 {
            0 => 0,
            0x100 => 1,
            _ => 2,
        };
        let victim = 1 + rng.below(2) as usize;
        if victim != code_pde && rng.one_in(8) {
            self.pdes[victim] =
                rng.pick(&[PT_ARENA | 0x65, PT_ARENA | 0x63, PT_ARENA | 0x07, LARGE | 0x85, 0]);
        }
    }

    fn controls(&mut self, rng: &mut Rng) {
        const TS: u32 = 8;
        const EM: u32 = 4;
        const MP: u32 = 2;
        const AM: u32 = 1 << 18;
        if self.kind == Kind::Real {
            self.cr0 = 0x30;
        }
        if rng.one_in(20) {
            self.cr0 ^= rng.pick(&[TS, TS | MP, EM, MP, EM | TS]);
        }
        if rng.one_in(20) && self.kind != Kind::Real {
            self.cr0 ^= rng.pick(&[WP, AM, AM]);
        }
        if self.cr0 & WP == 0 {
            // CPL 0 could write to the large page, which nobody cleans.
            for pde in self.pdes.iter_mut().filter(|e| **e & 0x80 != 0) {
                *pde = PT_ARENA | 0x65;
            }
        }
        if rng.one_in(40) {
            self.cr4 ^= rng.pick(&[0x200, 0x400, 4, 8]); // OSFXSR, OSXMMEXCPT, TSD, DE
        }
        if !rng.one_in(8) {
            self.fpu[2] &= !0x40; // SF
        }
        if rng.one_in(2) {
            // Half of the cases: nothing pending, and registers for arithmetic in the x87 stack.
            self.fpu[2] = 0;
            self.fpu[3] &= 0x47 | 0x38;
            self.fpu[4] = rng.pick(&[0x3c, 0x0f, 0xf0, 0xc3, 0x7e]);
        }
    }
}

fn origin(base: u32) -> Vec<u32> {
    ORIGINS.iter().map(|o| o.wrapping_sub(base)).filter(|o| *o < 0x4000).collect()
}

/// A data segment with no limit, or with a limit of FFFFh.
fn data_segment(base: u32, small: bool, access: u8, big: u8) -> (u64, Seg) {
    let (limit, g) = if small { (0xffff, 0) } else { (0xf_ffff, 8) };
    let origins: Vec<u32> = if small || base != 0 { origin(base) } else { ORIGINS.to_vec() };
    let origins = if origins.is_empty() {
        ORIGINS.iter().map(|o| o.wrapping_sub(base)).filter(|o| !small || *o < 0xc000).collect()
    } else {
        origins
    };
    let plain = !small && access & 0x0a == 2;
    (descriptor(base, limit, access, big | g), Seg { base, origins, plain })
}

fn flags(rng: &mut Rng, kind: Kind) -> u32 {
    let mut flags = values::eflags(rng) & !Eflags::DF.bits();
    let iopl = if kind == Kind::V86 { 1 } else { 4 };
    let trap = if kind == Kind::User { 40 } else { u32::MAX };
    for (one_in, bits) in [
        (6, Eflags::DF.bits()),
        (2, Eflags::IF.bits()),
        (24, Eflags::AC.bits()),
        (32, Eflags::NT.bits()),
        (12, Eflags::ID.bits()),
        (iopl, IOPL_3),
        (trap, Eflags::TF.bits()),
    ] {
        if rng.one_in(one_in) {
            flags |= bits;
        }
    }
    if kind == Kind::V86 {
        flags |= Eflags::VM.bits();
        if rng.one_in(4) {
            flags &= !IOPL_3;
        }
    }
    if kind == Kind::Real {
        flags &= !(Eflags::AC.bits() | Eflags::ID.bits());
    }
    flags
}

const WP: u32 = 1 << 16;
const IOPL_3: u32 = 0x3000;
