//! INT 10h: text goes to the console; cursor and mode are only remembered.

use super::call::Call;
use crate::firmware::data;
use ringer_cpu::addr::Pa;
use ringer_cpu::{Gpr, SegReg};

const COLUMNS: u8 = 80;
const TEXT_MODE: u8 = 3;

pub fn call(call: &mut Call<'_>) {
    let al = call.low(Gpr::Eax);
    match call.high(Gpr::Eax) {
        // Set mode: there is but one.
        0x00 => {}
        0x02 => {
            let position = call.word(Gpr::Edx);
            call.memory.dma_write(Pa(data::CURSOR), &position.to_le_bytes());
        }
        0x03 => {
            let mut position = [0; 2];
            call.memory.read(Pa(data::CURSOR), &mut position);
            call.set_word(Gpr::Edx, u16::from_le_bytes(position));
            call.set_word(Gpr::Ecx, 0x0607);
        }
        0x09 | 0x0a => {
            for _ in 0..call.word(Gpr::Ecx) {
                call.put(al);
            }
        }
        0x0e => call.put(al),
        0x0f => {
            call.set_low(Gpr::Eax, TEXT_MODE);
            call.set_high(Gpr::Eax, COLUMNS);
            call.set_high(Gpr::Ebx, 0);
        }
        0x13 => write_string(call),
        _ => {}
    }
}

/// AH=13h: CX characters at ES:BP; with bit 1 of AL each is followed by an attribute.
fn write_string(call: &mut Call<'_>) {
    let step = if call.low(Gpr::Eax) & 2 != 0 { 2 } else { 1 };
    let mut offset = call.word(Gpr::Ebp);
    for _ in 0..call.word(Gpr::Ecx) {
        let mut byte = [0];
        let at = call.pointer(SegReg::Es, offset);
        if call.memory.read(Pa(at), &mut byte) {
            call.put(byte[0]);
        }
        offset = offset.wrapping_add(step);
    }
}
