//! Devices of an embedder's own: attached by a row, with lines, memory, regions that move, and typed errors.

mod common;

use common::{CONFIG, full_board, wire};
use ringer_devices::bus::BusError;
use ringer_devices::memory::DmaError;
use ringer_devices::row::{BYTES, Bar, DmaKind, Function, Fuzz, Line, Region, Row, Space, WHOLE};
use ringer_devices::state::{StateError, decode, encode};
use ringer_devices::{AttachError, Board, Ctx, Device, Reset};

/// A card that copies a doubleword of memory and then asks for an interrupt.
///
/// Its registers: 0 source, 4 destination; a write to 8 copies, a read of 8 is the outcome and takes the line
/// back; a write to C moves its memory region.
#[derive(Debug, Default)]
struct Copier {
    registers: [u32; 2],
    failed: bool,
    /// A copy that waits, for this time.
    due: Option<u64>,
}

const FUNCTION: Function = Function {
    device: 5,
    function: 0,
    vendor_id: 0x1234,
    device_id: 0x5678,
    class: 0x0880,
    command_mask: 0x0407,
    ..Function::NONE
};

const ROW: Row = Row {
    id: "copier",
    title: "Copier",
    spec: "none",
    regions: &[
        Region::ports("registers", 0x300, 16, WHOLE),
        Region { name: "window", space: Space::Memory, base: None, len: 8, widths: 4 },
    ],
    pci: Some(FUNCTION),
    lines: &[Line::level(11)],
    clocked: true,
    dma: DmaKind::Master,
    version: 3,
    loads: &[2],
    fuzz: Fuzz { read: 1, write: 1, time: 1 },
};

/// What no device may drive, where no region may be, what many may drive.
const CASCADE: [Line; 1] = [Line::edge(2)];
const OUTSIDE: [Region; 1] = [Region::ports("outside", 0xffff, 2, BYTES)];
const SHARED: [Line; 1] = [Line::level(5)];

impl Copier {
    fn copy(&mut self, ctx: &mut Ctx<'_>) -> Result<(), DmaError> {
        let mut word = [0; 4];
        ctx.dma_read(u64::from(self.registers[0]), &mut word)?;
        ctx.dma_write(u64::from(self.registers[1]), &word)
    }
}

impl Device for Copier {
    fn read(&mut self, _region: usize, offset: u64, _size: u8, ctx: &mut Ctx<'_>) -> u64 {
        match offset {
            0 | 4 => u64::from(self.registers[offset as usize / 4]),
            8 => {
                ctx.line(0, false);
                u64::from(self.failed)
            }
            _ => 0,
        }
    }

    fn write(&mut self, _region: usize, offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        match offset {
            0 | 4 => self.registers[offset as usize / 4] = value as u32,
            8 => self.due = Some(ctx.now() + 100),
            12 => ctx.remap(1, (value != 0).then_some(value)),
            _ => {}
        }
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        self.due = None;
        self.failed = self.copy(ctx).is_err();
        ctx.line(0, true);
    }

    fn deadline(&self) -> Option<u64> {
        self.due
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        *self = Copier::default();
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&(self.registers, self.failed, self.due))
    }

    fn load(&mut self, version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        // Version 2 copied at once.
        (self.registers, self.failed, self.due) = match version {
            2 => decode(bytes).map(|(registers, failed)| (registers, failed, None))?,
            _ => decode(bytes)?,
        };
        Ok(())
    }
}

fn board() -> Board {
    let mut board = full_board();
    board.attach(ROW, Box::new(Copier::default())).unwrap();
    board
}

fn start_copy(board: &mut Board, from: u32, to: u32) {
    for (port, value) in [(0x300, from), (0x304, to), (0x308, 1)] {
        board.port_out(0, port, 4, value);
    }
}

fn let_it_master(board: &mut Board) {
    board.port_out(0, 0xcf8, 4, 0x8000_2804);
    board.port_out(0, 0xcfc, 2, 7);
}

