//! The same questions to every row of the table: is its state whole, does a restored copy answer like the
//! original, is a reset a reset, and can nothing that a guest does or a file holds do harm?

mod common;

use common::{CONFIG, Loose, Random, events, full_board, wire};
use ringer_devices::row::{Region, Row, Space};
use ringer_devices::{
    Board, BoardConfig, BoardLoadError, Mac, NicModel, Section, VirtioConfig, rows,
};
use std::fmt::Write as _;

/// Rows whose state outlives a reset, and what of it.
const SURVIVORS: [(&str, &str); 3] = [
    ("rtc", "time of day and memory, on a battery"),
    ("post", "the last code, on the card"),
    ("floppy", "where the heads are"),
];
/// All sections of a board together, however it was treated.
const MAX_STATE: usize = 96 << 10;
/// Seeds for each row.
const SEEDS: u64 = 12;
/// Accesses before a test looks.
const STEPS: usize = 600;
/// Copies of one original, and accesses to each.
const STRETCHES: usize = 150;
const STRETCH: usize = 12;

/// Bits of a random value: small ones select modes, large ones whatever there is.
const MASKS: [u64; 4] = [u64::MAX, u64::MAX, 0x1f, 0x83];

/// What a random test does next.
enum Step {
    Read,
    Write,
    Time,
}

fn weighed(row: &Row, random: &mut Random) -> Step {
    let [read, write, time] = [row.fuzz.read, row.fuzz.write, row.fuzz.time].map(u64::from);
    match random.below(read + write + time) {
        n if n < read => Step::Read,
        n if n < read + write => Step::Write,
        _ => Step::Time,
    }
}

fn later(random: &mut Random, now: u64) -> u64 {
    now.saturating_add(match random.below(60) {
        // As far as time goes.
        0 if random.below(8) == 0 => random.next() >> random.below(20),
        0..=4 => random.below(3_000_000_000),
        5..=20 => random.below(40_000_000),
        _ => random.below(50_000),
    })
}

/// Where the tests have a region that a base address register places: ports or memory of its own.
fn home(row: &Row, region: &Region) -> u64 {
    let at = row.regions.iter().position(|other| std::ptr::eq(other, region)).unwrap_or(0) as u64;
    region.base.unwrap_or(match region.space {
        Space::Port => 0xc000 + 0x400 * at,
        Space::Memory => 0xe000_0000 + 0x200_0000 * at,
    })
}

/// The row's regions are where [`home`] says, its function does all that it can, and its adapter, if it is one, has a cable.
fn equip(board: &mut Board, row: &Row) {
    if NicModel::ALL.iter().any(|model| model.id() == row.id) {
        board.connect_link(row.id, Box::new(Loose));
    }
    let Some(function) = row.pci else { return };
    let address = 0x8000_0000 | u32::from(function.number()) << 8;
    let bars = function.bars.iter();
    let bars = bars.map(|bar| {
        let register = 0x10 + 4 * u32::from(bar.index);
        (register, home(row, &row.regions[bar.region]) as u32)
    });
    for (register, value) in bars.chain([(4, 7)]) {
        board.port_out(0, 0xcf8, 4, address | register);
        board.port_out(0, 0xcfc, 4, value);
    }
}

fn place(row: &Row, region: &Region, random: &mut Random) -> (u64, u8) {
    let offset = random.below(region.len);
    let size = [1, 1, 1, 2, 4, 8][random.below(6) as usize];
    (home(row, region) + offset, size)
}

/// A board in the middle of a run, and what has been seen of it.
struct Run {
    board: Board,
    now: u64,
    seen: String,
}

impl Run {
    fn new(board: Board) -> Self {
        Run { board, now: 0, seen: String::new() }
    }

