//! What random instructions seldom come to: devices, stores into code, strings over their own bytes, far
//! transfers, loads of segments, x87 environments, page-table entries.

use super::coder::Coder;
use super::places::{self, CODE, DATA};

/// Appends one of them to the routine at `entry`.
pub fn emit(c: &mut Coder<'_>, entry: u32) {
    if c.s.smap && c.rng.one_in(3) {
        let last = c.rng.pick(&[0xca, 0xcb]);
        return c.put(&[0x0f, 0x01, last]); // clac, stac
    }
    match c.rng.below(16) {
        0 | 1 => device(c),
        2 => wait(c),
        3 | 4 => modify(c),
        5 => overwrite_itself(c, entry),
        6 => far(c, entry),
        7 => segment(c),
        8 | 9 => x87(c),
        10 => interrupt(c),
        11 => flags(c),
        12 => frame(c),
        13 if c.s.tables.is_some() => page(c),
        13 => flush(c),
        14 => string(c),
        _ => identity(c),
    }
}

/// MOV AL, value; OUT.
fn out(c: &mut Coder<'_>, port: u16, value: u8) {
    c.put(&[0xb0, value]);
    if port < 0x100 {
        c.put(&[0xe6, port as u8]);
    } else {
        c.load(2, u32::from(port));
        c.put(&[0xee]);
    }
}

fn device(c: &mut Coder<'_>) {
    let random = c.rng.byte();
    match c.rng.below(16) {
        0 | 1 => {
            let mode = c.rng.pick(&[0x30, 0x34, 0x36, 0x38, 0x32, 0x3a, 0x34]);
            out(c, 0x43, mode);
            out(c, 0x40, 1 + random % 8);
            out(c, 0x40, 0);
        }
        2 => {
            let port = c.rng.pick(&[0x21, 0xa1]);
            let more = c.rng.byte();
            out(c, port, random & more);
        }
        3 => {
            let (port, command) = (
                c.rng.pick(&[0x20, 0xa0]),
                c.rng.pick(&[0x20, 0x60, 0x0a, 0x0b, 0x0c, 0x68, 0xc1]),
            );
            out(c, port, command);
            c.put(&[0xe4, port as u8]);
        }
        4 => {
            out(c, 0x70, 0x0b);
            out(c, 0x71, random & 0x7f);
            out(c, 0x70, 0x0a);
            out(c, 0x71, 0x20 | random & 0xf);
        }
        5 => {
            out(c, 0x70, random & 0x7f);
            c.put(&[0xe4, 0x71]);
        }
        6 => {
            let (port, value) = (0x3f8 + u16::from(c.rng.byte() & 7), random);
            out(c, port, value);
            c.put(&[0xec]);
        }
        7 => {
            // The serial port answers itself, and asks for interrupts.
            out(c, 0x3fc, 0x18 | random & 7);
            out(c, 0x3f9, 3);
            out(c, 0x3f8, random);
        }
        8 => {
            let command =
                c.rng.pick(&[0x20, 0x60, 0xaa, 0xab, 0xad, 0xae, 0xd0, 0xd1, 0xd2, 0xdd, 0xdf]);
            out(c, 0x64, command);
            out(c, 0x60, random);
            c.put(&[0xe4, 0x64, 0xe4, 0x60]);
        }
        9 => out(c, 0x92, random & 2),
        10 => {
            let port = u16::from(random & 0xf) | c.rng.pick(&[0, 0x80, 0xc0]);
            let value = c.rng.byte();
            out(c, port, value);
        }
        11 => {
            c.load(2, 0xcf8);
            let to = 0x8000_0000 | c.rng.word() & 0x1ffc;
            if c.s.bits == 32 {
                c.load(0, to);
                c.put(&[0xef]);
            } else {
                let b = to.to_le_bytes();
                c.put(&[0x66, 0xb8, b[0], b[1], b[2], b[3], 0x66, 0xef]);
            }
            c.load(2, 0xcfc);
            c.put(&[0xed]);
        }
        12 => {
            let port = c.rng.pick(&[0x608, 0x600, 0x604, 0x61, 0x42, 0x40, 0x402, 0x3fd]);
            c.load(2, port);
            c.put(&[0xed]);
        }
        13 => out(c, 0x80, random),
        14 => out(c, 0xe9, random),
        _ => out(c, 0x61, random & 3),
    }
}

