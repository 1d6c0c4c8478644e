//! Instructions that access memory more than once, with a border between the accesses or within one of them: the end of
//! the address space, a page that is missing or may not be written. What one access does before another traps must not show:
//! the engines end alike, in registers and memory, and lockstep finds nothing.

use ringer_cpu::state::{TableReg, cr0, cr4};
use ringer_cpu::{CpuState, Eflags, Gpr, Lin, SegReg, Segment};
use ringer_difftest::machines::Mode;
use ringer_difftest::machines::twin::{self, Verdict};
use ringer_difftest::machines::world::World;
use ringer_difftest::tables::{descriptor, gate};
use ringer_machine::Engine;

const CODE: u32 = 0x1_0000;
const HANDLER: u32 = 0x1_1000;
/// Two pages; the border is between them.
const DATA: u32 = 0x2_0000;
const BORDER: u32 = DATA + 0x1000;
const GDT: u32 = 0x5_0000;
const IDT: u32 = 0x5_1000;
const TSS: u32 = 0x5_2000;
const STACK0: u32 = 0x3_1000;
const DIRECTORY: u32 = 0x10_0000;
const LOW_TABLE: u32 = 0x10_1000;
const HIGH_TABLE: u32 = 0x10_2000;

const P: u32 = 1;
const RW: u32 = 2;
const US: u32 = 4;
const PAGES: u32 = 1024;

/// What the code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Flat 32-bit code at CPL 0.
    Flat,
    /// 32-bit code on a stack whose segment has this base, and 64 KiB.
    Based(u32),
    /// Virtual-8086 mode.
    V86,
}

/// Where the border is, and what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Border {
    /// At address 0; both pages are there.
    End,
    /// The rights that the page below and the page above the border have.
    Pages(u32, u32),
}

const BORDERS: [Border; 5] = [
    Border::Pages(P | RW | US, P | RW | US),
    Border::Pages(0, P | RW | US),
    Border::Pages(P | US, P | RW | US),
    Border::Pages(P | RW | US, 0),
    Border::Pages(P | RW | US, P | US),
];

/// In 32-bit code; EBP is ESP.
const WIDE: &[&[u8]] = &[
    &[0x60],                         // pushad
    &[0x66, 0x60],                   // pusha
    &[0x61],                         // popad
    &[0x66, 0x61],                   // popa
    &[0xc8, 0x10, 0x00, 0x00],       // enter 16, 0
    &[0x66, 0xc8, 0x06, 0x00, 0x00], // the same with words
    &[0xc8, 0x04, 0x00, 0x03],       // enter 4, 3
    &[0xc9],                         // leave
    &[0x50],                         // push eax
    &[0xff, 0x75, 0x08],             // push dword [ebp+8]
    &[0x8f, 0x44, 0x24, 0x08],       // pop dword [esp+8]
    &[0x8f, 0x45, 0xf4],             // pop dword [ebp-12]
    &[0x66, 0x8f, 0x45, 0xf4],       // pop word [ebp-12]
    &[0xe8, 0x00, 0x00, 0x00, 0x00], // call $+5
    &[0xff, 0x55, 0x04],             // call [ebp+4]
    &[0x87, 0x45, 0x00],             // xchg [ebp], eax
    &[0x0f, 0xc1, 0x45, 0x00],       // xadd [ebp], eax
    &[0x0f, 0xc7, 0x4d, 0x00],       // cmpxchg8b [ebp]
    &[0x9c],                         // pushfd
    &[0x9d],                         // popfd
    &[0xc5, 0x75, 0x00],             // lds esi, [ebp]
    &[0x62, 0x45, 0x00],             // bound eax, [ebp]
    &[0xa5],                         // movsd
    &[0xa7],                         // cmpsd
    &[0x9a, 0, 0, 1, 0, 0x08, 0],    // call far
    &[0xff, 0x5d, 0x00],             // call far [ebp]
    &[0xdd, 0x75, 0x00],             // fnsave [ebp]
    &[0xd9, 0x65, 0x00],             // fldenv [ebp]
];

/// In 16-bit code; BP is SP.
const NARROW: &[&[u8]] = &[
    &[0x60],                         // pusha
    &[0x66, 0x60],                   // pushad
    &[0x61],                         // popa
    &[0x66, 0x61],                   // popad
    &[0xc8, 0x10, 0x00, 0x00],       // enter 16, 0
    &[0xc8, 0x04, 0x00, 0x02],       // enter 4, 2
    &[0xc9],                         // leave
    &[0x8f, 0x46, 0xf4],             // pop word [bp-12]
    &[0x9a, 0x40, 0x00, 0x00, 0x10], // call far
    &[0xff, 0x5e, 0x00],             // call far [bp]
    &[0xff, 0x6e, 0x00],             // jmp far [bp]
    &[0xcb],                         // retf
    &[0xc4, 0x76, 0x00],             // les si, [bp]
    &[0x66, 0xc5, 0x76, 0x00],       // lds esi, [bp]
    &[0x1f],                         // pop ds
];

