//! Combinations of instructions that random forms seldom give.

use crate::case::Kind;
use crate::composer::Composer;
use crate::layout::CASE_SLOTS;
use crate::tables::ODD;

const EAX: usize = 0;
const ECX: usize = 1;

/// Appends one of them.
pub fn emit(d: &mut Composer<'_>) {
    if d.room() < 60 {
        return;
    }
    let protected = matches!(d.s.kind, Kind::User | Kind::Supervisor);
    match d.rng.below(11) {
        0 => indirect(d),
        1 => push_and_return(d),
        // A store into the code could change the count.
        2 if !d.s.writable_code => small_loop(d),
        3 if protected => load_segment(d),
        3 => real_segment(d),
        4 if protected => selector_query(d),
        5 if protected => far_transfer(d),
        6 => return_from_interrupt(d),
        7 => interrupt(d),
        // At CPL 0 the new bytes could be HLT, with nobody to end it.
        8 if d.s.writable_code && d.s.bits == 32 && d.is_flat() && d.s.cpl() == 3 => modify_code(d),
        9 => stack_round(d),
        _ => indirect_through_memory(d),
    }
}

/// A selector that means something: the case's own, the odd ones, null, nonsense.
fn selector(d: &mut Composer<'_>) -> u16 {
    let rpl = d.rng.below(4) as u16;
    let rpl = if d.rng.one_in(3) { rpl } else { d.s.cpl() as u16 };
    let base = match d.rng.below(8) {
        0..=2 => CASE_SLOTS + 8 * d.rng.below(8) as u16,
        3 | 4 => d.rng.pick(ODD).0,
        5 => d.rng.pick(&[0, 8, 0x10, 0x18, 0x20]),
        6 => d.rng.pick(&[4, 0x28, 0x30, 0x1f8, 0x200, 0xfff8]),
        _ => d.rng.word() as u16 & 0x1f8,
    };
    base & !3 | rpl
}

fn register(d: &mut Composer<'_>) -> usize {
    d.rng.pick(&[0, 1, 2, 3, 5, 6, 7])
}

/// MOV r, label; JMP or CALL r.
fn indirect(d: &mut Composer<'_>) {
    let r = register(d);
    let ahead = 1 + d.rng.below(3) as usize;
    let first = d.len();
    d.group(first, 2);
    d.set_label(r, ahead);
    let modrm = d.rng.pick(&[0xe0, 0xd0]) | r as u8;
    d.raw(&[0xff, modrm]);
}

/// PUSH label; RET, or RET n.
fn push_and_return(d: &mut Composer<'_>) {
    let size = if d.s.bits == 32 { 4 } else { 2 };
    let ahead = 1 + d.rng.below(2) as usize;
    d.raw(&[0x68, 0, 0, 0, 0][..1 + size]);
    d.label_here(0, size, ahead, 0);
    if d.rng.one_in(3) && d.s.kind != Kind::Real {
        let n = d.rng.pick(&[0, 1, 4, 8, 0x7f]);
        d.raw(&[0xc2, n, 0]);
    } else {
        d.raw(&[0xc3]);
    }
}

/// MOV [mem], label; JMP or CALL [mem].
fn indirect_through_memory(d: &mut Composer<'_>) {
    let Some(at) = d.data_offset(3) else { return };
    let size = if d.s.bits == 32 { 4 } else { 2 };
    if d.s.bits == 16 && at > 0xff00 {
        return;
    }
    let ahead = 1 + d.rng.below(3) as usize;
    let rm = if size == 4 { 5 } else { 6 };
    let mut store = vec![0xc7, rm];
    store.extend(&at.to_le_bytes()[..size]);
    store.extend(vec![0; size]);
    d.raw(&store);
    d.label_here(0, size, ahead, 0);
    let mut jump = vec![0xff, d.rng.pick(&[0x20, 0x10]) | rm];
    jump.extend(&at.to_le_bytes()[..size]);
    d.raw(&jump);
}

/// MOV ECX, n; some instructions that leave it alone; LOOP.
fn small_loop(d: &mut Composer<'_>) {
    const BODY: &[&[u8]] = &[
        &[0x01, 0xd8],       // add eax, ebx
        &[0x11, 0xc2],       // adc edx, eax
        &[0xd1, 0xd8],       // rcr eax, 1
        &[0x48],             // dec eax
        &[0x50],             // push eax
        &[0x5a],             // pop edx
        &[0x0f, 0xaf, 0xc3], // imul eax, ebx
        &[0xf5],             // cmc
        &[0x69, 0xc0, 0x11, 0x22, 0x33, 0x44],
    ];
    let n = d.rng.below(4) + 1;
    d.set_register(ECX, n);
    let first = d.len();
    d.need_flags();
    for _ in 0..1 + d.rng.below(3) {
        let k = d.rng.below(if d.s.bits == 32 { BODY.len() as u32 } else { 8 }) as usize;
        d.raw(BODY[k]);
        d.need_flags();
    }
    d.loop_to(first);
}

/// MOV r16, selector; MOV Sreg, r16 (or a PUSH and a POP).
fn load_segment(d: &mut Composer<'_>) {
    let value = selector(d);
    let sreg = d.rng.pick(&[0u8, 2, 3, 4, 5, 3, 0]);
    d.set_register(EAX, u32::from(value));
    if d.rng.one_in(3) {
        d.raw(&[0x50]);
        match sreg {
            0 => d.raw(&[0x07]),
            2 => d.raw(&[0x17]),
            3 => d.raw(&[0x1f]),
            4 => d.raw(&[0x0f, 0xa1]),
            _ => d.raw(&[0x0f, 0xa9]),
        }
    } else {
        d.raw(&[0x8e, 0xc0 | sreg << 3]);
    }
}