/// HLT, with and without interrupts; their shadows.
fn wait(c: &mut Coder<'_>) {
    let list: &[&[u8]] = &[
        &[0xfb, 0xf4],
        &[0xfb],
        &[0xfa],
        &[0xfb, 0xfa],
        &[0xfb, 0x90],
        &[0xfa, 0x90, 0xfb, 0xf4],
        &[0x8c, 0xd0, 0x8e, 0xd0, 0x90],
        &[0x16, 0x17, 0xfb],
        &[0xfb, 0x16, 0x17],
        &[0xfb, 0xeb, 0x00],
        &[0xfb, 0x0f, 0xa2],
        &[0x9c, 0xfb, 0x9d],
    ];
    let bytes = list[c.rng.below(list.len() as u32) as usize];
    c.put(bytes);
}

/// A store into some routine, most often of bytes that are instructions.
fn modify(c: &mut Coder<'_>) {
    let to = c.rng.pick(&c.entries).wrapping_add(c.rng.below(40));
    let value = match c.rng.below(3) {
        0 => c.rng.byte(),
        _ => c.rng.pick(&[0x90, 0x40, 0x42, 0x43, 0xf8, 0xf5, 0x50, 0x58, 0xf3, 0x66, 0xc3]),
    };
    let prefix: &[u8] = match (c.s.real || c.s.bits == 16, c.rng.one_in(3)) {
        (true, _) if c.s.real && c.s.cpl == 0 => &[0x2e], // through CS: real mode allows it
        (true, _) => &[0x26],
        (false, true) => &[0x2e],
        (false, false) => &[],
    };
    if c.s.real && c.s.cpl != 0 {
        c.put(&[0x0e, 0x07]); // push cs; pop es
    }
    c.put(prefix);
    let wide = c.rng.one_in(3);
    let at = to.to_le_bytes();
    match (c.s.bits, wide) {
        (32, false) => c.put(&[0xc6, 0x05, at[0], at[1], at[2], at[3], value]),
        (32, true) => c.put(&[0xc7, 0x05, at[0], at[1], at[2], at[3], value, 0x90, 0x42, 0x90]),
        (_, false) => c.put(&[0xc6, 0x06, at[0], at[1], value]),
        (_, true) => c.put(&[0xc7, 0x06, at[0], at[1], value, 0x90]),
    }
}

/// REP STOS or MOVS over its own bytes, by another linear address of them at times.
fn overwrite_itself(c: &mut Coder<'_>, entry: u32) {
    let before = c.rng.below(24);
    let count = 1 + c.rng.below(40);
    if c.s.real || c.s.bits == 16 {
        c.put(&[0x0e, 0x07]); // push cs; pop es
    }
    let value = c.rng.pick(&[0x90, 0x40, 0xaa, 0xf3]);
    c.put(&[0xb0, value, 0xfc]);
    c.load(1, count);
    let alias = c.s.bits == 32 && c.rng.one_in(2);
    let from = c.here(entry).wrapping_sub(before).wrapping_add(8);
    c.load(7, from.wrapping_add(if alias { 0x4000_0000 } else { 0 }));
    let op = c.rng.pick(&[0xaa, 0xaa, 0xab, 0xa4, 0xa5, 0x6c]);
    c.put(&[0xf3, op]);
}

