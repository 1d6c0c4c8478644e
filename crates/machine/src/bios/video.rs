//! INT 10h: text goes to the console, and the cursor where it would be on a screen of 80 by 25 in one page; nothing else of
//! a screen is there.

use super::call::Call;
use crate::firmware::data;
use ringer_cpu::addr::Pa;
use ringer_cpu::{Gpr, SegReg};

const COLUMNS: u8 = 80;
const ROWS: u8 = 25;
const TEXT_MODE: u8 = 3;

pub fn call(call: &mut Call<'_>) {
    let al = call.low(Gpr::Eax);
    match call.high(Gpr::Eax) {
        // Set mode: there is but one, with a clear screen.
        0x00 => set_cursor(call, [0, 0]),
        0x02 => {
            let position = call.word(Gpr::Edx);
            set_cursor(call, position.to_le_bytes());
        }
        0x03 => {
            let position = cursor(call);
            call.set_word(Gpr::Edx, u16::from_le_bytes(position));
            call.set_word(Gpr::Ecx, 0x0607);
        }
        0x09 | 0x0a => {
            for _ in 0..call.word(Gpr::Ecx) {
                call.put(al);
            }
        }
        0x0e => {
            call.put(al);
            let position = behind(cursor(call), al);
            set_cursor(call, position);
        }
        0x0f => {
            call.set_low(Gpr::Eax, TEXT_MODE);
            call.set_high(Gpr::Eax, COLUMNS);
            call.set_high(Gpr::Ebx, 0);
        }
        0x13 => write_string(call),
        _ => {}
    }
}

/// Column and row of the cursor.
fn cursor(call: &Call<'_>) -> [u8; 2] {
    let mut position = [0; 2];
    call.memory.read(Pa(data::CURSOR), &mut position);
    position
}

fn set_cursor(call: &mut Call<'_>, position: [u8; 2]) {
    call.memory.dma_write(Pa(data::CURSOR), &position);
}

/// Where the cursor is when `byte` was written at `[column, row]` as a teletype does: bell, backspace, line feed and carriage
/// return act, and behind the last line the screen moves up.
fn behind([column, row]: [u8; 2], byte: u8) -> [u8; 2] {
    let down = |row: u8| row.saturating_add(1).min(ROWS - 1);
    match byte {
        0x07 => [column, row],
        0x08 => [column.saturating_sub(1), row],
        b'\n' => [column, down(row)],
        b'\r' => [0, row],
        _ if column.saturating_add(1) >= COLUMNS => [0, down(row)],
        _ => [column + 1, row],
    }
}

/// AH=13h: CX characters at ES:BP, to the place in DX; with bit 1 of AL each is followed by an attribute, with bit 0 the
/// cursor is behind them then.
fn write_string(call: &mut Call<'_>) {
    let moves = call.low(Gpr::Eax) & 1 != 0;
    let mut position = call.word(Gpr::Edx).to_le_bytes();
    let step = if call.low(Gpr::Eax) & 2 != 0 { 2 } else { 1 };
    let mut offset = call.word(Gpr::Ebp);
    for _ in 0..call.word(Gpr::Ecx) {
        let mut byte = [0];
        let at = call.pointer(SegReg::Es, offset);
        if call.memory.read(Pa(at), &mut byte) {
            call.put(byte[0]);
            position = behind(position, byte[0]);
        }
        offset = offset.wrapping_add(step);
    }
    if moves {
        set_cursor(call, position);
    }
}
