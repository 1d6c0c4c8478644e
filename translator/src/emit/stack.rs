//! PUSH, POP and their kin. The store or load comes first, ESP is committed last.
//!
//! Each move of its host register depends on the one before it, which costs a call-heavy program more than the
//! accesses do. So the moves of a block are added up at translation time (`FOLD_ESP`), offsets take
//! them into account, and it is brought up to date where somebody asks for ESP and at every exit. The
//! block's map tells the monitor what is missing at each boundary.
//!
//! On a 16-bit stack SP alone moves, at each instruction; `limit.rs` finds the operand there, and on
//! any stack that is not flat.

use super::emitter::{Emitter, Refused};
use super::operand::stack_size;
use super::scheme::{Address, Memory, MemoryWay, RegisterMap, Registers};
use crate::mode::{Mode, SegmentClass};
use crate::options::TranslatorOptions;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, MemoryOperand, OpKind, Register};

/// Numbers of two scratch registers.
const R8: u8 = 8;
const R9: u8 = 9;

impl Emitter {
    /// Brings ESP's host register up to date.
    pub fn settle_esp(&mut self) {
        Registers::move_esp(&mut self.asm, self.esp as i32);
        self.esp = 0;
    }

    /// Guest ESP (on a 16-bit stack: SP) moves by `by`, now or together with what follows.
    pub(super) fn move_esp(&mut self, by: i32) {
        if self.mode.contains(Mode::STACK16) {
            Registers::move_sp(&mut self.asm, by);
            return;
        }
        self.esp = self.esp.wrapping_add(by as u32);
        if !self.opts.contains(TranslatorOptions::FOLD_ESP) {
            self.settle_esp();
        }
    }

    /// Stores the low `size` bytes of register `reg` below the top of the guest's stack, and commits
    /// ESP. `reg` names them.
    fn push_register(&mut self, reg: Register, size: u32) -> Result<(), Refused> {
        if size == 4 && self.plain_stack() {
            self.push_plain(reg);
            return Ok(());
        }
        let slot = self.slot(-(size as i32), size)?.operand();
        let store = if size == 2 { Code::Mov_rm16_r16 } else { Code::Mov_rm32_r32 };
        self.move_sized(store, reg, slot)?;
        self.move_esp(-(size as i32));
        Ok(())
    }

    fn push_plain(&mut self, reg: Register) {
        let at = self.esp.wrapping_sub(4) as i32;
        Memory::store_at_esp(&mut self.asm, at, reg.number() as u8);
        self.move_esp(-4);
    }

    /// The same with the low `size` bytes of r8d.
    pub(super) fn push_r8d(&mut self, size: u32) -> Result<(), Refused> {
        self.push_register(if size == 2 { Register::R8W } else { Register::R8D }, size)
    }

    /// Pushes an EIP.
    pub(super) fn push_eip(&mut self, eip: u32, size: u32) -> Result<(), Refused> {
        if size == 4 && self.plain_stack() {
            self.store_plain_value(eip as i32);
            self.ends_in_eip();
            self.move_esp(-4);
            return Ok(());
        }
        self.fixed = true;
        self.push_value(eip, size)
    }

    /// Stores the low `size` bytes of `value` on the guest's stack and commits ESP.
    pub(super) fn push_value(&mut self, value: u32, size: u32) -> Result<(), Refused> {
        if size == 4 && self.plain_stack() {
            self.store_plain_value(value as i32);
            self.move_esp(-4);
            return Ok(());
        }
        let slot = self.slot(-(size as i32), size)?.operand();
        let store = if size == 2 {
            Instruction::with2(Code::Mov_rm16_imm16, slot, value & 0xffff)
        } else {
            Instruction::with2(Code::Mov_rm32_imm32, slot, value)
        };
        self.encode(&store.map_err(|_| Refused)?)?;
        self.move_esp(-(size as i32));
        Ok(())
    }

    /// Stores `value` below the top of the guest's stack; ESP stays.
    fn store_plain_value(&mut self, value: i32) {
        let at = self.esp.wrapping_sub(4) as i32;
        Memory::store_value_at_esp(&mut self.asm, at, value);
    }

