//! Random integer instructions with random operands, in the interpreter and as translated code:
//! results, flags, memory and faults must agree. The seed is printed; `RINGER_SEED` repeats a run,
//! `RINGER_CASES` sets its length.

use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::{CpuModel, CpuState, SegAttr, Segment};
use ringer_devices::{Board, BoardConfig, SerialSink};
use ringer_mmu::GuestMemory;
use ringer_monitor::{ClockKind, Engine, Monitor, MonitorConfig, TranslatorOptions};

#[path = "sweep/narrow.rs"]
mod narrow;

const CASES: u64 = 1_000_000;
const CODE: u32 = 0x10_0000;
const SLOT: u32 = 32;
const SLOTS: u32 = 4096;
const DATA: u32 = 0x40_0000;
const DATA_LEN: u32 = 0x1_0000;

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        // xorshift64*: any full-period generator does here.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u32) -> u32 {
        ((self.next() >> 32) % u64::from(n)) as u32
    }

    fn byte(&mut self) -> u8 {
        (self.next() >> 40) as u8
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u32) as usize]
    }

    /// Values at the edges of sign and carry more often than not.
    fn operand(&mut self) -> u32 {
        const EDGES: &[u32] =
            &[0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, !0];
        match self.below(4) {
            0 => self.pick(EDGES),
            1 => self.pick(EDGES).wrapping_add(self.below(5)).wrapping_sub(2),
            2 => self.below(64),
            _ => self.next() as u32,
        }
    }
}

/// How an opcode goes on.
#[derive(Clone, Copy)]
enum Form {
    /// Nothing follows.
    Plain,
    /// ModRM, any register field.
    Rm,
    /// ModRM with a register field in this range.
    Ext(u8, u8),
    /// ModRM (register field in the range) and an 8-bit immediate.
    ExtImm8(u8, u8),
    /// ModRM (register field in the range) and an immediate of the operand's size.
    ExtImm(u8, u8),
    /// ModRM and an 8-bit immediate.
    RmImm8,
    /// ModRM and an immediate of the operand's size.
    RmImm,
    /// An 8-bit immediate.
    Imm8,
    /// An immediate of the operand's size.
    Imm,
    /// A string instruction; may carry REP.
    String,
}

use Form::{Ext, ExtImm, ExtImm8, Imm, Imm8, Plain, Rm, RmImm, RmImm8, String as Str};