    /// An access to a region of the row.
    fn access(&mut self, row: &Row, region: &Region, random: &mut Random, write: bool) {
        let ((at, size), value) =
            (place(row, region, random), random.next() & MASKS[random.below(4) as usize]);
        let (board, now) = (&mut self.board, self.now);
        match (region.space, write) {
            (Space::Port, true) => board.port_out(now, at as u16, size, value as u32),
            (Space::Port, false) => {
                write!(self.seen, " {:x}", board.port_in(now, at as u16, size)).unwrap();
            }
            (Space::Memory, true) => board.mmio_write(now, at, size, value),
            (Space::Memory, false) => {
                write!(self.seen, " {:x}", board.mmio_read(now, at, size)).unwrap();
            }
        }
    }

    /// What comes to the row's device from elsewhere: other pins, the line, the interrupt controllers, its
    /// function's configuration space.
    fn outside(&mut self, row: &Row, random: &mut Random) {
        let (board, now) = (&mut self.board, self.now);
        match random.below(10) {
            0 => board.set_ferr(now, random.next() & 1 != 0),
            1 => drop(write!(self.seen, " ack {:x}", board.ack(now))),
            2 => drop(write!(
                self.seen,
                " took {}",
                board.serial_input(now, &[random.next() as u8; 3])
            )),
            3 => board.port_out(now, 0x20, 1, random.next() as u32 & 0x3f),
            // The keyboard's echo, which is an interrupt, and its answer taken, which ends it.
            4 => board.port_out(now, 0x60, 1, 0xee),
            5 => drop(write!(self.seen, " key {:x}", board.port_in(now, 0x60, 1))),
            6 => {
                let mouse = [0xff, random.next() as u8, 3, 0, 0xfe, 0xff, 1, 0];
                let bytes = [&[0x1c], &mouse[..], &[0xfe, 3, 0xf0, 0x1c, 0xe0]].concat();
                write!(self.seen, " keys {}", board.key_input(now, &bytes)).unwrap();
            }
            7 => {
                // To the adapter, to all, to a group; short, long; no frame at all.
                let to =
                    [Mac::DEFAULT.0, [0xff; 6], [1, 0, 0x5e, 0, 0, 1]][random.below(3) as usize];
                let len = random.below(1600) as usize;
                let frame: Vec<u8> = to.into_iter().chain(std::iter::repeat(8)).take(len).collect();
                write!(self.seen, " frame {}", board.frame_input(now, &frame)).unwrap();
            }
            _ => {
                let function = row.pci.map_or(random.below(32) as u8, |pci| pci.number());
                let address = 0x8000_0000 | u32::from(function) << 8 | random.next() as u32 & 0xfc;
                board.port_out(now, 0xcf8, 4, address);
                board.port_out(now, 0xcfc, 4, random.next() as u32);
            }
        }
    }

    fn step(&mut self, row: &Row, random: &mut Random) {
        let region = row.regions.get(random.below(row.regions.len().max(1) as u64) as usize);
        match (weighed(row, random), region) {
            _ if random.below(6) == 0 => self.outside(row, random),
            (Step::Read, Some(region)) => self.access(row, region, random, false),
            (Step::Write, Some(region)) => self.access(row, region, random, true),
            _ => {
                self.now = later(random, self.now);
                self.board.advance(self.now);
            }
        }
        let (intr, ignne, due) =
            (self.board.intr(), self.board.ignne(), self.board.next_deadline());
        assert!(due.is_none_or(|due| due > self.now), "{}: a deadline in the past", row.id);
        write!(self.seen, " {intr} {ignne} {due:?} {:?}", events(&mut self.board)).unwrap();
        (0..16).for_each(|irq| self.seen.push(if self.board.line(irq) { 'H' } else { 'L' }));
    }

    fn steps(&mut self, row: &Row, random: &mut Random, steps: usize) {
        (0..steps).for_each(|_| self.step(row, random));
    }
}

