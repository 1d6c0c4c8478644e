//! Every device, through its row: accesses to ports and memory, time that goes on, and a copy by way of a saved state that
//! must answer alike.

use super::nowhere::Nowhere;
use crate::target::Target;
use ringer_devices::row::Space;
use ringer_devices::{
    Board, BoardConfig, DriveKind, Mac, Medium, MediumError, Nics, VirtioConfig, rows,
};

/// Accesses, each of six bytes: what, where, and a value.
pub const DEVICES: Target = Target {
    name: "devices",
    run: devices,
    seeds: || vec![steps(1), steps(7), steps(200)],
    words: &[
        &[0, 0, 0x20, 0, 0x11, 0],
        &[1, 3, 0x43, 0, 0x34, 0],
        &[5, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[7, 0, 0, 0, 0, 0],
    ],
    memory: 16 << 20,
};

/// Bytes of a step.
const STEP: usize = 6;
/// Steps of an input at most.
const MOST: usize = 2000;

fn steps(count: u8) -> Vec<u8> {
    (0..count)
        .flat_map(|i| [i, i.wrapping_mul(37), i.wrapping_mul(11), i / 3, i.wrapping_mul(91), i])
        .collect()
}

/// A medium that nothing changes, so that a copy of the board has the same.
#[derive(Debug)]
struct Still;

impl Medium for Still {
    fn len(&self) -> u64 {
        64 << 10
    }

    fn is_read_only(&self) -> bool {
        true
    }

    fn read(&mut self, _: u64, buf: &mut [u8]) -> Result<(), MediumError> {
        buf.fill(0xa5);
        Ok(())
    }

    fn write(&mut self, _: u64, _: &[u8]) -> Result<(), MediumError> {
        Err(MediumError::ReadOnly)
    }

    fn flush(&mut self) -> Result<(), MediumError> {
        Ok(())
    }
}

fn board() -> Board {
    let config = BoardConfig {
        ram_size: 512 << 20,
        debug_exit: true,
        apic: true,
        test_device: true,
        rtc_epoch_s: 1_000_000_000,
        log_post: true,
        ide: [Some(DriveKind::Disk), None, Some(DriveKind::Cd), None],
        ahci: [Some(DriveKind::Disk), None, Some(DriveKind::Cd), None, None, None],
        floppies: [None; 2],
        vga: true,
        nics: Nics {
            e1000: Some(Mac::DEFAULT),
            rtl8139: Some(Mac::DEFAULT),
            virtio: Some(Mac::DEFAULT),
        },
        virtio: VirtioConfig::ALL,
        serials: [true; 3],
        parallel: true,
    };
    let mut board = Board::new(config, Box::new(Nowhere), Box::new(Nowhere));
    for (device, unit) in [(rows::IDE, 0), (rows::IDE, 2), (rows::AHCI, 0), (rows::AHCI, 2)] {
        board.insert(device, unit, Some(Box::new(Still)));
    }
    board.connect_link(rows::E1000, Box::new(Nowhere));
    board
}

/// A region of a row, or any place, and how wide an access is.
fn place(bytes: &[u8]) -> (Space, u64, u8) {
    let size = [1, 2, 4, 1][usize::from(bytes[0] >> 6)];
    let regions: Vec<_> = rows::all().flat_map(|row| row.regions.iter().copied()).collect();
    let far = u64::from(u16::from_le_bytes([bytes[2], bytes[3]]));
    match regions.get(usize::from(bytes[1])) {
        Some(region) => (region.space, region.base.unwrap_or(0) + far % region.len, size),
        None => (Space::Port, far, size),
    }
}

/// Does what the step says; what was seen of it.
fn step(board: &mut Board, now: &mut u64, bytes: &[u8]) -> u64 {
    let value = u32::from_le_bytes([bytes[4], bytes[5], bytes[5], bytes[4]]);
    let (space, at, size) = place(bytes);
    match bytes[0] & 7 {
        0 | 1 => match space {
            Space::Port => board.port_out(*now, at as u16, size, value),
            Space::Memory => board.mmio_write(*now, at, size, u64::from(value)),
        },
        2 | 3 => match space {
            Space::Port => return u64::from(board.port_in(*now, at as u16, size)),
            Space::Memory => return board.mmio_read(*now, at, size),
        },
        4 => return u64::from(board.ack(*now)),
        5 => {
            *now = now.saturating_add(u64::from(value) << (bytes[1] & 31));
            board.advance(*now);
        }
        6 => {
            let taken = board.serial_input(*now, &bytes[1..]);
            let frame = [&[0xff; 6], &bytes[1..], &[bytes[0]; 60]].concat();
            let framed = board.frame_input(*now, &frame);
            let keys = board.key_input(*now, &bytes[1..]);
            return (u64::from(framed) << 32) + taken as u64 + keys as u64;
        }
        _ => board.reset(*now),
    }
    while board.take_event().is_some() {}
    let due = board.next_deadline();
    assert!(due.is_none_or(|due| due > *now), "a deadline in the past");
    u64::from(board.intr()) << 1 | u64::from(board.ignne())
}

/// The same board again, by way of its saved state.
fn copied(board: &mut Board) -> Board {
    while board.take_event().is_some() {}
    let saved = board.save().expect("it can be saved");
    let mut copy = self::board();
    copy.load(&saved).expect("what was saved is loaded");
    assert!(copy.save().as_ref() == Ok(&saved), "a copy's state is another");
    copy
}

fn devices(bytes: &[u8]) {
    let (mut board, mut now) = (board(), 0);
    let steps: Vec<&[u8]> = bytes.chunks_exact(STEP).take(MOST).collect();
    // The second half once more, on a copy.
    let (first, second) = steps.split_at(steps.len() / 2);
    for bytes in first {
        step(&mut board, &mut now, bytes);
    }
    let (mut copy, mut later) = (copied(&mut board), now);
    for bytes in second {
        let (seen, again) = (step(&mut board, &mut now, bytes), step(&mut copy, &mut later, bytes));
        assert_eq!(seen, again, "a copy answers otherwise");
    }
    assert!(board.save() == copy.save(), "a copy's state is another at the end");
}
