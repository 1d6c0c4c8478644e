//! Code pages: routines of random instructions that lead to each other.

use super::coder::Coder;
use super::snippets;
use crate::model::forms;
use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};
use ringer_casegen::encode::{Case, Shape, generate};
use ringer_casegen::rows::{Class, Row};
use ringer_casegen::{aim, values};
use std::sync::LazyLock;

static NARROW: LazyLock<Vec<Row>> = LazyLock::new(|| forms(16));
static WIDE: LazyLock<Vec<Row>> = LazyLock::new(|| forms(32));

impl Coder<'_> {
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

    /// A random instruction. In a `counted` loop ECX is left alone, mostly.
    fn instruction(&mut self, entry: u32, counted: bool) {
        for _ in 0..6 {
            let list = if self.s.bits == 32 { &WIDE } else { &NARROW };
            let row = list[self.rng.below(list.len() as u32) as usize];
            if !self.may(row) {
                continue;
            }
            let target = self.target();
            let targets = std::iter::once(target..target.saturating_add(64)).collect();
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
