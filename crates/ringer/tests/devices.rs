//! Devices of an embedder's own: where they are, what they reach, and what state of the host they find.

use ringer::device::{
    AttachError, BYTES, Ctx, Device, DmaKind, Fuzz, Line, Region, Reset, Row, Space, StateError,
    WHOLE, decode, encode,
};
use ringer::{BootSource, Engine, Error, Flat, Gpr, Machine, Stop, Until};
use std::arch::asm;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];
const CODE: u32 = 0x8000;

const ROW: Row = Row {
    id: "test-card",
    title: "Test card",
    spec: "none",
    regions: &[
        Region::ports("ports", 0x720, 16, WHOLE),
        Region { name: "memory", space: Space::Memory, base: Some(MMIO), len: 16, widths: WHOLE },
    ],
    pci: None,
    lines: &[Line::level(11)],
    clocked: false,
    dma: DmaKind::Master,
    version: 1,
    loads: &[],
    fuzz: Fuzz { read: 1, write: 1, time: 0 },
};
const MMIO: u64 = 0xfd00_0000;

/// Four registers, in ports and in memory the same; what `act` does at a write to the last of them.
struct Card {
    registers: [u32; 4],
    act: Act,
}

type Act = Box<dyn FnMut(u32, &mut Ctx<'_>) -> u32 + Send>;

impl std::fmt::Debug for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Card").field("registers", &self.registers).finish_non_exhaustive()
    }
}

impl Card {
    fn new(act: impl FnMut(u32, &mut Ctx<'_>) -> u32 + Send + 'static) -> Self {
        Self { registers: [0; 4], act: Box::new(act) }
    }
}

impl Device for Card {
    fn read(&mut self, _region: usize, offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::from(self.registers[offset as usize / 4])
    }

    fn write(&mut self, _region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let index = offset as usize / 4;
        self.registers[index] = value as u32;
        if index == 3 {
            self.registers[3] = (self.act)(value as u32, ctx);
        }
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.registers = [0; 4];
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.registers)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        self.registers = decode(bytes)?;
        Ok(())
    }
}

fn machine(engine: Engine, code: &[u8], card: Card) -> Machine {
    let boot = BootSource::Flat(Flat::new(code, CODE));
    let builder = Machine::builder().memory(1 << 20).engine(engine).device(ROW, card);
    builder.boot(boot).build().unwrap()
}

fn to_halt() -> Until {
    Until::new().halt().reset().timeout(Duration::from_secs(60))
}

#[test]
fn ports_and_memory_reach_the_same_registers() {
    #[rustfmt::skip]
    let code = [
        0x66, 0xba, 0x24, 0x07,                         // mov dx, 724h
        0xb8, 0x78, 0x56, 0x34, 0x12, 0xef,             // mov eax, 12345678h; out dx, eax
        0x8b, 0x1d, 4, 0, 0, 0xfd,                      // mov ebx, [fd000004h]
        0xc7, 0x05, 8, 0, 0, 0xfd, 0xef, 0xbe, 0, 0,    // mov dword [fd000008h], beefh
        0x66, 0x83, 0xc2, 0x04, 0xed,                   // add dx, 4; in eax, dx
        0xf4,
    ];
    for engine in ENGINES {
        let mut machine = machine(engine, &code, Card::new(|value, _| value));
        assert_eq!(machine.run(&to_halt()).unwrap(), Stop::Halt);
        let registers = machine.registers();
        assert_eq!((registers[Gpr::Ebx], registers[Gpr::Eax]), (0x1234_5678, 0xbeef), "{engine}");
    }
}

#[test]
fn a_device_writes_over_translated_code() {
    // again: mov eax, 1; mov [fd00000ch], eax; dec ecx; jnz again; hlt
    let code = [0xb8, 1, 0, 0, 0, 0xa3, 0x0c, 0, 0, 0xfd, 0x49, 0x75, 0xf3, 0xf4];
    for engine in ENGINES {
        let card = Card::new(|value, ctx| {
            let next = (value + 1).to_le_bytes();
            ctx.dma_write(u64::from(CODE) + 1, &next).map_or(0, |()| value)
        });
        let mut machine = machine(engine, &code, card);
        let mut registers = machine.registers();
        registers[Gpr::Ecx] = 300;
        machine.set_registers(&registers).unwrap();
        assert_eq!(machine.run(&to_halt()).unwrap(), Stop::Halt);
        assert_eq!(machine.registers()[Gpr::Eax], 300, "{engine}");
    }
}