/// (first opcode, last opcode, form); `0x0f00` marks the two-byte map.
#[rustfmt::skip]
const TABLE: &[(u16, u16, Form)] = &[
    // ADD OR ADC SBB AND SUB XOR CMP
    (0x00, 0x03, Rm), (0x04, 0x04, Imm8), (0x05, 0x05, Imm),
    (0x08, 0x0b, Rm), (0x0c, 0x0c, Imm8), (0x0d, 0x0d, Imm),
    (0x10, 0x13, Rm), (0x14, 0x14, Imm8), (0x15, 0x15, Imm),
    (0x18, 0x1b, Rm), (0x1c, 0x1c, Imm8), (0x1d, 0x1d, Imm),
    (0x20, 0x23, Rm), (0x24, 0x24, Imm8), (0x25, 0x25, Imm),
    (0x28, 0x2b, Rm), (0x2c, 0x2c, Imm8), (0x2d, 0x2d, Imm),
    (0x30, 0x33, Rm), (0x34, 0x34, Imm8), (0x35, 0x35, Imm),
    (0x38, 0x3b, Rm), (0x3c, 0x3c, Imm8), (0x3d, 0x3d, Imm),
    (0x80, 0x80, ExtImm8(0, 7)), (0x81, 0x81, ExtImm(0, 7)), (0x83, 0x83, ExtImm8(0, 7)),
    // INC DEC PUSH POP, one byte
    (0x40, 0x4f, Plain), (0x50, 0x5f, Plain), (0x68, 0x68, Imm), (0x6a, 0x6a, Imm8),
    // IMUL, TEST, XCHG, MOV, LEA, POP
    (0x69, 0x69, RmImm), (0x6b, 0x6b, RmImm8), (0x84, 0x8b, Rm), (0x8f, 0x8f, Ext(0, 0)),
    (0x90, 0x99, Plain), (0x9c, 0x9c, Plain), (0x9e, 0x9f, Plain),
    (0xa8, 0xa8, Imm8), (0xa9, 0xa9, Imm), (0xb0, 0xb7, Imm8), (0xb8, 0xbf, Imm),
    (0xa4, 0xa7, Str), (0xaa, 0xaf, Str), (0xc6, 0xc6, ExtImm8(0, 0)), (0xc7, 0xc7, ExtImm(0, 0)),
    // Rotates and shifts
    (0xc0, 0xc1, ExtImm8(0, 7)), (0xd0, 0xd3, Ext(0, 7)),
    // TEST NOT NEG MUL IMUL DIV IDIV, INC DEC PUSH
    (0xf6, 0xf6, Ext(2, 7)), (0xf7, 0xf7, Ext(2, 7)), (0xfe, 0xfe, Ext(0, 1)),
    (0xff, 0xff, Ext(0, 1)), (0xff, 0xff, Ext(6, 6)), (0xf6, 0xf6, ExtImm8(0, 0)),
    (0xf7, 0xf7, ExtImm(0, 0)),
    // Flags, BCD, LEAVE, XLAT
    (0xf5, 0xf5, Plain), (0xf8, 0xf9, Plain), (0xfc, 0xfd, Plain), (0x27, 0x27, Plain),
    (0x2f, 0x2f, Plain), (0x37, 0x37, Plain), (0x3f, 0x3f, Plain), (0xd4, 0xd5, Imm8),
    (0xc9, 0xc9, Plain), (0xd7, 0xd7, Plain),
    // CMOVcc SETcc BT.. SHLD SHRD IMUL CMPXCHG MOVZX MOVSX BSF BSR XADD CMPXCHG8B BSWAP
    (0x0f40, 0x0f4f, Rm), (0x0f90, 0x0f9f, Rm), (0x0fa3, 0x0fa3, Rm), (0x0fa4, 0x0fa4, RmImm8),
    (0x0fa5, 0x0fa5, Rm), (0x0fab, 0x0fab, Rm), (0x0fac, 0x0fac, RmImm8), (0x0fad, 0x0fad, Rm),
    (0x0faf, 0x0faf, Rm), (0x0fb0, 0x0fb1, Rm), (0x0fb3, 0x0fb3, Rm), (0x0fb6, 0x0fb7, Rm),
    (0x0fba, 0x0fba, ExtImm8(4, 7)), (0x0fbb, 0x0fbf, Rm), (0x0fc0, 0x0fc1, Rm),
    (0x0fc7, 0x0fc7, Ext(1, 1)), (0x0fc8, 0x0fcf, Plain),
];

/// Appends a ModRM byte (and what it needs) with register field `reg`.
fn modrm(rng: &mut Rng, reg: u8, out: &mut Vec<u8>) {
    let address = DATA + 64 + rng.below(DATA_LEN - 4096);
    match rng.below(4) {
        0 | 1 => out.push(0xc0 | reg << 3 | rng.byte() & 7),
        2 => {
            out.push(reg << 3 | 5);
            out.extend(address.to_le_bytes());
        }
        _ => {
            // [base + disp32], base any register: the address is random, so #PF-free only because
            // paging is off; outside RAM the case is a device access and runs once.
            let base = rng.pick(&[3u8, 6, 7, 5]);
            out.push(0x80 | reg << 3 | base);
            out.extend(rng.below(256).to_le_bytes());
        }
    }
}

fn immediate(rng: &mut Rng, size: usize, out: &mut Vec<u8>) {
    let value = rng.operand().to_le_bytes();
    out.extend(&value[..size]);
}

fn generate(rng: &mut Rng) -> Vec<u8> {
    let &(first, last, form) = &TABLE[rng.below(TABLE.len() as u32) as usize];
    let opcode = first + rng.below(u32::from(last - first) + 1) as u16;
    let mut out = Vec::new();
    let small = rng.below(4) == 0;
    if small {
        out.push(0x66);
    }
    if matches!(form, Str) && rng.below(2) == 0 {
        out.push(rng.pick(&[0xf2, 0xf3]));
    }
    if opcode >= 0x0f00 {
        out.push(0x0f);
    }
    out.push(opcode as u8);
    let wide = if small { 2 } else { 4 };
    let any = rng.byte() & 7;
    let mut within = |low: u8, high: u8| low + rng.below(u32::from(high - low) + 1) as u8;
    match form {
        Plain | Str => {}
        Rm => modrm(rng, any, &mut out),
        Ext(low, high) => {
            let reg = within(low, high);
            modrm(rng, reg, &mut out);
        }
        ExtImm8(low, high) => {
            let reg = within(low, high);
            modrm(rng, reg, &mut out);
            out.push(rng.byte());
        }
        ExtImm(low, high) => {
            let reg = within(low, high);
            modrm(rng, reg, &mut out);
            immediate(rng, wide, &mut out);
        }
        RmImm8 => {
            modrm(rng, any, &mut out);
            out.push(rng.byte());
        }
        RmImm => {
            modrm(rng, any, &mut out);
            immediate(rng, wide, &mut out);
        }
        Imm8 => out.push(rng.byte()),
        Imm => immediate(rng, wide, &mut out),
    }
    // UD2: a callout, which ends the block.
    out.extend([0x0f, 0x0b]);
    out
}

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

