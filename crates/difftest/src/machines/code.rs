//! Code pages: routines of random instructions that lead to each other.

use super::snippets;
use super::world::{DATA, DATA_LEN};
use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};
use ringer_casegen::encode::{Case, Shape, generate};
use ringer_casegen::rng::Rng;
use ringer_casegen::rows::{Class, Row, rows};
use ringer_casegen::{aim, values};
use ringer_cpu::CpuModel;
use std::sync::LazyLock;

static NARROW: LazyLock<Vec<Row>> = LazyLock::new(|| rows(CpuModel::Pentium4.features(), 16));
static WIDE: LazyLock<Vec<Row>> = LazyLock::new(|| rows(CpuModel::Pentium4.features(), 32));

/// Page tables that the code can reach.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// Linear address of the table's first entry.
    pub at: u32,
    /// Bytes of an entry.
    pub entry: u32,
    /// Linear address of the page of the first entry that may be changed, and how many there are.
    pub pages: (u32, u32),
}

/// What the code runs in.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// 16 or 32.
    pub bits: u32,
    /// Offset of the first byte in CS.
    pub eip: u32,
    /// Its linear address.
    pub linear: u32,
    /// Privilege level.
    pub cpl: u8,
    /// Real or virtual-8086 mode: selectors are bases.
    pub real: bool,
    /// Page tables that may be changed.
    pub tables: Option<Tables>,
}

/// Code in the making.
#[derive(Debug)]
pub struct Coder<'a> {
    pub rng: &'a mut Rng,
    pub s: Setting,
    /// Offsets in CS of the routines.
    pub entries: Vec<u32>,
    out: Vec<u8>,
}

impl<'a> Coder<'a> {
    /// Nothing yet.
    pub fn new(rng: &'a mut Rng, s: Setting) -> Self {
        Self { rng, s, entries: Vec::new(), out: Vec::new() }
    }