/// What a configuration can leave out of a board, put on it.
const GROUPS: [fn(&mut BoardConfig); 9] = [
    |config| config.ide = CONFIG.ide,
    |config| config.ahci = CONFIG.ahci,
    |config| config.vga = CONFIG.vga,
    |config| config.nics = CONFIG.nics,
    |config| config.virtio = CONFIG.virtio,
    |config| config.serials = CONFIG.serials,
    |config| config.parallel = CONFIG.parallel,
    |config| config.test_device = CONFIG.test_device,
    |config| config.apic = CONFIG.apic,
];

fn has(config: BoardConfig, row: &Row) -> bool {
    Board::new(config, wire().0, wire().0).rows().any(|other| other.id == row.id)
}

/// The smallest board with the row on it: tests that need thousands of boards need not build, save and load all the others
/// each time.
fn config_of(row: &Row) -> BoardConfig {
    let bare = BoardConfig {
        ide: [None; 4],
        ahci: [None; 6],
        vga: false,
        nics: Default::default(),
        virtio: VirtioConfig::NONE,
        serials: [false; 3],
        parallel: false,
        test_device: false,
        apic: false,
        ..CONFIG
    };
    let with = |group: &fn(&mut BoardConfig)| {
        let mut config = bare;
        group(&mut config);
        config
    };
    let mut configs = [bare].into_iter().chain(GROUPS.iter().map(with));
    configs.find(|config| has(*config, row)).unwrap_or(CONFIG)
}

/// A board that has been played with at the row for a while.
fn used(row: &Row, random: &mut Random) -> Run {
    used_of(full_board(), row, random)
}

fn used_of(board: Board, row: &Row, random: &mut Random) -> Run {
    let mut run = Run::new(board);
    equip(&mut run.board, row);
    // The interrupt controllers as a kernel sets them up, so that lines are seen.
    for (port, words) in [(0x20, [0x11, 0x20, 4, 1, 0]), (0xa0, [0x11, 0x28, 2, 1, 0])] {
        run.board.port_out(0, port, 1, words[0]);
        words[1..].iter().for_each(|&word| run.board.port_out(0, port + 1, 1, word));
    }
    run.steps(row, random, STEPS);
    run
}

fn each_row(test: impl Fn(&Row, &mut Random)) {
    for row in rows::all() {
        (0..SEEDS).for_each(|seed| test(row, &mut Random::new(seed)));
    }
}

#[test]
fn saved_state_comes_back_byte_for_byte() {
    each_row(|row, random| {
        let mut run = used(row, random);
        let saved = run.board.save().unwrap();
        let mut copy = full_board();
        copy.load(&saved).unwrap();
        assert_eq!(copy.save().unwrap(), saved, "{}", row.id);
        let size: usize = saved.iter().map(|section| section.bytes.len()).sum();
        assert!(size < MAX_STATE, "{}: {size} bytes", row.id);
    });
}

/// In many short stretches: what a forgotten field changes is often overwritten soon.
#[test]
fn a_restored_copy_answers_like_the_original() {
    each_row(|row, random| {
        let config = config_of(row);
        let board = || Board::new(config, wire().0, wire().0);
        let mut original = used_of(board(), row, random);
        for _ in 0..STRETCHES {
            let mut copy = Run { now: original.now, ..Run::new(board()) };
            equip(&mut copy.board, row);
            copy.board.load(&original.board.save().unwrap()).unwrap();
            original.seen.clear();
            original.steps(row, &mut random.clone(), STRETCH);
            copy.steps(row, random, STRETCH);
            assert!(original.seen == copy.seen, "{}: the copy is another", row.id);
            assert_eq!(original.board.save(), copy.board.save(), "{}", row.id);
        }
    });
}

