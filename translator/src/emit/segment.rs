//! Reading segment registers: the guest's selectors, from the context. (Run as itself, `mov eax, cs`
//! would show the host's.)
//!
//! Loading them is the interpreter's, except in real and V86 mode, where a load changes selector and
//! base only, so that the mode stays what it is, and where supervisor code loads what ES or DS holds
//! already; a load of FS by supervisor code ends the block (`transfer.rs`). SS too is the interpreter's, for the shadow that
//! follows, but for LSS, which has none.

use super::emitter::{Emitter, Refused, Step};
use super::operand::{segment_index, stack_size};
use super::scheme::{Memory, MemoryWay, RegisterMap, Registers};
use crate::mode::{Mode, SegmentClass};
use crate::slots as at;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, OpKind, Register};

/// The context's reload that is for VERW.
const VERIFIED: usize = 2;
/// ZF in AH.
const ZERO_BIT: i8 = 0x40;

/// What a load of a segment register is inline.
#[derive(Clone, Copy)]
enum Load {
    /// Selector and base change: the register's encoding index.
    Committed(usize),
    /// Nothing may change: the slot of the context's reloads.
    Again(usize),
    /// The mode changes: FS.
    Switch,
}

impl Emitter {
    pub(super) fn push_segment(&mut self, i: &Instruction) -> Result<(), Refused> {
        let k = segment_index(i.op0_register())?;
        dynasm!(self.asm ; .arch x64 ; movzx r8d, WORD [r15 + at::selector(k)]);
        self.push_r8d(stack_size(i))
    }

    /// A 32-bit register gets the selector zero-extended; memory gets 16 bits whatever the operand
    /// size.
    pub(super) fn read_segment(&mut self, i: &Instruction) -> Result<(), Refused> {
        let k = segment_index(i.op1_register())?;
        if i.op0_kind() == OpKind::Register {
            let reg = Registers::host(i.op0_register());
            let n = reg.number() as u8;
            if reg.size() == 4 {
                dynasm!(self.asm ; .arch x64 ; movzx Rd(n), WORD [r15 + at::selector(k)]);
            } else {
                dynasm!(self.asm ; .arch x64 ; mov Rw(n), [r15 + at::selector(k)]);
            }
            return Ok(());
        }
        dynasm!(self.asm ; .arch x64 ; movzx r8d, WORD [r15 + at::selector(k)]);
        let operand = self.address(i, Registers::ESP)?.operand();
        let store = Instruction::with2(Code::Mov_rm16_r16, operand, Register::R8W);
        self.encode(&store.map_err(|_| Refused)?)
    }

    /// A register that a load in this mode changes in selector and base only.
    fn loadable(&self, reg: Register) -> Result<usize, Refused> {
        let class = self.mode.class(reg);
        let usable = if self.mode.contains(Mode::REAL) {
            !matches!(class, SegmentClass::Other)
        } else {
            self.mode.contains(Mode::V86) && class == SegmentClass::Limited64K
        };
        if usable && reg != Register::CS { segment_index(reg) } else { Err(Refused) }
    }

    /// Segment `k` gets the selector in r8w.
    pub(super) fn commit_selector(&mut self, k: usize) {
        dynasm!(self.asm ; .arch x64
            ; movzx r8d, r8w
            ; mov [r15 + at::selector(k)], r8w
            ; lea r8d, [r8 * 8]
            ; lea r8d, [r8 + r8]
            ; mov [r15 + at::base(k)], r8d
        );
    }

    /// MOV to ES, DS, FS or GS; only the low word of a register counts.
    pub(super) fn load_segment(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let reg = i.op0_register();
        let kind = self.kind_of_load(reg)?;
        if matches!(kind, Load::Committed(_)) {
            self.leave_if_x87_waits();
        }
        self.selector_to_r8d(i, 1)?;
        match kind {
            Load::Committed(k) => self.commit_selector(k),
            Load::Again(slot) => {
                dynasm!(self.asm ; .arch x64 ; movzx r8d, r8w);
                self.check_reload(slot);
            }
            Load::Switch => return Ok(self.load_fs(i, 0)),
        }
        Ok(Step::Next)
    }

    /// Operand `k`, of which the low word counts.
    fn selector_to_r8d(&mut self, i: &Instruction, k: u32) -> Result<(), Refused> {
        let load = if i.op_kind(k) == OpKind::Register {
            let from = Registers::host(i.op_register(k).full_register32());
            Instruction::with2(Code::Mov_r32_rm32, Register::R8D, from)
        } else {
            let operand = self.address(i, Registers::ESP)?.operand();
            Instruction::with2(Code::Movzx_r32_rm16, Register::R8D, operand)
        };
        self.encode(&load.map_err(|_| Refused)?)
    }

    /// VERW by supervisor code, for the segment that it is known to be allowed to write: ZF becomes 1. (A kernel does so
    /// on each way back to user code, for what else the instruction does on some processors.)
    pub(super) fn verify_write(&mut self, i: &Instruction) -> Result<(), Refused> {
        if self.mode.intersects(Mode::REAL | Mode::V86) {
            return Err(Refused);
        }
        self.may_read_descriptors()?;
        self.selector_to_r8d(i, 0)?;
        dynasm!(self.asm ; .arch x64 ; movzx r8d, r8w);
        self.check_reload(VERIFIED);
        dynasm!(self.asm ; .arch x64
            ; mov r10d, eax
            ; lahf
            ; seto al
            ; or ah, ZERO_BIT
        );
        self.flags_from_al();
        dynasm!(self.asm ; .arch x64
            ; sahf
            ; mov eax, r10d
        );
        Ok(())
    }

