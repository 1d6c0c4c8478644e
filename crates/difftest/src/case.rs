//! One case as the runner takes it, and its result as the runner leaves it.

use crate::layout::*;

/// How the runner enters a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Protected mode at CPL 0: a far jump.
    Supervisor = 1,
    /// Protected mode at CPL 3: IRETD.
    User = 2,
    /// Virtual-8086 mode: IRETD.
    V86 = 3,
    /// Real mode.
    Real = 4,
}

/// Registers and everything else that a case starts with.
#[derive(Clone, Debug)]
pub struct Case {
    /// How it is entered.
    pub kind: Kind,
    /// Both code pages are wiped behind it: it can write to them.
    pub wipe: bool,
    /// Where in the code pages its code is put.
    pub code_offset: u32,
    /// CR0.
    pub cr0: u32,
    /// CR4.
    pub cr4: u32,
    /// Entries of the data pages, the code pages, page 0, and the page behind the data; the data
    /// pages' frames are filled in for the slot.
    pub ptes: [u32; 8],
    /// Which data frame (0 to 3) each of the four data entries maps.
    pub frames: [u32; 4],
    /// Directory entries 0, 100h and 3FFh.
    pub pdes: [u32; 3],
    /// LDTR.
    pub ldt: u16,
    /// Descriptors of the eight selectors from [`CASE_SLOTS`] on.
    pub slots: [u64; 8],
    /// ES, CS, SS, DS, FS, GS.
    pub selectors: [u16; 6],
    /// EAX to EDI.
    pub gpr: [u32; 8],
    /// EFLAGS.
    pub eflags: u32,
    /// EIP.
    pub eip: u32,
    /// The FXSAVE image.
    pub fpu: [u8; 512],
    /// At most [`CODE_LEN`] bytes; the rest is INT3.
    pub code: Vec<u8>,
}

fn put(out: &mut [u8], at: usize, values: &[u32]) {
    for (k, v) in values.iter().enumerate() {
        out[at + 4 * k..at + 4 * k + 4].copy_from_slice(&v.to_le_bytes());
    }
}

impl Case {
    /// The bytes for slot `index`.
    pub fn encode(&self, index: usize, out: &mut [u8]) {
        out.fill(0);
        let wipe = u32::from(self.wipe) << 8;
        put(out, 0, &[self.kind as u32 | wipe, self.code_offset, self.cr0, self.cr4]);
        let mut ptes = self.ptes;
        let data = DATA + (index * DATA_LEN) as u32;
        for (pte, frame) in ptes.iter_mut().zip(self.frames) {
            *pte |= data + frame * 0x1000;
        }
        if self.kind == Kind::Real {
            ptes[0] = data; // The runner takes the address from here.
        }
        put(out, 0x10, &ptes);
        put(out, 0x30, &self.pdes);
        put(out, 0x3c, &[u32::from(self.ldt)]);
        for (k, slot) in self.slots.iter().enumerate() {
            put(out, 0x40 + 8 * k, &[*slot as u32, (*slot >> 32) as u32]);
        }
        put(out, 0x80, &self.entry());
        let code = &mut out[0x100..0x100 + CODE_LEN];
        code.fill(0xcc);
        code[..self.code.len()].copy_from_slice(&self.code);
        out[0x200..0x400].copy_from_slice(&self.fpu);
    }

    /// The block that the runner pops its way through: GS, FS, ES, DS, POPAD's registers, then an
    /// IRETD frame, or EFLAGS and two far pointers.
    fn entry(&self) -> [u32; 32] {
        let [es, cs, ss, ds, fs, gs] = self.selectors.map(u32::from);
        let [eax, ecx, edx, ebx, esp, ebp, esi, edi] = self.gpr;
        let mut words = vec![gs, fs, es, ds];
        if self.kind == Kind::V86 {
            words = vec![0; 4];
        }
        words.extend([edi, esi, ebp, 0, ebx, edx, ecx, eax]);
        match self.kind {
            Kind::User => words.extend([self.eip, cs, self.eflags, esp, ss]),
            Kind::V86 => words.extend([self.eip, cs, self.eflags, esp, ss, es, ds, fs, gs]),
            Kind::Supervisor | Kind::Real => words.extend([self.eflags, esp, ss, self.eip, cs]),
        }
        words.resize(32, 0);
        let mut out = [0; 32];
        out.copy_from_slice(&words);
        out
    }
}

/// A result slot.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a>(pub &'a [u8]);

/// Names of the doublewords of a result, by offset.
pub const FIELDS: &[(usize, &str)] = &[
    (0x00, "vector"),
    (0x04, "EAX"),
    (0x08, "ECX"),
    (0x0c, "EDX"),
    (0x10, "EBX"),
    (0x14, "ESP"),
    (0x18, "EBP"),
    (0x1c, "ESI"),
    (0x20, "EDI"),
    (0x24, "ES"),
    (0x28, "SS"),
    (0x2c, "DS"),
    (0x30, "FS"),
    (0x34, "GS"),
    (0x38, "CR0"),
    (0x3c, "CR2"),
    (0x40, "CR4"),
    (0x44, "DR6"),
    (0x48, "LDTR"),
    (0x80, "frame[0]"),
    (0x84, "frame[1]"),
    (0x88, "frame[2]"),
    (0x8c, "frame[3]"),
    (0x90, "frame[4]"),
    (0x94, "frame[5]"),
    (0x98, "frame[6]"),
    (0x9c, "frame[7]"),
    (0xa0, "frame[8]"),
    (0xa4, "frame[9]"),
    (0xa8, "frame[10]"),
    (0xac, "frame[11]"),
    (0xb0, "PTE data 0"),
    (0xb4, "PTE data 1"),
    (0xb8, "PTE data 2"),
    (0xbc, "PTE data 3"),
    (0xc0, "PTE data 0 (end)"),
    (0xc4, "PTE data 1 (end)"),
    (0xc8, "PTE data 2 (end)"),
    (0xcc, "PTE data 3 (end)"),
    (0xd0, "PTE code 0"),
    (0xd4, "PTE code 1"),
    (0xd8, "PTE page 0"),
    (0xdc, "PTE behind data"),
    (0xe0, "PDE 0"),
    (0xe4, "PDE 100h"),
    (0xe8, "PDE 3FFh"),
];

impl Outcome<'_> {
    /// The doubleword at `at`.
    pub fn word(&self, at: usize) -> u32 {
        let bytes = &self.0[at..at + 4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// The case ran to its end.
    pub fn is_complete(&self) -> bool {
        self.word(0x1fc) == 1
    }

    /// The vector that ended the case.
    pub fn vector(&self) -> u32 {
        self.word(0)
    }

    /// Whether the exception pushed an error code.
    pub fn has_error_code(&self) -> bool {
        matches!(self.vector(), 10..=14 | 17)
    }
}
