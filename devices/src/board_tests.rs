//! Tests of the board: what a guest sees at its ports, and what the machine around it sees.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::board::Board;
use crate::clock::SECOND;
use crate::config::BoardConfig;
use crate::host::{BoardEvent, SerialSink};
use crate::memory::NoMemory;
use std::io;

const PIC: u16 = 0x20;
const PIC_MASK: u16 = 0x21;
const COM1: u16 = 0x3f8;

/// A sink whose other end a test reads.
struct Wire(Sender<u8>);

impl SerialSink for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.iter().try_for_each(|&b| self.0.send(b)).map_err(io::Error::other)
    }
}

fn config() -> BoardConfig {
    BoardConfig {
        ram_size: 512 << 20,
        debug_exit: true,
        apic: false,
        test_device: false,
        rtc_epoch_s: 1_000_000_000,
        log_post: true,
        ide: [None; 4],
        ahci: [None; 6],
        floppies: [None; 2],
        vga: false,
        nics: Default::default(),
        virtio: crate::VirtioConfig::NONE,
        serials: [false; 3],
        parallel: false,
    }
}

/// A board, and the far ends of its serial line and its debug console.
fn board() -> (Board, Receiver<u8>, Receiver<u8>) {
    let ((serial, serial_end), (debug, debug_end)) = (channel(), channel());
    (Board::new(config(), Box::new(Wire(serial)), Box::new(Wire(debug))), serial_end, debug_end)
}

/// A board whose interrupt controllers are set up with vectors 20h.. and 28h.., all lines open.
fn interrupting() -> Board {
    let (mut board, ..) = board();
    for (base, words) in [(0x20, [0x20, 4, 1, 0]), (0xa0, [0x28, 2, 1, 0])] {
        board.port_out(0, base, 1, 0x11);
        for word in words {
            board.port_out(0, base + 1, 1, word);
        }
    }
    board
}

fn program_timer(board: &mut Board, now: u64, mode: u32, divisor: u32) {
    board.port_out(now, 0x43, 1, 0x30 | mode << 1);
    board.port_out(now, 0x40, 1, divisor & 0xff);
    board.port_out(now, 0x40, 1, divisor >> 8);
}

fn put_cmos(board: &mut Board, now: u64, index: u32, value: u32) {
    board.port_out(now, 0x70, 1, index);
    board.port_out(now, 0x71, 1, value);
}

fn get_cmos(board: &mut Board, now: u64, index: u32) -> u32 {
    board.port_out(now, 0x70, 1, index);
    board.port_in(now, 0x71, 1)
}

fn events(board: &mut Board) -> Vec<String> {
    std::iter::from_fn(|| board.take_event()).map(|event| format!("{event:?}")).collect()
}

#[test]
fn timer_interrupts_in_a_second_follow_the_divisor() {
    for mode in [2, 3] {
        for divisor in [1000, 1193, 11932, 0] {
            let mut board = interrupting();
            program_timer(&mut board, 0, mode, divisor);
            let mut taken = 0;
            while let Some(due) = board.next_deadline().filter(|&due| due <= SECOND) {
                board.advance(due);
                assert_eq!(board.ack(due), 0x20);
                board.port_out(due, PIC, 1, 0x20);
                taken += 1;
            }
            let period = if divisor == 0 { 65536 } else { u64::from(divisor) };
            assert_eq!(taken, 1_193_181 / period, "mode {mode}, divisor {divisor}");
            assert_eq!(board.stats().interrupts[0], taken);
        }
    }
}

#[test]
fn deadline_makes_the_edge_and_not_a_nanosecond_before() {
    for (mode, divisor) in [(0, 100), (2, 7), (3, 1193), (4, 9)] {
        let mut board = interrupting();
        program_timer(&mut board, 12_345, mode, divisor);
        let due = board.next_deadline().unwrap();
        board.advance(due - 1);
        assert!(!board.intr(), "mode {mode}");
        assert_eq!(board.next_deadline(), Some(due));
        board.advance(due);
        assert!(board.intr(), "mode {mode}");
        assert_ne!(board.next_deadline(), Some(due));
    }
}