#[test]
fn a_card_copies_memory_while_its_bus_master_bit_is_set() {
    let mut board = board();
    let mut memory = vec![0u8; 4096];
    memory[0x100] = 0x5a;
    start_copy(&mut board, 0x100, 0x200);
    assert_eq!(board.next_deadline(), Some(100));
    board.over(&mut memory).advance(100);
    assert!(board.line(11));
    assert_eq!((board.port_in(100, 0x308, 1), memory[0x200]), (1, 0), "not a bus master yet");
    assert!(!board.line(11));
    let_it_master(&mut board);
    start_copy(&mut board, 0x100, 0x200);
    board.over(&mut memory).advance(200);
    assert_eq!((board.port_in(200, 0x308, 1), memory[0x200]), (0, 0x5a));
    start_copy(&mut board, 0x100, 4094);
    board.over(&mut memory).advance(300);
    assert_eq!(board.port_in(300, 0x308, 1), 1, "past the end of memory");
    start_copy(&mut board, 0x100, 0x200);
    board.advance(400);
    assert_eq!(board.port_in(400, 0x308, 1), 1, "no memory at hand");
}

#[test]
fn a_card_is_found_on_the_pci_bus() {
    let mut board = board();
    board.port_out(0, 0xcf8, 4, 0x8000_2800);
    assert_eq!(board.port_in(0, 0xcfc, 4), 0x5678_1234);
}

#[test]
fn a_region_moves_and_yields_to_whoever_was_there() {
    let mut board = board();
    board.port_out(0, 0x300, 4, 0xabcd);
    assert_eq!(board.mmio_read(0, 0xf000_0000, 4), 0xffff_ffff);
    board.port_out(0, 0x30c, 4, 0xf000_0000);
    assert_eq!(board.mmio_read(0, 0xf000_0000, 4), 0xabcd);
    assert_eq!(board.mmio_read(0, 0xf000_0000, 1), 0xff, "doublewords only");
    board.mmio_write(0, 0xf000_0004, 4, 7);
    assert_eq!(board.port_in(0, 0x304, 4), 7);
    let saved = board.save().unwrap();
    board.reset(0);
    assert_eq!(board.mmio_read(0, 0xf000_0000, 4), 0xffff_ffff, "as after power-on");
    board.load(&saved).unwrap();
    assert_eq!(board.mmio_read(0, 0xf000_0004, 4), 7, "the place of a region is state");
    board.port_out(0, 0x30c, 4, 0);
    assert_eq!(board.mmio_read(0, 0xf000_0000, 4), 0xffff_ffff);
}

#[test]
fn older_state_loads_as_the_row_says() {
    let mut board = board();
    let mut saved = board.save().unwrap();
    let section = saved.iter_mut().find(|section| section.id == "copier").unwrap();
    section.version = 2;
    section.bytes = encode(&([1u32, 2], true)).unwrap();
    board.load(&saved).unwrap();
    assert_eq!(board.port_in(0, 0x304, 4), 2);
    assert_eq!(board.port_in(0, 0x308, 1), 1);
}

#[test]
fn what_cannot_be_attached_is_refused_and_leaves_no_trace() {
    let mut board = board();
    let before = board.save().unwrap();
    let other = Row { id: "other", pci: None, ..ROW };
    let attach =
        |board: &mut Board, row| board.attach(row, Box::new(Copier::default())).unwrap_err();
    assert_eq!(attach(&mut board, ROW), AttachError::Twice("copier"));
    let overlap = attach(&mut board, other);
    let source =
        BusError::Overlap { first: 0x300, last: 0x30f, taken_first: 0x300, taken_last: 0x30f };
    assert_eq!(overlap, AttachError::Region { id: "other", source });
    assert_eq!(overlap.to_string(), "device \"other\": range 0x300..=0x30f overlaps 0x300..=0x30f");
    let nowhere = Row { regions: &[], ..other };
    assert_eq!(
        attach(&mut board, Row { pci: ROW.pci, ..nowhere }),
        AttachError::Function { id: "other", device: 5, function: 0 }
    );
    let cascade = Row { lines: &CASCADE, ..nowhere };
    assert_eq!(attach(&mut board, cascade), AttachError::Line { id: "other", irq: 2 });
    let outside = Row { regions: &OUTSIDE, ..nowhere };
    let source = BusError::BadRange { first: 0xffff };
    assert_eq!(attach(&mut board, outside), AttachError::Region { id: "other", source });
    assert_eq!(board.fit("nothing"), Err(AttachError::Unknown("nothing".into())));
    assert_eq!(board.save().unwrap(), before);
}