    fn kind_of_load(&self, reg: Register) -> Result<Load, Refused> {
        if reg == Register::SS {
            return Err(Refused);
        }
        if self.mode.intersects(Mode::REAL | Mode::V86) {
            return self.loadable(reg).map(Load::Committed);
        }
        self.may_read_descriptors()?;
        match reg {
            Register::ES => Ok(Load::Again(0)),
            Register::DS => Ok(Load::Again(1)),
            Register::FS => self.may_load_fs().map(|()| Load::Switch),
            _ => Err(Refused),
        }
    }

    /// Whether the window shows descriptor tables as the processor reads them: to CPL 0, and not where EFLAGS.AC shows it data
    /// in user pages that CR4.SMAP keeps such reads off.
    pub(super) fn may_read_descriptors(&self) -> Result<(), Refused> {
        let shows = self.mode.contains(Mode::CPL0) && !self.mode.contains(Mode::AC);
        if shows { Ok(()) } else { Err(Refused) }
    }

    /// Leaves for the interpreter unless the load of the selector in r8d changes nothing: it is the
    /// selector that the register holds, and its descriptor is what it was.
    fn check_reload(&mut self, slot: usize) {
        let at = |part| at::reload(slot, part);
        dynasm!(self.asm ; .arch x64
            ; mov r9d, ecx
            ; mov ecx, [r15 + at(0)]
            ; lea ecx, [rcx + r8]
        );
        self.leave_unless_zero();
        dynasm!(self.asm ; .arch x64
            ; mov ecx, r9d
            ; mov r10d, [r15 + at(1)]
        );
        Memory::load_descriptor(&mut self.asm);
        dynasm!(self.asm ; .arch x64
            ; mov ecx, [r15 + at(2)]
            ; lea ecx, [rcx + r11]
        );
        self.leave_unless_zero();
        dynasm!(self.asm ; .arch x64
            ; mov ecx, [r15 + at(3)]
            ; lea ecx, [rcx + r10]
        );
        self.leave_unless_zero();
        dynasm!(self.asm ; .arch x64 ; mov ecx, r9d);
    }

    pub(super) fn pop_segment(&mut self, i: &Instruction) -> Result<Step, Refused> {
        let kind = self.kind_of_load(i.op0_register())?;
        let size = stack_size(i);
        if matches!(kind, Load::Committed(_)) {
            self.leave_if_x87_waits();
        }
        self.load_top(size)?;
        match kind {
            Load::Committed(k) => {
                self.move_esp(size as i32);
                self.commit_selector(k);
            }
            Load::Again(slot) => {
                dynasm!(self.asm ; .arch x64 ; movzx r8d, r8w);
                self.check_reload(slot);
                self.move_esp(size as i32);
            }
            Load::Switch => return Ok(self.load_fs(i, size)),
        }
        Ok(Step::Next)
    }

    /// LDS, LES, LFS, LGS, LSS: the selector is behind the offset, and nothing changes before both are read.
    pub(super) fn load_far(&mut self, i: &Instruction) -> Result<(), Refused> {
        let (reg, segment, size) = match i.code() {
            Code::Les_r16_m1616 => (i.op0_register(), Register::ES, 2),
            Code::Les_r32_m1632 => (i.op0_register(), Register::ES, 4),
            Code::Lds_r16_m1616 => (i.op0_register(), Register::DS, 2),
            Code::Lds_r32_m1632 => (i.op0_register(), Register::DS, 4),
            Code::Lss_r16_m1616 => (i.op0_register(), Register::SS, 2),
            Code::Lss_r32_m1632 => (i.op0_register(), Register::SS, 4),
            Code::Lfs_r16_m1616 => (i.op0_register(), Register::FS, 2),
            Code::Lfs_r32_m1632 => (i.op0_register(), Register::FS, 4),
            Code::Lgs_r16_m1616 => (i.op0_register(), Register::GS, 2),
            Code::Lgs_r32_m1632 => (i.op0_register(), Register::GS, 4),
            _ => return Err(Refused),
        };
        let k = self.loadable(segment)?;
        if self.mode.class(i.memory_segment()) == SegmentClass::Flat {
            return Err(Refused); // No segment is, in these modes.
        }
        self.leave_if_x87_waits();
        let at = self.address(i, Registers::ESP)?;
        let (load, held) = match size {
            2 => (Code::Mov_r16_rm16, Register::R9W),
            _ => (Code::Mov_r32_rm32, Register::R9D),
        };
        // In the order of addresses: where both reads fault, the first page alone was accessed.
        self.move_sized(load, held, at.operand())?;
        self.move_sized(Code::Movzx_r32_rm16, Register::R8D, at.plus(size).operand())?;
        let commit = Instruction::with2(load, Registers::host(reg), held);
        self.encode(&commit.map_err(|_| Refused)?)?;
        self.commit_selector(k);
        Ok(())
    }
}