/// The same in real and V86 mode, to where the case's pages are.
fn real_segment(d: &mut Composer<'_>) {
    let value = d.rng.pick(&[0x1000, 0x2000, 0x1000, 0x1100]);
    let value = if d.s.kind == Kind::Real { 0x1000 } else { value };
    let sreg = d.rng.pick(&[0u8, 3, 4, 5]);
    d.set_register(EAX, value);
    d.raw(&[0x8e, 0xc0 | sreg << 3]);
}

/// MOV r16, selector; LAR, LSL, VERR, VERW, ARPL.
fn selector_query(d: &mut Composer<'_>) {
    let value = selector(d);
    let (a, b) = (register(d), register(d));
    let junk = d.rng.word() & 0xffff_0000;
    d.set_register(a, junk | u32::from(value));
    let pair = 0xc0 | (b as u8) << 3 | a as u8;
    match d.rng.below(5) {
        0 => d.raw(&[0x0f, 0x02, pair]),
        1 => d.raw(&[0x0f, 0x03, pair]),
        2 => d.raw(&[0x0f, 0x00, 0xe0 | a as u8]),
        3 => d.raw(&[0x0f, 0x00, 0xe8 | a as u8]),
        _ => {
            let other = selector(d);
            d.set_register(b, u32::from(other));
            d.raw(&[0x63, pair]);
        }
    }
}

/// JMP or CALL ptr16:32 (ptr16:16) to this code segment, a gate, or anywhere.
fn far_transfer(d: &mut Composer<'_>) {
    let size = if d.s.bits == 32 { 4 } else { 2 };
    let own = d.s.selectors[1];
    let to = match d.rng.below(4) {
        0 | 1 => own,
        2 => d.rng.pick(&[0x70, 0x78, 0x73, 0x7b, 0xc8, 0xcb, 0x80]),
        _ => selector(d),
    };
    if to >> 3 == 0x28 >> 3 || to >> 3 == 0x30 >> 3 || (0x90..0xa0).contains(&to) {
        return; // Task switches, to the runner's TSSs or to nonsense.
    }
    let mut bytes = vec![d.rng.pick(&[0xea, 0x9a])];
    bytes.extend(vec![0; size]);
    bytes.extend(to.to_le_bytes());
    let ahead = 1 + d.rng.below(2) as usize;
    d.raw(&bytes);
    d.label_here(2, size, ahead - 1, 0);
}

/// PUSHF; PUSH CS; PUSH label; IRET.
fn return_from_interrupt(d: &mut Composer<'_>) {
    let size = if d.s.bits == 32 { 4 } else { 2 };
    let first = d.len();
    d.need_flags();
    d.group(first, 4);
    d.raw(&[0x9c]);
    d.raw(&[0x0e]);
    d.raw(&[0x68, 0, 0, 0, 0][..1 + size]);
    d.label_here(0, size, 1, 0);
    d.raw(&[0xcf]);
}

/// INT n: gates that come back, that do not, that are closed.
fn interrupt(d: &mut Composer<'_>) {
    let n = d.rng.pick(&[0x30, 0x31, 0x30, 0x31, 0x21, 0x20, 0x80, 3, 4, 1, 0x0d, 0x0e, 0xff]);
    let first = d.len();
    if d.s.cpl() == 0 {
        d.need_flags();
    }
    d.group(first, 1);
    d.raw(&[0xcd, n]);
}

/// PUSH, something in between, POP; ENTER and LEAVE; PUSHA and POPA.
fn stack_round(d: &mut Composer<'_>) {
    match d.rng.below(4) {
        0 => {
            let (a, b) = (d.rng.byte() & 7, d.rng.byte() & 7);
            d.raw(&[0x50 | a]);
            d.raw(&[0x58 | b]);
        }
        1 if d.s.kind != Kind::Real => {
            let n = d.rng.pick(&[0, 4, 8, 0x40, 0xfc]);
            let level = d.rng.pick(&[0, 0, 1, 2, 3]);
            d.raw(&[0xc8, n, 0, level]);
            d.raw(&[0xc9]);
        }
        2 => {
            d.raw(&[0x60]);
            d.raw(&[0x61]);
        }
        _ => {
            // POPF with chosen flags, then PUSHF: TF and NT among them now and then.
            let flags = d.rng.word() & 0x24_7ed5;
            let flags = if d.rng.one_in(8) { flags } else { flags & !0x4100 };
            let flags = if d.s.kind == Kind::Supervisor { flags & !0x100 } else { flags };
            let first = d.len();
            d.group(first, 3);
            if d.s.bits == 32 {
                let b = flags.to_le_bytes();
                d.raw(&[0x68, b[0], b[1], b[2], b[3]]);
            } else {
                let b = (flags as u16).to_le_bytes();
                d.raw(&[0x68, b[0], b[1]]);
            }
            d.raw(&[0x9d]);
            d.raw(&[0x9c]);
        }
    }
}

/// A store into an instruction ahead: MOV byte [label + k], imm8, or a doubleword.
fn modify_code(d: &mut Composer<'_>) {
    let ahead = d.rng.below(3) as usize;
    let add = d.rng.below(4);
    if d.rng.one_in(2) {
        let value = d.rng.pick(&[0x90, 0xcc, 0x40, 0x42, 0xf8, 0xf9, 0x50]);
        d.raw(&[0xc6, 0x05, 0, 0, 0, 0, value]);
        d.label_here(1, 4, ahead, add);
    } else {
        d.raw(&[0xc7, 0x05, 0, 0, 0, 0, 0x90, 0x41, 0xf8, 0x90]);
        d.label_here(4, 4, ahead, add);
    }
}