/// JMP or CALL to another routine by a far pointer; by a gate; to another name of the same code.
fn far(c: &mut Coder<'_>, entry: u32) {
    let opcode = c.rng.pick(&[0xea, 0x9a, 0xea]);
    let to = if c.rng.one_in(2) {
        c.rng.pick(&c.entries)
    } else {
        c.here(entry) + if c.s.bits == 32 { 7 } else { 5 }
    };
    if c.s.real {
        let back = c.rng.pick(&[0, 0, 1, 0x10, 0x80]);
        let (offset, segment) =
            (to.wrapping_add(back << 4).to_le_bytes(), (0x1000 - back as u16).to_le_bytes());
        c.put(&[opcode, offset[0], offset[1], segment[0], segment[1]]);
        return;
    }
    let rpl = u16::from(c.s.cpl);
    let selector = match c.rng.below(6) {
        0 => places::CALL_GATE | rpl,
        1 => c.rng.pick(places::PROTECTED) | rpl,
        2 if c.s.bits == 32 => places::CONFORMING | rpl,
        _ if c.s.bits == 16 => 0x30 | rpl,
        _ if c.s.cpl == 0 => places::CODE0,
        _ => places::CODE3,
    };
    let (offset, selector) = (to.to_le_bytes(), selector.to_le_bytes());
    c.put(&[opcode]);
    c.put(&offset[..if c.s.bits == 32 { 4 } else { 2 }]);
    c.put(&selector);
}

/// A selector into a data segment register, SS among them.
fn segment(c: &mut Coder<'_>) {
    let value = if c.s.real {
        c.rng.pick(places::REAL)
    } else {
        c.rng.pick(places::PROTECTED) | u16::from(c.s.cpl)
    };
    c.load(0, u32::from(value));
    let reg = if c.rng.one_in(12) { 2 } else { c.rng.pick(&[0u8, 3, 4, 5]) };
    if c.rng.one_in(3) {
        c.put(&[0x50]);
        match reg {
            0 => c.put(&[0x07]),
            2 => c.put(&[0x17]),
            3 => c.put(&[0x1f]),
            4 => c.put(&[0x0f, 0xa1]),
            _ => c.put(&[0x0f, 0xa9]),
        }
    } else {
        c.put(&[0x8e, 0xc0 | reg << 3]);
    }
}

/// x87 instructions, and stores of what they leave in pointers.
fn x87(c: &mut Coder<'_>) {
    let at = DATA_OFFSET + c.rng.below(0x800) * 4;
    let at = if c.s.bits == 32 { DATA + at } else { at };
    let bytes = at.to_le_bytes();
    for _ in 0..1 + c.rng.below(3) {
        match c.rng.below(9) {
            0 => c.put(&[0xd9, 0xe8]),
            1 => c.put(&[0xdd, 0xd8]),
            2 => c.put(&[0xd9, 0xee, 0xd8, 0xf9]), // fldz; fdivr st, st1
            3 => c.put(&[0xdb, 0xe3]),
            4 => {
                let form = c.rng.byte() & 0x3f;
                c.put(&[0xd8, 0xc0 | form]);
            }
            5 => c.put(&[0x9b]),
            6 => c.put(&[0xdb, 0xe2]),
            n => {
                // A memory operand: D8 to DF, any form; FNSTENV is among them, and FLDCW.
                let (op, reg) = if n == 7 {
                    (0xd9, c.rng.pick(&[5u8, 6, 7]))
                } else {
                    (0xd8 | c.rng.byte() & 7, c.rng.byte() & 7)
                };
                let rm = if c.s.bits == 32 { 5 } else { 6 };
                c.put(&[op, reg << 3 | rm]);
                c.put(&bytes[..if c.s.bits == 32 { 4 } else { 2 }]);
            }
        }
    }
}

/// Where x87 operands are in data.
const DATA_OFFSET: u32 = 0x800;

fn interrupt(c: &mut Coder<'_>) {
    let n = match c.rng.below(4) {
        0 => c.rng.byte(),
        1 => c.rng.pick(&[3, 4, 0x40, 0x41, 0x42, 0x43, 0x80]),
        _ => 0x30 + c.rng.byte() % 0x10,
    };
    match c.rng.below(8) {
        0 => c.put(&[0xcc]),
        1 => c.put(&[0xce]),
        2 if c.s.bits == 32 => c.put(&[0x0f, 0x34]),
        _ => c.put(&[0xcd, n]),
    }
}

