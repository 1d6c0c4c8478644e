//! Guests that fill their page tables with random entries, in lockstep: no difference is reported, whatever walks set and
//! whatever a table lies in, and no run stops early. `RINGER_TABLES_SEEDS` sets how many guests there are.

use ringer_cpu::addr::Pa;
use ringer_machine::{
    BootSource, Engine, Machine, MachineConfig, PcConfig, RunConfig, SerialSink, Sinks, Stop, Until,
};
use ringer_test_roms::{assemble, write_shared};
use std::io;

/// Where the guest finds its seed.
const SEED: u64 = 0x500;
/// Instructions of a run, and runs.
const INSTRUCTIONS: u64 = 60_000;
const SEEDS: u32 = 60;

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn random_page_tables_make_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("random_tables.s");
    std::fs::write(&source, include_str!("guests/random_tables.s")).unwrap();
    write_shared(&folder.path().join("include")).unwrap();
    let kernel = assemble(&source, &folder.path().join("out")).unwrap().image;
    let seeds = std::env::var("RINGER_TABLES_SEEDS").ok().and_then(|n| n.parse().ok());
    for seed in 1..=seeds.unwrap_or(SEEDS) {
        let cfg = MachineConfig {
            pc: PcConfig { ram_size: 16 << 20, ..PcConfig::default() },
            run: RunConfig { engine: Engine::Lockstep, ..RunConfig::default() },
        };
        let source = BootSource::Multiboot {
            kernel: kernel.clone(),
            modules: Vec::new(),
            cmdline: String::new(),
        };
        let sinks = Sinks { serial: Box::new(Nowhere), debugcon: Box::new(Nowhere) };
        let mut machine = Machine::new(cfg, &source, sinks).unwrap();
        let memory = machine.monitor_mut().memory_mut();
        memory.load(Pa(SEED), &seed.to_le_bytes()).unwrap();
        let end = machine.run_until(&Until::new().instructions(INSTRUCTIONS).reset()).unwrap();
        assert_eq!(end, Stop::InstructionLimit, "seed {seed}");
    }
}
