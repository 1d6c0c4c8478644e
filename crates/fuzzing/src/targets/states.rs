//! Saved machines.

use super::nowhere::Nowhere;
use crate::target::Target;
use ringer_machine::{
    BootSource, ClockKind, Engine, Flat, Machine, MachineConfig, MachineState, PcConfig, RunConfig,
    Sinks, Until,
};
use std::cell::RefCell;
use std::time::Duration;

/// A state; its checksum is mended, so that what is behind it is reached.
pub const STATE: Target = Target {
    name: "state",
    run: state,
    seeds: || vec![saved()],
    words: &[
        b"\"length\":",
        b"RINGERST",
        b"99999999",
        b"{\"id\":\"x\",\"version\":1,\"length\":0},",
    ],
    memory: 48 << 20,
};

/// Writes to the serial port, counts in memory, and begins again.
const GUEST: &[u8] = &[
    0xba, 0xf8, 0x03, 0, 0, 0xb0, 0x41, 0xee, // mov edx, 3f8h; mov al, 'A'; out dx, al
    0xff, 0x05, 0x00, 0x90, 0x00, 0x00, // inc dword ptr [9000h]
    0xeb, 0xf0, // jmp to the start
];

/// A machine that runs `code` in 1 MiB.
pub fn machine(code: &[u8]) -> Machine {
    let pc = PcConfig { ram_size: 1 << 20, ..PcConfig::default() };
    let run = RunConfig {
        engine: Engine::Interp,
        clock: ClockKind::Virtual,
        tc_size: 1 << 20,
        ..RunConfig::default()
    };
    let source = BootSource::Flat(Flat::new(code, 0x8000));
    let sinks = Sinks { serial: Box::new(Nowhere), debugcon: Box::new(Nowhere) };
    Machine::new(MachineConfig { pc, run }, &source, sinks).expect("a machine")
}

fn saved() -> Vec<u8> {
    let mut machine = machine(GUEST);
    machine.run_until(&Until::new().instructions(500)).expect("it runs");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    machine.save().and_then(|state| state.write(&path)).expect("it is saved");
    std::fs::read(path).expect("it is there")
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::new(machine(GUEST));
}

fn state(bytes: &[u8]) {
    // As it is it is nearly always refused.
    let _ = MachineState::from_bytes(bytes);
    let mut bytes = bytes.to_vec();
    if let Some(end) = bytes.len().checked_sub(4) {
        let sum = crc32fast::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(&sum.to_le_bytes());
    }
    let Ok(state) = MachineState::from_bytes(&bytes) else { return };
    let (_, _) = (state.pc(), state.source());
    MACHINE.with_borrow_mut(|machine| {
        if machine.restore(&state).is_ok() {
            let until = Until::new().instructions(machine.retired().saturating_add(100));
            let _ = machine.run_until(&until.timeout(Duration::from_millis(20)));
        }
    });
}