    /// Loads the `size` bytes on top of the guest's stack into r8d, zero-extended; ESP stays.
    pub(super) fn load_top(&mut self, size: u32) -> Result<(), Refused> {
        if size == 4 && self.plain_stack() {
            self.load_plain_top(Register::R8D);
            return Ok(());
        }
        let slot = self.slot(0, size)?.operand();
        self.move_sized(wide_load(size), Register::R8D, slot)
    }

    fn load_plain_top(&mut self, reg: Register) {
        Memory::load_at_esp(&mut self.asm, reg.number() as u8, self.esp as i32);
    }

    pub(super) fn push(&mut self, i: &Instruction) -> Result<(), Refused> {
        let size = stack_size(i);
        match i.op0_kind() {
            OpKind::Register => self.push_register(Registers::host(i.op0_register()), size),
            OpKind::Immediate16 => self.push_value(u32::from(i.immediate16()), size),
            OpKind::Immediate32 => self.push_value(i.immediate32(), size),
            OpKind::Immediate8to16 => self.push_value(i.immediate8to16() as u32, size),
            OpKind::Immediate8to32 => self.push_value(i.immediate8to32() as u32, size),
            _ => {
                self.load_r8d(i, size)?;
                self.push_r8d(size)
            }
        }
    }

    /// POP: a memory operand is addressed with ESP already incremented; POP ESP loads the value.
    pub(super) fn pop(&mut self, i: &Instruction) -> Result<(), Refused> {
        let size = stack_size(i);
        if i.op0_kind() == OpKind::Register {
            return self.pop_register(Registers::host(i.op0_register()), size);
        }
        if size == 2 || !self.plain_stack() || self.needs_sequence(i) {
            return self.pop_memory(i, size);
        }
        Memory::load_at_esp(&mut self.asm, R8, 0);
        Registers::esp_plus(&mut self.asm, R9, 4);
        let operand = self.address(i, Register::R9D)?.operand();
        let store = Instruction::with2(Code::Mov_rm32_r32, operand, Register::R8D);
        self.encode(&store.map_err(|_| Refused)?)?;
        Registers::set_esp(&mut self.asm, R9);
        Ok(())
    }

    fn pop_register(&mut self, reg: Register, size: u32) -> Result<(), Refused> {
        match (size, reg) {
            (4, _) if self.plain_stack() => self.load_plain_top(reg),
            (2, Registers::SP) => {
                // The high word of ESP counts up with the stack, the popped value is the low one.
                self.load_top(2)?;
                self.move_esp(2);
                self.settle_esp();
                Registers::set_sp(&mut self.asm, R8);
                return Ok(());
            }
            _ => {
                let slot = self.slot(0, size)?.operand();
                let load = if size == 2 { Code::Mov_r16_rm16 } else { Code::Mov_r32_rm32 };
                self.move_sized(load, reg, slot)?;
            }
        }
        if reg != Registers::ESP {
            self.move_esp(size as i32);
        }
        Ok(())
    }

    /// POP to memory from or to where r9 is needed; an operand in terms of ESP is refused.
    fn pop_memory(&mut self, i: &Instruction, size: u32) -> Result<(), Refused> {
        if i.memory_base() == Register::ESP {
            return Err(Refused);
        }
        self.load_top(size)?;
        let operand = self.address(i, Registers::ESP)?.operand();
        let (store, value) = if size == 2 {
            (Code::Mov_rm16_r16, Register::R8W)
        } else {
            (Code::Mov_rm32_r32, Register::R8D)
        };
        self.move_sized(store, value, operand)?;
        self.move_esp(size as i32);
        Ok(())
    }

    /// Takes `bytes` off the guest's stack.
    pub(crate) fn release(&mut self, bytes: i32) {
        self.move_esp(bytes);
    }

    pub(super) fn leave(&mut self, i: &Instruction) -> Result<(), Refused> {
        let size = stack_size(i);
        if size == 4 && self.plain_stack() {
            Memory::load_frame(&mut self.asm);
            Registers::leave_frame(&mut self.asm);
            dynasm!(self.asm ; .arch x64 ; mov ebp, r8d);
            return Ok(());
        }
        let slot = self.frame_slot(size)?.operand();
        self.move_sized(wide_load(size), Register::R8D, slot)?;
        let by = size as i32;
        Registers::leave_frame_by(&mut self.asm, by, self.mode.contains(Mode::STACK16));
        if size == 2 {
            dynasm!(self.asm ; .arch x64 ; mov bp, r8w);
        } else {
            dynasm!(self.asm ; .arch x64 ; mov ebp, r8d);
        }
        Ok(())
    }