/// PUSH of flags; POPF. IRET of a frame that was pushed.
fn flags(c: &mut Coder<'_>) {
    let mut value = c.rng.word() & 0x0024_7ed5;
    if !c.rng.one_in(12) {
        value &= !0x4100;
    }
    if !c.rng.one_in(4) {
        value |= 0x200;
    }
    let b = value.to_le_bytes();
    c.put(&[0x68]);
    c.put(&b[..if c.s.bits == 32 { 4 } else { 2 }]);
    c.put(&[0x9d]);
}

/// ENTER and LEAVE; PUSHA and POPA.
fn frame(c: &mut Coder<'_>) {
    match c.rng.below(3) {
        0 => c.put(&[0x60, 0x61]),
        1 => {
            let level = if c.rng.one_in(3) { c.rng.byte() } else { c.rng.byte() & 3 };
            c.put(&[0xc8, 8, 0, level, 0xc9]);
        }
        _ => c.put(&[0x50, 0x53, 0x58, 0x5b]),
    }
}

/// Another entry for a page, and the flush that it asks for, with no interrupt in between.
fn page(c: &mut Coder<'_>) {
    let Some(tables) = c.s.tables else { return };
    let page = c.rng.below(tables.pages.1);
    let frame = c.rng.pick(&[DATA, DATA + 0x1000, DATA + 0x2000, CODE, CODE + 0x1000]);
    let rights = c.rng.pick(&[0, 1, 3, 5, 7, 7, 0x27, 0x67, 0x107]);
    let entry = (frame | rights).to_le_bytes();
    let at = (tables.at + page * tables.entry).to_le_bytes();
    let linear = (tables.pages.0 + (page << 12)).to_le_bytes();
    c.put(&[0xfa, 0xc7, 0x05]);
    c.put(&at);
    c.put(&entry);
    if c.rng.one_in(3) {
        c.put(&[0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8]); // mov eax, cr3; mov cr3, eax
    } else {
        c.put(&[0x0f, 0x01, 0x3d]); // invlpg
        c.put(&linear);
    }
    // What is there now; then interrupts again.
    let op = c.rng.pick(&[0xa1, 0xa3]);
    c.put(&[op]);
    c.put(&linear);
    c.put(&[0xfb]);
}

/// Loads of control registers that keep what they hold, but for WP, TS and the like.
fn flush(c: &mut Coder<'_>) {
    match c.rng.below(5) {
        0 => c.put(&[0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8]),
        1 => c.put(&[0x0f, 0x06]),
        2 if c.s.bits == 32 => {
            // mov eax, cr0; btc eax, n; mov cr0, eax
            let n = c.rng.pick(&[16, 3, 18, 1]);
            c.put(&[0x0f, 0x20, 0xc0, 0x0f, 0xba, 0xf8, n, 0x0f, 0x22, 0xc0]);
        }
        3 => c.put(&[0x0f, 0x09]),
        _ => c.put(&[0x0f, 0x20, 0xe0, 0x0f, 0x22, 0xe0]),
    }
}

/// A repeated string instruction over a page or two, either way.
fn string(c: &mut Coder<'_>) {
    let (from, to) = (c.target(), c.target());
    let most = if c.rng.one_in(8) { 2500 } else { 80 };
    let count = c.rng.below(most);
    c.load(1, count);
    c.load(6, from);
    c.load(7, to);
    let direction = c.rng.pick(&[0xfc, 0xfc, 0xfd]);
    let (repeat, op) = (
        c.rng.pick(&[0xf3, 0xf2]),
        c.rng.pick(&[0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf]),
    );
    c.put(&[direction, repeat, op, 0xfc]);
}

/// What tells of the processor and of time.
fn identity(c: &mut Coder<'_>) {
    let list: &[&[u8]] = &[
        &[0x0f, 0xa2],
        &[0x0f, 0x31],
        &[0x0f, 0xc7, 0xf0],
        &[0x0f, 0x32],
        &[0x0f, 0x01, 0xe0],
        &[0x0f, 0x35],
    ];
    let bytes = list[c.rng.below(list.len() as u32) as usize];
    if c.rng.one_in(2) {
        let leaf = c.rng.below(6);
        c.load(0, leaf);
    }
    c.put(bytes);
}
