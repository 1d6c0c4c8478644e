//! Traps that no guest program can show by itself: a device that writes guest memory by DMA, and what
//! the host keeps of guest memory. Named after the rows of `test-roms/README.md`.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_cpu::CpuState;
use ringer_cpu::addr::Pa;
use ringer_devices::addresses::FIRMWARE_PORT;
use ringer_devices::row::{BYTES, DmaKind, Fuzz, Region, Row, Space};
use ringer_devices::state::{StateError, decode, encode};
use ringer_devices::{Ctx, Device, Reset};
use ringer_mmu::GuestMemory;
use ringer_monitor::{BiosHook, Engine, RunEnd};

const ROUNDS: u32 = 200;
const CALLS: u32 = 1000;
/// MOV EAX, imm32; RET with the immediate over the end of a page.
const FUNCTION: u32 = 0x2_0ffd;

/// Calls FUNCTION so often that it is hot and adds its answers up; then `call`; ROUNDS times.
/// Ends through port F4h with 0 if the sum is as expected.
fn guest(call: [u8; 5]) -> Vec<u8> {
    let sum = CALLS * (ROUNDS * (ROUNDS - 1) / 2);
    let mut code = vec![0xbd];
    code.extend(ROUNDS.to_le_bytes()); // mov ebp, ROUNDS
    code.extend([0x31, 0xff, 0xb9]); // xor edi, edi
    code.extend(CALLS.to_le_bytes()); // 7: mov ecx, CALLS
    code.push(0xe8);
    code.extend((FUNCTION - 0x1_0011).to_le_bytes()); // 12: call FUNCTION
    code.extend([0x01, 0xc7, 0x49, 0x75, 0xf6]); // add edi, eax; dec ecx; jne 12
    code.extend(call); // the device is called
    code.extend([0x4d, 0x75, 0xe9, 0x31, 0xc0]); // dec ebp; jne 7; xor eax, eax
    code.extend([0x81, 0xff]);
    code.extend(sum.to_le_bytes()); // cmp edi, sum
    code.extend([0x0f, 0x95, 0xc0, 0xe7, 0xf4, 0xeb, 0xfe]); // setne al; out f4h, eax; jmp $
    code
}

/// A device that writes the number of the access into FUNCTION's immediate, over two pages, by physical
/// address, behind the processor's back.
#[derive(Debug, Default)]
struct Patcher {
    round: u32,
}

/// Two places from which the patcher is called: a port, and an address of memory.
const PATCHER: Row = Row {
    id: "patcher",
    title: "Patcher",
    spec: "none",
    regions: &[
        Region::ports("port", PATCH_PORT, 1, BYTES),
        Region { name: "memory", space: Space::Memory, base: Some(PATCH_PA), len: 4, widths: 4 },
    ],
    pci: None,
    lines: &[],
    clocked: false,
    dma: DmaKind::Master,
    version: 1,
    loads: &[],
    fuzz: Fuzz { read: 1, write: 1, time: 0 },
};
const PATCH_PORT: u16 = 0x300;
const PATCH_PA: u64 = 0xd000_0000;

impl Device for Patcher {
    fn read(&mut self, _: usize, _: u64, _: u8, _: &mut Ctx<'_>) -> u64 {
        u64::from(self.round)
    }

    fn write(&mut self, _: usize, _: u64, _: u8, _: u64, ctx: &mut Ctx<'_>) {
        self.round += 1;
        ctx.dma_write(u64::from(FUNCTION) + 1, &self.round.to_le_bytes()).unwrap();
    }

    fn reset(&mut self, _: Reset, _: &mut Ctx<'_>) {
        self.round = 0;
    }

    fn save(&self, _: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.round)
    }

    fn load(&mut self, _: u32, bytes: &[u8], _: &mut Ctx<'_>) -> Result<(), StateError> {
        self.round = decode(bytes)?;
        Ok(())
    }
}

#[test]
fn t04_dma_into_hot_code() {
    let function = vec![0xb8, 0, 0, 0, 0, 0xc3];
    let [low, high] = PATCH_PORT.to_le_bytes();
    let mut by_memory = [0xa3, 0, 0, 0, 0];
    by_memory[1..].copy_from_slice(&(PATCH_PA as u32).to_le_bytes());
    // mov dx, PATCH_PORT; out dx, al; or mov [PATCH_PA], eax
    for call in [[0x66, 0xba, low, high, 0xee], by_memory] {
        for engine in [Engine::Interp, Engine::Bt, Engine::Lockstep] {
            let pieces = [(0x1_0000, guest(call)), (FUNCTION, function.clone())];
            let mut monitor = common::flat_machine_under(engine, &pieces, 0x1_0000, false);
            monitor.firmware(|machine| {
                machine.board.attach(PATCHER, Box::new(Patcher::default())).unwrap();
            });
            let end = monitor.run().unwrap();
            assert_eq!(end, RunEnd::DebugExit(0), "{engine}, {call:x?}: 1: old code ran");
        }
    }
}

#[test]
fn t04_firmware_writes_hot_code() {
    let function = vec![0xb8, 0, 0, 0, 0, 0xc3];
    let [low, high] = FIRMWARE_PORT.to_le_bytes();
    for engine in [Engine::Interp, Engine::Bt, Engine::Lockstep] {
        // mov dx, FIRMWARE_PORT; out dx, al
        let pieces =
            [(0x1_0000, guest([0x66, 0xba, low, high, 0xee])), (FUNCTION, function.clone())];
        let mut monitor = common::flat_machine_under(engine, &pieces, 0x1_0000, false);
        let mut round = 0u32;
        let handler = move |_: &mut CpuState,
                            memory: &mut GuestMemory,
                            _: &mut dyn FnMut(u8),
                            _: &mut dyn FnMut() -> Option<u8>| {
            round += 1;
            assert!(memory.dma_write(Pa(u64::from(FUNCTION) + 1), &round.to_le_bytes()));
        };
        monitor.set_bios(BiosHook { handler: Box::new(handler) });
        assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0), "{engine}: 1: old code ran");
    }
}

/// The direct mapping of guest memory is marked (`dd`: not to be dumped), and all of it is of the kind
/// that the process leaves out of core dumps.
#[test]
fn tb_guest_memory_stays_out_of_core_dumps() {
    let code = vec![0xb8, 0, 0, 0, 0, 0xe7, 0xf4, 0xeb, 0xfe]; // mov eax, 0; out f4h, eax; jmp $
    let mut monitor = common::flat_machine(&[(0x1_0000, code)], 0x1_0000, false);
    assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0));
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let marked = smaps
        .lines()
        .skip_while(|line| !line.contains("memfd:guest-ram"))
        .filter(|line| line.starts_with("VmFlags:"))
        .any(|flags| flags.split(' ').any(|flag| flag == "dd"));
    assert!(marked, "the direct mapping may be dumped");
    let filter = std::fs::read_to_string("/proc/self/coredump_filter").unwrap();
    let filter = u32::from_str_radix(filter.trim(), 16).unwrap();
    assert_eq!(filter & 1 << 1, 0, "shared memory would be dumped: filter {filter:#x}");
}