    /// ENTER without nesting. The slot of EBP and the end of the frame are asked for, in that order,
    /// before EBP is pushed.
    pub(super) fn enter(&mut self, i: &Instruction) -> Result<(), Refused> {
        self.may_store_twice()?;
        if i.immediate8_2nd() & 31 != 0 {
            return Err(Refused);
        }
        let short = i.code() == Code::Enterw_imm16_imm8;
        let (size, store, ebp) = if short {
            (2, Code::Mov_rm16_r16, Register::BP)
        } else {
            (4, Code::Mov_rm32_r32, Register::EBP)
        };
        let frame = -(size as i32);
        let end = frame - i32::from(i.immediate16());
        for at in [frame, end] {
            let slot = self.slot(at, size)?.operand();
            self.ask_to_write(slot, size)?;
        }
        let slot = self.slot(frame, size)?.operand();
        self.move_sized(store, ebp, slot)?;
        let word = self.mode.contains(Mode::STACK16);
        if word && !short {
            Registers::copy_esp_to_ebp(&mut self.asm);
        }
        Registers::enter_frame(&mut self.asm, frame, short || word);
        self.move_esp(end);
        self.settle_esp();
        Ok(())
    }

    /// PUSHAD. The highest slot and the lowest are complemented twice (NOT leaves the flags alone, and asks
    /// for the right to write): between them they touch every page involved, in the order of the pushes. A slot
    /// between them can still trap, as the one that the end of the address space cuts; it is read to see.
    pub(super) fn push_all(&mut self, i: &Instruction) -> Result<(), Refused> {
        self.may_store_twice()?;
        if i.code() == Code::Pushaw || !self.plain_stack() {
            return self.push_all_slots(if i.code() == Code::Pushaw { 2 } else { 4 });
        }
        for at in [-4, -32] {
            for _ in 0..2 {
                Memory::complement_at_esp(&mut self.asm, at);
            }
        }
        for at in [-8, -12, -16, -20, -24, -28] {
            Memory::load_at_esp(&mut self.asm, R8, at);
        }
        for k in [0, 1, 2, 3, 4, 5, 6, 7] {
            let at = -4 * (k as i32 + 1);
            Memory::store_at_esp(&mut self.asm, at, Registers::MAP[k]);
        }
        Registers::move_esp(&mut self.asm, -32);
        Ok(())
    }

    /// POPAD. Every slot is read once before a register changes, in the order of the pops; but for four,
    /// which wait in scratch registers, and the last, they are read again.
    pub(super) fn pop_all(&mut self, i: &Instruction) -> Result<(), Refused> {
        if i.code() == Code::Popaw || !self.plain_stack() {
            return self.pop_all_slots(if i.code() == Code::Popaw { 2 } else { 4 });
        }
        let slot = |k: usize| 4 * (7 - k as i32);
        const HELD: [(usize, u8); 4] = [(7, 8), (6, 9), (5, 10), (3, 11)];
        const READ_AGAIN: [usize; 2] = [2, 1];
        let (last, first) = (HELD[3], &HELD[..3]);
        for &(k, scratch) in first {
            Memory::load_at_esp(&mut self.asm, scratch, slot(k));
        }
        for k in READ_AGAIN {
            Memory::load_at_esp(&mut self.asm, last.1, slot(k));
        }
        Memory::load_at_esp(&mut self.asm, last.1, slot(last.0));
        for k in [0].into_iter().chain(READ_AGAIN) {
            Memory::load_at_esp(&mut self.asm, Registers::MAP[k], slot(k));
        }
        for (k, scratch) in HELD {
            dynasm!(self.asm ; .arch x64 ; mov Rd(Registers::MAP[k]), Rd(scratch));
        }
        Registers::move_esp(&mut self.asm, 32);
        Ok(())
    }

