//! Machines in protected mode with paging: flat 32-bit code at CPL 0 and 3, 16-bit code, virtual-8086 mode.

use super::Mode;
use super::coder::{Coder, Setting, Tables};
use super::places::{
    CALL_GATE, CODE, CODE_LEN, CODE0, CODE3, CODE16, CONFORMING, DATA, DATA0, DATA3, DATA16, TASK,
};
use super::world::World;
use crate::tables::{descriptor, gate};
use ringer_casegen::rng::Rng;
use ringer_cpu::state::{TableReg, cr0, cr4};
use ringer_cpu::{Eflags, Gpr, Lin, SegReg, Segment};

// Physical, and linear in the first 4 MiB.
const STACKS: u32 = 0x3_0000;
const STACK0_TOP: u32 = STACKS + 0x2000;
const STACK3_TOP: u32 = STACKS + 0x4000;
const HANDLERS: u32 = 0x4_0000;
const STEP: u32 = 32;
const GDT: u32 = 0x5_0000;
const IDT: u32 = 0x5_1000;
const TSS: u32 = 0x5_2000;
const TSS2: u32 = 0x5_3000;
/// Page directories and tables; not in the linear space, but where code may change entries.
const DIRECTORY: u32 = 0x10_0000;
const PDPT: u32 = 0x10_8000;
const TABLES: u32 = 0x11_0000;
/// Where a page table shows, at CPL 0.
const TABLE_VIEW: u32 = 0x4007_0000;
/// Pages of which the entries are changed.
const CHANGED: u32 = 0x4008_0000;
const CHANGED_PAGES: u32 = 8;

const TASK2: u16 = 0x60;

/// What a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Supervisor,
    User,
    Narrow(u8),
    V86,
}

const P: u32 = 1;
const RW: u32 = 2;
const US: u32 = 4;
const A: u32 = 0x20;
const D: u32 = 0x40;
const PS: u32 = 0x80;

/// Tables, handlers, code and registers.
pub fn fill(rng: &mut Rng, world: &mut World) {
    let smap = world.mode == Mode::Smap;
    let kind = match rng.below(16) {
        _ if smap && !rng.one_in(4) => Kind::Supervisor,
        0..=5 => Kind::Supervisor,
        6..=10 => Kind::User,
        11 => Kind::Narrow(0),
        12 => Kind::Narrow(3),
        _ => Kind::V86,
    };
    let pae = rng.one_in(4);
    let visible = kind == Kind::Supervisor && rng.one_in(2);
    let cpl = match kind {
        Kind::Supervisor => 0,
        Kind::User | Kind::V86 => 3,
        Kind::Narrow(cpl) => cpl,
    };
    let flat = matches!(kind, Kind::Supervisor | Kind::User);
    let entry = if pae { 8 } else { 4 };
    let tables = visible.then_some(Tables {
        at: TABLE_VIEW + ((CHANGED >> 12) & if pae { 511 } else { 1023 }) * entry,
        entry,
        pages: (CHANGED, CHANGED_PAGES),
    });
    let setting = Setting {
        bits: if flat { 32 } else { 16 },
        eip: if flat { CODE } else { 0 },
        linear: CODE,
        cpl,
        real: kind == Kind::V86,
        tables,
        smap,
    };
    let (bytes, entries) = Coder::new(rng, setting).fill(CODE_LEN);
    world.memory.push((CODE, bytes));
    world.cpu.set_eip(rng.pick(&entries));
    pages(rng, world, pae, visible);
    descriptors(rng, world, cpl);
    handlers(rng, world, &entries);
    registers(rng, world, kind, pae);
}

/// Pages of linear space: where, what, how many, rights.
fn layout(rng: &mut Rng, visible: bool, pae: bool) -> Vec<(u32, u32, u32, u32)> {
    let code = if rng.one_in(2) { P | US | RW } else { P | US };
    let code_alias = if rng.one_in(2) { P | US | RW } else { P | US };
    let mut list = vec![
        (CODE, CODE, 4, code | A),
        (0x4000_0000 + CODE, CODE, 4, code_alias),
        (DATA, DATA, 4, P | US | RW),
        (0x4000_0000 + DATA, DATA, 4, if rng.one_in(2) { P | US | RW } else { P | RW }),
        (0xffff_c000, DATA, 4, P | US | RW),
        (0, DATA, 1, P | US | RW),
        (STACKS, STACKS, 2, P | RW),
        (STACKS + 0x2000, STACKS + 0x2000, 2, P | RW | US),
        (HANDLERS, HANDLERS, 2, P | A),
        (GDT, GDT, 1, P | RW),
        (IDT, IDT, 1, P),
        (TSS, TSS, 2, P | RW),
        (CHANGED, DATA, CHANGED_PAGES / 2, P | US | RW),
        (0x4009_0000, 0xa_0000, 1, P | US | RW),
    ];
    if visible {
        let table = TABLES + if pae { 4 } else { 1 } * 0x1000;
        list.push((TABLE_VIEW, table, 1, P | RW));
    }
    list
}

