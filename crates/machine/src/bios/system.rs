//! INT 15h (memory, gate A20, waiting, moving), INT 18h and 19h (boot), INT 1Ah (time).

use super::call::Call;
use super::disk::Disk;
use super::rom::{self, BOOT_ADDRESS};
use crate::firmware::{self, data};
use ringer_cpu::addr::Pa;
use ringer_cpu::{Gpr, SegReg, Segment};

/// "SMAP", the signature of the memory-map service.
const SMAP: u32 = 0x534d_4150;
/// AH for a service that INT 15h does not have.
const UNSUPPORTED: u8 = 0x86;
/// AH when a block could not be moved: an exception.
const MOVE_FAILED: u8 = 2;
/// Words that are moved at a time, at most.
const MOST_WORDS: u16 = 0x8000;
/// Ticks of the power management timer in a second.
const PM_TIMER_HZ: u32 = 3_579_545;
/// KiB between 1 and 16 MiB.
const BELOW_16M_KIB: u64 = 0x3c00;

/// INT 15h.
pub fn call(call: &mut Call<'_>, ram: u64) {
    let above = ram.saturating_sub(u64::from(firmware::HIGH_MEMORY)) >> 10;
    let mut ok = true;
    match call.word(Gpr::Eax) {
        0x2400 => a20(call, rom::A20_OFF),
        0x2401 => a20(call, rom::A20_ON),
        0x2402 => a20(call, rom::A20_QUERY),
        0x2403 => {
            call.set_high(Gpr::Eax, 0);
            call.set_word(Gpr::Ebx, 3);
        }
        0xe801 => {
            let low = above.min(BELOW_16M_KIB) as u16;
            let high = (above.saturating_sub(BELOW_16M_KIB) >> 6).min(0xffff) as u16;
            for (reg, value) in
                [(Gpr::Eax, low), (Gpr::Ecx, low), (Gpr::Ebx, high), (Gpr::Edx, high)]
            {
                call.set_word(reg, value);
            }
        }
        0xe820 => {
            ok = memory_map(call, ram);
            if !ok {
                call.set_high(Gpr::Eax, UNSUPPORTED);
            }
        }
        ax => match ax >> 8 {
            0x86 => wait(call),
            0x87 => ok = move_block(call),
            0x88 => call.set_ax(above.min(0xfc00) as u16),
            0xc0 => {
                call.set_high(Gpr::Eax, 0);
                call.set_word(Gpr::Ebx, rom::CONFIGURATION);
                call.cpu.seg[SegReg::Es as usize] = Segment::real(rom::SEGMENT, 0);
            }
            0xc1 => {
                let segment = (firmware::LOW_MEMORY_END >> 4) as u16;
                call.cpu.seg[SegReg::Es as usize] = Segment::real(segment, 0);
            }
            _ => {
                call.set_high(Gpr::Eax, UNSUPPORTED);
                ok = false;
            }
        },
    }
    call.set_carry(!ok);
}

/// AH=86h: waits CX:DX microseconds, with interrupts on.
fn wait(call: &mut Call<'_>) {
    let us = u64::from(call.word(Gpr::Ecx)) << 16 | u64::from(call.word(Gpr::Edx));
    // At least one tick is over then.
    let ticks = us * u64::from(PM_TIMER_HZ) / 1_000_000;
    call.memory.dma_write(Pa::from(rom::WAIT_TICKS), &ticks.to_le_bytes());
    call.continue_at(rom::WAIT);
}

/// AH=87h: moves CX words by the descriptors at ES:SI+10h (from) and +18h (to).
fn move_block(call: &mut Call<'_>) -> bool {
    let words = call.word(Gpr::Ecx);
    let base = |call: &Call<'_>, offset: u16| {
        let mut descriptor = [0; 8];
        let at = call.pointer(SegReg::Es, call.word(Gpr::Esi).wrapping_add(offset));
        let there = call.memory.read(Pa(at), &mut descriptor);
        let [_, _, low, middle, high, _, _, top] = descriptor;
        there.then_some(u32::from_le_bytes([low, middle, high, top]))
    };
    let moved = words <= MOST_WORDS && {
        let mut bytes = vec![0; usize::from(words) * 2];
        let (from, to) = (base(call, 0x10), base(call, 0x18));
        from.zip(to).is_some_and(|(from, to)| {
            call.memory.read(Pa::from(from), &mut bytes)
                && call.memory.dma_write(Pa::from(to), &bytes)
        })
    };
    call.set_high(Gpr::Eax, if moved { 0 } else { MOVE_FAILED });
    moved
}

