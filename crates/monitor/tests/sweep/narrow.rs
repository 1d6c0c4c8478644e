//! The sweep in 16-bit and segmented modes: real mode, V86 mode, 16-bit protected mode, 32-bit code
//! with a base, on 16- and 32-bit stacks. Addresses, stack pointers and IP lie near 64 KiB and near
//! the segments' limits more often than not, so that wraps and limit faults are common. A third of
//! the batches run with paging, and with absent and read-only pages among the data.

use super::Form::{self, Ext, ExtImm, ExtImm8, Imm, Imm8, Plain, Rm, RmImm, RmImm8, String as Str};
use super::{Rng, TABLE, immediate, machine};
use ringer_cpu::addr::Pa;
use ringer_cpu::state::{cr0, cr4};
use ringer_cpu::{CpuState, Eflags, Lin, PagingRegs, SegAttr, Segment};
use ringer_monitor::Monitor;

const CASES: u64 = 200_000;
/// Where the programs are, below the hole for video memory.
const CODE: u32 = 0x8_0000;
const SLOT: u32 = 32;
const SLOTS: u32 = 4096;
/// Data segments of real mode lie in here.
const DATA: u32 = 0x1_0000;
const DATA_LEN: u32 = 0x6_0000;
/// A page directory and a page table.
const TABLES: u32 = 0x20_0000;
/// Encoding indices of CS and SS.
const CS: usize = 1;
const SS: usize = 2;

const POPF: u8 = 0x9d;

/// How the codes that only this sweep has go on.
#[derive(Clone, Copy)]
enum Tail {
    /// As in the common table.
    As(Form),
    /// A 16-bit immediate, whatever the operand size.
    Word,
    /// An offset of the address size.
    Offset,
    /// ENTER's two immediates.
    Frame,
    /// A far pointer.
    Far,
}

use Tail::{As, Far, Frame, Offset, Word};

/// Branches, the stack, segment registers, and operands of other units.
#[rustfmt::skip]
const MORE: &[(u16, u16, Tail)] = &[
    (0x70, 0x7f, As(Imm8)), (0xe0, 0xe3, As(Imm8)), (0xeb, 0xeb, As(Imm8)), (0xe8, 0xe9, As(Imm)),
    (0x0f80, 0x0f8f, As(Imm)), (0xc2, 0xc2, Word), (0xc3, 0xc3, As(Plain)), (0xff, 0xff, As(Ext(2, 2))),
    (0xff, 0xff, As(Ext(4, 4))), (0xff, 0xff, As(Ext(6, 6))), (0x8f, 0x8f, As(Ext(0, 0))),
    (0x50, 0x5f, As(Plain)), (0x60, 0x61, As(Plain)), (0x9c, 0x9d, As(Plain)), (0xc9, 0xc9, As(Plain)),
    (0x06, 0x06, As(Plain)), (0x0e, 0x0e, As(Plain)), (0x16, 0x16, As(Plain)), (0x1e, 0x1e, As(Plain)),
    (0x07, 0x07, As(Plain)), (0x1f, 0x1f, As(Plain)), (0x0fa0, 0x0fa1, As(Plain)),
    (0x0fa8, 0x0fa9, As(Plain)), (0x8c, 0x8c, As(Ext(0, 5))), (0x8e, 0x8e, As(Ext(0, 0))),
    (0x8e, 0x8e, As(Ext(3, 5))), (0xa0, 0xa3, Offset), (0xc8, 0xc8, Frame), (0xfa, 0xfb, As(Plain)),
    (0x8d, 0x8d, As(Rm)), (0xa4, 0xa7, As(Str)), (0xaa, 0xaf, As(Str)), (0xc4, 0xc5, As(Rm)),
    (0x0fb2, 0x0fb2, As(Rm)), (0x0fb4, 0x0fb5, As(Rm)),
    (0x9a, 0x9a, Far), (0xea, 0xea, Far), (0xca, 0xca, Word), (0xcb, 0xcb, As(Plain)),
    (0xff, 0xff, As(Ext(3, 3))), (0xff, 0xff, As(Ext(5, 5))),
    // x87, MMX and SSE operands of 2 to 16 bytes
    (0xd8, 0xdf, As(Rm)), (0x0f10, 0x0f17, As(Rm)), (0x0f28, 0x0f29, As(Rm)), (0x0f6e, 0x0f6f, As(Rm)),
    (0x0f7e, 0x0f7f, As(Rm)), (0x0fe7, 0x0fe7, As(Rm)),
];

/// One case's program and what it says about itself.
struct Program {
    bytes: Vec<u8>,
    repeats: bool,
    /// Addresses and counts have 16 bits.
    short: bool,
}

