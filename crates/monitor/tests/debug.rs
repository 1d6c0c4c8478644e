//! What a debugger asks of a run: single steps, watched bytes, breakpoints that come and go; and that the
//! guest comes to the same end whatever was asked.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use common::virtual_machine;
use ringer_cpu::Lin;
use ringer_monitor::{
    Breakpoint, Engine, Moment, Monitor, RunEnd, Until, WatchHit, WatchKind, Watchpoint,
};

const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];
const CODE: u32 = 0x1_0000;
const FUNCTION: u32 = 0x1_0040;
const BUFFER: u32 = 0x2_0000;
const STACK: u32 = 0x8_0000;
const CALLS: u32 = 40;
/// Retired instructions: a REP MOVSB is one.
const WHOLE: u64 = 2 + 10 * CALLS as u64 + 1;
/// Bytes that each call copies.
const COPIED: u32 = 8;

/// Calls a function [`CALLS`] times, which copies bytes by REP MOVSB and adds to a variable behind them; then
/// ends through port F4h.
fn program() -> Vec<(u32, Vec<u8>)> {
    let mut main = vec![0xfc, 0xbd]; // cld; mov ebp, CALLS
    main.extend(CALLS.to_le_bytes());
    let top = main.len() as i32;
    main.push(0xe8);
    main.extend((FUNCTION as i32 - CODE as i32 - (top + 5)).to_le_bytes()); // call FUNCTION
    main.extend([0x4d, 0x75, (top - (top + 8)) as u8]); // dec ebp; jne top
    main.extend([0xe7, 0xf4, 0xeb, 0xfe]); // out f4h, eax; jmp $
    let mut function = vec![0xbe];
    function.extend(CODE.to_le_bytes()); // mov esi, CODE
    function.push(0xbf);
    function.extend(BUFFER.to_le_bytes()); // mov edi, BUFFER
    function.push(0xb9);
    function.extend(COPIED.to_le_bytes()); // mov ecx, COPIED
    function.extend([0xf3, 0xa4]); // rep movsb
    function.extend([0x01, 0x2d]);
    function.extend((BUFFER + 0x100).to_le_bytes()); // add [BUFFER + 100h], ebp
    function.extend([0xa1]);
    function.extend((BUFFER + 0x100).to_le_bytes()); // mov eax, [BUFFER + 100h]
    function.push(0xc3); // ret
    vec![(CODE, main), (FUNCTION, function)]
}

fn machine(engine: Engine) -> Monitor {
    let mut monitor = virtual_machine(engine, &program(), CODE);
    monitor.testing().translate_at_visit(1);
    monitor
}

/// The end of a run: registers, flags, count, memory.
fn end(monitor: &mut Monitor) -> (RunEnd, [u32; 8], u32, u64, u32) {
    let end = monitor.run().unwrap();
    let cpu = monitor.state();
    (end, cpu.gpr32(), cpu.eflags, monitor.retired(), monitor.memory().digest())
}

fn watch(at: u32, len: u32, kind: WatchKind) -> Watchpoint {
    Watchpoint { at: Lin::from(at), len, kind }
}

fn until(watchpoints: &[Watchpoint]) -> Until {
    Until { watchpoints: watchpoints.to_vec(), ..Until::default() }
}

/// Every hit of `watched` up to the end, with the place behind it and EDI; and the end.
fn hits(engine: Engine, watched: Watchpoint) -> (Vec<(WatchHit, Moment, u32)>, RunEnd) {
    let mut monitor = machine(engine);
    let mut hits = Vec::new();
    loop {
        match monitor.run_until(&until(&[watched])).unwrap() {
            RunEnd::Watchpoint(hit) => {
                hits.push((hit, monitor.moment(), monitor.state().gpr32()[7]));
            }
            end => {
                assert_eq!(monitor.retired(), WHOLE, "{engine}");
                return (hits, end);
            }
        }
    }
}

#[test]
fn a_step_is_an_instruction_or_an_iteration_and_engines_agree() {
    let traces = ENGINES.map(|engine| {
        let mut monitor = machine(engine);
        let step = Until { step: true, ..Until::default() };
        let mut trace = vec![monitor.moment()];
        loop {
            match monitor.run_until(&step).unwrap() {
                RunEnd::Stepped => trace.push(monitor.moment()),
                end => {
                    assert!(matches!(end, RunEnd::DebugExit(_)), "{engine}: {end:?}");
                    break;
                }
            }
        }
        assert!(trace.is_sorted() && trace.windows(2).all(|pair| pair[0] != pair[1]), "{engine}");
        assert_eq!(trace.len() as u64, WHOLE + u64::from(CALLS * (COPIED - 1)), "{engine}");
        trace
    });
    assert!(traces[0] == traces[1] && traces[0] == traces[2]);
}