fn machine() -> Monitor {
    let memory = GuestMemory::new(16 << 20).unwrap();
    let config = BoardConfig {
        ram_size: 16 << 20,
        debug_exit: false,
        apic: false,
        test_device: false,
        rtc_epoch_s: 0,
        log_post: false,
        ide: [None; 4],
        ahci: [None; 6],
        floppies: [None; 2],
        vga: false,
        nics: Default::default(),
        virtio: ringer_devices::VirtioConfig::NONE,
        serials: [false; 3],
        parallel: false,
    };
    let board = Board::new(config, Box::new(Nowhere), Box::new(Nowhere));
    let cfg = MonitorConfig {
        kick_signal: ringer_monitor::KickSignal::default(),
        model: CpuModel::PENTIUM4,
        engine: Engine::Lockstep,
        tc_size: 16 << 20,
        clock: ClockKind::Virtual,
        max_instructions: None,
        timeout: None,
        profile: false,
        options: TranslatorOptions::default(),
    };
    Monitor::new(cfg, memory, board).unwrap()
}

fn flat(state: &mut CpuState) {
    let data = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
    let attr = data | SegAttr::DB | SegAttr::G;
    for seg in &mut state.seg {
        *seg = Segment { selector: 0x10, attr, base: Lin(0), limit: u32::MAX };
    }
    state.seg[1].attr |= SegAttr::CODE;
    state.seg[1].selector = 8;
    state.cr0 |= 1;
    state.idtr.limit = 0;
}

fn randomise(rng: &mut Rng, state: &mut CpuState) {
    for k in 0..8 {
        state.gpr[k] = u64::from(rng.operand());
    }
    let inside = |rng: &mut Rng| DATA + 1024 + rng.below(DATA_LEN - 8192);
    state.gpr[4] = u64::from(inside(rng));
    for k in [3, 5, 6, 7] {
        if rng.below(8) != 0 {
            state.gpr[k] = u64::from(inside(rng));
        }
    }
    state.eflags = 2 | (rng.next() as u32 & 0xcd5);
}

#[test]
fn random_integer_instructions_agree_between_the_engines() {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse().ok());
    let seed: u64 = number("RINGER_SEED").unwrap_or(0x5eed_2026);
    let cases: u64 = number("RINGER_CASES").unwrap_or(CASES);
    println!("sweep: seed {seed}, {cases} cases");
    let mut rng = Rng(seed | 1);
    let mut monitor = machine();
    flat(monitor.state_mut());
    let template = *monitor.state_mut();
    let mut done = 0;
    while monitor.checks().compared < cases {
        let programs: Vec<Vec<u8>> = (0..SLOTS).map(|_| generate(&mut rng)).collect();
        monitor.flush_cache();
        for (k, program) in programs.iter().enumerate() {
            assert!(monitor.memory_mut().dma_write(Pa::from(CODE + SLOT * k as u32), program));
        }
        let noise: Vec<u8> = (0..DATA_LEN).map(|_| rng.byte()).collect();
        assert!(monitor.memory_mut().dma_write(Pa::from(DATA), &noise));
        let failure = monitor.as_vcpu(|m| {
            for (k, program) in programs.iter().enumerate() {
                let state = m.state_mut();
                *state = template;
                randomise(&mut rng, state);
                state.set_eip(CODE + SLOT * k as u32);
                if program.iter().take(2).any(|b| matches!(b, 0xf2 | 0xf3)) {
                    // A REP over all of memory says no more than a short one.
                    state.gpr[1] = u64::from(rng.below(40));
                }
                if let Some(report) = m.testing().compare_here().unwrap() {
                    return Some(format!("case {done} + {k}, bytes {program:02x?}:\n{report}"));
                }
            }
            None
        });
        if let Some(report) = failure.unwrap() {
            panic!("seed {seed}: {report}");
        }
        done += u64::from(SLOTS);
    }
    println!("sweep: {} instructions compared, of {done} generated", monitor.checks().compared);
    assert!(monitor.checks().compared >= done / 2, "too few cases could be compared");
}
