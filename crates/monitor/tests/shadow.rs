//! Shadow RAM, opened and closed by the chipset's attribute registers under code that runs in it.

#[allow(dead_code)] // Other tests use the rest.
mod common;

use ringer_monitor::{Engine, RunEnd};

/// Where the switched memory is, and the guest.
const FUNCTION: u32 = 0xf_0000;
const GUEST: u32 = 0x1_0000;
/// Rounds, so that everything gets hot.
const ROUNDS: u8 = 12;

/// mov eax, n; ret.
fn answer(n: u8) -> Vec<u8> {
    vec![0xb8, n, 0, 0, 0, 0xc3]
}

/// Code in the making; what goes wrong ends the run with the number of the check.
#[derive(Default)]
struct Code {
    bytes: Vec<u8>,
    checks: u8,
}

impl Code {
    /// Attribute register 59h becomes `value`: mov eax, 80000058h; mov edx, cf8h; out dx, eax; mov edx, cfdh; mov al, value;
    /// out dx, al.
    fn attribute(mut self, value: u8) -> Self {
        self.bytes.extend([0xb8, 0x58, 0, 0, 0x80, 0xba, 0xf8, 0x0c, 0, 0, 0xef]);
        self.bytes.extend([0xba, 0xfd, 0x0c, 0, 0, 0xb0, value, 0xee]);
        self
    }

    /// The function is to answer `n`: mov esi, FUNCTION; call esi; cmp eax, n; je over; mov al, check; out f4h, al.
    fn expect(mut self, n: u8) -> Self {
        self.checks += 1;
        self.bytes.push(0xbe);
        self.bytes.extend(FUNCTION.to_le_bytes());
        self.bytes.extend([0xff, 0xd6, 0x83, 0xf8, n, 0x74, 4, 0xb0, self.checks, 0xe6, 0xf4]);
        self
    }

    /// The number that the function answers is overwritten: mov byte [FUNCTION + 1], n.
    fn patch(mut self, n: u8) -> Self {
        self.bytes.extend([0xc6, 0x05]);
        self.bytes.extend((FUNCTION + 1).to_le_bytes());
        self.bytes.push(n);
        self
    }

    /// All of it `ROUNDS` times, and then debug-exit 0: mov ebp, ROUNDS; ...; dec ebp; jnz; mov al, 0; out f4h, al.
    fn rounds(self) -> Vec<u8> {
        let mut code = vec![0xbd, ROUNDS, 0, 0, 0];
        code.extend(&self.bytes);
        let back = -(self.bytes.len() as i32 + 7);
        code.extend([0x4d, 0x0f, 0x85]);
        code.extend(back.to_le_bytes());
        code.extend([0xb0, 0, 0xe6, 0xf4, 0xeb, 0xfe]);
        code
    }
}

#[test]
fn code_and_data_are_those_of_the_memory_that_shows() {
    let guest = Code::default()
        // The ROM.
        .expect(1)
        .patch(9)
        .expect(1)
        // The RAM behind it.
        .attribute(0x30)
        .expect(2)
        .patch(3)
        .expect(3)
        // Writes alone reach it, while code comes from the ROM.
        .attribute(0x20)
        .expect(1)
        .patch(4)
        .expect(1)
        // Reads alone.
        .attribute(0x10)
        .expect(4)
        .patch(9)
        .expect(4)
        .attribute(0x30)
        .patch(2)
        .attribute(0x00)
        .expect(1)
        .rounds();
    for engine in [Engine::Interp, Engine::Bt, Engine::Lockstep] {
        let pieces = [(GUEST, guest.clone())];
        let mut monitor = common::flat_machine_under(engine, &pieces, GUEST, false);
        let mut rom = vec![0xff; 0x1_0000];
        rom[..6].copy_from_slice(&answer(1));
        monitor.memory_mut().install_rom(&rom).unwrap();
        monitor.memory_mut().write_offset(u64::from(FUNCTION), &answer(2));
        assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0), "{engine}: this check failed");
    }
}

#[test]
fn a_reset_of_the_board_hides_what_was_open() {
    let guest = Code::default().attribute(0x30).expect(2).rounds();
    let mut monitor = common::flat_machine(&[(GUEST, guest)], GUEST, false);
    let mut rom = vec![0xff; 0x1_0000];
    rom[..6].copy_from_slice(&answer(1));
    monitor.memory_mut().install_rom(&rom).unwrap();
    monitor.memory_mut().write_offset(u64::from(FUNCTION), &answer(2));
    let start = *monitor.state();
    assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0));
    monitor.reset_board();
    monitor.set_state(start);
    monitor.firmware(|machine| {
        let guest = Code::default().expect(1).rounds();
        machine.memory.load(ringer_cpu::addr::Pa::from(GUEST), &guest).unwrap();
    });
    assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0), "the ROM shows again");
}
