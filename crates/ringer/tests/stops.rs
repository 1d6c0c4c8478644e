//! Each way in which a run ends, under each engine, and how a machine goes on from there.

use ringer::{BootSource, ClockKind, Engine, Error, Flat, Gpr, Machine, Stop, Until};
use std::thread;
use std::time::Duration;

const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];
/// Where the guests are.
const CODE: u64 = 0x8000;
/// An end for a guest that should have ended before: a failure in place of a hang.
const PATIENCE: Duration = Duration::from_secs(60);

fn machine(engine: Engine, code: &[u8]) -> Machine {
    let builder = Machine::builder().memory(1 << 20).engine(engine).clock(ClockKind::Virtual);
    let boot = BootSource::Flat(Flat::new(code, CODE as u32));
    builder.boot(boot).debug_exit(true).build().unwrap()
}

fn patient() -> Until {
    Until::new().timeout(PATIENCE)
}

#[test]
fn the_guest_ends_a_run() {
    let power_off = [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x34, 0x66, 0xef]; // out 604h, 3400h
    let reset = [0xb0, 0xfe, 0xe6, 0x64]; // out 64h, FEh
    let debug_exit = [0xb0, 0x12, 0xe6, 0xf4]; // out F4h, 12h
    let triple_fault = [0x0f, 0x0b]; // ud2, with no gate to go through
    let hlt = [0xf4];
    for engine in ENGINES {
        let ends = |code: &[u8], until: &Until| machine(engine, code).run(until).unwrap();
        assert_eq!(ends(&power_off, &patient()), Stop::PowerOff);
        assert_eq!(ends(&reset, &patient().reset()), Stop::Reset);
        assert_eq!(ends(&debug_exit, &patient()), Stop::DebugExit(0x12));
        let fault = Stop::TripleFault { cs: 8, eip: CODE as u32 };
        assert_eq!(ends(&triple_fault, &patient().reset()), fault);
        assert_eq!(ends(&triple_fault, &patient()), fault, "at the same place at every boot");
        assert_eq!(ends(&hlt, &patient().halt()), Stop::Halt);
    }
}

#[test]
fn a_limit_of_instructions_is_exact_and_a_run_goes_on_from_it() {
    // inc eax; jmp $-1
    for engine in ENGINES {
        let mut machine = machine(engine, &[0x40, 0xeb, 0xfd]);
        for total in [1, 2, 1000, 1001, 54_321] {
            let end = machine.run(&patient().instructions(total)).unwrap();
            assert_eq!((end, machine.instructions()), (Stop::InstructionLimit, total));
            assert_eq!(machine.registers()[Gpr::Eax], total.div_ceil(2), "{engine}");
        }
        let end = machine.run(&patient().instructions(5)).unwrap();
        assert_eq!((end, machine.instructions()), (Stop::InstructionLimit, 54_321), "at once");
    }
}

#[test]
fn instructions_are_no_limit_where_they_are_not_counted() {
    let boot = BootSource::Flat(Flat::new([0xeb, 0xfe], 0x8000));
    let mut machine = Machine::builder().memory(1 << 20).boot(boot).build().unwrap();
    let refused = machine.run(&patient().instructions(5));
    assert!(matches!(refused, Err(Error::Machine(_))), "{refused:?}");
    let end = machine.run(&Until::new().timeout(Duration::from_millis(50))).unwrap();
    assert_eq!(end, Stop::Timeout);
}

#[test]
fn breakpoints_are_exact_under_all_engines() {
    // mov ecx, 500; L: inc edx; dec ecx; jnz L; hlt
    let code = [0xb9, 0xf4, 0x01, 0, 0, 0x42, 0x49, 0x75, 0xfc, 0xf4];
    for engine in ENGINES {
        let mut machine = machine(engine, &code);
        let until = patient().breakpoint(CODE + 6).halt();
        for round in 1..=500 {
            let end = machine.run(&until).unwrap();
            assert_eq!(end, Stop::Breakpoint { cs: 8, eip: CODE as u32 + 6 }, "{engine}");
            let registers = machine.registers();
            assert_eq!(registers.linear_rip(), CODE + 6);
            assert_eq!((registers[Gpr::Edx], registers[Gpr::Ecx]), (round, 501 - round));
        }
        assert_eq!(machine.run(&until).unwrap(), Stop::Halt);
        assert!(machine.registers().halted);
    }
}