/// The x87 control and tag words as the device finds them, and quotients.
fn host_state() -> (u16, u32, [u64; 2]) {
    let mut environment = [0u32; 7];
    // SAFETY: FNSTENV writes the 28 bytes of `environment` and masks the exceptions, which FLDENV undoes.
    unsafe {
        asm!("fnstenv [{0}]", "fldenv [{0}]", in(reg) environment.as_mut_ptr(), options(nostack));
    }
    let third = black_box(1.0f64) / black_box(3.0);
    let infinity = black_box(1.0f64) / black_box(0.0);
    (environment[0] as u16, environment[2] & 0xffff, [third.to_bits(), infinity.to_bits()])
}

#[test]
fn a_device_finds_the_hosts_floating_point_state() {
    #[rustfmt::skip]
    let code = [
        0x0f, 0x20, 0xe0, 0x66, 0x0d, 0x00, 0x06, 0x0f, 0x22, 0xe0, // mov eax, cr4; or ax, 600h; mov cr4, eax
        0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xeb,             // fninit; fld1; fldpi
        0xd9, 0x2d, 0x40, 0x80, 0, 0,                   // fldcw [8040h]
        0x0f, 0xae, 0x15, 0x44, 0x80, 0, 0,             // ldmxcsr [8044h]
        0xa3, 0x0c, 0, 0, 0xfd,                         // mov [fd00000ch], eax
        0x66, 0xba, 0x2c, 0x07, 0xef,                   // mov dx, 72ch; out dx, eax
        0xd9, 0x3d, 0x00, 0x90, 0, 0,                   // fnstcw [9000h]
        0x0f, 0xae, 0x1d, 0x04, 0x90, 0, 0,             // stmxcsr [9004h]
        0xf4,
    ];
    let mut image = code.to_vec();
    image.resize(0x40, 0x90);
    image.extend([0x40, 0x0b, 0, 0, 0x00, 0x40, 0, 0]); // rounding up, exceptions unmasked
    for engine in ENGINES {
        let (sender, found): (Sender<_>, _) = channel();
        let card = Card::new(move |_, _| {
            let _ = sender.send(host_state());
            0
        });
        let mut machine = machine(engine, &image, card);
        assert_eq!(machine.run(&to_halt()).unwrap(), Stop::Halt, "{engine}");
        let found: Vec<_> = found.try_iter().collect();
        let expected = (0x037f, 0xffff, [0x3fd5_5555_5555_5555, f64::INFINITY.to_bits()]);
        assert_eq!(found, [expected; 2], "{engine}");
        let mut kept = [0; 8];
        machine.read_memory(0x9000, &mut kept).unwrap();
        assert_eq!(
            (kept[..2].to_vec(), kept[4..].to_vec()),
            (vec![0x40, 0x0b], vec![0, 0x40, 0, 0])
        );
    }
}

#[test]
fn a_panic_passes_through_and_leaves_thread_and_process_usable() {
    let code = [0x40, 0xa3, 0x0c, 0, 0, 0xfd, 0xeb, 0xf8]; // again: inc eax; mov [fd00000ch], eax; jmp again
    for engine in ENGINES {
        let card = Card::new(|value, _| {
            assert!(value < 100, "the device has had enough");
            value
        });
        let mut broken = machine(engine, &code, card);
        let panicked = catch_unwind(AssertUnwindSafe(|| broken.run(&to_halt())));
        assert!(panicked.is_err(), "{engine}: {panicked:?}");
        drop(broken);
        let mut other = machine(engine, &[0x40, 0xf4], Card::new(|value, _| value));
        assert_eq!(other.run(&to_halt()).unwrap(), Stop::Halt);
        assert_eq!(host_state().0, 0x037f);
    }
}

#[test]
fn what_is_taken_is_refused() {
    const COM1: [Region; 1] = [Region::ports("mine", 0x3f8, 1, BYTES)];
    const CASCADE: [Line; 1] = [Line::edge(2)];
    let refusal = |row: Row| {
        let builder = Machine::builder().memory(1 << 20).device(row, Card::new(|value, _| value));
        match builder.build() {
            Err(Error::Device(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(refusal(Row { regions: &COM1, ..ROW }), AttachError::Region { .. }));
    assert!(matches!(refusal(Row { lines: &CASCADE, ..ROW }), AttachError::Line { irq: 2, .. }));
    assert!(matches!(refusal(Row { id: "com1", ..ROW }), AttachError::Twice("com1")));
}
