//! A run ends where it was asked to: at an instruction, at a breakpoint, at HLT, when another thread
//! says so; and it goes on from there as if it had not ended, in this machine or in another.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use common::virtual_machine;
use ringer_cpu::{Activity, Lin};
use ringer_monitor::{Breakpoint, Engine, Monitor, MonitorError, RunEnd, Until};

const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];
const CODE: u32 = 0x1_0000;
const FUNCTION: u32 = 0x1_0040;
const MOVS: u32 = 0x1_0046;
const BUFFER: u32 = 0x2_0000;
const CALLS: u32 = 100;
/// Retired instructions of the whole program: a REP MOVSB is one.
const WHOLE: u64 = 5 + 9 * CALLS as u64 + 1 + 1;

/// Calls a function [`CALLS`] times, which copies eight bytes by REP MOVSB and hashes; leaves the hash
/// in EAX, halts, and then ends through port F4h.
fn program() -> Vec<(u32, Vec<u8>)> {
    let mut main = vec![0x31, 0xc0, 0xfc]; // xor eax, eax; cld
    main.push(0xbd);
    main.extend(CALLS.to_le_bytes()); // mov ebp, CALLS
    main.extend([0x31, 0xd2, 0x42]); // xor edx, edx; inc edx
    let top = main.len() as i32;
    main.push(0xe8);
    main.extend((FUNCTION as i32 - CODE as i32 - (top + 5)).to_le_bytes()); // call FUNCTION
    main.extend([0x01, 0xd0]); // add eax, edx
    main.extend([0x4d, 0x75, (top - (top + 10)) as u8]); // dec ebp; jne top
    main.push(0xf4); // hlt
    main.extend([0xe7, 0xf4, 0xeb, 0xfe]); // out f4h, eax; jmp $
    let mut function = vec![0xbe];
    function.extend(CODE.to_le_bytes()); // mov esi, CODE
    function.push(0x90); // nop
    function.extend([0xf3, 0xa4]); // rep movsb
    function.extend([0x69, 0xd2, 0x0d, 0x66, 0x19, 0x00]); // imul edx, edx, 1664525
    function.push(0xc3); // ret
    vec![(CODE, main), (FUNCTION, function)]
}

fn machine(engine: Engine) -> Monitor {
    let mut monitor = virtual_machine(engine, &program(), CODE);
    monitor.testing().translate_at_visit(1);
    monitor.state_mut().gpr[1] = 8;
    monitor.state_mut().gpr[7] = u64::from(BUFFER);
    monitor
}

fn at(place: u32) -> Until {
    Until { breakpoints: vec![Breakpoint::Linear(Lin::from(place))], ..Until::default() }
}

/// Registers, flags and the count.
fn seen(monitor: &Monitor) -> ([u32; 8], u32, u32, u64) {
    let cpu = monitor.state();
    (cpu.gpr32(), cpu.eip(), cpu.eflags, monitor.retired())
}

/// Past the HLT to the end.
fn finish(monitor: &mut Monitor) -> RunEnd {
    assert_eq!(
        monitor.run_until(&Until { halt: true, ..Until::default() }).unwrap(),
        RunEnd::Halted
    );
    monitor.state_mut().activity = Activity::Running;
    monitor.run().unwrap()
}

#[test]
fn a_run_ends_after_exactly_so_many_instructions_and_goes_on() {
    let ends = ENGINES.map(|engine| {
        let mut monitor = machine(engine);
        let mut ends = Vec::new();
        for n in (0..300).chain([WHOLE - 3, WHOLE - 2]) {
            let until = Until { retired: Some(n), ..Until::default() };
            assert_eq!(monitor.run_until(&until).unwrap(), RunEnd::InstructionLimit, "{engine}");
            assert_eq!(monitor.retired(), n, "{engine}");
            ends.push(seen(&monitor));
        }
        ends.push(seen(&monitor));
        assert!(matches!(finish(&mut monitor), RunEnd::DebugExit(_)));
        ends.push(seen(&monitor));
        ends
    });
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0], ends[2]);
}

