//! Runs that a limit must end although no instruction retires any more, or one goes on for long.

use ringer::{BootSource, ClockKind, Engine, Flat, Gpr, Machine, Stop, Until};
use std::time::{Duration, Instant};

const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];
const CODE: u32 = 0x1_0000;

fn machine(engine: Engine, memory: u64, flat: Flat) -> Machine {
    let builder = Machine::builder().memory(memory).engine(engine).clock(ClockKind::Virtual);
    builder.boot(BootSource::Flat(flat)).build().unwrap()
}

/// mov edi, 200000h; mov ecx, count; rep stosb; jmp $
fn long_store(count: u32) -> Vec<u8> {
    let mut code = vec![0xbf, 0, 0, 0x20, 0, 0xb9];
    code.extend(count.to_le_bytes());
    code.extend([0xf3, 0xaa, 0xeb, 0xfe]);
    code
}

#[test]
fn a_long_string_instruction_ends_at_the_timeout() {
    for engine in ENGINES {
        let mut machine = machine(engine, 1 << 30, Flat::new(long_store(0x3fe0_0000), CODE));
        let began = Instant::now();
        let end = machine.run(&Until::new().timeout(Duration::from_millis(300))).unwrap();
        assert_eq!(end, Stop::Timeout, "{engine}");
        let took = began.elapsed();
        assert!(took < Duration::from_millis(1300), "{engine}: {took:?}");
    }
}

#[test]
fn a_long_string_instruction_is_compared_in_slices_and_comes_to_the_same() {
    const COUNT: u32 = 300_000;
    let states = ENGINES.map(|engine| {
        let mut machine = machine(engine, 4 << 20, Flat::new(long_store(COUNT), CODE));
        let end = machine.run(&Until::new().instructions(4)).unwrap();
        assert_eq!((end, machine.instructions()), (Stop::InstructionLimit, 4), "{engine}");
        let registers = machine.registers();
        assert_eq!(
            (registers[Gpr::Ecx], registers[Gpr::Edi]),
            (0, u64::from(0x20_0000 + COUNT)),
            "{engine}"
        );
        machine.digest().unwrap()
    });
    assert_eq!(states[0], states[1]);
    assert_eq!(states[0], states[2]);
}

/// Real mode: the handler of #UD is a #UD. The frames go round in a segment of their own.
#[test]
fn handlers_that_fault_for_ever_end_at_a_limit() {
    let code = [
        0xb8, 0x00, 0x20, 0x8e, 0xd0, // mov ax, 2000h; mov ss, ax
        0xc7, 0x06, 0x18, 0, 0, 6, // mov word [6*4], 600h
        0xc7, 0x06, 0x1a, 0, 0, 0, // mov word [6*4+2], 0
        0xc7, 0x06, 0, 6, 0x0f, 0x0b, // mov word [600h], 0b0fh
        0x0f, 0x0b, // ud2
    ];
    let ends = ENGINES.map(|engine| {
        let mut machine = machine(engine, 1 << 20, Flat::real(code, 0x8000));
        let end = machine.run(&Until::new().instructions(1000)).unwrap();
        (end, machine.instructions(), machine.digest().unwrap())
    });
    assert_eq!((&ends[0].0, ends[0].1), (&Stop::InstructionLimit, 5));
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0], ends[2]);
}

/// CR0.NE is 0, and an x87 error waits: the processor stands still at the next waiting instruction until IRQ 13 is taken,
/// which it never is with IF clear.
#[test]
fn a_processor_that_waits_for_an_x87_interrupt_that_cannot_come_is_a_dead_halt() {
    let code = [
        0xdb, 0xe3, // fninit
        0xc7, 0x06, 0, 5, 0x7b, 0x03, 0xd9, 0x2e, 0, 5, // mov word [500h], 37bh; fldcw [500h]
        0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9, // fld1; fldz; fdivp
        0x9b, // fwait
    ];
    for engine in ENGINES {
        let mut machine = machine(engine, 1 << 20, Flat::real(code, 0x8000));
        machine.handle().end_input();
        let end = machine.run(&Until::new().instructions(1000)).unwrap();
        assert_eq!((end, machine.instructions()), (Stop::DeadHalt, 6), "{engine}");
    }
}