    /// The lowest of eight slots from `above` SP on, in one piece: where they would wrap, the limit
    /// is in the way, and the interpreter takes them one by one. (A 16-bit stack in a segment that
    /// goes on beyond 64 KiB is rare, and the interpreter's.)
    fn eight_slots(&mut self, above: i32, size: u32) -> Result<Address, Refused> {
        let ends = self.mode.class(Register::SS) == SegmentClass::Limited64K;
        if self.mode.contains(Mode::STACK16) && !ends {
            return Err(Refused);
        }
        self.slot(above, 8 * size)
    }

    /// Where others look, or store, between the two complements, they would see what the guest never stored, or lose theirs.
    fn may_store_twice(&self) -> Result<(), Refused> {
        if self.mode.contains(Mode::SHARED) { Err(Refused) } else { Ok(()) }
    }

    /// Complements `operand` twice: NOT leaves the flags alone, and faults as a write, so that not even
    /// the accessed flag of a page that cannot be written changes.
    fn ask_to_write(&mut self, operand: MemoryOperand, size: u32) -> Result<(), Refused> {
        let not = if size == 2 { Code::Not_rm16 } else { Code::Not_rm32 };
        for _ in 0..2 {
            self.encode(&Instruction::with1(not, operand).map_err(|_| Refused)?)?;
        }
        Ok(())
    }

    fn push_all_slots(&mut self, size: u32) -> Result<(), Refused> {
        let bottom = self.eight_slots(-8 * size as i32, size)?;
        let store = if size == 2 { Code::Mov_rm16_r16 } else { Code::Mov_rm32_r32 };
        for k in [7, 0] {
            self.ask_to_write(bottom.plus(k * size).operand(), size)?;
        }
        for k in [6, 5, 4, 3, 2, 1] {
            let slot = bottom.plus(k * size).operand();
            self.move_sized(wide_load(size), Register::R8D, slot)?;
        }
        for k in [7, 6, 5, 4, 3, 2, 1, 0] {
            let reg = sized(SLOTS[k as usize], size);
            self.move_sized(store, reg, bottom.plus(k * size).operand())?;
        }
        self.move_esp(-8 * size as i32);
        Ok(())
    }

    /// As POPAD; the address takes two of the scratch registers.
    fn pop_all_slots(&mut self, size: u32) -> Result<(), Refused> {
        let bottom = self.eight_slots(0, size)?;
        let slot = |k: u32| bottom.plus(k * size).operand();
        let wide = wide_load(size);
        self.move_sized(wide, Register::R8D, slot(0))?;
        for k in [2, 4, 5, 6, 1] {
            self.move_sized(wide, Register::R9D, slot(k))?;
        }
        let load = if size == 2 { Code::Mov_r16_rm16 } else { Code::Mov_r32_rm32 };
        for k in [7, 2, 4, 5, 6] {
            self.move_sized(load, sized(SLOTS[k as usize], size), slot(k))?;
        }
        if size == 2 {
            dynasm!(self.asm ; .arch x64 ; mov di, r8w ; mov si, r9w);
        } else {
            dynasm!(self.asm ; .arch x64 ; mov edi, r8d ; mov esi, r9d);
        }
        self.move_esp(8 * size as i32);
        Ok(())
    }
}

/// PUSHA's slots from the lowest up.
const SLOTS: [Register; 8] = [
    Register::EDI,
    Register::ESI,
    Register::EBP,
    Registers::ESP,
    Register::EBX,
    Register::EDX,
    Register::ECX,
    Register::EAX,
];

/// The low `size` bytes of one of [`SLOTS`].
fn sized(reg: Register, size: u32) -> Register {
    let word = match reg {
        Register::EDI => Register::DI,
        Register::ESI => Register::SI,
        Register::EBP => Register::BP,
        Registers::ESP => Registers::SP,
        Register::EBX => Register::BX,
        Register::EDX => Register::DX,
        Register::ECX => Register::CX,
        _ => Register::AX,
    };
    if size == 2 { word } else { reg }
}

/// The load of `size` bytes that zero-extends.
fn wide_load(size: u32) -> Code {
    if size == 2 { Code::Movzx_r32_rm16 } else { Code::Mov_r32_rm32 }
}
