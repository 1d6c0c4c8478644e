//! Saving a machine's state, and going on from it, in the same machine or another.

use ringer::device::{
    Ctx, Device, DmaKind, Fuzz, Region, Reset, Row, StateError, WHOLE, decode, encode,
};
use ringer::{
    BootSource, Builder, Capture, ClockKind, Engine, Flat, Gpr, Machine, MachineState, Stop, Until,
};
use std::time::Duration;

const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];
const CODE: u32 = 0x8000;

/// Counts what is written to it.
#[derive(Debug, Default)]
struct Counter(u32);

const ROW: Row = Row {
    id: "test-counter",
    title: "Counter",
    spec: "none",
    regions: &[Region::ports("count", 0x520, 4, WHOLE)],
    pci: None,
    lines: &[],
    clocked: false,
    dma: DmaKind::None,
    version: 1,
    loads: &[],
    fuzz: Fuzz { read: 1, write: 1, time: 0 },
};

impl Device for Counter {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::from(self.0)
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, _value: u64, _ctx: &mut Ctx<'_>) {
        self.0 = self.0.wrapping_add(1);
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.0 = 0;
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        self.0 = decode(bytes)?;
        Ok(())
    }
}

/// again: out 520h, eax; inc dword [9000h]; inc ebx; cmp ebx, 1000; jne again; in eax, 520h; hlt
#[rustfmt::skip]
const GUEST: [u8; 27] = [
    0x66, 0xba, 0x20, 0x05, 0xef, 0xff, 0x05, 0x00, 0x90, 0, 0, 0x43,
    0x81, 0xfb, 0xe8, 0x03, 0, 0, 0x75, 0xec, 0xed, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4, 0xf4,
];

fn builder(engine: Engine) -> Builder {
    let boot = BootSource::Flat(Flat::new(GUEST, CODE));
    let builder = Machine::builder().memory(1 << 20).engine(engine).clock(ClockKind::Virtual);
    builder.boot(boot).device(ROW, Counter::default())
}

fn patient() -> Until {
    Until::new().timeout(Duration::from_secs(60))
}

/// Runs to the end; what the guest counted in a register, in memory, and in the device.
fn finish(machine: &mut Machine) -> [u64; 3] {
    assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt);
    let mut counted = [0; 4];
    machine.read_memory(0x9000, &mut counted).unwrap();
    let registers = machine.registers();
    [registers[Gpr::Ebx], u64::from(u32::from_le_bytes(counted)), registers[Gpr::Eax]]
}

#[test]
fn a_machine_goes_on_from_its_state_and_so_does_another_of_any_engine() {
    for engine in ENGINES {
        let mut machine = builder(engine).build().unwrap();
        machine.run(&patient().instructions(1234)).unwrap();
        let (registers, state) = (machine.registers(), machine.save().unwrap());
        assert_eq!(finish(&mut machine), [1000; 3], "{engine}: to save changes nothing");
        let digest = machine.digest().unwrap();
        machine.restore(&state).unwrap();
        assert_eq!((machine.instructions(), machine.registers()), (1234, registers));
        assert_eq!(finish(&mut machine), [1000; 3], "{engine}");
        assert_eq!(machine.digest().unwrap(), digest);
        for engine in ENGINES {
            let mut other = builder(engine).build().unwrap();
            other.restore(&state).unwrap();
            assert_eq!(finish(&mut other), [1000; 3], "{engine}");
            assert_eq!(other.digest().unwrap(), digest);
        }
    }
}

#[test]
fn a_state_goes_through_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut machine = builder(Engine::Bt).build().unwrap();
    machine.save_at(777, &path).unwrap();
    let end = finish(&mut machine);
    let state = MachineState::open(&path).unwrap();
    assert_eq!(state.retired(), 777);
    let like = Machine::builder().like(&state).unwrap().device(ROW, Counter::default());
    let mut other = like.boot(BootSource::Flat(Flat::new(GUEST, CODE))).build().unwrap();
    other.restore(&state).unwrap();
    assert_eq!(finish(&mut other), end);
}

#[test]
fn a_state_of_another_machine_is_refused_and_changes_nothing() {
    let state = builder(Engine::Bt).build().unwrap().save().unwrap();
    let mut larger = builder(Engine::Bt).memory(2 << 20).build().unwrap();
    assert!(larger.restore(&state).is_err());
    assert_eq!(finish(&mut larger), [1000; 3]);
    let mut other = builder(Engine::Bt);
    other = other.boot(BootSource::Flat(Flat::new([0xf4], CODE)));
    assert!(other.build().unwrap().restore(&state).is_err(), "it boots something else");
}

#[test]
fn input_that_waits_is_in_the_state() {
    // again: in al, 64h; test al, 1; jz again; in al, 60h; stosb; loop again; then as many from COM1
    #[rustfmt::skip]
    let code = [
        0xe4, 0x64, 0xa8, 0x01, 0x74, 0xfa, 0xe4, 0x60, 0xaa, 0xe2, 0xf5,
        0xb9, 0x1e, 0, 0, 0,                                                    // mov ecx, 30
        0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb,                   // in al, 3fdh
        0x66, 0xba, 0xf8, 0x03, 0xec, 0xaa, 0xe2, 0xef, 0xf4,                   // in al, 3f8h; stosb
    ];
    let boot = || BootSource::Flat(Flat::new(code, CODE));
    let builder = || Machine::builder().memory(1 << 20).clock(ClockKind::Virtual).boot(boot());
    let mut machine = builder().serial(Capture::default()).build().unwrap();
    let mut registers = machine.registers();
    (registers[Gpr::Edi], registers[Gpr::Ecx]) = (0x9000, 30);
    machine.set_registers(&registers).unwrap();
    assert_eq!(machine.send_keys(&[0x1c; 30]), 30);
    machine.send_serial(&[b'x'; 30]);
    let state = machine.save().unwrap();
    let run = |machine: &mut Machine| {
        assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt);
        let mut got = [0; 60];
        machine.read_memory(0x9000, &mut got).unwrap();
        got
    };
    let got = run(&mut machine);
    assert_eq!((&got[..30], &got[30..]), (&[0x1e; 30][..], &[b'x'; 30][..]));
    let mut other = builder().build().unwrap();
    other.restore(&state).unwrap();
    assert_eq!(run(&mut other), got);
}
