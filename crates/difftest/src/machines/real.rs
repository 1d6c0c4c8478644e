//! Machines in real-address mode.

use super::coder::{Coder, Setting};
use super::places::{CODE, CODE_LEN, REAL};
use super::world::World;
use ringer_casegen::rng::Rng;
use ringer_cpu::state::cr0;
use ringer_cpu::{Eflags, Gpr, SegReg, Segment};

/// Where the handlers are.
const HANDLERS: u32 = 0x5000;
/// Bytes between two of them.
const STEP: u32 = 32;
/// Vectors, handlers, code and registers.
pub fn fill(rng: &mut Rng, world: &mut World) {
    let cpu = &mut world.cpu;
    cpu.cr0 = cr0::ET | if rng.one_in(2) { cr0::NE } else { 0 };
    cpu.cr4 = if rng.one_in(8) { 0 } else { 0x600 };
    cpu.eflags = Eflags::FIXED_ONE | rng.word() & Eflags::ARITH.bits();
    if !rng.one_in(4) {
        cpu.eflags |= Eflags::IF.bits();
    }
    for reg in SegReg::ALL {
        let selector = match reg {
            SegReg::Cs => 0x1000,
            SegReg::Ss if !rng.one_in(16) => 0x4000,
            _ => rng.pick(REAL),
        };
        cpu.seg[reg as usize] = Segment::real(selector, 0);
    }
    if rng.one_in(16) {
        // Unreal mode: a limit that outlived protected mode.
        cpu.seg[SegReg::Ds as usize].limit = u32::MAX;
    }
    let sp = if rng.one_in(16) { rng.word() & 0xffff } else { 0x100 + rng.below(0x7f00) * 2 };
    cpu.set_reg32(Gpr::Esp, sp);
    let setting =
        Setting { bits: 16, eip: 0, linear: CODE, cpl: 0, real: true, tables: None, smap: false };
    let (bytes, entries) = Coder::new(rng, setting).fill(CODE_LEN);
    world.cpu.set_eip(rng.pick(&entries));
    world.memory.push((CODE, bytes));
    vectors(rng, world, &entries);
}

fn vectors(rng: &mut Rng, world: &mut World, entries: &[u32]) {
    let mut table = Vec::with_capacity(1024);
    let mut code = vec![0xcf; (256 * STEP) as usize];
    for v in 0..256u32 {
        let at = v * STEP;
        let (offset, segment) = match v {
            _ if rng.one_in(64) => (rng.pick(entries), 0x1000),
            _ => (at, HANDLERS >> 4),
        };
        table.extend((offset as u16).to_le_bytes());
        table.extend((segment as u16).to_le_bytes());
        let body = handler(rng, v, entries);
        code[at as usize..at as usize + body.len()].copy_from_slice(&body);
    }
    world.memory.push((0, table));
    world.memory.push((HANDLERS, code));
}

/// Goes on behind the instruction, at another place, or acknowledges an interrupt.
fn handler(rng: &mut Rng, vector: u32, entries: &[u32]) -> Vec<u8> {
    // push bp; mov bp, sp; …; pop bp; iret
    let frame = |change: &[u8]| [&[0x55, 0x89, 0xe5], change, &[0x5d, 0xcf]].concat();
    match vector {
        // push ax; mov al, 20h; out a0h, al; out 20h, al; mov al, 0ch; out 70h, al; in al, 71h; pop ax; iret
        8..=15 | 0x70..=0x77 if !rng.one_in(4) => vec![
            0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0xb0, 0x0c, 0xe6, 0x70, 0xe4, 0x71, 0x58,
            0xcf,
        ],
        1 | 3 | 4 | 0x20.. => vec![0xcf],
        _ if rng.one_in(3) => {
            let to = rng.pick(entries).to_le_bytes();
            frame(&[0xc7, 0x46, 0x02, to[0], to[1]]) // mov word [bp+2], to
        }
        _ => frame(&[0x83, 0x46, 0x02, 1 + rng.byte() % 6]), // add word [bp+2], n
    }
}