fn pages(rng: &mut Rng, world: &mut World, pae: bool, visible: bool) {
    let mut tables = PageTables { pae, entries: Vec::new() };
    for (linear, physical, count, rights) in layout(rng, visible, pae) {
        for k in 0..count {
            let mut rights = rights;
            // Accessed and dirty, or not yet; missing; for reading, or for the supervisor, only.
            rights |= rng.pick(&[0, A, A | D, A | D]);
            let data = matches!(physical, DATA..0x2_4000);
            if data && linear != DATA && rng.one_in(12) {
                rights &= !rng.pick(&[P, RW, US]);
            }
            tables.map(linear + (k << 12), (physical + (k << 12)) | rights);
        }
    }
    let large = !pae && rng.one_in(4);
    tables.store(world, large);
}

/// Page tables in the making.
struct PageTables {
    pae: bool,
    /// Linear page and entry.
    entries: Vec<(u32, u32)>,
}

/// The three page tables cover what lies around these addresses.
const COVERED: [u32; 3] = [0, 0x4000_0000, 0xffff_f000];

impl PageTables {
    fn map(&mut self, linear: u32, entry: u32) {
        self.entries.push((linear, entry));
    }

    /// Bits of linear space that a directory entry covers.
    fn shift(&self) -> u32 {
        if self.pae { 21 } else { 22 }
    }

    fn store(&self, world: &mut World, large: bool) {
        let size = if self.pae { 8 } else { 4 };
        let per_table = 4096 / size;
        let chunks = COVERED.map(|at| at >> self.shift());
        // Table number 1 (4 with PAE, where a chunk is half as large) is that of 40000000h.
        let number = |chunk: u32| match chunk << self.shift() >> 28 {
            4 => {
                if self.pae {
                    4
                } else {
                    1
                }
            }
            0 => 0,
            _ => 2,
        };
        let mut directory = vec![0u8; if self.pae { 0x4000 } else { 0x1000 }];
        for chunk in chunks {
            let mut table = vec![0u8; 4096];
            for &(linear, entry) in self.entries.iter().filter(|(l, _)| l >> self.shift() == chunk)
            {
                let at = ((linear >> 12) % per_table * size) as usize;
                table[at..at + 4].copy_from_slice(&entry.to_le_bytes());
            }
            let at = TABLES + number(chunk) * 0x1000;
            world.memory.push((at, table));
            let pde = (at | P | RW | US | A).to_le_bytes();
            let slot = (chunk * size) as usize;
            directory[slot..slot + 4].copy_from_slice(&pde);
        }
        if large {
            // 4 MiB for reading at 80000000h.
            directory[0x200 * 4..0x200 * 4 + 4].copy_from_slice(&(P | US | PS).to_le_bytes());
        }
        world.memory.push((DIRECTORY, directory));
        if self.pae {
            let pdpt =
                (0..4u32).flat_map(|k| u64::from((DIRECTORY + k * 0x1000) | P).to_le_bytes());
            world.memory.push((PDPT, pdpt.collect()));
        }
    }
}