#[test]
fn a_board_has_room_for_60_devices() {
    let mut board = Board::new(CONFIG, wire().0, wire().0);
    let mut full = None;
    for id in (0..64).map(|n| format!("device {n}")) {
        let row = Row { id: id.leak(), regions: &[], pci: None, lines: &SHARED, ..ROW };
        full = board.attach(row, Box::new(Copier::default())).err().or(full);
    }
    assert_eq!(board.rows().count(), 60);
    assert!(matches!(full, Some(AttachError::Full { .. })));
}

#[test]
fn nothing_moves_at_once_through_a_port_that_is_no_stream() {
    let mut board = board();
    let mut buf = [0x5a; 8];
    for port in [0x80, 0x1234, 0xffff] {
        for size in [1, 2, 4] {
            assert_eq!(board.burst_in(port, size, &mut buf), 0);
            assert_eq!(board.burst_out(port, size, &buf), 0);
        }
    }
    assert_eq!((buf, board.stats().port_reads, board.stats().port_writes), ([0x5a; 8], 0, 0));
}

/// A card of the PCI bus: a port that drives its interrupt pin, where its base address register says.
#[derive(Debug, Default)]
struct Asker {
    /// Registers of its configuration space that were written.
    told: Vec<u8>,
}

const ASKER: Row = Row {
    id: "asker",
    regions: &[Region::movable_ports("level", 16, BYTES)],
    pci: Some(Function { pin: 2, command_mask: 0x0407, bars: &[Bar::new(1, 0)], ..FUNCTION }),
    lines: &[Line::INTX],
    clocked: false,
    ..ROW
};

impl Device for Asker {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        self.told.len() as u64
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        ctx.line(0, value != 0);
    }

    fn configured(&mut self, register: u8, ctx: &mut Ctx<'_>) {
        assert_eq!(ctx.config(0x3d), 2);
        self.told.push(register);
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {}

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.told)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        self.told = decode(bytes)?;
        Ok(())
    }
}

fn configure(board: &mut Board, function: u32, register: u32, value: u32) {
    board.port_out(0, 0xcf8, 4, 0x8000_0000 | function << 8 | register);
    board.port_out(0, 0xcfc, 4, value);
}

#[test]
fn a_function_is_where_its_base_register_says_and_its_pin_leads_where_the_bridge_says() {
    let attached = || {
        let mut board = full_board();
        board.attach(ASKER, Box::<Asker>::default()).unwrap();
        board
    };
    let mut board = attached();
    configure(&mut board, 0x28, 0x14, 0xd001);
    assert_eq!(board.port_in(0, 0xd000, 1), 0xff, "ports are not decoded yet");
    configure(&mut board, 0x28, 4, 1);
    assert_eq!(board.port_in(0, 0xd00f, 1), 2, "two registers were written");
    // Pin INTB# of device 5 is PIRQB: nowhere, then on IRQ 10, then on 11.
    board.port_out(0, 0xd000, 1, 1);
    assert!((1..16).all(|irq| !board.line(irq)));
    configure(&mut board, 0x08, 0x60, 0x8080_0a80);
    assert!(board.line(10));
    configure(&mut board, 0x08, 0x60, 0x8080_0b80);
    assert!(!board.line(10) && board.line(11));
    let state = board.save().unwrap();
    let mut other = attached();
    other.load(&state).unwrap();
    assert!(other.line(11) && other.port_in(0, 0xd000, 1) == 2);
    other.port_out(0, 0xd000, 1, 0);
    assert!(!other.line(11), "the copy's pin and route are the original's");
    configure(&mut board, 0x28, 4, 0x0401);
    assert!(!board.line(11), "its pin is off");
    configure(&mut board, 0x28, 0x14, 0xd100);
    assert_eq!((board.port_in(0, 0xd000, 1), board.port_in(0, 0xd100, 1)), (0xff, 4));
    board.reset(0);
    assert_eq!(board.port_in(0, 0xd100, 1), 0xff);
}

#[test]
fn a_pin_that_a_function_does_not_have_is_refused() {
    let pinless = Row { pci: Some(FUNCTION), ..ASKER };
    let refused = full_board().attach(pinless, Box::<Asker>::default());
    assert!(matches!(refused, Err(AttachError::Line { id: "asker", .. })), "{refused:?}");
}
