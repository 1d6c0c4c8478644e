//! What an embedder does to a machine between two runs, and several machines in one process.

use ringer::{
    BootSource, Capture, ClockKind, Engine, Error, Flat, Gpr, Machine, SegReg, Stop, Until,
};
use std::thread;
use std::time::Duration;

const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];
const CODE: u32 = 0x8000;

fn machine(engine: Engine, code: &[u8]) -> Machine {
    let boot = BootSource::Flat(Flat::new(code, CODE));
    Machine::builder().memory(1 << 20).engine(engine).boot(boot).build().unwrap()
}

fn patient() -> Until {
    Until::new().timeout(Duration::from_secs(60))
}

#[test]
fn a_write_over_translated_code_is_seen() {
    // mov eax, 1; nop; jmp $-6
    for engine in ENGINES {
        let mut machine = machine(engine, &[0xb8, 1, 0, 0, 0, 0x90, 0xeb, 0xf8]);
        let until = patient().breakpoint(u64::from(CODE) + 5);
        for value in 1..=60u8 {
            machine.write_memory(u64::from(CODE) + 1, &[value]).unwrap();
            for _ in 0..5 {
                let end = machine.run(&until).unwrap();
                assert!(matches!(end, Stop::Breakpoint { .. }), "{end}");
                assert_eq!(machine.registers()[Gpr::Eax], u64::from(value), "{engine}");
            }
        }
    }
}

#[test]
fn registers_are_set_and_impossible_ones_refused() {
    for engine in ENGINES {
        let mut machine = machine(engine, &[0x01, 0xd8, 0xf4]); // add eax, ebx; hlt
        let mut registers = machine.registers();
        assert_eq!((registers.rip, registers[SegReg::Cs].selector), (u64::from(CODE), 8));
        for (a, b) in [(1, 2), (0xffff_ffff, 1), (40, 2)] {
            (registers[Gpr::Eax], registers[Gpr::Ebx]) = (a, b);
            machine.set_registers(&registers).unwrap();
            assert_eq!(machine.registers(), registers);
            assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt);
            assert_eq!(machine.registers()[Gpr::Eax], (a + b) & 0xffff_ffff);
        }
        let before = machine.registers();
        for spoil in [
            |r: &mut ringer::Registers| r[Gpr::Ecx] = 1 << 32,
            |r: &mut ringer::Registers| r.cr0 = 1 << 31,
            |r: &mut ringer::Registers| r.cpl = 7,
            |r: &mut ringer::Registers| r.rflags = 1 << 40,
        ] {
            let mut spoilt = before;
            spoil(&mut spoilt);
            let refused = machine.set_registers(&spoilt);
            assert!(matches!(refused, Err(Error::Register { .. })), "{refused:?}");
            assert_eq!(machine.registers(), before);
        }
    }
}

#[test]
fn memory_ends_where_it_ends() {
    let mut machine = machine(Engine::Bt, &[0xf4]);
    let mut word = [7; 4];
    machine.write_memory(0x9_0000, &[1, 2, 3, 4]).unwrap();
    machine.read_memory(0x9_0000, &mut word).unwrap();
    assert_eq!(word, [1, 2, 3, 4]);
    for address in [(1 << 20) - 2, 1 << 20, 0xfee0_0000, u64::MAX - 1] {
        let refused = machine.write_memory(address, &[9; 4]);
        assert!(matches!(refused, Err(Error::Memory { .. })), "{address:#x}: {refused:?}");
    }
    assert!(machine.read_memory(u64::MAX, &mut word).is_err());
    assert!(machine.read_memory(0xfee0_0000, &mut word).is_err());
    assert!(machine.write_memory(0xffff_fff0, &[0]).is_err(), "ROM is not RAM");
    assert!(machine.read_memory(0xffff_fff0, &mut word).is_ok(), "but it is memory");
}

/// Sends back what it receives, up to a 'q'.
const ECHO: [u8; 20] = [
    0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb, 0x66, 0xba, 0xf8, 0x03, 0xec, 0xee, 0x3c,
    0x71, 0x75, 0xed, 0xf4,
];

#[test]
fn serial_input_comes_back() {
    for engine in ENGINES {
        let output = Capture::default();
        let boot = BootSource::Flat(Flat::new(ECHO, CODE));
        let builder = Machine::builder().memory(1 << 20).engine(engine).boot(boot);
        let mut machine = builder.serial(output.clone()).build().unwrap();
        let text = "a line that is longer than the port's buffer of sixteen bytes, q";
        machine.send_serial(&text.as_bytes()[..20]);
        let (handle, rest) = (machine.handle(), text.as_bytes()[20..].to_vec());
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            handle.serial_input(&rest);
        });
        assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt);
        other.join().unwrap();
        assert_eq!(output.bytes(), text.as_bytes(), "{engine}");
        assert_eq!(machine.handle().backlog(), 0);
    }
}

