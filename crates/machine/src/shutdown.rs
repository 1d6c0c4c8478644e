//! The shutdown code in CMOS byte 0Fh: what firmware does when the processor comes out of a reset.
//!
//! A 286 has no instruction that leaves protected mode, so its programs leave by a reset: they put a
//! code into CMOS and a far pointer to 40:67h, pull the processor's reset line (the keyboard
//! controller's, or a triple fault), and the BIOS continues there in real mode. The codes are those
//! of the IBM PC AT's BIOS (Technical Reference, "POST and BIOS", the test after each reset):
//!
//! | code | the processor goes on |
//! | --- | --- |
//! | 05h | by a far jump through 40:67h; keyboard byte and interrupts in service are dismissed first |
//! | 0Ah | by a far jump through 40:67h |
//! | 0Bh | by IRET on the stack that 40:67h points to |
//! | 0Ch | by a far RET on that stack |
//! | others | by a boot |
//!
//! 09h belongs to INT 15h AH=87h, whose caller and callee are both the BIOS: firmware without that
//! service has nothing to return to, and boots.

use ringer_cpu::addr::Pa;
use ringer_cpu::state::cr0;
use ringer_cpu::{CpuState, Eflags, Gpr, SegReg, Segment};
use ringer_devices::Board;
use ringer_mmu::GuestMemory;
use ringer_monitor::Parts;

/// CMOS index and data ports.
const CMOS: u16 = 0x70;
/// The CMOS byte.
const SHUTDOWN: u32 = 0x0f;
/// Where the far pointer is: 40:67h.
const POINTER: u64 = 0x467;
/// The segment of the BIOS data area.
const DATA: u16 = 0x40;
/// The stack that the AT's BIOS has at that point, under the BIOS data area.
const STACK: (u16, u32) = (0x30, 0x100);
/// Data port of the keyboard controller.
const KEYBOARD: u16 = 0x60;
/// Command ports of the interrupt controllers, the second first, and the end of an interrupt.
const PICS: [u16; 2] = [0xa0, 0x20];
const EOI: u32 = 0x20;

/// What a shutdown code asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// A boot.
    Boot,
    /// 05h.
    DismissAndJump,
    /// 0Ah.
    Jump,
    /// 0Bh.
    Iret,
    /// 0Ch.
    FarRet,
}

impl Shutdown {
    /// What CMOS asks for.
    pub fn read(board: &mut Board, now: u64) -> Self {
        board.port_out(now, CMOS, 1, SHUTDOWN);
        match board.port_in(now, CMOS + 1, 1) as u8 {
            0x05 => Self::DismissAndJump,
            0x0a => Self::Jump,
            0x0b => Self::Iret,
            0x0c => Self::FarRet,
            _ => Self::Boot,
        }
    }

    /// Takes the code out of CMOS: it holds for one reset.
    pub fn clear(board: &mut Board, now: u64) {
        board.port_out(now, CMOS, 1, SHUTDOWN);
        board.port_out(now, CMOS + 1, 1, 0);
    }

    /// Sends the processor, which was just reset, where the guest wants it. Not for
    /// [`Shutdown::Boot`], which is the loader's work.
    pub fn resume(self, parts: Parts<'_>) {
        let Parts { cpu, memory, board, now } = parts;
        let (offset, segment) = far_pointer(memory, POINTER);
        cpu.cr0 = cr0::ET;
        set_segment(cpu, SegReg::Ds, DATA);
        set_segment(cpu, SegReg::Ss, STACK.0);
        cpu.set_reg32(Gpr::Esp, STACK.1);
        match self {
            Self::Boot => {}
            Self::DismissAndJump => {
                board.port_in(now, KEYBOARD, 1);
                for pic in PICS {
                    board.port_out(now, pic, 1, EOI);
                }
                jump(cpu, segment, offset);
            }
            Self::Jump => jump(cpu, segment, offset),
            Self::Iret | Self::FarRet => {
                set_segment(cpu, SegReg::Ss, segment);
                cpu.set_reg32(Gpr::Esp, u32::from(offset));
                self.pop(cpu, memory);
            }
        }
    }

    /// IP and CS, and FLAGS after them for IRET, from the guest's stack.
    fn pop(self, cpu: &mut CpuState, memory: &GuestMemory) {
        let sp = cpu.gpr[Gpr::Esp as usize] as u16;
        let base = cpu.ss().base.get();
        let at = |n: u16| base + u64::from(sp.wrapping_add(n));
        let (ip, cs, flags) =
            (word(memory, at(0)), word(memory, at(2)), u32::from(word(memory, at(4))));
        let popped = if self == Self::Iret { 6 } else { 4 };
        cpu.set_reg32(Gpr::Esp, u32::from(sp.wrapping_add(popped)));
        if self == Self::Iret {
            cpu.eflags = (flags & FLAGS) | Eflags::FIXED_ONE;
        }
        jump(cpu, cs, ip);
    }
}

/// What IRET in real mode loads from a word of flags: all but the reserved bits.
const FLAGS: u32 = 0x7fd5;

fn set_segment(cpu: &mut CpuState, which: SegReg, selector: u16) {
    cpu.seg[which as usize] = Segment::real(selector, 0);
}

fn jump(cpu: &mut CpuState, segment: u16, offset: u16) {
    set_segment(cpu, SegReg::Cs, segment);
    cpu.set_eip(u32::from(offset));
}

/// Offset and segment at `at`.
fn far_pointer(memory: &GuestMemory, at: u64) -> (u16, u16) {
    (word(memory, at), word(memory, at + 2))
}

/// A word of memory; what is none reads as all ones.
fn word(memory: &GuestMemory, at: u64) -> u16 {
    let mut bytes = [0; 2];
    if memory.read(Pa(at), &mut bytes) { u16::from_le_bytes(bytes) } else { u16::MAX }
}
