//! Guests that use every device, every mode and both ways of a reset are saved at random instructions,
//! loaded by other machines and run to their ends: outputs and final states are those of the unbroken
//! run, in both engines, and from one engine to the other.

use ringer_machine::{
    BootSource, ClockKind, Engine, Machine, MachineConfig, MachineState, PcConfig, RunConfig,
    SerialSink, Sinks, Stop,
};
use ringer_test_roms::{assemble, roms_dir};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Guests, as many saves for each as the whole takes seconds.
const GUESTS: [&str; 19] = [
    "pit_and_rtc_rates",
    "bootsector_services",
    "bios_data_area",
    "reset_keeps_memory",
    "reset_leaves_protected_mode",
    "rom_protected_entry",
    "real_mode_hot_loops",
    "t01_smc_other_block",
    "t01_smc_same_block",
    "t03_smc_through_alias",
    "t03_thunk_changes",
    "t04_loader_writes_code",
    "t18_v86_under_monitor",
    "t20_task_switch",
    "t32_rep_interrupted",
    "t34_pae_paging",
    "t35_a20",
    "t38_ferr_irq13",
    "tb_mode_switches",
];
const SAVES: u64 = 3;

/// A sink that others look into.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl SerialSink for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn sinks(&self) -> Sinks {
        Sinks { serial: Box::new(self.clone()), debugcon: Box::new(self.clone()) }
    }
}

fn config(engine: Engine) -> MachineConfig {
    let pc = PcConfig { ram_size: 16 << 20, debug_exit: true, ..PcConfig::default() };
    let run = RunConfig {
        engine,
        clock: ClockKind::Virtual,
        max_instructions: Some(400_000_000),
        ..RunConfig::default()
    };
    MachineConfig { pc, run }
}

/// How a run went.
#[derive(Debug, PartialEq)]
struct Course {
    exit: Stop,
    serial: String,
    retired: u64,
    digest: ringer_machine::StateDigest,
}

fn finish(machine: &mut Machine, heard: &Heard) -> Course {
    let exit = machine.run().unwrap();
    let (retired, digest) = (machine.retired(), machine.digest().unwrap());
    Course { exit, serial: heard.text(), retired, digest }
}

fn source(name: &str, folder: &Path) -> BootSource {
    let made = assemble(&roms_dir().join(format!("{name}.s")), folder).unwrap();
    let kind = |word: &str| made.head.contains(&format!("load = \"{word}\""));
    match () {
        () if kind("rom") => BootSource::Rom(made.image),
        () if kind("bootsector") => BootSource::BootSector(made.image),
        () => {
            let (modules, cmdline) = (Vec::new(), String::new());
            BootSource::Multiboot { kernel: made.image, modules, cmdline }
        }
    }
}

/// SplitMix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn seed() -> u64 {
    let given = std::env::var("RINGER_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or(0x5eed);
    eprintln!("RINGER_SEED={seed}");
    seed
}

/// Runs the guest, saved at these instructions on the way; the states, and what had been heard by then.
fn saved(
    source: &BootSource,
    engine: Engine,
    at: &[u64],
    folder: &Path,
) -> (Course, Vec<MachineState>) {
    let heard = Heard::default();
    let mut machine = Machine::new(config(engine), source, heard.sinks()).unwrap();
    let path = |n: u64| folder.join(format!("{n}.state"));
    for n in at {
        machine.save_at(*n, &path(*n)).unwrap();
    }
    let course = finish(&mut machine, &heard);
    assert_eq!(machine.next_save(), None);
    (course, at.iter().map(|n| MachineState::open(&path(*n)).unwrap()).collect())
}

fn loaded(source: &BootSource, engine: Engine, state: &MachineState) -> Course {
    let heard = Heard::default();
    let mut machine = Machine::new(config(engine), source, heard.sinks()).unwrap();
    machine.restore(state).unwrap();
    assert_eq!(machine.retired(), state.retired());
    finish(&mut machine, &heard)
}

fn check(name: &str, random_state: &mut u64) {
    let folder = tempfile::tempdir().unwrap();
    let source = source(name, folder.path());
    let heard = Heard::default();
    let mut unbroken = Machine::new(config(Engine::Bt), &source, heard.sinks()).unwrap();
    let unbroken = finish(&mut unbroken, &heard);
    assert!(!matches!(unbroken.exit, Stop::InstructionLimit), "{name} is too long");
    let at: Vec<u64> = (0..SAVES).map(|_| 1 + random(random_state) % unbroken.retired).collect();
    for engine in [Engine::Bt, Engine::Interp] {
        let (course, states) = saved(&source, engine, &at, folder.path());
        assert_eq!(course, unbroken, "{name}, saved in {engine} at {at:?}");
        for (state, other) in states.iter().zip([Engine::Bt, Engine::Interp].iter().cycle()) {
            let rest = loaded(&source, *other, state);
            let n = state.retired();
            assert!(unbroken.serial.ends_with(&rest.serial), "{name}, {engine} to {other}, {n}");
            let whole = Course { serial: unbroken.serial.clone(), ..rest };
            assert_eq!(whole, unbroken, "{name}, saved in {engine} at {n}, loaded in {other}");
        }
        again_and_again(name, &source, &states, &unbroken);
    }
}

/// One machine takes over one state after another: nothing is left of what it was before.
fn again_and_again(name: &str, source: &BootSource, states: &[MachineState], unbroken: &Course) {
    let heard = Heard::default();
    let mut machine = Machine::new(config(Engine::Bt), source, heard.sinks()).unwrap();
    for state in states.iter().chain(states) {
        machine.restore(state).unwrap();
        let course = Course { serial: unbroken.serial.clone(), ..finish(&mut machine, &heard) };
        assert_eq!(&course, unbroken, "{name}, taken over at {}", state.retired());
    }
}

#[test]
fn a_run_saved_and_loaded_anywhere_ends_like_the_unbroken_one() {
    let mut state = seed();
    for name in GUESTS {
        check(name, &mut state);
    }
}
