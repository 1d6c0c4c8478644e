//! A flat 32-bit guest at CPL 0 with paging off, a stack, and nothing else.

use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::{CpuModel, SegAttr, Segment};
use ringer_devices::{Board, BoardConfig, SerialSink};
use ringer_mmu::GuestMemory;
use ringer_monitor::{ClockKind, Engine, KickSignal, Monitor, MonitorConfig, TranslatorOptions};
use std::time::Duration;

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// A machine with 4 MiB of memory and `pieces` (address, bytes) in it, about to run at `eip` under
/// binary translation in real time; a write to port F4h ends the run.
pub fn flat_machine(pieces: &[(u32, Vec<u8>)], eip: u32, profile: bool) -> Monitor {
    flat_machine_under(Engine::Bt, pieces, eip, profile)
}

/// The same under any engine.
pub fn flat_machine_under(
    engine: Engine,
    pieces: &[(u32, Vec<u8>)],
    eip: u32,
    profile: bool,
) -> Monitor {
    flat_machine_with(engine, Box::new(Nowhere), pieces, eip, profile)
}

/// The same with `sink` at the first serial port.
pub fn flat_machine_with(
    engine: Engine,
    sink: Box<dyn SerialSink>,
    pieces: &[(u32, Vec<u8>)],
    eip: u32,
    profile: bool,
) -> Monitor {
    machine(engine, ClockKind::Real, sink, pieces, eip, profile)
}

/// The same under binary translation that is only as `options` say: no block is verified unless they ask for it. What is
/// rarely run is translated, too.
pub fn flat_machine_as(options: TranslatorOptions, pieces: &[(u32, Vec<u8>)], eip: u32) -> Monitor {
    let (engine, clock) = (Engine::Bt, ClockKind::Real);
    let mut monitor = machine_with(options, engine, clock, Box::new(Nowhere), pieces, eip, false);
    monitor.testing().translate_at_visit(1);
    monitor
}

/// The same in virtual time, under any engine.
pub fn virtual_machine(engine: Engine, pieces: &[(u32, Vec<u8>)], eip: u32) -> Monitor {
    machine(engine, ClockKind::Virtual, Box::new(Nowhere), pieces, eip, false)
}

/// The same under binary translation with a profile, in time of the kind `clock`.
pub fn profiled_machine(clock: ClockKind, pieces: &[(u32, Vec<u8>)], eip: u32) -> Monitor {
    machine(Engine::Bt, clock, Box::new(Nowhere), pieces, eip, true)
}

fn machine(
    engine: Engine,
    clock: ClockKind,
    sink: Box<dyn SerialSink>,
    pieces: &[(u32, Vec<u8>)],
    eip: u32,
    profile: bool,
) -> Monitor {
    let options = TranslatorOptions::default() | TranslatorOptions::VERIFY;
    machine_with(options, engine, clock, sink, pieces, eip, profile)
}

fn machine_with(
    options: TranslatorOptions,
    engine: Engine,
    clock: ClockKind,
    sink: Box<dyn SerialSink>,
    pieces: &[(u32, Vec<u8>)],
    eip: u32,
    profile: bool,
) -> Monitor {
    let mut memory = GuestMemory::new(4 << 20).unwrap();
    for (address, bytes) in pieces {
        assert!(memory.dma_write(Pa::from(*address), bytes));
    }
    let config = BoardConfig {
        ram_size: 4 << 20,
        debug_exit: true,
        apic: false,
        test_device: false,
        rtc_epoch_s: 0,
        log_post: false,
        ide: [None; 4],
        ahci: [None; 6],
        floppies: [None; 2],
        vga: true,
        nics: Default::default(),
        virtio: ringer_devices::VirtioConfig::NONE,
        serials: [false; 3],
        parallel: false,
    };
    let board = Board::new(config, sink, Box::new(Nowhere));
    let cfg = MonitorConfig {
        kick_signal: KickSignal::default(),
        model: CpuModel::PENTIUM4,
        engine,
        tc_size: 16 << 20,
        clock,
        max_instructions: None,
        timeout: Some(Duration::from_secs(60)),
        profile,
        options,
    };
    let mut monitor = Monitor::new(cfg, memory, board).unwrap();
    let data = SegAttr::PRESENT | SegAttr::S | SegAttr::WRITABLE | SegAttr::ACCESSED;
    let attr = data | SegAttr::DB | SegAttr::G;
    let state = monitor.state_mut();
    for seg in &mut state.seg {
        *seg = Segment { selector: 0x10, attr, base: Lin(0), limit: u32::MAX };
    }
    state.seg[1].attr |= SegAttr::CODE;
    state.seg[1].selector = 8;
    state.cr0 |= 1;
    state.gpr[4] = 0x8_0000;
    state.set_eip(eip);
    monitor
}