#[test]
fn a_breakpoint_at_a_logical_address_asks_for_the_selector() {
    for engine in ENGINES {
        let mut machine = machine(engine, &[0x40, 0x40, 0x40, 0xf4]);
        let elsewhere = patient().breakpoint_at(0x18, CODE as u32 + 1).halt();
        let here = elsewhere.clone().breakpoint_at(8, CODE as u32 + 2);
        let at = Stop::Breakpoint { cs: 8, eip: CODE as u32 + 2 };
        assert_eq!(machine.run(&here).unwrap(), at);
        assert_eq!(machine.run(&elsewhere).unwrap(), Stop::Halt);
    }
}

#[test]
fn a_reset_boots_again_and_keeps_memory() {
    // inc dword [9000h]; out 64h, FEh
    let code = [0xff, 0x05, 0x00, 0x90, 0, 0, 0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe];
    for engine in ENGINES {
        let mut machine = machine(engine, &code);
        for boots in 1..=3u32 {
            assert_eq!(machine.run(&patient().reset()).unwrap(), Stop::Reset);
            let mut counted = [0; 4];
            machine.read_memory(0x9000, &mut counted).unwrap();
            assert_eq!(u32::from_le_bytes(counted), boots);
            machine.reset().unwrap();
            assert_eq!(machine.registers().rip, CODE);
        }
        let boots_by_itself = patient().instructions(machine.instructions() + 300);
        assert_eq!(machine.run(&boots_by_itself).unwrap(), Stop::InstructionLimit);
        let mut counted = [0; 4];
        machine.read_memory(0x9000, &mut counted).unwrap();
        assert!(u32::from_le_bytes(counted) > 10);
    }
}

#[test]
fn another_thread_kicks_and_quits() {
    for engine in ENGINES {
        let mut machine = machine(engine, &[0xeb, 0xfe]);
        for end in [Stop::Kicked, Stop::Kicked, Stop::Quit, Stop::Quit] {
            let (handle, quit) = (machine.handle(), end == Stop::Quit);
            let other = thread::spawn(move || {
                thread::sleep(Duration::from_millis(20));
                if quit { handle.quit() } else { handle.kick() }
            });
            assert_eq!(machine.run(&patient()).unwrap(), end);
            other.join().unwrap();
        }
    }
}

#[test]
fn a_kick_before_a_run_ends_the_next_one_and_wakes_a_halt() {
    // All lines of the first interrupt controller open, and STI; HLT: a key could come.
    let mut guest = Vec::new();
    for (port, value) in [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0)] {
        guest.extend([0xb0, value, 0xe6, port]);
    }
    guest.extend([0xfb, 0xf4]);
    let mut machine = machine(Engine::Bt, &guest);
    let handle = machine.handle();
    handle.kick();
    handle.kick();
    assert_eq!(machine.run(&patient()).unwrap(), Stop::Kicked);
    let kicks = handle.clone();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        kicks.kick();
    });
    assert_eq!(machine.run(&patient()).unwrap(), Stop::Kicked);
    assert!(machine.registers().halted);
    other.join().unwrap();
    let other = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        handle.end_input();
    });
    assert_eq!(machine.run(&patient()).unwrap(), Stop::DeadHalt, "no key can come any more");
    other.join().unwrap();
}