#[test]
fn two_machines_on_two_threads_know_nothing_of_each_other() {
    let count = |engine: Engine, rounds: u32| {
        // mov ecx, rounds; L: inc eax; loop L; hlt
        let mut code = vec![0xb9];
        code.extend(rounds.to_le_bytes());
        code.extend([0x40, 0xe2, 0xfd, 0xf4]);
        for _ in 0..5 {
            let mut machine = machine(engine, &code);
            assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt);
            assert_eq!(machine.registers()[Gpr::Eax], u64::from(rounds));
        }
    };
    // A builder goes to the thread that is to run the machine.
    let builder =
        Machine::builder().memory(1 << 20).boot(BootSource::Flat(Flat::new([0xf4], CODE)));
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut machine = builder.build().unwrap();
            assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt);
        });
        scope.spawn(|| count(Engine::Bt, 300_000));
        scope.spawn(|| count(Engine::Bt, 500_000));
        scope.spawn(|| count(Engine::Interp, 50_000));
    });
}

#[test]
fn real_mode_begins_at_its_entry() {
    let boot = BootSource::Flat(Flat::real([0x8c, 0xc8, 0x40, 0xf4], 0x7c00)); // mov ax, cs; inc ax; hlt
    for engine in ENGINES {
        let builder = Machine::builder().memory(1 << 20).engine(engine);
        let mut machine = builder.clock(ClockKind::Virtual).boot(boot.clone()).build().unwrap();
        assert_eq!(machine.registers()[Gpr::Esp], 0x7c00);
        assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt);
        assert_eq!(machine.registers()[Gpr::Eax], 1);
        assert_eq!(machine.instructions(), 3);
        assert!(machine.counters().instructions_interpreted <= 3);
    }
    let far = Flat { entry: 0x1_0000, ..Flat::real([0xf4], 0x1_0000) };
    assert!(Machine::builder().memory(1 << 20).boot(BootSource::Flat(far)).build().is_err());
    let high = BootSource::Flat(Flat::new([0xf4; 32], 0xf_fff0));
    let error = Machine::builder().memory(1 << 20).boot(high).build().unwrap_err();
    assert!(error.to_string().contains("guest memory"), "{error}");
}

#[test]
fn keys_reach_the_guest_translated_and_none_is_lost() {
    // again: in al, 64h; test al, 1; jz again; in al, 60h; stosb; loop again; hlt
    let code = [0xe4, 0x64, 0xa8, 0x01, 0x74, 0xfa, 0xe4, 0x60, 0xaa, 0xe2, 0xf5, 0xf4];
    for engine in ENGINES {
        let mut machine = machine(engine, &code);
        let mut registers = machine.registers();
        (registers[Gpr::Edi], registers[Gpr::Ecx]) = (0x9000, 100);
        machine.set_registers(&registers).unwrap();
        // A pressed and released: three bytes of set 2, two of set 1; more than the keyboard holds.
        let keys = [0x1c, 0xf0, 0x1c].repeat(20);
        assert_eq!(machine.send_keys(&keys), 60);
        let (handle, rest) = (machine.handle(), [0x5a, 0xf0, 0x5a].repeat(30));
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            handle.key_input(&rest)
        });
        assert_eq!(machine.run(&patient().halt()).unwrap(), Stop::Halt);
        assert_eq!(other.join().unwrap(), 90);
        let mut got = [0; 100];
        machine.read_memory(0x9000, &mut got).unwrap();
        let expected = [[0x1e, 0x9e].repeat(20), [0x1c, 0x9c].repeat(30)].concat();
        assert_eq!(got.as_slice(), expected, "{engine}");
    }
}

#[test]
fn keys_that_nobody_reads_do_not_pile_up() {
    let mut machine = machine(Engine::Bt, &[0xeb, 0xfe]);
    let most = ringer::Handle::MAX_KEYS;
    assert_eq!(machine.send_keys(&vec![0x1c; 2 * most]), most);
    assert_eq!(machine.send_keys(&[0x1c]), 0);
    let end = machine.run(&Until::new().timeout(Duration::from_millis(20))).unwrap();
    assert_eq!(end, Stop::Timeout);
    assert!(machine.send_keys(&[0x1c; 1000]) <= 32);
}