#[test]
fn missed_timer_edges_merge_and_keep_their_phase() {
    let mut board = interrupting();
    program_timer(&mut board, 0, 2, 11932);
    let first = board.next_deadline().unwrap();
    board.advance(SECOND);
    assert_eq!(board.ack(SECOND), 0x20);
    board.port_out(SECOND, PIC, 1, 0x20);
    assert!(!board.intr(), "one interrupt for all of them");
    assert_eq!((board.stats().timer_edges, board.stats().timer_edges_merged), (99, 98));
    let next = board.next_deadline().unwrap();
    let (period, offset) = (first, next - 99 * first);
    assert!(next > SECOND && offset.abs_diff(period) < 100_000, "{first} {next}");
}

#[test]
fn disarmed_timer_has_no_deadline() {
    let mut board = interrupting();
    assert_eq!(board.next_deadline(), None);
    program_timer(&mut board, 0, 2, 100);
    assert!(board.next_deadline().is_some());
    board.port_out(0, 0x43, 1, 0x30);
    assert_eq!(board.next_deadline(), None, "a control word without a count");
}

#[test]
fn speaker_port_gates_and_shows_channel_2() {
    let (mut board, ..) = board();
    board.port_out(0, 0x61, 1, 0);
    board.port_out(0, 0x43, 1, 0xb0);
    board.port_out(0, 0x42, 1, 0x9b);
    board.port_out(0, 0x42, 1, 0x2e);
    assert_eq!(board.port_in(SECOND, 0x61, 1) & 0x23, 0);
    board.port_out(SECOND, 0x61, 1, 1);
    let ten_ms = SECOND + 10_000_000;
    assert_eq!(board.port_in(ten_ms - 10_000, 0x61, 1) & 0x21, 0x01);
    assert_eq!(board.port_in(ten_ms + 10_000, 0x61, 1) & 0x21, 0x21);
    let toggles = (0..100).map(|i| board.port_in(ten_ms + 20_000 + i * 15_086, 0x61, 1) & 0x10);
    let toggles: Vec<u32> = toggles.collect();
    let changes = toggles.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(changes > 95, "refresh toggles every 15.086 us: {changes}");
}

#[test]
fn clock_interrupts_on_line_8_until_register_c_is_read() {
    let mut board = interrupting();
    put_cmos(&mut board, 0, 0x0b, 0x12);
    let due = board.next_deadline().unwrap();
    assert_eq!(due, SECOND);
    board.advance(due);
    assert_eq!(board.ack(due), 0x28);
    board.port_out(due, 0xa0, 1, 0x20);
    board.port_out(due, PIC, 1, 0x20);
    board.advance(3 * SECOND);
    assert!(!board.intr(), "the line stays up: no edge");
    assert_eq!(get_cmos(&mut board, 3 * SECOND, 0x0c) & 0x90, 0x90);
    board.advance(4 * SECOND);
    assert!(board.intr());
}

#[test]
fn clock_starts_at_the_configured_second() {
    let (mut board, ..) = board();
    let fields = [0x32, 9, 8, 7, 4, 2, 0].map(|index| get_cmos(&mut board, 0, index));
    assert_eq!(fields, [0x20, 0x01, 0x09, 0x09, 0x01, 0x46, 0x40], "2001-09-09 01:46:40");
}

#[test]
fn cmos_reports_the_memory() {
    let (mut board, ..) = board();
    let mut word = |index| get_cmos(&mut board, 0, index) | get_cmos(&mut board, 0, index + 1) << 8;
    assert_eq!(word(0x15), 640);
    assert_eq!(word(0x17), 0xffff);
    assert_eq!(word(0x34), (512 - 16) * 16);
}