fn table(entries: impl IntoIterator<Item = (u32, u32)>) -> Vec<u8> {
    let mut table = vec![0; 4 * PAGES as usize];
    for (page, entry) in entries {
        let at = 4 * (page % PAGES) as usize;
        table[at..at + 4].copy_from_slice(&entry.to_le_bytes());
    }
    table
}

/// Everything as it is in memory, and the two pages.
fn pages(border: Border) -> Vec<(u32, Vec<u8>)> {
    let all = P | RW | US;
    let mut low: Vec<(u32, u32)> = (0..0x100).map(|page| (page, page << 12 | all)).collect();
    match border {
        Border::Pages(below, above) => {
            low.push((DATA >> 12, DATA | below));
            low.push((BORDER >> 12, BORDER | above));
        }
        Border::End => low.push((0, BORDER | all)),
    }
    let high = table([(PAGES - 1, DATA | all)]);
    let directory = table([(0, LOW_TABLE | all), (PAGES - 1, HIGH_TABLE | all)]);
    vec![(DIRECTORY, directory), (LOW_TABLE, table(low)), (HIGH_TABLE, high)]
}

fn descriptors(kind: Kind) -> Vec<(u32, Vec<u8>)> {
    let (base, limit, flags) = match kind {
        Kind::Based(base) => (base, 0xffff, 4),
        _ => (0, 0xf_ffff, 0xc),
    };
    let gdt = [
        0,
        descriptor(0, 0xf_ffff, 0x9b, 0xc),
        descriptor(0, 0xf_ffff, 0x93, 0xc),
        descriptor(base, limit, 0x93, flags),
        descriptor(TSS, 0x67, 0x8b, 0),
    ];
    let idt = [gate(0x08, HANDLER, 0x8e, 0); 32];
    let mut tss = [0u32; 26];
    (tss[1], tss[2], tss[25]) = (STACK0, 0x10, 0x68 << 16);
    let bytes = |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).collect();
    let tss = tss.iter().flat_map(|w| w.to_le_bytes()).collect();
    vec![(GDT, bytes(&gdt)), (IDT, bytes(&idt)), (TSS, tss)]
}

/// `instruction` behind one that stores below the stack pointer, or that does not, `at` bytes from the border.
fn world(kind: Kind, border: Border, instruction: &[u8], stores: bool, at: i32) -> World {
    let narrow = kind == Kind::V86;
    let mut code = match (stores, narrow) {
        (true, true) => vec![0xc7, 0x46, 0xf4, 0x11, 0x11], // mov word [bp-12], 1111h
        (true, false) => vec![0xc7, 0x44, 0x24, 0xf4, 0x11, 0x11, 0x11, 0x11], // mov dword [esp-12], …
        (false, _) => vec![0x4a],                                              // dec edx
    };
    code.extend(instruction);
    code.extend([0x90, 0x90, 0x90, 0xeb, 0xfe]); // nop; nop; nop; jmp $
    code.resize(0x40, 0x90);
    code.extend([0xeb, 0xfe]);
    let mut memory = pages(border);
    memory.extend(descriptors(kind));
    memory.push((CODE, code));
    memory.push((HANDLER, vec![0xeb, 0xfe])); // jmp $
    memory.push((DATA, (0..0x2000u32).map(|k| (k * 7 + (k >> 8)) as u8 | 1).collect()));
    let mut cpu = CpuState::reset(0xf29);
    registers(&mut cpu, kind);
    let linear = if border == Border::End { 0 } else { BORDER };
    let base = cpu.seg[SegReg::Ss as usize].base.get() as u32;
    let esp = linear.wrapping_add_signed(at).wrapping_sub(base);
    for (reg, by) in [(Gpr::Esp, 0), (Gpr::Ebp, 0), (Gpr::Esi, 4), (Gpr::Edi, 12)] {
        cpu.set_reg32(reg, esp.wrapping_sub(by));
    }
    let mode = Mode::Protected;
    World {
        mode,
        memory,
        cpu,
        ports: Vec::new(),
        limit: 60,
        visit: 1,
        inline: at & 1 != 0,
        cache: 256 << 10,
    }
}