fn descriptors(rng: &mut Rng, world: &mut World, cpl: u8) {
    let dpl = cpl << 5;
    let mut gdt = [0u64; 64];
    let mut set = |selector: u16, d: u64| gdt[usize::from(selector) / 8] = d;
    set(CODE0, descriptor(0, 0xf_ffff, 0x9b, 0xc));
    set(DATA0, descriptor(0, 0xf_ffff, 0x93, 0xc));
    set(0x18, descriptor(0, 0xf_ffff, 0xfb, 0xc));
    set(0x20, descriptor(0, 0xf_ffff, 0xf3, 0xc));
    set(TASK, descriptor(TSS, 0xff, 0x8b, 0));
    set(CODE16, descriptor(CODE, 0xffff, 0x9b | dpl, 0));
    set(DATA16, descriptor(DATA, 0xffff, 0x93 | dpl, 0));
    set(0x40, descriptor(DATA, rng.pick(&[0xfff, 0x1fff, 0x3fff]), 0xf3, 4));
    set(0x48, descriptor(DATA, rng.pick(&[0, 0xfff]), 0xf7, rng.pick(&[0, 4])));
    set(CALL_GATE, gate(CODE0, HANDLERS + 0xff * STEP + 16, 0xec, rng.byte() & 3));
    set(CONFORMING, descriptor(0, 0xf_ffff, 0x9f, 0xc));
    set(TASK2, descriptor(TSS2, 0x67, 0xe9, 0));
    set(0x68, descriptor(DATA, 0xfff, 0xf0, 4)); // not accessed yet, read-only
    set(0x70, descriptor(0x4000_0000, 0xf_ffff, 0xf2, 0xc)); // not accessed yet
    set(0x78, descriptor(0, 0xf_ffff, 0x72, 0xc)); // not present
    set(0x80, descriptor(0, 0xf_ffff, 0xfa, 0xc)); // code, not accessed yet
    world.memory.push((GDT, gdt.iter().flat_map(|d| d.to_le_bytes()).collect()));
    let mut tss = [0u32; 64];
    (tss[1], tss[2]) = (STACK0_TOP, u32::from(DATA0));
    tss[7] = DIRECTORY;
    tss[25] = 0x68 << 16;
    // The map of I/O rights: some ports are open.
    tss[26..].fill(if rng.one_in(2) { 0 } else { u32::MAX });
    tss[63] |= 0xff00_0000;
    world.memory.push((TSS, tss.iter().flat_map(|w| w.to_le_bytes()).collect()));
    world.memory.push((TSS2, Vec::new()));
}

fn second_task(world: &mut World, cr3: u32) {
    let mut tss = [0u32; 26];
    (tss[1], tss[2]) = (STACK0_TOP - 0x800, u32::from(DATA0));
    tss[7] = cr3;
    tss[8] = HANDLERS + 0xfe * STEP; // iretd; jmp $-1
    tss[9] = 2;
    tss[14] = STACK0_TOP - 0x800;
    for (at, selector) in [(18, DATA0), (19, CODE0), (20, DATA0), (21, DATA0)] {
        tss[at] = u32::from(selector);
    }
    tss[25] = 0x68 << 16;
    world.memory.push((TSS2, tss.iter().flat_map(|w| w.to_le_bytes()).collect()));
}

fn handlers(rng: &mut Rng, world: &mut World, entries: &[u32]) {
    let mut idt = Vec::with_capacity(0x800);
    let mut code = vec![0xcf; 0x2000];
    for v in 0..256u32 {
        let at = HANDLERS + v * STEP;
        let trap = u8::from(rng.one_in(4));
        let open = matches!(v, 3 | 4) || (v >= 0x30 && v % 4 != 0);
        let access = 0x8e | trap | if open { 0x60 } else { 0 };
        let entry = match v {
            0x40 | 0x41 => gate(TASK2, 0, 0xe5, 0),
            8 if rng.one_in(4) => gate(TASK2, 0, 0x85, 0),
            // A 16-bit gate, one that is not there.
            0x42 => gate(CODE0, at & 0xffff, 0xe6, 0),
            0x43 => gate(CODE0, at, 0x6e, 0),
            _ => gate(CODE0, at, access, 0),
        };
        idt.extend(entry.to_le_bytes());
        let body = handler(rng, v, entries);
        let from = (at - HANDLERS) as usize;
        code[from..from + body.len()].copy_from_slice(&body);
    }
    code[(0xfe * STEP) as usize..][..3].copy_from_slice(&[0xcf, 0xeb, 0xfd]);
    code[(0xff * STEP) as usize + 16] = 0xcb;
    world.memory.push((IDT, idt));
    world.memory.push((HANDLERS, code));
}

/// Goes on behind the instruction, at another place, or acknowledges an interrupt.
fn handler(rng: &mut Rng, vector: u32, entries: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    if matches!(vector, 8 | 10..=14 | 17) {
        out.extend([0x83, 0xc4, 0x04]); // add esp, 4
    }
    match vector {
        // push eax; mov al, 20h; out a0h, al; out 20h, al; mov al, 0ch; out 70h, al; in al, 71h; pop eax
        0x20..=0x2f if !rng.one_in(4) => out.extend([
            0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0xb0, 0x0c, 0xe6, 0x70, 0xe4, 0x71, 0x58,
        ]),
        1 | 3 | 4 | 0x20.. => {}
        _ if rng.one_in(3) => {
            // mov dword [esp], to
            out.extend([0xc7, 0x04, 0x24]);
            out.extend(rng.pick(entries).to_le_bytes());
        }
        _ => out.extend([0x83, 0x04, 0x24, 1 + rng.byte() % 6]), // add dword [esp], n
    }
    out.push(0xcf);
    out
}