#[test]
fn serial_port_speaks_and_listens() {
    let mut board = interrupting();
    let (mut other, out, _) = self::board();
    for &byte in b"hi" {
        other.port_out(0, COM1, 1, u32::from(byte));
    }
    assert_eq!(out.try_iter().collect::<Vec<u8>>(), b"hi");

    board.port_out(0, COM1 + 4, 1, 0x0b);
    board.port_out(0, COM1 + 1, 1, 0x01);
    assert_eq!(board.serial_input(0, b"ok"), 2);
    assert_eq!(board.ack(0), 0x24);
    assert_eq!(board.port_in(0, COM1, 1), u32::from(b'o'));
    board.port_out(0, PIC, 1, 0x20);
    assert_eq!(board.ack(0), 0x24, "without a FIFO the second byte is an interrupt of its own");
    assert_eq!(board.port_in(0, COM1, 1), u32::from(b'k'));
}

#[test]
fn serial_transmit_interrupt_repeats_for_a_driver_that_sends_one_byte_each() {
    let mut board = interrupting();
    board.port_out(0, COM1 + 4, 1, 0x0b);
    board.port_out(0, COM1 + 1, 1, 0x02);
    for _ in 0..5 {
        assert_eq!(board.ack(0), 0x24);
        board.port_out(0, COM1, 1, 0x55);
        board.port_out(0, PIC, 1, 0x20);
    }
    board.port_out(0, COM1 + 1, 1, 0);
    assert!(!board.intr(), "the last request was taken back");
    assert_eq!(board.port_in(0, COM1 + 2, 1), 0x01);
}

#[test]
fn broken_sink_is_reported_once() {
    let (mut board, out, _) = board();
    drop(out);
    for _ in 0..3 {
        board.port_out(0, COM1, 1, 0x41);
    }
    assert!(matches!(board.take_event(), Some(BoardEvent::SerialError(_))));
    assert!(board.take_event().is_none());
}

#[test]
fn debug_console_answers_and_prints() {
    let (mut board, _, debug) = board();
    assert_eq!(board.port_in(0, 0xe9, 1), 0xe9);
    board.port_out(0, 0xe9, 1, 0x21);
    assert_eq!(debug.try_recv(), Ok(0x21));
}

#[test]
fn debug_exit_passes_the_value_whole_and_only_if_asked_for() {
    let (mut board, ..) = board();
    board.port_out(0, 0xf4, 4, 0x1234_5678);
    board.port_out(0, 0xf4, 1, 1);
    assert_eq!(events(&mut board), ["DebugExit(305419896)"], "the first one ends the run");
    board.port_out(0, 0xf4, 1, 0x31);
    assert_eq!(events(&mut board), ["DebugExit(49)"]);
    let without = BoardConfig { debug_exit: false, ..config() };
    let mut board = Board::new(without, Box::new(Wire(channel().0)), Box::new(Wire(channel().0)));
    board.port_out(0, 0xf4, 1, 1);
    assert!(board.take_event().is_none());
}

#[test]
fn acpi_sleep_switches_off() {
    let (mut board, ..) = board();
    assert_eq!(board.port_in(0, 0x604, 2), 1, "ACPI mode from the start");
    board.port_out(0, 0x604, 2, 5 << 10 | 1);
    assert!(board.take_event().is_none());
    board.port_out(0, 0x604, 2, 5 << 10 | 1 << 13 | 1);
    assert_eq!(events(&mut board), ["PowerOff"]);
}

#[test]
fn power_management_timer_interrupts_level_triggered_on_line_9() {
    let mut board = interrupting();
    board.port_out(0, 0x4d1, 1, 0x02);
    board.port_out(0, 0x602, 2, 1);
    let due = board.next_deadline().unwrap();
    board.advance(due);
    assert_eq!(board.ack(due), 0x29);
    board.port_out(due, 0x600, 2, 1);
    board.port_out(due, 0xa0, 1, 0x20);
    board.port_out(due, PIC, 1, 0x20);
    assert!(!board.intr());
    assert_eq!(board.port_in(due, 0x608, 4), 1 << 23, "the top bit has just changed");
}