#[test]
fn a_halt_that_nothing_can_wake_ends_the_run_and_stays() {
    for engine in ENGINES {
        for code in [&[0xf4, 0xeb, 0xfd][..], &[0xfb, 0xf4]] {
            let mut machine = machine(engine, code);
            for _ in 0..2 {
                assert_eq!(machine.run(&patient()).unwrap(), Stop::DeadHalt, "{engine} {code:x?}");
                assert!(machine.registers().halted);
            }
            let limit = machine.run(&patient().instructions(1000)).unwrap();
            assert_eq!(limit, Stop::DeadHalt);
            let mut registers = machine.registers();
            registers.halted = false;
            registers.rip = CODE;
            machine.set_registers(&registers).unwrap();
            assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt, "it was asked for");
        }
    }
}

#[test]
fn a_text_ends_a_run_behind_the_instruction_that_completes_it() {
    // For each letter: mov dx, port; mov al, letter; out dx, al; inc ebx
    let mut code = Vec::new();
    for (port, letter) in
        [(0x3f8u16, b'o'), (0xe9, b'x'), (0x3f8, b'k'), (0x3f8, b'o'), (0xe9, b'y')]
    {
        let [low, high] = port.to_le_bytes();
        code.extend([0x66, 0xba, low, high, 0xb0, letter, 0xee, 0x43]);
    }
    code.push(0xf4);
    for engine in ENGINES {
        let mut machine = machine(engine, &code);
        let until = patient().text("ok").text("xy").text("").halt();
        assert_eq!(machine.run(&until).unwrap(), Stop::Text("ok".to_owned()), "{engine}");
        assert_eq!(machine.registers()[Gpr::Ebx], 2, "{engine}");
        assert_eq!(machine.run(&until).unwrap(), Stop::Text("xy".to_owned()), "{engine}");
        assert_eq!(machine.registers()[Gpr::Ebx], 4, "{engine}");
        assert_eq!(machine.run(&until).unwrap(), Stop::Halt, "{engine}");
    }
}

#[test]
fn a_triple_fault_leaves_the_state_before_it_and_a_hint() {
    // mov ebx, 1234h; ud2, with no IDT
    let code = [0xbb, 0x34, 0x12, 0, 0, 0x0f, 0x0b];
    for engine in ENGINES {
        let mut machine = machine(engine, &code);
        let stop = machine.run(&patient().reset()).unwrap();
        assert_eq!(stop, Stop::TripleFault { cs: 8, eip: CODE as u32 + 5 });
        let registers = machine.registers();
        assert_eq!((registers[Gpr::Ebx], registers.rip), (0x1234, CODE + 5), "{engine}");
        let mortem = machine.post_mortem(&stop);
        assert_eq!(mortem.at.linear(), CODE + 5);
        let told: Vec<String> = mortem.exceptions.iter().map(|e| e.what.to_string()).collect();
        assert_eq!(told[0], "#UD", "{engine}: {told:?}");
        assert!(told[1].starts_with("#GP, error 0033, while delivering"), "{told:?}");
        assert!(mortem.exceptions.iter().all(|e| e.at == mortem.at), "{engine}");
        let hint = mortem.hint.unwrap();
        assert!(hint.contains("#UD was raised") && hint.contains("LIDT"), "{hint}");
        assert!(mortem.registers.contains(&("ebx", 0x1234, 4)));
    }
}

#[test]
fn nothing_boots_until_its_embedder_loads_it_and_a_reset_ends_it() {
    let mut machine = Machine::builder().memory(1 << 20).build().unwrap();
    // Real mode, as after reset: inc ax; mov al, FEh; out 64h, al
    machine.write_memory(0x500, &[0x40, 0xb0, 0xfe, 0xe6, 0x64, 0xf4]).unwrap();
    let mut registers = machine.registers();
    registers[ringer::SegReg::Cs].selector = 0;
    registers[ringer::SegReg::Cs].base = 0;
    registers[Gpr::Eax] = 0x1233;
    registers.rip = 0x500;
    machine.set_registers(&registers).unwrap();
    assert_eq!(machine.run(&patient()).unwrap(), Stop::Reset);
    assert_eq!(machine.registers()[Gpr::Eax], 0x12fe);
}