/// Appends a ModRM byte with 16-bit addressing.
fn modrm_16(rng: &mut Rng, reg: u8, out: &mut Vec<u8>) {
    let field = reg << 3;
    let rm = rng.byte() & 7;
    match rng.below(5) {
        0 => out.push(0xc0 | field | rm),
        1 => {
            out.push(field | 6);
            out.extend((rng.operand() as u16).to_le_bytes());
        }
        2 if rm != 6 => out.push(field | rm),
        3 => out.extend([0x40 | field | rm, rng.byte()]),
        _ => {
            out.push(0x80 | field | rm);
            out.extend((rng.operand() as u16).to_le_bytes());
        }
    }
}

/// Appends a ModRM byte with 32-bit addressing; ESP and scaled indices are among the operands.
fn modrm_32(rng: &mut Rng, reg: u8, out: &mut Vec<u8>) {
    let field = reg << 3;
    let rm = rng.byte() & 7;
    match rng.below(4) {
        0 => out.push(0xc0 | field | rm),
        1 => {
            out.push(field | 5);
            out.extend(rng.below(0x1_0010).to_le_bytes());
        }
        2 if rm != 4 => out.extend([0x40 | field | rm, rng.byte()]),
        _ => {
            out.extend([0x80 | field | 4, rng.byte()]);
            out.extend(rng.operand().to_le_bytes());
        }
    }
}