#[test]
fn every_reset_line_resets() {
    let ways: [&[(u16, u32)]; 4] = [
        &[(0xcf9, 0x02), (0xcf9, 0x06)],
        &[(0x64, 0xfe)],
        &[(0x92, 0x03)],
        &[(0x64, 0xd1), (0x60, 0xfe)],
    ];
    for way in ways {
        let (mut board, ..) = board();
        for &(port, value) in way {
            board.port_out(0, port, 1, value);
        }
        assert_eq!(events(&mut board), ["Reset"], "{way:x?}");
    }
}

#[test]
fn a20_gate_has_two_handles() {
    let (mut board, ..) = board();
    assert_eq!(board.port_in(0, 0x92, 1), 2, "open after reset");
    board.port_out(0, 0x92, 1, 0);
    assert_eq!(events(&mut board), ["A20(false)"]);
    board.port_out(0, 0x64, 1, 0xdf);
    assert_eq!(board.port_in(0, 0x92, 1), 2);
    board.port_out(0, 0x64, 1, 0xd1);
    board.port_out(0, 0x60, 1, 0xdd);
    assert_eq!(events(&mut board), ["A20(false)"], "the gate's latest state");
    board.reset(0);
    assert_eq!(events(&mut board), ["A20(true)"]);
}

#[test]
fn keyboard_answers_by_interrupt() {
    let mut board = interrupting();
    board.port_out(0, 0x60, 1, 0xf2);
    for expected in [0xfa, 0xab, 0x41] {
        assert_eq!(board.ack(0), 0x21);
        assert_eq!(board.port_in(0, 0x64, 1) & 1, 1);
        assert_eq!(board.port_in(0, 0x60, 1), expected);
        board.port_out(0, PIC, 1, 0x20);
    }
    assert!(!board.intr());
}

#[test]
fn floating_point_error_is_interrupt_13_until_acknowledged() {
    let mut board = interrupting();
    board.set_ferr(0, true);
    assert_eq!(board.ack(0), 0x2d);
    assert!(!board.ignne());
    board.port_out(0, 0xf0, 1, 0);
    assert!(board.ignne());
    board.set_ferr(0, false);
    assert!(!board.ignne());
    board.port_out(0, 0xa0, 1, 0x20);
    board.port_out(0, PIC, 1, 0x20);
    board.set_ferr(0, true);
    assert_eq!(board.ack(0), 0x2d);
}

#[test]
fn nothing_pending_is_a_spurious_interrupt_7() {
    let mut board = interrupting();
    assert_eq!(board.ack(0), 0x27);
    assert_eq!(board.stats().spurious, 1);
    board.port_out(0, PIC, 1, 0x0b);
    assert_eq!(board.port_in(0, PIC, 1), 0);
}

#[test]
fn absent_devices_read_all_ones_in_any_width() {
    let (mut board, ..) = board();
    for port in [0x2f8, 0x1f0, 0x3c0, 0x3e0, 0xffff] {
        assert_eq!(board.port_in(0, port, 1), 0xff);
        assert_eq!(board.port_in(0, port, 2), 0xffff);
        assert_eq!(board.port_in(0, port, 4), 0xffff_ffff);
    }
    assert_eq!(board.mmio_read(0, 0xfee0_0030, 4), 0xffff_ffff);
    assert_eq!(board.mmio_read(0, 0xa0000, 8), u64::MAX);
    assert_eq!(board.mmio_read(0, 0xa0000, 1), 0xff);
}

