//! Ticks that the host was too busy for: the guest gets each, later.

mod common;

use common::full_board;
use ringer_devices::Board;
use std::cell::Cell;

const MS: u64 = 1_000_000;

thread_local! {
    /// Nanoseconds that the guest has executed.
    static EXECUTED: Cell<u64> = const { Cell::new(0) };
}

fn executed() -> u64 {
    EXECUTED.get()
}

/// A board in real time: 250 ticks a second from the timer in mode `mode`, 256 from the clock, both let through.
fn board(mode: u32) -> Board {
    let mut board = full_board();
    EXECUTED.set(0);
    board.keep_ticks(executed);
    for (base, words) in [(0x20, [0x20, 4, 1, 0xfa]), (0xa0, [0x28, 2, 1, 0xfe])] {
        board.port_out(0, base, 1, 0x11);
        words.into_iter().for_each(|word| board.port_out(0, base + 1, 1, word));
    }
    let rtc = [(0x70, 10), (0x71, 0x28), (0x70, 11), (0x71, 0x42)];
    let pit = [(0x43, 0x30 | mode << 1), (0x40, 0xa5), (0x40, 0x12)];
    pit.into_iter().chain(rtc).for_each(|(port, value)| board.port_out(0, port, 1, value));
    board
}

/// Takes what interrupts at `now`, as handlers do: ticks of the timer and of the clock.
fn take(board: &mut Board, now: u64) -> [u64; 2] {
    board.advance(now);
    let mut ticks = [0; 2];
    while board.intr() {
        match board.ack(now) {
            0x20 => ticks[0] += 1,
            0x28 => {
                ticks[1] += 1;
                board.port_out(now, 0x70, 1, 12);
                assert_ne!(board.port_in(now, 0x71, 1) & 0x40, 0, "it is a periodic tick");
                board.port_out(now, 0xa0, 1, 0x20);
            }
            other => panic!("vector {other:02x}"),
        }
        board.port_out(now, 0x20, 1, 0x20);
    }
    ticks
}

/// What a guest counts whose host lets it run for 1 ms in every `period` for ten seconds.
fn counted(board: &mut Board, period: u64) -> [u64; 2] {
    let mut ticks = [0; 2];
    for now in (0..=10_000 * MS).step_by(period as usize) {
        let more = take(board, now);
        ticks = [ticks[0] + more[0], ticks[1] + more[1]];
        EXECUTED.set(EXECUTED.get() + MS);
    }
    ticks
}

#[test]
fn every_tick_comes_however_rarely_the_guest_runs() {
    for mode in [2, 3] {
        for period in [MS, 5 * MS, 13 * MS, 60 * MS] {
            let [timer, clock] = counted(&mut board(mode), period);
            // 1193181.8 / 4773 a second; a few may be on their way, or began before.
            assert!(timer.abs_diff(2499) <= 16, "mode {mode}, {period} ns: {timer}");
            assert!(clock.abs_diff(2560) <= 16, "mode {mode}, {period} ns: {clock}");
        }
    }
}

#[test]
fn a_long_stop_is_made_up_without_a_flood() {
    let mut board = board(2);
    counted(&mut board, MS);
    let begin = 10_000 * MS;
    let mut ticks = 0;
    for now in (begin + 6_000 * MS..begin + 7_000 * MS).step_by(MS as usize) {
        let [more, _] = take(&mut board, now);
        assert!(more <= 21, "{more} at once");
        ticks += more;
        EXECUTED.set(EXECUTED.get() + MS);
    }
    assert!(ticks.abs_diff(1750) <= 4, "{ticks}");
}

#[test]
fn what_a_guest_does_not_take_by_itself_is_lost() {
    let mut board = board(2);
    counted(&mut board, MS);
    // It sleeps a second with both lines masked, as it wanted to.
    let now = 11_000 * MS;
    board.port_out(10_000 * MS, 0x21, 1, 0xff);
    board.slept(1000 * MS);
    board.port_out(now, 0x21, 1, 0xfa);
    let [timer, clock] = take(&mut board, now);
    assert!(timer <= 2 && clock <= 2, "{timer} {clock}");
}

#[test]
fn with_virtual_time_ticks_merge_as_on_a_pc() {
    let mut board = full_board();
    for (base, words) in [(0x20, [0x20, 4, 1, 0xfe]), (0xa0, [0x28, 2, 1, 0xff])] {
        board.port_out(0, base, 1, 0x11);
        words.into_iter().for_each(|word| board.port_out(0, base + 1, 1, word));
    }
    for (port, value) in [(0x43, 0x34), (0x40, 0xa5), (0x40, 0x12)] {
        board.port_out(0, port, 1, value);
    }
    take(&mut board, 10 * MS);
    assert_eq!(take(&mut board, 1000 * MS)[0], 1);
}