#[test]
fn a_breakpoint_is_met_each_time_and_nothing_of_its_instruction_is_done() {
    for engine in ENGINES {
        let mut monitor = machine(engine);
        for left in (1..=CALLS).rev() {
            let end = monitor.run_until(&at(FUNCTION)).unwrap();
            assert_eq!(end, RunEnd::Breakpoint { cs: 8, eip: FUNCTION }, "{engine}");
            assert_eq!(monitor.state().gpr32()[5], left, "{engine}");
            assert_eq!(monitor.retired(), 5 + u64::from(CALLS - left) * 9 + 1, "{engine}");
        }
        let broken = finish(&mut monitor);
        assert_eq!(broken, finish(&mut machine(engine)), "{engine}");
    }
}

#[test]
fn a_breakpoint_at_a_repeated_instruction_stops_it_once() {
    for engine in ENGINES {
        let mut monitor = machine(engine);
        for (round, ecx) in [8, 0, 0].into_iter().enumerate() {
            let end = monitor.run_until(&at(MOVS)).unwrap();
            assert_eq!(end, RunEnd::Breakpoint { cs: 8, eip: MOVS }, "{engine} {round}");
            assert_eq!(monitor.state().gpr32()[1], ecx, "{engine} {round}");
        }
    }
}

#[test]
fn a_logical_breakpoint_is_one_of_its_selector() {
    for engine in ENGINES {
        let mut monitor = machine(engine);
        let place = |cs| Breakpoint::Logical { cs, eip: FUNCTION };
        let until = Until { breakpoints: vec![place(0x18)], halt: true, ..Until::default() };
        assert_eq!(monitor.run_until(&until).unwrap(), RunEnd::Halted, "{engine}");
        let mut monitor = machine(engine);
        let until = Until { breakpoints: vec![place(8)], halt: true, ..Until::default() };
        let end = RunEnd::Breakpoint { cs: 8, eip: FUNCTION };
        assert_eq!(monitor.run_until(&until).unwrap(), end, "{engine}");
    }
}

#[test]
fn a_pause_ends_one_run() {
    let mut monitor = machine(Engine::Bt);
    monitor.kicker().pause();
    assert_eq!(monitor.run().unwrap(), RunEnd::Paused);
    assert_eq!(monitor.retired(), 0);
    assert!(matches!(finish(&mut monitor), RunEnd::DebugExit(_)));
}

#[test]
fn real_time_has_no_exact_instruction() {
    let mut monitor = common::flat_machine(&program(), CODE, false);
    let refused = monitor.run_until(&Until { retired: Some(5), ..Until::default() });
    assert!(matches!(refused, Err(MonitorError::NotCounted)));
}

#[test]
fn a_saved_machine_goes_on_in_another() {
    let end = |monitor: &mut Monitor| (finish(monitor), seen(monitor), monitor.memory().digest());
    for engine in ENGINES {
        let whole = end(&mut machine(engine));
        for n in [0, 1, 77, 500, WHOLE - 3] {
            let mut old = machine(engine);
            old.run_until(&Until { retired: Some(n), ..Until::default() }).unwrap();
            let state = old.save_state().unwrap();
            let board = old.board_mut().save().unwrap();
            let mut contents = Vec::new();
            old.memory().save_contents(&mut contents).unwrap();

            // It has run, and so has windows, tables and blocks of its own.
            let mut new = machine(Engine::Bt);
            assert_eq!(new.run_until(&at(MOVS)).unwrap(), RunEnd::Breakpoint { cs: 8, eip: MOVS });
            let _ = new.memory_mut().load_contents(&mut contents.as_slice()).unwrap();
            new.board_mut().load(&board).unwrap();
            new.load_state(&state).unwrap();
            assert_eq!(end(&mut new), whole, "{engine} {n}");
        }
    }
}

#[test]
fn after_a_reset_the_processor_starts_anew_and_memory_stays() {
    let mut monitor = machine(Engine::Bt);
    let start = *monitor.state();
    let first = finish(&mut monitor);
    let (retired, digest) = (monitor.retired(), monitor.memory().digest());
    monitor.reset();
    assert_eq!((monitor.state().cs().base, monitor.state().eip()), (Lin(0xffff_0000), 0xfff0));
    assert_eq!((monitor.retired(), monitor.memory().digest()), (retired, digest));
    monitor.set_state(start);
    assert_eq!(finish(&mut monitor), first);
}