#[test]
fn a_write_in_a_repeated_instruction_stops_behind_its_iteration() {
    for engine in ENGINES {
        let (hits, last) = hits(engine, watch(BUFFER + 3, 1, WatchKind::Write));
        assert!(matches!(last, RunEnd::DebugExit(_)), "{engine}");
        assert_eq!(hits.len(), CALLS as usize, "{engine}");
        for (n, (hit, place, edi)) in (0u64..).zip(hits) {
            assert_eq!((hit.at, hit.len, hit.write), (Lin::from(BUFFER + 3), 1, true), "{engine}");
            assert_eq!((edi, place.count), (BUFFER + 4, COPIED - 4), "{engine}");
            assert_eq!(place.retired, 2 + n * 10 + 4, "{engine}");
        }
    }
}

#[test]
fn reads_and_writes_are_told_apart() {
    for engine in ENGINES {
        let count = |at, kind| hits(engine, watch(at, 4, kind)).0.len() as u32;
        let variable = BUFFER + 0x100;
        // ADD reads and writes, in one instruction; MOV reads.
        assert_eq!(count(variable, WatchKind::Write), CALLS, "{engine}");
        assert_eq!(count(variable, WatchKind::Read), 2 * CALLS, "{engine}");
        assert_eq!(count(variable, WatchKind::Access), 2 * CALLS, "{engine}");
        // The return address.
        assert_eq!(count(STACK - 4, WatchKind::Write), CALLS, "{engine}");
        assert_eq!(count(STACK - 4, WatchKind::Read), CALLS, "{engine}");
        // What is fetched is not read; what is copied is.
        assert_eq!(count(CODE, WatchKind::Access), 4 * CALLS, "{engine}");
        assert_eq!(count(FUNCTION, WatchKind::Access), 0, "{engine}");
        // Other bytes of the page.
        assert_eq!(count(variable + 4, WatchKind::Access), 0, "{engine}");
        assert_eq!(count(BUFFER + COPIED, WatchKind::Access), 0, "{engine}");
    }
}

#[test]
fn a_guest_comes_to_the_same_end_however_often_it_is_stopped() {
    let whole = end(&mut machine(Engine::Interp));
    for engine in ENGINES {
        assert_eq!(end(&mut machine(engine)), whole, "{engine}");
        let mut monitor = machine(engine);
        let breakpoints = vec![Breakpoint::Linear(Lin::from(FUNCTION))];
        let step = Until { step: true, unheeded: true, ..Until::default() };
        let both = Until { breakpoints, ..until(&[watch(BUFFER, 4, WatchKind::Access)]) };
        let deaf = Until { unheeded: true, retired: Some(250), ..Until::default() };
        let mut stops = 0;
        while monitor.retired() < 200 {
            let met = monitor.run_until(&both).unwrap();
            assert!(matches!(met, RunEnd::Watchpoint(_) | RunEnd::Breakpoint { .. }), "{met:?}");
            assert_eq!(monitor.run_until(&step).unwrap(), RunEnd::Stepped, "{engine}");
            stops += 1;
        }
        assert!(stops > 60, "{engine}: {stops}");
        assert_eq!(monitor.run_until(&deaf).unwrap(), RunEnd::InstructionLimit, "{engine}");
        assert_eq!(end(&mut monitor), whole, "{engine}");
    }
}

#[test]
fn breakpoints_that_come_and_go_touch_no_other_code() {
    let mut monitor = machine(Engine::Bt);
    let far = |n: u32| Breakpoint::Linear(Lin::from(0x30_0000 + n));
    let some = |retired| Until { retired: Some(retired), ..Until::default() };
    monitor.run_until(&some(100)).unwrap();
    let before = monitor.blocks_at(Lin::from(FUNCTION));
    assert_eq!(before.len(), 1);
    for n in 0..20 {
        let until = Until { breakpoints: vec![far(n)], ..some(101 + u64::from(n)) };
        assert_eq!(monitor.run_until(&until).unwrap(), RunEnd::InstructionLimit);
        assert_eq!(monitor.blocks_at(Lin::from(FUNCTION)), before);
    }
    // One in the middle of the block ends it there; when it has gone the block is whole again.
    let middle = FUNCTION + 10;
    let until = Until { breakpoints: vec![Breakpoint::Linear(Lin::from(middle))], ..some(300) };
    let met = monitor.run_until(&until).unwrap();
    assert_eq!(met, RunEnd::Breakpoint { cs: 8, eip: middle });
    let short = monitor.blocks_at(Lin::from(FUNCTION));
    assert!(short.iter().all(|block| block.instructions == 2), "{short:?}");
    monitor.run_until(&some(300)).unwrap();
    let whole = monitor.blocks_at(Lin::from(FUNCTION));
    assert_eq!(whole[0].instructions, before[0].instructions);
}
