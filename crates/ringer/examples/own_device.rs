//! A device of one's own: a coprocessor that takes square roots. The guest puts a number into its
//! memory region, starts it at a port, halts, and is woken by its interrupt.
//!
//! `cargo run --release -p ringer --example own_device`

use ringer::device::{
    Ctx, Device, DmaKind, Fuzz, Line, Region, Reset, Row, Space, StateError, WHOLE, decode, encode,
};
use ringer::{BootSource, ClockKind, Flat, Gpr, Machine, Stop, Until};
use std::time::Duration;

/// What the board and saved state know of it.
const ROW: Row = Row {
    id: "example-root",
    title: "Square roots",
    spec: "this file",
    regions: &[
        Region::ports("control", 0x500, 1, 1),
        Region {
            name: "operands",
            space: Space::Memory,
            base: Some(0xfe00_0000),
            len: 8,
            widths: WHOLE,
        },
    ],
    pci: None,
    lines: &[Line::edge(5)],
    clocked: true,
    dma: DmaKind::None,
    version: 1,
    loads: &[],
    fuzz: Fuzz { read: 1, write: 1, time: 1 },
};
/// Index of the port in the row's regions.
const CONTROL: usize = 0;
/// Nanoseconds that a root takes.
const LATENCY: u64 = 50_000;

/// The operand at offset 0, the root at offset 4; a write to the port starts it, a read takes the interrupt
/// back.
#[derive(Debug, Default)]
struct Root {
    operand: u32,
    root: u32,
    done_at: Option<u64>,
}

impl Device for Root {
    fn read(&mut self, region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        if region == CONTROL {
            ctx.line(0, false);
            return u64::from(self.done_at.is_some());
        }
        u64::from(if offset == 0 { self.operand } else { self.root })
    }

    fn write(&mut self, region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        if region == CONTROL {
            self.done_at = Some(ctx.now() + LATENCY);
        } else if offset == 0 {
            self.operand = value as u32;
        }
    }

    fn deadline(&self) -> Option<u64> {
        self.done_at
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.done_at = None;
        self.root = f64::from(self.operand).sqrt() as u32;
        ctx.line(0, true);
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        *self = Root::default();
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&(self.operand, self.root, self.done_at))
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        (self.operand, self.root, self.done_at) = decode(bytes)?;
        Ok(())
    }
}

/// Where the guest is.
const LOAD: u32 = 0x8000;
/// Offset of the guest's interrupt handler.
const HANDLER: usize = 0x60;

/// A gate for IRQ 5 (vector 25h), the interrupt controller, then the root of ESI into EBX.
#[rustfmt::skip]
fn guest() -> Vec<u8> {
    let mut code = vec![
        // The gate: selector 8, offset 8060h, 32-bit interrupt gate.
        0xc7, 0x05, 0x28, 0x91, 0, 0, 0x60, 0x80, 0x08, 0, // mov dword [9128h], 00088060h
        0xc7, 0x05, 0x2c, 0x91, 0, 0, 0x00, 0x8e, 0, 0,    // mov dword [912ch], 00008e00h
        0x0f, 0x01, 0x1d, 0x80, 0x80, 0, 0,                // lidt [8080h]
        // The first 8259: vectors from 20h on, IRQ 5 alone.
        0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21,
        0xb0, 0x01, 0xe6, 0x21, 0xb0, 0xdf, 0xe6, 0x21,
        // The device: operand, start, sleep, result.
        0x89, 0x35, 0, 0, 0, 0xfe,                         // mov [fe000000h], esi
        0x66, 0xba, 0x00, 0x05, 0xee,                      // mov dx, 500h; out dx, al
        0xfb, 0xf4,                                        // sti; hlt
        0x8b, 0x1d, 4, 0, 0, 0xfe,                         // mov ebx, [fe000004h]
        0xb0, 0x2a, 0xe6, 0xf4,                            // out f4h, 2ah
    ];
    assert!(code.len() <= HANDLER);
    code.resize(HANDLER, 0x90);
    // in al, dx: takes the line back; end of interrupt; iret
    code.extend([0x50, 0xec, 0x41, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf]);
    code.resize(0x80, 0x90);
    code.extend([0xff, 0x07, 0x00, 0x90, 0, 0]); // the descriptor table's limit and base, 9000h
    code
}

fn main() -> Result<(), ringer::Error> {
    let mut machine = Machine::builder()
        .memory(1 << 20)
        .clock(ClockKind::Virtual)
        .debug_exit(true)
        .device(ROW, Root::default())
        .boot(BootSource::Flat(Flat::new(guest(), LOAD)))
        .build()?;
    let mut registers = machine.registers();
    registers[Gpr::Esi] = 1_522_756;
    machine.set_registers(&registers)?;

    let stop = machine.run(&Until::new().reset().timeout(Duration::from_secs(10)))?;
    let (root, interrupts) = (machine.registers()[Gpr::Ebx], machine.registers()[Gpr::Ecx]);
    println!("{stop}; the root of 1522756 is {root}, and {interrupts} interrupt told of it");
    assert_eq!((stop, root, interrupts), (Stop::DebugExit(0x2a), 1234, 1));
    Ok(())
}