fn registers(rng: &mut Rng, world: &mut World, kind: Kind, pae: bool) {
    let cr3 = if pae { PDPT } else { DIRECTORY };
    second_task(world, cr3);
    let gdt = world.memory.iter().find(|(at, _)| *at == GDT).map(|(_, bytes)| bytes.clone());
    let gdt = gdt.unwrap_or_default();
    let load = |selector: u16| {
        let at = usize::from(selector & !7);
        let word = |at: usize| u32::from_le_bytes([gdt[at], gdt[at + 1], gdt[at + 2], gdt[at + 3]]);
        Segment::from_descriptor(selector, word(at), word(at + 4))
    };
    let cpu = &mut world.cpu;
    cpu.cr0 = cr0::ET | cr0::PE | cr0::PG | cr0::NE;
    for bit in [cr0::WP, cr0::WP, cr0::MP] {
        cpu.cr0 |= if rng.one_in(2) { bit } else { 0 };
    }
    if rng.one_in(8) {
        cpu.cr0 ^= rng.pick(&[cr0::TS, cr0::EM, cr0::AM, cr0::AM, cr0::NE]);
    }
    cpu.cr3 = u64::from(cr3);
    cpu.cr4 = cr4::PSE | if pae { cr4::PAE } else { 0 };
    for bit in [cr4::PGE, cr4::OSFXSR, cr4::OSFXSR, cr4::OSXMMEXCPT, cr4::DE, cr4::VME, cr4::PVI] {
        cpu.cr4 |= if rng.one_in(2) { bit } else { 0 };
    }
    if world.mode == Mode::Smap {
        cpu.cr4 |= cr4::SMAP;
    }
    cpu.gdtr = TableReg { base: Lin(u64::from(GDT)), limit: 0x1ff };
    cpu.idtr = TableReg { base: Lin(u64::from(IDT)), limit: 0x7ff };
    cpu.tr = load(TASK);
    let (code, data, cpl) = match kind {
        Kind::Supervisor => (CODE0, DATA0, 0),
        Kind::User => (CODE3, DATA3, 3),
        Kind::Narrow(cpl) => (CODE16 | u16::from(cpl), DATA16 | u16::from(cpl), cpl),
        Kind::V86 => (0x1000, 0x2000, 3),
    };
    cpu.cpl = cpl;
    for reg in SegReg::ALL {
        let selector = if reg == SegReg::Cs { code } else { data };
        cpu.seg[reg as usize] = match kind {
            Kind::V86 => Segment::real(selector, 3),
            _ => load(selector),
        };
    }
    let esp = match kind {
        Kind::Supervisor => STACK0_TOP,
        Kind::User => STACK3_TOP,
        Kind::Narrow(_) | Kind::V86 => 0x3000,
    };
    cpu.set_reg32(Gpr::Esp, esp - rng.below(32) * 4);
    cpu.eflags = Eflags::FIXED_ONE | rng.word() & Eflags::ARITH.bits();
    let rare = [(3, Eflags::IOPL.bits()), (16, Eflags::AC.bits()), (32, Eflags::NT.bits())];
    for (one_in, bits) in rare.into_iter().chain([(16, Eflags::DF.bits()), (48, Eflags::TF.bits())])
    {
        cpu.eflags |= if rng.one_in(one_in) { bits } else { 0 };
    }
    cpu.eflags |= if rng.one_in(4) { 0 } else { Eflags::IF.bits() };
    if world.mode == Mode::Smap && rng.one_in(2) {
        cpu.eflags |= Eflags::AC.bits();
    }
    cpu.eflags |= if kind == Kind::V86 { Eflags::VM.bits() } else { 0 };
    if rng.one_in(16) {
        // A breakpoint on data or on code.
        cpu.dr[0] = u64::from(rng.pick(&[DATA, CODE]) + rng.below(0x400));
        cpu.dr[7] |= u64::from(rng.pick(&[0x1_0001u32, 0x3_0001, 0xd_0003, 0x0000_0001]));
    }
    cpu.msr.sysenter_cs = u64::from(CODE0);
    cpu.msr.sysenter_esp = u64::from(STACK0_TOP - 0x400);
    cpu.msr.sysenter_eip = cpu.rip.get();
}