fn a20(call: &mut Call<'_>, routine: u16) {
    call.set_high(Gpr::Eax, 0);
    call.continue_at(routine);
}

/// AX=E820h: row EBX of the map to ES:DI; EBX becomes the next row, or 0 after the last.
fn memory_map(call: &mut Call<'_>, ram: u64) -> bool {
    const ROW: u32 = 20;
    let map = firmware::memory_map(ram);
    let index = call.reg(Gpr::Ebx) as usize;
    let Some(range) = map.get(index) else { return false };
    if call.reg(Gpr::Edx) != SMAP || call.reg(Gpr::Ecx) < ROW {
        return false;
    }
    let mut row = Vec::with_capacity(ROW as usize);
    row.extend(range.base.to_le_bytes());
    row.extend(range.size.to_le_bytes());
    row.extend((range.kind as u32).to_le_bytes());
    let at = call.pointer(SegReg::Es, call.word(Gpr::Edi));
    if !call.memory.dma_write(Pa(at), &row) {
        return false;
    }
    let next = if index + 1 < map.len() { index as u32 + 1 } else { 0 };
    call.set_reg(Gpr::Ebx, next);
    call.set_reg(Gpr::Ecx, ROW);
    call.set_reg(Gpr::Eax, SMAP);
    true
}

/// INT 11h: what the data area says.
pub fn equipment(call: &mut Call<'_>) {
    let mut word = [0; 2];
    call.memory.read(Pa(data::EQUIPMENT), &mut word);
    call.set_ax(u16::from_le_bytes(word));
}

/// INT 18h: nothing to boot.
pub fn no_boot(call: &mut Call<'_>) {
    for byte in *b"No bootable device.\r\n" {
        call.put(byte);
    }
    call.continue_at(rom::STOP);
}

/// INT 19h: boots from the disk again.
pub fn boot(call: &mut Call<'_>, disk: Option<&Disk>) {
    let Some(disk) = disk else { return no_boot(call) };
    call.memory.dma_write(Pa::from(BOOT_ADDRESS), disk.boot_sector());
    call.cpu.seg[SegReg::Cs as usize] = Segment::real(0, 0);
    call.cpu.set_eip(BOOT_ADDRESS);
    call.set_word(Gpr::Edx, u16::from(disk.drive()));
}

/// INT 1Ah: the tick count (AH=00h) and setting it (AH=01h), the clock's time (AH=02h) and date (AH=04h).
pub fn time(call: &mut Call<'_>) {
    match call.high(Gpr::Eax) {
        0x00 => {
            let mut ticks = [0; 4];
            call.memory.read(Pa(data::TICKS), &mut ticks);
            let ticks = u32::from_le_bytes(ticks);
            call.set_word(Gpr::Ecx, (ticks >> 16) as u16);
            call.set_word(Gpr::Edx, ticks as u16);
            let mut midnight = [0];
            call.memory.read(Pa(data::MIDNIGHT), &mut midnight);
            call.memory.dma_write(Pa(data::MIDNIGHT), &[0]);
            call.set_low(Gpr::Eax, midnight[0]);
            call.set_carry(false);
        }
        0x01 => {
            let ticks = (call.reg(Gpr::Ecx) << 16) | u32::from(call.word(Gpr::Edx));
            call.memory.dma_write(Pa(data::TICKS), &ticks.to_le_bytes());
            call.set_carry(false);
        }
        // These are read by the ROM's own code.
        0x02 => clock(call, rom::CLOCK_TIME),
        0x04 => clock(call, rom::CLOCK_DATE),
        _ => call.set_carry(true),
    }
}

fn clock(call: &mut Call<'_>, routine: u16) {
    call.set_carry(false);
    call.continue_at(routine);
}
