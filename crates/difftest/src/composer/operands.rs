//! Operands with a purpose: addresses that meet the data pages, small counts, labels.

use super::{Composer, ESP, Label, spot};
use iced_x86::{Instruction, Mnemonic as M, OpKind, Register};
use ringer_casegen::aim::aim;

impl Composer<'_> {
    /// Gives a register a value: from the start if nothing has used it yet.
    pub fn want(&mut self, r: usize, value: u32) {
        let bit = 1 << r;
        if self.known & bit != 0 && self.cur[r] == value {
            return;
        }
        if self.free & bit != 0 {
            self.init[r] = value;
            self.cur[r] = value;
            self.free &= !bit;
        } else if r != ESP || self.rng.one_in(4) {
            self.set_register(r, value);
        }
    }

    pub(super) fn aim_at_data(&mut self, i: &Instruction) {
        if self.rng.one_in(32) || matches!(i.mnemonic(), M::Lea | M::Nop) {
            return;
        }
        let Some(segment) = self.memory_segment(i) else { return };
        let origins = &self.s.segs[segment].origins;
        if origins.is_empty() || self.reloaded >> segment & 1 != 0 {
            return;
        }
        let mut target = self.rng.pick(origins).wrapping_add(spot(self.rng));
        if wants_alignment(i) && !self.rng.one_in(12) {
            target &= !15;
        }
        let mut want = self.cur;
        aim(self.rng, i, &mut want, target);
        let mut used = self.addressing(i);
        for (r, (wanted, current)) in want.iter().zip(self.cur).enumerate() {
            used |= u8::from(*wanted != current) << r;
        }
        for (r, wanted) in want.into_iter().enumerate() {
            if used >> r & 1 != 0 && r != ESP {
                self.want(r, wanted);
            }
        }
    }

    pub(super) fn memory_segment(&self, i: &Instruction) -> Option<usize> {
        let kinds = (0..i.op_count()).map(|k| i.op_kind(k));
        let mut found = None;
        for kind in kinds {
            match kind {
                OpKind::MemoryESDI | OpKind::MemoryESEDI => found = found.or(Some(0)),
                OpKind::Memory
                | OpKind::MemorySegSI
                | OpKind::MemorySegESI
                | OpKind::MemorySegDI
                | OpKind::MemorySegEDI => found = Some(i.memory_segment().number()),
                _ => {}
            }
        }
        found
    }

    /// Registers that the address of `i` is made of.
    pub(super) fn addressing(&self, i: &Instruction) -> u8 {
        let mut bits = 0;
        let mut add = |register: Register| {
            let full = register.full_register32();
            if full.is_gpr32() {
                bits |= 1 << full.number();
            }
        };
        for k in 0..i.op_count() {
            match i.op_kind(k) {
                OpKind::Memory => {
                    add(i.memory_base());
                    if i.mnemonic() != M::Xlatb {
                        add(i.memory_index());
                    }
                }
                OpKind::MemorySegSI | OpKind::MemorySegESI => add(Register::ESI),
                OpKind::MemoryESDI
                | OpKind::MemoryESEDI
                | OpKind::MemorySegDI
                | OpKind::MemorySegEDI => add(Register::EDI),
                _ => {}
            }
        }
        bits
    }

    /// A repetition gets a small count, most of the time.
    pub(super) fn small_count(&mut self, i: &Instruction) {
        let repeats = (i.has_rep_prefix() || i.has_repne_prefix()) && i.is_string_instruction();
        if repeats && !self.rng.one_in(64) {
            let n = self.rng.pick(&[0, 1, 2, 3, 4, 7, 8, 16, 17, 33]);
            self.want(1, n);
        }
    }

    /// MOV r32, imm32.
    pub fn set_register(&mut self, r: usize, value: u32) {
        let mut bytes = vec![0xb8 + r as u8];
        bytes.extend(value.to_le_bytes());
        if self.s.bits == 16 {
            bytes.insert(0, 0x66);
        }
        self.raw(&bytes);
        self.cur[r] = value;
        self.known |= 1 << r;
    }

    /// MOV r, EIP of an item up to `ahead` items further on.
    pub fn set_label(&mut self, r: usize, ahead: usize) {
        self.set_register(r, 0);
        let at = self.out.len() - 4;
        self.labels.push(Label {
            at,
            size: 4,
            item: self.items.len() + ahead,
            add: 0,
            undefined: self.undefined,
        });
        self.known &= !(1 << r);
    }

    /// The last bytes of the code, `size` of them, `before` bytes from the end, become the EIP of the
    /// item `ahead` items further on, plus `add`.
    pub fn label_here(&mut self, before: usize, size: usize, ahead: usize, add: u32) {
        let at = self.out.len() - before - size;
        self.labels.push(Label {
            at,
            size,
            item: self.items.len() + ahead,
            add,
            undefined: self.undefined,
        });
    }

    /// An offset in data segment `segment` at which the case's pages are.
    pub fn data_offset(&mut self, segment: usize) -> Option<u32> {
        let origins = &self.s.segs[segment].origins;
        if origins.is_empty() || self.reloaded >> segment & 1 != 0 {
            return None;
        }
        Some(self.rng.pick(origins).wrapping_add(0x800 + self.rng.below(0x3000)))
    }
}

/// The instruction wants its operand on a 16-byte boundary.
fn wants_alignment(i: &Instruction) -> bool {
    i.memory_size().size() == 16 && !matches!(i.mnemonic(), M::Movups | M::Movupd | M::Movdqu)
}