fn registers(cpu: &mut CpuState, kind: Kind) {
    cpu.set_gpr32([0x1111_0001, 0x2222_0002, 0x3333_0003, 0x4444_0004, 0, 0, 0, 0]);
    cpu.cr0 = cr0::ET | cr0::PE | cr0::PG | cr0::NE | cr0::WP;
    cpu.cr3 = u64::from(DIRECTORY);
    cpu.cr4 = cr4::PSE;
    cpu.gdtr = TableReg { base: Lin(u64::from(GDT)), limit: 0x27 };
    cpu.idtr = TableReg { base: Lin(u64::from(IDT)), limit: 0xff };
    let load = |selector, d: u64| Segment::from_descriptor(selector, d as u32, (d >> 32) as u32);
    cpu.tr = load(0x20, descriptor(TSS, 0x67, 0x8b, 0));
    cpu.eflags = Eflags::FIXED_ONE;
    cpu.cpl = if kind == Kind::V86 { 3 } else { 0 };
    for reg in SegReg::ALL {
        cpu.seg[reg as usize] = match (kind, reg) {
            (Kind::V86, SegReg::Cs) => Segment::real(0x1000, 3),
            (Kind::V86, _) => Segment::real(0x2000, 3),
            (_, SegReg::Cs) => load(0x08, descriptor(0, 0xf_ffff, 0x9b, 0xc)),
            (Kind::Based(base), SegReg::Ss) => load(0x18, descriptor(base, 0xffff, 0x93, 4)),
            _ => load(0x10, descriptor(0, 0xf_ffff, 0x93, 0xc)),
        };
    }
    cpu.set_eip(if kind == Kind::V86 { 0 } else { CODE });
    if kind == Kind::V86 {
        cpu.eflags |= (Eflags::VM | Eflags::IOPL).bits();
    }
}

/// Of all cases every so many-th is run; `RINGER_STRADDLES=1` runs all, in some minutes.
const STRIDE: usize = 149;

fn compare(kind: Kind, border: Border, instructions: &[&[u8]], stride: usize) {
    // An access of four bytes is cut at any byte; eight of them lie on either side.
    let places = (-36..=12).flat_map(|at| instructions.iter().map(move |i| (at, *i)));
    let cases = places.flat_map(|(at, i)| [(at, i, false), (at, i, true)]);
    for (at, instruction, stores) in cases.step_by(stride) {
        let world = world(kind, border, instruction, stores, at);
        for engine in [Engine::Bt, Engine::Lockstep] {
            if let Err(report) = twin::compare(&world, engine) {
                panic!("{kind:?} {border:?} {instruction:02x?} at {at} ({stores}): {report}");
            }
        }
    }
}

fn stride() -> usize {
    let given = std::env::var("RINGER_STRADDLES").ok().and_then(|v| v.parse().ok());
    given.unwrap_or(STRIDE).max(1)
}

#[test]
fn popad_and_pushad_over_the_end_of_the_address_space_change_all_or_nothing() {
    for instruction in [&[0x61], &[0x60]] {
        compare(Kind::Flat, Border::End, &[instruction], 3);
        compare(Kind::Based(0xffff_8000), Border::End, &[instruction], 7);
    }
}

#[test]
fn a_far_call_that_cannot_push_both_words_pushes_none() {
    let call = NARROW[8];
    compare(Kind::V86, Border::Pages(0, P | RW | US), &[call], 2);
}

/// On many hosts translated code ends otherwise there (docs/departures.md); lockstep and the comparison of machines know it.
#[test]
fn a_move_over_itself_under_another_name_is_no_difference() {
    for (instruction, by, count) in [(&[0xf3_u8, 0xa4][..], 8, 0x40), (&[0xf3, 0xa5], 0x21, 0x80)] {
        for down in [false, true] {
            // FFFFF000h shows the page of DATA.
            let mut world = world(Kind::Flat, Border::End, instruction, false, -0x800);
            world.cpu.set_reg32(Gpr::Esi, DATA + 0x800);
            world.cpu.set_reg32(Gpr::Edi, 0xffff_f800 + by);
            world.cpu.set_reg32(Gpr::Ecx, count);
            world.cpu.eflags |= if down { Eflags::DF.bits() } else { 0 };
            twin::compare(&world, Engine::Bt).unwrap();
            let verdict = twin::compare(&world, Engine::Lockstep).unwrap();
            assert!(matches!(verdict, Verdict::Alike(_)), "{verdict:?}");
        }
    }
}

#[test]
fn nothing_shows_of_what_stops_at_a_border() {
    let stride = stride();
    for kind in [Kind::Flat, Kind::Based(0xffff_8000)] {
        compare(kind, Border::End, WIDE, stride);
    }
    for border in BORDERS {
        compare(Kind::Flat, border, WIDE, stride);
        compare(Kind::Based(DATA), border, WIDE, stride);
        compare(Kind::V86, border, NARROW, stride);
    }
}