#[test]
fn a_reset_device_is_a_new_one() {
    each_row(|row, random| {
        let mut run = used(row, random);
        // Another of the same age that nobody has touched.
        let mut other = full_board();
        other.advance(run.now);
        run.board.reset(run.now);
        other.reset(run.now);
        assert_eq!(run.board.next_deadline(), other.next_deadline(), "{}", row.id);
        assert_eq!(run.board.intr(), other.intr(), "{}", row.id);
        let (reset, new) = (run.board.save().unwrap(), other.save().unwrap());
        for (reset, new) in reset.iter().zip(&new) {
            let survives = SURVIVORS.iter().any(|(id, _)| *id == reset.id);
            // Bytes that came in over the line wait behind the serial port.
            let waiting = reset.id == rows::COM1 && reset.bytes.len() > new.bytes.len();
            assert!(survives || waiting || reset == new, "after {}: {}", row.id, reset.id);
        }
    });
}

#[test]
fn power_on_is_a_reset_at_time_zero() {
    let (mut new, mut reset) = (full_board(), full_board());
    reset.reset(0);
    assert_eq!(new.save().unwrap(), reset.save().unwrap());
}

#[test]
fn damaged_state_is_refused_or_does_no_harm() {
    each_row(|row, random| {
        let config = config_of(row);
        let board = || Board::new(config, wire().0, wire().0);
        let mut run = used_of(board(), row, random);
        let saved = run.board.save().unwrap();
        for _ in 0..40 {
            let mut damaged = saved.clone();
            let at = damaged.iter().position(|section| section.id == row.id).unwrap();
            let at = if random.below(4) == 0 { 0 } else { at };
            damage(&mut damaged[at].bytes, random);
            let mut copy = Run { now: run.now, ..Run::new(board()) };
            equip(&mut copy.board, row);
            if copy.board.load(&damaged).is_ok() {
                copy.steps_unchecked(row, random);
            }
        }
    });
}

impl Run {
    /// Accesses to a board whose time may be any.
    fn steps_unchecked(&mut self, row: &Row, random: &mut Random) {
        for _ in 0..60 {
            for region in row.regions {
                let write = random.next() & 1 != 0;
                self.access(row, region, random, write);
            }
            self.now = later(random, self.now);
            self.board.advance(self.now);
        }
    }
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len().max(1) as u64) as usize;
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => bytes.push(random.next() as u8),
        2 => bytes.insert(at.min(bytes.len()), random.next() as u8),
        n => {
            for _ in 3..=n {
                let at = random.below(bytes.len().max(1) as u64) as usize;
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [0, 0xff, 0x7f, 0x80, random.next() as u8][random.below(5) as usize];
                }
            }
        }
    }
}

#[test]
fn state_of_another_version_or_machine_is_an_error_that_says_so() {
    let saved = full_board().save().unwrap();
    for row in rows::all() {
        let at = saved.iter().position(|section| section.id == row.id).unwrap();
        let mut newer = saved.clone();
        newer[at].version = row.version + 1;
        assert!(matches!(
            full_board().load(&newer),
            Err(BoardLoadError::Version { id, version, .. }) if id == row.id && version == row.version + 1
        ));
        let mut without = saved.clone();
        without.remove(at);
        assert_eq!(
            full_board().load(&without),
            Err(BoardLoadError::Sections { id: row.id, found: 0 })
        );
        let twice = [&saved[..], &saved[at..=at]].concat();
        assert_eq!(
            full_board().load(&twice),
            Err(BoardLoadError::Sections { id: row.id, found: 2 })
        );
    }
    let stranger = Section { id: "flux-capacitor".into(), version: 1, bytes: Vec::new() };
    let more = [&saved[..], &[stranger]].concat();
    assert_eq!(
        full_board().load(&more),
        Err(BoardLoadError::UnknownDevice("flux-capacitor".into()))
    );
}

#[test]
fn rows_are_well_formed() {
    for (at, row) in rows::all().enumerate() {
        assert!(rows::all().take(at).all(|other| other.id != row.id), "{} twice", row.id);
        assert!(!row.title.is_empty() && !row.spec.is_empty());
        assert!(row.regions.iter().all(|region| region.len > 0 && region.widths != 0));
        assert!(row.fuzz.read > 0 && row.fuzz.write > 0, "{}", row.id);
    }
}