#[test]
fn pci_probe_of_a_kernel_succeeds() {
    let (mut board, ..) = board();
    board.port_out(0, 0xcfb, 1, 1);
    board.port_out(0, 0xcf8, 4, 0x8000_0000);
    assert_eq!(board.port_in(0, 0xcf8, 4), 0x8000_0000);
    assert_eq!(board.port_in(0, 0xcfc, 4), 0x1237_8086);
    assert_eq!(board.port_in(0, 0xcfe, 2), 0x1237);
    board.port_out(0, 0xcf8, 4, 0x8000_1000);
    assert_eq!(board.port_in(0, 0xcfc, 4), 0xffff_ffff);
}

#[test]
fn wide_access_reaches_consecutive_byte_ports() {
    let (mut board, ..) = board();
    board.port_out(0, 0x70, 2, 0x5a40);
    assert_eq!(get_cmos(&mut board, 0, 0x40), 0x5a);
    board.port_out(0, PIC_MASK, 2, 0x00aa);
    assert_eq!(board.port_in(0, PIC_MASK, 2), 0xffaa);
}

#[test]
fn post_log_keeps_the_latest_codes() {
    let (mut board, ..) = board();
    for code in 0..20_000u32 {
        board.port_out(0, 0x80, 1, code % 251);
    }
    assert_eq!(board.post_codes().len(), 4096);
    assert_eq!(board.post_codes().last(), Some(&((19_999 % 251) as u8)));
    assert_eq!(board.port_in(0, 0x80, 1), 19_999 % 251);
}

#[test]
fn reset_stops_timers_and_keeps_the_cmos() {
    let mut board = interrupting();
    program_timer(&mut board, 0, 2, 100);
    put_cmos(&mut board, 0, 0x0f, 0x0a);
    put_cmos(&mut board, 0, 0x0b, 0x12);
    board.reset(SECOND / 2);
    assert_eq!(board.next_deadline(), None);
    assert!(!board.intr());
    assert_eq!(get_cmos(&mut board, SECOND / 2, 0x0f), 0x0a);
    assert_eq!(get_cmos(&mut board, SECOND, 0), 0x41, "the clock goes on");
}

#[test]
fn time_does_not_run_backwards() {
    let (mut board, ..) = board();
    assert_eq!(board.port_in(SECOND, 0x608, 4), 3_579_545);
    assert_eq!(board.port_in(0, 0x608, 4), 3_579_545);
}

/// A small xorshift generator: the sequence is the same on every host.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 16) % n
    }
}

/// A port that somebody decodes, or one next to it, or any.
fn fuzz_port(random: &mut Random) -> u16 {
    const BASES: [u16; 16] = [
        0x00, 0x20, 0x40, 0x60, 0x70, 0x80, 0x90, 0xa0, 0xc0, 0xe8, 0xf0, 0x3f8, 0x4d0, 0x600,
        0xcf8, 0,
    ];
    match random.below(8) {
        0 => random.next() as u16,
        _ => BASES[random.below(16) as usize] + random.below(17) as u16,
    }
}

fn fuzz_time(random: &mut Random, now: u64) -> u64 {
    match random.below(1000) {
        0 => now.saturating_add(random.next() >> random.below(64)),
        1..=50 => random.next() >> random.below(64),
        _ => now.saturating_add(random.below(100_000)),
    }
}

#[test]
fn no_access_at_any_time_panics_or_stalls() {
    for seed in 1..=10u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut board = interrupting();
        let mut now = 0;
        for step in 0..100_000 {
            let at = fuzz_time(&mut random, now);
            // A leap to the far future is undone half of the time by starting over.
            now = if step % 1000 == 0 { 0 } else { at };
            if step % 10_000 == 0 {
                board = interrupting();
            }
            let (port, size) = (fuzz_port(&mut random), random.below(6) as u8);
            match random.below(8) {
                0..=3 => board.port_out(at, port, size, random.next() as u32),
                4..=6 => drop(board.port_in(at, port, size)),
                _ => fuzz_other(&mut board, &mut random, at),
            }
            if let Some(due) = board.next_deadline() {
                assert!(
                    due > board.plane.now && due != u64::MAX,
                    "seed {seed} step {step}: past deadline"
                );
            }
            assert!(board.plane.events.len() <= 6);
        }
    }
}

