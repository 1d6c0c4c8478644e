//! What can wake a halted processor, and where the debug-exit port can be.

mod common;

use common::{CONFIG, events, full_board, wire};
use ringer_devices::{AttachError, Board, rows};

const PIC: u16 = 0x20;
const PIC_MASK: u16 = 0x21;
const COM1: u16 = 0x3f8;

/// A board whose interrupt controllers are set up with vectors 20h.. and 28h.., and these masks.
fn interrupting(master: u32, slave: u32) -> Board {
    let mut board = full_board();
    for (base, words) in [(0x20, [0x20, 4, 1, master]), (0xa0, [0x28, 2, 1, slave])] {
        board.port_out(0, base, 1, 0x11);
        for word in words {
            board.port_out(0, base + 1, 1, word);
        }
    }
    board
}

/// Channel 0 in mode 2, a thousand ticks.
fn program_timer(board: &mut Board) {
    for (port, value) in [(0x43, 0x34), (0x40, 0xe8), (0x40, 3)] {
        board.port_out(0, port, 1, value);
    }
}

/// Receive interrupts, and OUT2 that lets them through.
fn listen(board: &mut Board) {
    board.port_out(0, COM1 + 1, 1, 1);
    board.port_out(0, COM1 + 4, 1, 0x0b);
}

#[test]
fn a_masked_line_wakes_nobody() {
    let mut board = full_board();
    assert!(!board.can_interrupt(true), "all lines are masked at power-on");
    program_timer(&mut board);
    assert!(!board.can_interrupt(true), "whatever the timer does");
    let mut board = interrupting(0xff, 0xff);
    program_timer(&mut board);
    assert!(!board.can_interrupt(true));
}

#[test]
fn a_timer_wakes_once_it_is_armed_and_let_through() {
    let mut board = interrupting(0xfe, 0xff);
    assert!(!board.can_interrupt(true), "it is not armed");
    program_timer(&mut board);
    assert!(board.can_interrupt(false));

    // It comes, is acknowledged and not ended: it holds itself and all lesser ones back.
    let due = board.next_deadline().unwrap();
    board.advance(due);
    assert!(board.intr() && board.can_interrupt(false));
    assert_eq!(board.ack(due), 0x20);
    board.port_out(due, PIC_MASK, 1, 0);
    assert!(!board.can_interrupt(true));
    board.port_out(due, PIC, 1, 0x20);
    assert!(board.can_interrupt(false));
}

#[test]
fn the_second_controller_needs_the_cascade() {
    // The clock's periodic interrupt, on IRQ 8.
    let arm = |board: &mut Board| {
        for (port, value) in [(0x70, 0x0b), (0x71, 0x42)] {
            board.port_out(0, port, 1, value);
        }
    };
    let mut board = interrupting(0xfb, 0xfe);
    assert!(!board.can_interrupt(false));
    arm(&mut board);
    assert!(board.can_interrupt(false));
    for masks in [(0xff, 0xfe), (0xfb, 0xff)] {
        let mut board = interrupting(masks.0, masks.1);
        arm(&mut board);
        assert!(!board.can_interrupt(false), "{masks:x?}");
    }
}

#[test]
fn serial_input_wakes_only_where_the_port_listens() {
    let mut board = interrupting(0xef, 0xff);
    assert!(!board.can_interrupt(true), "receive interrupts are off");
    board.port_out(0, COM1 + 1, 1, 1);
    assert!(!board.can_interrupt(true), "OUT2 holds them back");
    listen(&mut board);
    assert!(board.can_interrupt(true) && !board.can_interrupt(false));
    board.port_out(0, PIC_MASK, 1, 0xff);
    assert!(!board.can_interrupt(true));
}

#[test]
fn keys_wake_through_line_1() {
    let mut board = interrupting(0xfd, 0xff);
    assert!(board.can_interrupt(true) && !board.can_interrupt(false));
    board.port_out(0, PIC_MASK, 1, 0xff);
    assert!(!board.can_interrupt(true));
}

#[test]
fn debug_exit_can_be_elsewhere_but_not_where_another_device_is() {
    let mut board = Board::new(CONFIG, wire().0, wire().0);
    board.relocate(rows::DEBUG_EXIT, 0, 0x501).unwrap();
    for _ in 0..2 {
        board.port_out(0, 0xf4, 1, 1);
        assert!(board.take_event().is_none(), "it is not at F4h any more");
        board.port_out(0, 0x501, 2, 0x1234);
        assert_eq!(events(&mut board), ["DebugExit(4660)"]);
        board.reset(0);
        events(&mut board);
    }
    for taken in [0x3f8, 0x5e, 0xfffe] {
        let refused = board.relocate(rows::DEBUG_EXIT, 0, taken);
        assert!(matches!(refused, Err(AttachError::Region { .. })), "{taken:x}: {refused:?}");
    }
    board.port_out(0, 0x501, 1, 2);
    assert_eq!(events(&mut board), ["DebugExit(2)"], "it stayed where it was");
    let without = ringer_devices::BoardConfig { debug_exit: false, ..CONFIG };
    let mut board = Board::new(without, wire().0, wire().0);
    assert!(matches!(board.relocate(rows::DEBUG_EXIT, 0, 0x501), Err(AttachError::Unknown(_))));
}
