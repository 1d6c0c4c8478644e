//! Guests that use every device and mode go forward and back, and come to the same moments and the same end.

use super::*;
use crate::debuggee::Resume;
use crate::gate::Gate;
use ringer_cpu::Lin;
use ringer_machine::{
    BootSource, ClockKind, Flat, Handle, MachineConfig, PcConfig, RunConfig, SerialSink, Sinks,
    StateDigest, WatchKind, Watchpoint,
};
use ringer_test_roms::{assemble, roms_dir};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Guests with interrupts, resets, faults, task switches, changes of mode and code that changes.
const GUESTS: [&str; 7] = [
    "pit_and_rtc_rates",
    "reset_keeps_memory",
    "t01_smc_other_block",
    "t18_v86_under_monitor",
    "t20_task_switch",
    "t32_rep_interrupted",
    "t34_pae_paging",
];

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

/// Nobody wants the machine to stop.
struct Nobody;

impl Client for Nobody {
    fn wants_stop(&mut self) -> bool {
        false
    }
}

fn config() -> MachineConfig {
    let pc = PcConfig { ram_size: 16 << 20, debug_exit: true, ..PcConfig::default() };
    let run = RunConfig { clock: ClockKind::Virtual, ..RunConfig::default() };
    MachineConfig { pc, run }
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

/// How a run went.
#[derive(Debug, PartialEq)]
struct Course {
    end: Stop,
    serial: String,
    retired: u64,
    digest: StateDigest,
}

fn course(machine: &mut Machine, end: Stop, heard: &Heard) -> Course {
    let (retired, mut digest) = (machine.retired(), machine.digest().unwrap());
    // It tells of a triple fault soon after the start, by the host's clock.
    digest.sections.retain(|(name, _)| name != "machine");
    Course { end, serial: heard.text(), retired, digest }
}

fn go(debuggee: &mut Debuggee<'_>, how: Resume) -> Halt {
    debuggee.resume = how;
    debuggee.go_on(&mut Nobody).unwrap()
}

/// The moment, and all that there is of the machine.
fn now(debuggee: &mut Debuggee<'_>) -> (Moment, StateDigest) {
    (debuggee.moment(), debuggee.machine.digest().unwrap())
}

fn to_end(debuggee: &mut Debuggee<'_>) -> Stop {
    loop {
        match go(debuggee, Resume::Continue) {
            Halt::End(stop) => return stop,
            Halt::TripleFault => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Runs up to `retired` instructions.
fn skip(debuggee: &mut Debuggee<'_>, retired: u64) {
    debuggee.mind_gate();
    debuggee.replay(retired, &mut |_| false).unwrap();
    debuggee.note_reached();
    debuggee.stand(Halt::Interrupted);
}

fn there_and_back(name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let source = source(name, folder.path());
    let heard = Heard::default();
    let mut machine = Machine::new(config(), &source, heard.sinks()).unwrap();
    let end = machine.run().unwrap();
    let unbroken = course(&mut machine, end, &heard);

    let heard = Heard::default();
    let gate = Gate::new();
    let mut machine = Machine::new(config(), &source, gate.guard(heard.sinks())).unwrap();
    let mut debuggee = Debuggee::new(&mut machine, gate, Until::new()).unwrap();
    for part in 1..4 {
        skip(&mut debuggee, unbroken.retired * part / 4);
        let mut trace = vec![now(&mut debuggee)];
        for _ in 0..25 {
            assert_eq!(go(&mut debuggee, Resume::Step), Halt::Stepped, "{name}");
            trace.push(now(&mut debuggee));
        }
        assert!(trace.windows(2).all(|pair| pair[0].0 < pair[1].0), "{name}: {trace:?}");
        while trace.len() > 1 {
            trace.pop();
            assert_eq!(go(&mut debuggee, Resume::StepBack), Halt::Stepped, "{name}");
            assert_eq!(Some(&now(&mut debuggee)), trace.last(), "{name}");
        }
    }
    let end = to_end(&mut debuggee);
    assert_eq!(course(debuggee.machine, end, &heard), unbroken, "{name}");
}

#[test]
fn steps_back_undo_steps_and_the_run_ends_like_the_unbroken_one() {
    for name in GUESTS {
        there_and_back(name);
    }
}

const CODE: u32 = 0x1_0000;
const BUFFER: u32 = 0x2_0000;
const WORD: u32 = 0x2_1000;

fn flat(code: &[u8], heard: &Heard, gate: &Gate) -> Machine {
    let source = BootSource::Flat(Flat::new(code, CODE));
    Machine::new(config(), &source, gate.guard(heard.sinks())).unwrap()
}

/// Fills a buffer by REP STOSB and counts, for ever.
fn filling() -> Vec<u8> {
    let mut code = vec![0xfc, 0xbf];
    code.extend(BUFFER.to_le_bytes()); // 1: mov edi, BUFFER
    code.extend([0xb9, 16, 0, 0, 0]); // 6: mov ecx, 16
    code.extend([0x40, 0xf3, 0xaa]); // 11: inc eax; 12: rep stosb
    code.extend([0xff, 0x05]);
    code.extend(WORD.to_le_bytes()); // 14: inc dword [WORD]
    code.extend([0xeb, 0xea]); // jmp to 0
    code
}

#[test]
fn back_to_breakpoints_in_the_order_of_the_way() {
    let (heard, gate) = (Heard::default(), Gate::new());
    let mut machine = flat(&filling(), &heard, &gate);
    let mut debuggee = Debuggee::new(&mut machine, gate, Until::new()).unwrap();
    debuggee.stand(Halt::Begin);
    debuggee.breaks.software.insert(CODE + 12);
    debuggee.breaks.hardware.insert(CODE + 14);
    let first = now(&mut debuggee);
    let mut trace = Vec::new();
    for n in 0..40 {
        let halt = go(&mut debuggee, Resume::Continue);
        assert_eq!(halt, Halt::Breakpoint { hardware: n % 2 == 1 });
        trace.push((now(&mut debuggee), halt));
    }
    trace.pop();
    while let Some((moment, halt)) = trace.pop() {
        assert_eq!(go(&mut debuggee, Resume::ContinueBack), halt);
        assert_eq!(now(&mut debuggee), moment);
    }
    assert_eq!(go(&mut debuggee, Resume::ContinueBack), Halt::Begin);
    assert_eq!(now(&mut debuggee), first);
    assert_eq!(go(&mut debuggee, Resume::StepBack), Halt::Begin);
    assert_eq!(now(&mut debuggee), first);
}

/// The dword at `at`.
fn dword(debuggee: &Debuggee<'_>, at: u32) -> u32 {
    let monitor = debuggee.machine.monitor();
    crate::memory::word(monitor.memory(), monitor.paging(), at).unwrap()
}

#[test]
fn back_to_the_last_write_of_an_address_even_in_the_middle_of_an_instruction() {
    let (heard, gate) = (Heard::default(), Gate::new());
    let mut machine = flat(&filling(), &heard, &gate);
    let mut debuggee = Debuggee::new(&mut machine, gate, Until::new()).unwrap();
    debuggee.breaks.software.insert(CODE + 14);
    for _ in 0..30 {
        go(&mut debuggee, Resume::Continue);
    }
    debuggee.breaks.software.clear();
    let write = |at: u32| Watchpoint { at: Lin::from(at), len: 1, kind: WatchKind::Write };
    debuggee.breaks.watched = vec![write(BUFFER + 5)];
    for value in (1..=30).rev() {
        let halt = go(&mut debuggee, Resume::ContinueBack);
        assert!(
            matches!(halt, Halt::Watchpoint(hit) if hit.at == Lin::from(BUFFER + 5)),
            "{halt:?}"
        );
        // The write is undone, those before it are not.
        let (before, here) = (dword(&debuggee, BUFFER + 4), dword(&debuggee, BUFFER + 5));
        assert_eq!((before as u8, here as u8), (value, value - 1));
        assert_eq!(debuggee.machine.monitor().state().gpr32()[1], 11);
    }
    assert_eq!(go(&mut debuggee, Resume::ContinueBack), Halt::Begin);
    // And forward again: behind the write.
    let halt = go(&mut debuggee, Resume::Continue);
    assert!(matches!(halt, Halt::Watchpoint(_)));
    assert_eq!(dword(&debuggee, BUFFER + 5) as u8, 1);
    assert_eq!(debuggee.machine.monitor().state().gpr32()[1], 10);
}

#[test]
fn what_is_changed_is_the_beginning_of_another_run() {
    let (heard, gate) = (Heard::default(), Gate::new());
    let mut machine = flat(&filling(), &heard, &gate);
    let mut debuggee = Debuggee::new(&mut machine, gate, Until::new()).unwrap();
    debuggee.breaks.software.insert(CODE + 14);
    for _ in 0..5 {
        go(&mut debuggee, Resume::Continue);
    }
    debuggee.note_change();
    assert!(crate::memory::write(
        debuggee.machine,
        crate::memory::Space::Linear,
        WORD,
        &[100, 0, 0, 0]
    ));
    let changed = now(&mut debuggee);
    for _ in 0..3 {
        go(&mut debuggee, Resume::Continue);
    }
    assert_eq!(dword(&debuggee, WORD), 103);
    debuggee.breaks.software.clear();
    assert_eq!(go(&mut debuggee, Resume::ContinueBack), Halt::Begin);
    assert_eq!(now(&mut debuggee), changed);
}

/// Reads eight bytes from the serial port into a buffer, echoes them, and ends through port F4h.
fn typist() -> Vec<u8> {
    let mut code = vec![0xbf];
    code.extend(BUFFER.to_le_bytes()); // mov edi, BUFFER
    code.extend([0xb9, 8, 0, 0, 0]); // mov ecx, 8
    code.extend([0xba, 0xfd, 0x03, 0, 0]); // 10: mov edx, 3fdh
    code.extend([0xec, 0xa8, 1, 0x74, 0xfb]); // 15: in al, dx; test al, 1; jz 15
    code.extend([0xba, 0xf8, 0x03, 0, 0, 0xec]); // 20: mov edx, 3f8h; in al, dx
    code.extend([0x88, 0x07, 0x47, 0xee]); // 26: mov [edi], al; inc edi; out dx, al
    code.extend([0x49, 0x75, 0xe9]); // 30: dec ecx; jnz 10
    code.extend([0xe7, 0xf4, 0xeb, 0xfe]); // out f4h, eax; jmp $
    code
}

/// What waits for the guest outside of the machine is in the monitor's section.
fn without_mail((moment, mut digest): (Moment, StateDigest)) -> (Moment, StateDigest) {
    digest.sections.retain(|(name, _)| name != "monitor");
    (moment, digest)
}

/// `type_in` types a letter, on whatever thread.
fn typed_comes_again(type_in: impl Fn(Handle, u8) -> Option<JoinHandle<()>>) {
    let (heard, gate) = (Heard::default(), Gate::new());
    let mut machine = flat(&typist(), &heard, &gate);
    let handle = machine.handle();
    let mut debuggee = Debuggee::new(&mut machine, gate, Until::new()).unwrap();
    debuggee.breaks.software.insert(CODE + 26);
    let mut trace = Vec::new();
    for letter in *b"abcdefg" {
        let typing = type_in(handle.clone(), letter);
        assert_eq!(go(&mut debuggee, Resume::Continue), Halt::Breakpoint { hardware: false });
        assert!(typing.is_none_or(|thread| thread.join().is_ok()));
        trace.push(without_mail(now(&mut debuggee)));
    }
    // Typed now, it comes after all that.
    handle.serial_input(b"h");
    for moment in trace.iter().rev().skip(1) {
        go(&mut debuggee, Resume::ContinueBack);
        assert_eq!(&without_mail(now(&mut debuggee)), moment);
    }
    for moment in trace.iter().skip(1) {
        go(&mut debuggee, Resume::Continue);
        assert_eq!(&without_mail(now(&mut debuggee)), moment);
    }
    debuggee.breaks.software.clear();
    assert!(matches!(to_end(&mut debuggee), Stop::DebugExit(_)));
    assert_eq!(heard.text(), "abcdefgh");
    assert_eq!(dword(&debuggee, BUFFER + 4), u32::from_le_bytes(*b"efgh"));
}

#[test]
fn what_was_typed_comes_again_when_it_came_and_is_echoed_once() {
    // It comes whenever the other thread gets to it.
    typed_comes_again(|handle, letter| {
        Some(std::thread::spawn(move || handle.serial_input(&[letter])))
    });
}

#[test]
fn what_waits_at_a_breakpoint_comes_again_right_behind_it() {
    typed_comes_again(|handle, letter| {
        handle.serial_input(&[letter]);
        None
    });
}

#[test]
fn a_triple_fault_stands_with_the_registers_from_before_it() {
    // lidt [0]; mov eax, 5; ud2
    let code = [0x0f, 0x01, 0x1d, 0, 0, 0, 0, 0xb8, 5, 0, 0, 0, 0x0f, 0x0b];
    let (heard, gate) = (Heard::default(), Gate::new());
    let mut machine = flat(&code, &heard, &gate);
    let mut debuggee = Debuggee::new(&mut machine, gate, Until::new()).unwrap();
    assert_eq!(go(&mut debuggee, Resume::Continue), Halt::TripleFault);
    let cpu = debuggee.machine.monitor().state();
    assert_eq!((cpu.eip(), cpu.gpr32()[0]), (CODE + 12, 5));
    assert_eq!(go(&mut debuggee, Resume::StepBack), Halt::Stepped);
    assert_eq!(debuggee.machine.monitor().state().eip(), CODE + 7);
}