/// An instruction for code of `bits`, with prefixes in both directions, then UD2.
fn generate(rng: &mut Rng, bits: u32) -> Program {
    let (first, last, tail) = if rng.below(3) == 0 {
        MORE[rng.below(MORE.len() as u32) as usize]
    } else {
        let (first, last, form) = TABLE[rng.below(TABLE.len() as u32) as usize];
        (first, last, As(form))
    };
    let opcode = first + rng.below(u32::from(last - first) + 1) as u16;
    let mut out = Vec::new();
    let (odd_data, odd_address) = (rng.below(4) == 0, rng.below(5) == 0);
    if odd_data {
        out.push(0x66);
    }
    if odd_address {
        out.push(0x67);
    }
    if rng.below(4) == 0 {
        out.push(rng.pick(&[0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
    }
    let repeats = matches!(tail, As(Str)) && rng.below(2) == 0;
    if repeats {
        out.push(rng.pick(&[0xf2, 0xf3]));
    }
    if opcode >= 0x0f00 {
        out.push(0x0f);
    }
    out.push(opcode as u8);
    let data = if (bits == 16) == odd_data { 4 } else { 2 };
    let short = (bits == 16) != odd_address;
    match tail {
        As(form) => finish(rng, form, data, short, &mut out),
        Word => out.extend((rng.below(64) as u16).to_le_bytes()),
        Offset if short => out.extend((rng.operand() as u16).to_le_bytes()),
        Offset => out.extend(rng.below(0x1_0010).to_le_bytes()),
        Far => {
            immediate(rng, data, &mut out);
            out.extend((rng.next() as u16).to_le_bytes());
        }
        Frame => out.extend([rng.byte(), rng.byte() & 1, rng.pick(&[0, 0, 1, 2, 3])]),
    }
    // UD2: a callout, which ends the block.
    out.extend([0x0f, 0x0b]);
    Program { bytes: out, repeats, short }
}

fn finish(rng: &mut Rng, form: Form, data: usize, short: bool, out: &mut Vec<u8>) {
    let modrm = if short { modrm_16 } else { modrm_32 };
    let any = rng.byte() & 7;
    let within =
        |rng: &mut Rng, low: u8, high: u8| low + rng.below(u32::from(high - low) + 1) as u8;
    match form {
        Plain | Str => {}
        Rm => modrm(rng, any, out),
        Ext(low, high) => {
            let reg = within(rng, low, high);
            modrm(rng, reg, out);
        }
        ExtImm8(low, high) => {
            let reg = within(rng, low, high);
            modrm(rng, reg, out);
            out.push(rng.byte());
        }
        ExtImm(low, high) => {
            let reg = within(rng, low, high);
            modrm(rng, reg, out);
            immediate(rng, data, out);
        }
        RmImm8 => {
            modrm(rng, any, out);
            out.push(rng.byte());
        }
        RmImm => {
            modrm(rng, any, out);
            immediate(rng, data, out);
        }
        Imm8 => out.push(rng.byte()),
        Imm => immediate(rng, data, out),
    }
}

/// What a case runs in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum World {
    Real,
    V86,
    Protected16,
    Protected32,
    /// Flat 32-bit code, on a flat stack of either size: for the 66h and 67h prefixes there.
    Flat,
}

const WORLDS: [World; 5] =
    [World::Real, World::V86, World::Protected16, World::Protected32, World::Flat];

impl World {
    fn bits(self) -> u32 {
        if matches!(self, World::Protected32 | World::Flat) { 32 } else { 16 }
    }
}

/// A writable data segment of protected mode: of 64 KiB, of another limit, or without one.
fn data_segment(rng: &mut Rng) -> Segment {
    let limit = match rng.below(8) {
        0..=3 => 0xffff,
        4 => u32::MAX,
        5 => rng.below(0x100),
        _ => rng.below(0x2_0000),
    };
    let mut attr = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
    match rng.below(16) {
        0 => attr |= SegAttr::EXPAND_DOWN,
        1 | 2 => attr.remove(SegAttr::WRITABLE),
        3 => attr |= SegAttr::CODE,
        _ => {}
    }
    attr.set(SegAttr::DB, rng.below(2) == 0);
    let base = if rng.below(4) == 0 { 0 } else { DATA + rng.below(DATA_LEN - 0x1_0000) };
    Segment { selector: 0x10, attr, base: Lin::from(base), limit }
}

fn flat_segment(narrow: bool) -> Segment {
    let mut attr = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
    attr.set(SegAttr::DB, !narrow);
    Segment { selector: 0x10, attr, base: Lin(0), limit: u32::MAX }
}

fn real_segment(rng: &mut Rng, dpl: u8) -> Segment {
    Segment::real((DATA >> 4) as u16 + rng.below((DATA_LEN - 0x1_0000) >> 4) as u16, dpl)
}

/// IP of a case: near the end of 64 KiB at times.
fn offset(rng: &mut Rng) -> u32 {
    if rng.below(4) == 0 { 0xffff - rng.below(20) } else { rng.below(0xff00) }
}

/// Registers, flags and segments of one case whose code is at linear `code`.
fn randomise(rng: &mut Rng, world: World, state: &mut CpuState, code: u32) {
    for k in 0..8 {
        let mut value = match rng.below(4) {
            0 => rng.operand(),
            1 => 0xffff_u32.wrapping_sub(rng.below(20)).wrapping_add(8),
            2 => rng.below(20),
            _ => rng.below(0x1_0000),
        };
        if rng.below(4) == 0 {
            value |= (rng.next() as u32) << 16;
        }
        state.gpr[k] = u64::from(value);
    }
    state.eflags = 2 | (rng.next() as u32 & 0xcd5);
    if rng.below(4) == 0 {
        state.eflags |= rng.next() as u32 & (Eflags::IOPL | Eflags::NT | Eflags::IF).bits();
    }
    let v86 = world == World::V86;
    if v86 {
        let iopl = if rng.below(2) == 0 { Eflags::IOPL.bits() } else { 0 };
        state.eflags |= Eflags::VM.bits() | iopl;
        state.cpl = 3;
    }
    state.cr0 = if world == World::Real { 0 } else { cr0::PE };
    state.cr4 = cr4::OSFXSR;
    // All exceptions masked.
    state.fpu.0[..2].copy_from_slice(&0x37f_u16.to_le_bytes());
    for k in 0..6 {
        state.seg[k] = match world {
            World::Real => real_segment(rng, 0),
            World::V86 => real_segment(rng, 3),
            World::Flat => flat_segment(rng.below(4) == 0),
            _ => data_segment(rng),
        };
    }
    if world == World::Real && rng.below(4) == 0 {
        // Unreal mode: one of ES, DS, FS, GS without a limit.
        state.seg[rng.pick(&[0, 3, 4, 5])].limit = u32::MAX;
    }
    if world == World::Flat {
        state.seg[CS].attr |= SegAttr::CODE | SegAttr::DB;
        state.set_eip(code);
        state.idtr.limit = 0;
        return;
    }
    if rng.below(16) == 0 {
        // Writes beyond the end reach the first page of code.
        state.seg[0].base = Lin::from(CODE - 0x1_0000 + rng.below(64));
    }
    let eip = offset(rng);
    state.set_eip(eip);
    let cs = &mut state.seg[CS];
    let near = eip + rng.below(40);
    match world {
        World::Real | World::V86 | World::Flat => {}
        World::Protected16 => *cs = code_segment(rng, &[0xffff, 0x1_0fff, near], false),
        World::Protected32 => *cs = code_segment(rng, &[u32::MAX, near], true),
    }
    cs.base = Lin::from(code.wrapping_sub(eip));
    let ss = &mut state.seg[SS];
    if matches!(world, World::Protected16 | World::Protected32) {
        ss.attr |= SegAttr::WRITABLE;
        ss.attr.remove(SegAttr::CODE);
    }
    state.idtr.limit = 0;
}

fn code_segment(rng: &mut Rng, limits: &[u32], wide: bool) -> Segment {
    let mut attr = SegAttr::PRESENT | SegAttr::S | SegAttr::CODE | SegAttr::ACCESSED;
    attr.set(SegAttr::WRITABLE, rng.below(4) != 0);
    attr.set(SegAttr::DB, wide);
    Segment { selector: 8, attr, base: Lin(0), limit: rng.pick(limits) }
}

/// Programs that run in one memory.
struct Batch {
    programs: Vec<(World, Program)>,
    /// CR0 with paging, or 0: then paging is off.
    paging: u64,
}

impl Batch {
    fn new(rng: &mut Rng) -> Self {
        let write_protect = rng.pick(&[0, cr0::WP]);
        let paging = if rng.below(3) == 0 { cr0::PE | cr0::PG | write_protect } else { 0 };
        let programs = (0..SLOTS)
            .map(|_| {
                let world = match rng.pick(&WORLDS) {
                    World::Real if paging != 0 => World::V86,
                    world => world,
                };
                (world, generate(rng, world.bits()))
            })
            .collect();
        Self { programs, paging }
    }

    /// Puts the programs, noise, and page tables into memory.
    fn load(&self, rng: &mut Rng, monitor: &mut Monitor) {
        monitor.flush_cache();
        let noise: Vec<u8> = (0..CODE).map(|_| rng.byte()).collect();
        assert!(monitor.memory_mut().dma_write(Pa(0), &noise));
        for (k, (_, program)) in self.programs.iter().enumerate() {
            let at = u64::from(CODE + SLOT * k as u32);
            assert!(monitor.memory_mut().dma_write(Pa(at), &program.bytes));
        }
        // The first 4 MiB as they are; among the data, absent and read-only pages.
        let directory = (TABLES + 0x1000) | 7;
        assert!(monitor.memory_mut().dma_write(Pa::from(TABLES), &directory.to_le_bytes()));
        for page in 0..1024u32 {
            let data = (DATA..CODE).contains(&(page << 12));
            let flags = match rng.below(12) {
                0 if data => 0,
                1 if data => 5,
                _ => 7,
            };
            let at = u64::from(TABLES + 0x1000 + 4 * page);
            assert!(monitor.memory_mut().dma_write(Pa(at), &(page << 12 | flags).to_le_bytes()));
        }
    }
}

/// Runs all programs of a batch; the report of the first difference.
fn run(m: &mut Monitor, rng: &mut Rng, template: &CpuState, batch: &Batch) -> Option<String> {
    let regs = PagingRegs { cr0: batch.paging, cr3: u64::from(TABLES), cr4: 0, efer: 0 };
    m.testing().set_paging(regs);
    for (k, (world, program)) in batch.programs.iter().enumerate() {
        let code = CODE + SLOT * k as u32;
        let state = m.state_mut();
        *state = *template;
        randomise(rng, *world, state, code);
        state.cr0 |= batch.paging;
        state.cr3 = u64::from(TABLES);
        if program.repeats {
            // A REP over all of memory says no more than a short one.
            let high = if program.short { state.gpr[1] & 0xffff_0000 } else { 0 };
            state.gpr[1] = high | u64::from(rng.below(40));
        }
        let start = *state;
        if program.bytes[0] == POPF {
            // An image that changes the arithmetic flags and IF only runs inline.
            let image = start.eflags ^ rng.next() as u32 & 0xad5;
            let ss = start.ss();
            let mask = if ss.is_32() { 0xffff_ffff } else { 0xffff };
            let at = start.linear(ss.base, start.gpr[4] & mask).low();
            if at < CODE {
                assert!(m.memory_mut().dma_write(Pa::from(at), &image.to_le_bytes()));
            }
        }
        if let Some(report) = m.testing().compare_here().unwrap() {
            let bytes = &program.bytes;
            return Some(format!(
                "{world:?}, CR0 {:x}, bytes {bytes:02x?}, segments {:x?}:\n{report}",
                start.cr0, start.seg
            ));
        }
    }
    None
}

#[test]
fn random_instructions_agree_in_16_bit_and_segmented_modes() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse().ok());
    let seed: u64 = number("RINGER_SEED").unwrap_or(0x1616_2026);
    let cases: u64 = number("RINGER_CASES").unwrap_or(CASES);
    println!("narrow sweep: seed {seed}, {cases} cases");
    let mut rng = Rng(seed | 1);
    let mut monitor = machine();
    let template = *monitor.state_mut();
    let mut done = 0;
    while monitor.checks().compared < cases {
        let batch = Batch::new(&mut rng);
        batch.load(&mut rng, &mut monitor);
        let failure = monitor.as_vcpu(|m| run(m, &mut rng, &template, &batch)).unwrap();
        if let Some(report) = failure {
            panic!("seed {seed}, batch from case {done}: {report}");
        }
        done += u64::from(SLOTS);
    }
    println!(
        "narrow sweep: {} instructions compared, of {done} generated",
        monitor.checks().compared
    );
    assert!(monitor.checks().compared >= done / 3, "too few cases could be compared");
}