    /// `len` bytes of code, and the offsets in CS at which its routines begin.
    pub fn fill(mut self, len: u32) -> (Vec<u8>, Vec<u32>) {
        let mut bytes = vec![0; len as usize];
        if self.rng.one_in(4) {
            self.rng.fill(&mut bytes);
        } else {
            bytes.fill(self.rng.pick(&[0x90, 0xcc, 0x40, 0xf4]));
        }
        let size = 48 + self.rng.below(80);
        let count = 4 + self.rng.below(20);
        let gap = size + self.rng.below((len - 64) / count - size);
        let first = self.rng.below(64);
        self.entries = (0..count).map(|k| self.s.eip + first + k * gap).collect();
        for entry in self.entries.clone() {
            self.routine(entry, size);
            let at = (entry - self.s.eip) as usize;
            let n = self.out.len().min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&self.out[..n]);
        }
        (bytes, self.entries)
    }

    /// The offset in CS of what comes next.
    pub fn here(&self, entry: u32) -> u32 {
        entry + self.out.len() as u32
    }

    fn routine(&mut self, entry: u32, size: u32) {
        self.out.clear();
        let counted = self.rng.one_in(3);
        let mut again = 0;
        if counted {
            let n = 1 + self.rng.below(12);
            self.load(1, n);
            again = self.out.len();
        }
        while self.out.len() + 40 < size as usize {
            match self.rng.below(16) {
                0..=3 => snippets::emit(self, entry),
                4 if !counted => {
                    // A branch to another routine that may be taken.
                    let cc = self.rng.byte() & 15;
                    let to = self.rng.pick(&self.entries);
                    self.branch(&[0x0f, 0x80 | cc], entry, to);
                }
                _ => self.instruction(entry, counted),
            }
        }
        if counted {
            let distance = again as i32 - (self.out.len() as i32 + 2);
            if distance >= -128 {
                self.put(&[0xe2, distance as u8]);
            }
        }
        self.end(entry);
    }

    /// How a routine ends: at another.
    fn end(&mut self, entry: u32) {
        let to = self.rng.pick(&self.entries);
        match self.rng.below(8) {
            0 => {
                self.branch(&[0xe8], entry, to);
                let to = self.rng.pick(&self.entries);
                self.branch(&[0xe9], entry, to);
            }
            1 => {
                let bytes = to.to_le_bytes();
                let size = if self.s.bits == 32 { 4 } else { 2 };
                self.put(&[0x68]);
                self.put(&bytes[..size]);
                self.put(&[0xc3]);
            }
            2 => {
                self.load(0, to);
                self.put(&[0xff, 0xe0]);
            }
            3 => {
                self.put(&[0xc3]);
                self.branch(&[0xe9], entry, to);
            }
            _ => self.branch(&[0xe9], entry, to),
        }
    }

    /// A branch of opcode `op` with a distance of the operand's size.
    fn branch(&mut self, op: &[u8], entry: u32, to: u32) {
        self.put(op);
        let size = if self.s.bits == 32 { 4 } else { 2 };
        let next = self.here(entry) + size;
        let distance = to.wrapping_sub(next).to_le_bytes();
        self.put(&distance[..size as usize]);
    }

    pub fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// MOV of `value` to general register `r`; in 16-bit code of its low half, as often as not.
    pub fn load(&mut self, r: u8, value: u32) {
        let bytes = value.to_le_bytes();
        if self.s.bits == 32 {
            self.put(&[0xb8 | r]);
            self.put(&bytes);
        } else if value > 0xffff && self.rng.one_in(2) {
            self.put(&[0x66, 0xb8 | r]);
            self.put(&bytes);
        } else {
            self.put(&[0xb8 | r, bytes[0], bytes[1]]);
        }
    }

    /// An offset in a data segment that is worth reaching: data, the ends of its pages, code, anything.
    pub fn target(&mut self) -> u32 {
        let within = match self.rng.below(8) {
            0 | 1 => (self.rng.below(4) * 0x1000).wrapping_add(self.rng.below(24)).wrapping_sub(12),
            _ => self.rng.below(DATA_LEN),
        };
        if self.s.bits == 16 {
            return match self.rng.below(16) {
                0 => self.rng.pick(&[0xfffe, 0xffff, 0xfff0, 0xfffc]),
                _ => within & 0xffff,
            };
        }
        match self.rng.below(16) {
            0 => self.s.linear.wrapping_add(self.rng.below(0x3000)),
            1 => 0xffff_c000u32.wrapping_add(within),
            2 => 0xffff_fff0u32.wrapping_add(self.rng.below(32)),
            3 | 4 => 0x4000_0000 + DATA + within,
            5 => values::integer(self.rng),
            _ => DATA.wrapping_add(within),
        }
    }

    /// A random instruction. In a `counted` loop ECX is left alone, mostly.
    fn instruction(&mut self, entry: u32, counted: bool) {
        for _ in 0..6 {
            let list = if self.s.bits == 32 { &WIDE } else { &NARROW };
            let row = list[self.rng.below(list.len() as u32) as usize];
            if !self.may(row) {
                continue;
            }
            let target = self.target();
            let targets = vec![target..target.saturating_add(64)];
            let mut shape = Shape::new(self.s.bits, self.here(entry), targets);
            if !self.rng.one_in(24) {
                shape.avoid |= 1 << 4;
            }
            if counted && !self.rng.one_in(8) {
                shape.avoid |= 1 << 1;
            }
            shape.overlong = true;
            if let Some(case) = generate(self.rng, row.code, &shape) {
                self.aimed(&case);
                return;
            }
        }
    }

    /// The instruction, with its registers set to what makes it reach something, most often.
    fn aimed(&mut self, case: &Case) {
        let i = &case.instruction;
        if i.has_rep_prefix() || i.has_repne_prefix() {
            let n = if self.rng.one_in(4) { self.rng.below(600) } else { self.rng.below(12) };
            if is_string(i) {
                self.load(1, n);
            }
        }
        if !self.rng.one_in(3) {
            let mut gpr = std::array::from_fn(|_| values::integer(self.rng));
            let before = gpr;
            let target = self.target();
            aim(self.rng, i, &mut gpr, target);
            for (r, (new, old)) in (0u8..).zip(gpr.into_iter().zip(before)) {
                if new != old && r != 4 {
                    self.load(r, new);
                }
            }
        }
        self.put(&case.bytes);
    }

    fn may(&mut self, row: Row) -> bool {
        let op = row.code.mnemonic();
        match row.class {
            Class::User | Class::Sensitive => true,
            Class::Transfer => self.rng.one_in(3),
            Class::System if op == M::Hlt => self.rng.one_in(8),
            Class::System => {
                let heavy = matches!(op, M::Lgdt | M::Lidt | M::Lldt | M::Ltr | M::Lmsw | M::Wrmsr);
                let control = row.code.op_code().op0_kind() == iced_x86::OpCodeOperandKind::cr_reg;
                let one_in = if heavy || control { 64 } else { 4 };
                self.rng.one_in(one_in)
            }
        }
    }
}

fn is_string(i: &Instruction) -> bool {
    let of = |k| {
        matches!(
            i.op_kind(k),
            OpKind::MemorySegSI
                | OpKind::MemorySegESI
                | OpKind::MemorySegDI
                | OpKind::MemorySegEDI
                | OpKind::MemoryESDI
                | OpKind::MemoryESEDI
        )
    };
    (0..i.op_count()).any(of) && i.memory_base() == Register::None
}