fn fuzz_other(board: &mut Board, random: &mut Random, at: u64) {
    match random.below(8) {
        0 => drop(board.mmio_read(at, random.next(), random.next() as u8)),
        1 => board.mmio_write(at, random.next(), random.next() as u8, random.next()),
        2 => board.advance(at),
        3 => drop(board.ack(at)),
        4 => drop(board.serial_input(at, &[1; 100])),
        5 => board.set_ferr(at, random.next() & 1 != 0),
        6 if random.below(100) == 0 => board.reset(at),
        _ => drop(board.take_event()),
    }
}

#[test]
fn deadlines_of_random_programs_are_exact() {
    for seed in 1..=200u64 {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut board = interrupting();
        let mut now = 0;
        for _ in 0..50 {
            now += random.below(3_000_000);
            let (port, value) = match random.below(6) {
                0 | 1 => (0x40, random.next() as u32 & 0x3f),
                2 => (0x43, 0x30 | (random.below(6) << 1) as u32 | random.below(2) as u32),
                3 => (0x602, random.below(2) as u32),
                4 => (0x70, 0x0a + random.below(3) as u32),
                _ => (0x71, random.next() as u32 & 0x7f | 0x20),
            };
            board.port_out(now, port, 1, value);
            // Take whatever is up; what the deadline announces is one of the three lines rising.
            let lines = |b: &Board| {
                let up = |id, irq| b.plane.irqs.drives(b.slot(id).unwrap(), irq);
                (b.stats().timer_edges, up("rtc", 8), up("pm", 9))
            };
            let before = lines(&board);
            if let Some(due) = board.next_deadline() {
                let due = due.min(now + SECOND);
                board.settle_at(due - 1);
                assert_eq!(lines(&board), before, "seed {seed}: too early");
                if board.next_deadline() == Some(due) {
                    board.settle_at(due);
                    assert_ne!(lines(&board), before, "seed {seed}: nothing happened");
                }
                now = due;
            }
        }
    }
}

#[test]
fn unplugged_ports_read_ones_and_reach_no_chip() {
    let (mut board, serial, _debugcon) = board();
    board.unplug_ports();
    board.port_out(0, COM1, 1, 0x41);
    assert_eq!(board.port_in(0, PIC_MASK, 1), 0xff);
    assert_eq!(board.port_in(0, COM1 + 5, 4), u32::MAX);
    assert!(serial.try_recv().is_err());
}

impl Board {
    /// Brings every timer to `now` whether or not a deadline has passed, to see if one was missed.
    fn settle_at(&mut self, now: u64) {
        self.advance(now);
        for slot in 0..self.mounts.len() {
            self.call(slot, &mut NoMemory, |device, ctx| device.wake(ctx));
        }
    }
}

#[test]
fn masks_are_at_the_controllers_odd_ports_alone() {
    let (mut board, ..) = board();
    board.port_out(0, PIC_MASK, 1, 0xfb);
    let masks = board.masks([PIC_MASK, 0xa1]).expect("both are there");
    assert_eq!(masks.map(|mask| mask.mask), [0xfb, 0xff]);
    for elsewhere in [[0x20, 0xa1], [0xa1, PIC_MASK], [PIC_MASK, 0xa0], [PIC_MASK, 0x61]] {
        assert_eq!(board.masks(elsewhere), None, "{elsewhere:x?}");
    }
    board.set_masks([0xf8, 0xdf], 2);
    assert_eq!(board.port_in(0, PIC_MASK, 1), 0xf8);
    assert_eq!(board.port_in(0, 0xa1, 1), 0xdf);
}
