//! Devices of an embedder's own: attached by a row, with lines, memory, regions that move, and typed errors.

mod common;

use common::{CONFIG, full_board, wire};
use ringer_devices::bus::BusError;
use ringer_devices::memory::DmaError;
use ringer_devices::row::{BYTES, DmaKind, Function, Fuzz, Line, Region, Row, Space, WHOLE};
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
    command: 0,
    command_mask: 0x07,
    own: &[],
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
fn a_board_has_room_for_64_devices() {
    let mut board = Board::new(CONFIG, wire().0, wire().0);
    let mut full = None;
    for id in (0..64).map(|n| format!("device {n}")) {
        let row = Row { id: id.leak(), regions: &[], pci: None, lines: &SHARED, ..ROW };
        full = board.attach(row, Box::new(Copier::default())).err().or(full);
    }
    assert_eq!(board.rows().count(), 64);
    assert!(matches!(full, Some(AttachError::Full { .. })));
}

#[test]
fn many_accesses_to_one_port_are_as_that_many() {
    let mut board = board();
    let mut none = ringer_devices::memory::NoMemory;
    let mut over = board.over(&mut none);
    over.port_out_many(0, 0x80, 1, &[0x11, 0x122]);
    let mut items = [0; 3];
    over.port_in_many(0, 0x80, 1, &mut items);
    assert_eq!(items, [0x22; 3]);
    over.port_in_many(0, 0x80, 2, &mut items);
    assert_eq!(items, [0x0022; 3], "the high byte is the page register's");
    assert_eq!((board.stats().port_writes, board.stats().port_reads), (2, 6));
}
