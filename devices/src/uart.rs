//! The 16550A UART as a pure register machine.
//!
//! Received bytes go through a 16-byte FIFO (one byte with the FIFO off); a bounded queue behind it
//! stands for the sender, which waits while the FIFO is full, so nothing typed is ever overrun. A byte
//! written is out at once: the transmitter is always empty. The line speed therefore has no effect, and
//! the character timeout needs no clock: bytes below the trigger level are indicated at once.
//!
//! The interrupt pin is the chip's INTR; that a PC gates it with OUT2 is in [`Uart::irq`], since OUT2 is
//! this chip's own pin.

use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const FIFO_SIZE: usize = 16;
/// Bytes of the sender's queue behind the FIFO.
const QUEUE_SIZE: usize = 4096;

const IER_RX: u8 = 0x01;
const IER_THRE: u8 = 0x02;
const IER_LINE: u8 = 0x04;
const IER_MODEM: u8 = 0x08;

const IIR_NONE: u8 = 0x01;
const IIR_THRE: u8 = 0x02;
const IIR_RX: u8 = 0x04;
const IIR_LINE: u8 = 0x06;
const IIR_TIMEOUT: u8 = 0x0c;
const IIR_MODEM: u8 = 0x00;
const IIR_FIFOS: u8 = 0xc0;

const FCR_ENABLE: u8 = 0x01;
const FCR_CLEAR_RX: u8 = 0x02;

const LCR_DLAB: u8 = 0x80;

const MCR_OUT2: u8 = 0x08;
const MCR_LOOP: u8 = 0x10;

const LSR_DATA: u8 = 0x01;
const LSR_OVERRUN: u8 = 0x02;
const LSR_IDLE: u8 = 0x60;

/// Modem status lines of a cable to a terminal that is always there: DCD, DSR and CTS.
const MSR_CABLE: u8 = 0xb0;
const MSR_RI: u8 = 0x40;

/// A 16550A.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Uart {
    fifo: VecDeque<u8>,
    queue: VecDeque<u8>,
    ier: u8,
    fcr: u8,
    lcr: u8,
    mcr: u8,
    scratch: u8,
    divisor: [u8; 2],
    overrun: bool,
    msr_lines: u8,
    msr_delta: u8,
    /// The transmitter became empty and nobody has acknowledged that.
    thre: bool,
    /// The other end takes nothing: what was written last is still in the transmitter. It is the host's affair, and a
    /// machine that goes on from a saved state has another end.
    #[serde(skip)]
    held_back: bool,
    /// The interrupt pin was low at some time since [`Uart::take_dip`].
    dipped: bool,
}

impl Uart {
    /// A chip after reset, with an empty sender's queue.
    pub(crate) fn new() -> Self {
        Uart {
            fifo: VecDeque::with_capacity(FIFO_SIZE),
            queue: VecDeque::new(),
            ier: 0,
            fcr: 0,
            lcr: 0,
            mcr: 0,
            scratch: 0,
            divisor: [12, 0],
            overrun: false,
            msr_lines: MSR_CABLE,
            msr_delta: 0,
            thre: true,
            held_back: false,
            dipped: false,
        }
    }

    /// The chip's reset pin; what is still on the wire stays there.
    pub(crate) fn reset(&mut self) {
        let queue = std::mem::take(&mut self.queue);
        *self = Uart { queue, held_back: self.held_back, dipped: true, ..Uart::new() };
    }

    /// Refuses a state that no sequence of accesses leads to.
    ///
    /// # Errors
    /// [`StateError::Impossible`].
    pub(crate) fn check(&self) -> Result<(), StateError> {
        check(self.fifo.len() <= FIFO_SIZE, "receiver FIFO")?;
        check(self.queue.len() <= QUEUE_SIZE, "sender's queue")
    }

    /// Bytes from the other end of the line; returns how many it could take.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(QUEUE_SIZE - self.queue.len().min(QUEUE_SIZE));
        self.queue.extend(&bytes[..taken]);
        self.refill();
        taken
    }

    /// The other end takes nothing more for now, or does so again: the transmitter is full until then. It loses what
    /// is written to it nevertheless, if anybody does.
    pub(crate) fn hold_back(&mut self, full: bool) {
        if self.held_back && !full {
            // It is empty at last, which is an event of its own.
            self.thre = true;
            self.dipped = true;
        }
        self.held_back = full;
    }

    /// Whether a byte from the other end of the line would raise the interrupt pin, and a PC would see that.
    pub(crate) fn listens(&self) -> bool {
        self.ier & IER_RX != 0 && self.mcr & MCR_OUT2 != 0 && self.mcr & MCR_LOOP == 0
    }

    fn capacity(&self) -> usize {
        if self.fcr & FCR_ENABLE != 0 { FIFO_SIZE } else { 1 }
    }

    /// Takes what fits from the line. In loopback the receiver is not connected to it.
    fn refill(&mut self) {
        while self.mcr & MCR_LOOP == 0 && self.fifo.len() < self.capacity() {
            match self.queue.pop_front() {
                Some(byte) => self.fifo.push_back(byte),
                None => break,
            }
        }
    }

    /// FIFO fill that raises the data-available interrupt.
    fn trigger(&self) -> usize {
        if self.fcr & FCR_ENABLE == 0 {
            return 1;
        }
        [1, 4, 8, 14][usize::from(self.fcr >> 6)]
    }

    /// The interrupt of the highest priority, as IIR bits 3..0.
    fn pending(&self) -> u8 {
        if self.ier & IER_LINE != 0 && self.overrun {
            IIR_LINE
        } else if self.ier & IER_RX != 0 && self.fifo.len() >= self.trigger() {
            IIR_RX
        } else if self.ier & IER_RX != 0 && !self.fifo.is_empty() {
            IIR_TIMEOUT
        } else if self.ier & IER_THRE != 0 && self.thre && !self.held_back {
            IIR_THRE
        } else if self.ier & IER_MODEM != 0 && self.msr_delta != 0 {
            IIR_MODEM
        } else {
            IIR_NONE
        }
    }

    /// The interrupt request as it leaves the card: gated by OUT2, which loopback disconnects.
    pub(crate) fn irq(&self) -> bool {
        self.mcr & (MCR_OUT2 | MCR_LOOP) == MCR_OUT2 && self.pending() != IIR_NONE
    }

    /// Whether the request was low for a moment since this was last asked.
    pub(crate) fn take_dip(&mut self) -> bool {
        std::mem::take(&mut self.dipped)
    }

    /// Reads register `offset` (0..=7).
    pub(crate) fn read(&mut self, offset: u8) -> u8 {
        let value = match offset & 7 {
            0 | 1 if self.lcr & LCR_DLAB != 0 => self.divisor[usize::from(offset & 1)],
            0 => {
                let byte = self.fifo.pop_front().unwrap_or(0);
                // A read restarts the character timeout, so the indication of a short rest is an edge
                // of its own: a driver that reads one byte an interrupt gets them all.
                self.dipped |= self.fifo.len() < self.trigger();
                self.refill();
                byte
            }
            1 => self.ier,
            2 => self.read_iir(),
            3 => self.lcr,
            4 => self.mcr,
            5 => {
                let overrun = std::mem::take(&mut self.overrun);
                let data = if self.fifo.is_empty() { 0 } else { LSR_DATA };
                let idle = if self.held_back { 0 } else { LSR_IDLE };
                idle | data | if overrun { LSR_OVERRUN } else { 0 }
            }
            6 => self.msr_lines | std::mem::take(&mut self.msr_delta),
            _ => self.scratch,
        };
        self.dipped |= !self.irq();
        value
    }

    fn read_iir(&mut self) -> u8 {
        let pending = self.pending();
        if pending == IIR_THRE {
            self.thre = false;
        }
        pending | if self.fcr & FCR_ENABLE != 0 { IIR_FIFOS } else { 0 }
    }

    /// Writes register `offset` (0..=7); returns the byte if one leaves on the line.
    pub(crate) fn write(&mut self, offset: u8, value: u8) -> Option<u8> {
        let mut sent = None;
        match offset & 7 {
            0 | 1 if self.lcr & LCR_DLAB != 0 => self.divisor[usize::from(offset & 1)] = value,
            0 => sent = self.transmit(value),
            1 => {
                // The transmitter is empty: enabling its interrupt raises it.
                self.thre |= value & !self.ier & IER_THRE != 0;
                self.ier = value & 0x0f;
            }
            2 => self.write_fcr(value),
            3 => self.lcr = value,
            4 => self.write_mcr(value),
            7 => self.scratch = value,
            _ => {}
        }
        self.dipped |= !self.irq();
        self.refill();
        sent
    }

    fn transmit(&mut self, byte: u8) -> Option<u8> {
        // The holding register is full for an instant, in which its interrupt is down.
        self.thre = false;
        self.dipped |= !self.irq();
        self.thre = true;
        if self.mcr & MCR_LOOP == 0 {
            return Some(byte);
        }
        if self.fifo.len() < self.capacity() {
            self.fifo.push_back(byte);
        } else {
            self.overrun = true;
            if self.fcr & FCR_ENABLE == 0 {
                // Without the FIFO, the new byte replaces the one that nobody read.
                self.fifo.clear();
                self.fifo.push_back(byte);
            }
        }
        None
    }

    fn write_fcr(&mut self, value: u8) {
        if (value ^ self.fcr) & FCR_ENABLE != 0 || value & FCR_CLEAR_RX != 0 {
            self.fifo.clear();
        }
        // Bits 7..1 are only programmed along with the enable bit.
        self.fcr = if value & FCR_ENABLE != 0 { value & 0xc9 } else { 0 };
    }

    fn write_mcr(&mut self, value: u8) {
        self.mcr = value & 0x1f;
        let lines = if self.mcr & MCR_LOOP != 0 {
            // Loopback: RTS, DTR, OUT1, OUT2 appear as CTS, DSR, RI, DCD.
            (self.mcr & 0x02) << 3
                | (self.mcr & 0x01) << 5
                | (self.mcr & 0x04) << 4
                | (self.mcr & 0x08) << 4
        } else {
            MSR_CABLE
        };
        let changed = lines ^ self.msr_lines;
        // The ring indicator's delta bit marks its trailing edge only.
        let deltas = (changed & !MSR_RI) | (changed & self.msr_lines & MSR_RI);
        self.msr_delta |= deltas >> 4;
        self.msr_lines = lines;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uart(ier: u8, fcr: u8) -> Uart {
        let mut uart = Uart::new();
        uart.write(4, 0x0b);
        uart.write(2, fcr);
        uart.write(1, ier);
        uart
    }

    #[test]
    fn bytes_pass_both_ways_by_polling() {
        let mut uart = Uart::new();
        assert_eq!(uart.write(0, b'A'), Some(b'A'));
        assert_eq!(uart.read(5), 0x60);
        assert_eq!(uart.receive(b"xy"), 2);
        assert_eq!(uart.read(5), 0x61);
        assert_eq!([uart.read(0), uart.read(0)], *b"xy");
        assert_eq!(uart.read(5), 0x60);
    }

    #[test]
    fn divisor_and_scratch_are_apart_from_the_data() {
        let mut uart = Uart::new();
        uart.write(3, 0x83);
        assert_eq!(uart.write(0, 0x01), None);
        uart.write(1, 0x02);
        assert_eq!([uart.read(0), uart.read(1)], [1, 2]);
        uart.write(3, 0x03);
        assert_eq!(uart.read(1), 0);
        uart.write(7, 0xa5);
        assert_eq!(uart.read(7), 0xa5);
    }

    #[test]
    fn fifo_bits_show_and_a_wider_fifo_does_not() {
        let mut uart = Uart::new();
        assert_eq!(uart.read(2), 0x01, "a 16450 until FCR says otherwise");
        uart.write(2, 0x21);
        assert_eq!(uart.read(2), 0xc1);
    }

    #[test]
    fn trigger_level_tells_data_from_timeout() {
        let mut uart = uart(IER_RX, 0x81);
        uart.receive(&[0; 7]);
        assert_eq!(uart.read(2) & 0xf, IIR_TIMEOUT);
        uart.receive(&[0; 1]);
        assert_eq!(uart.read(2) & 0xf, IIR_RX);
        for _ in 0..8 {
            assert!(uart.irq());
            uart.read(0);
        }
        assert!(!uart.irq());
    }

    #[test]
    fn each_byte_below_the_trigger_level_is_indicated_anew() {
        let mut uart = uart(IER_RX, 0xc1);
        uart.receive(&[0; 3]);
        for left in [2, 1] {
            uart.take_dip();
            uart.read(0);
            assert!(uart.irq() && uart.take_dip(), "{left} left");
        }
        uart.read(0);
        assert!(!uart.irq());
    }

    #[test]
    fn transmitter_interrupt_is_acknowledged_by_iir_and_raised_by_a_write() {
        let mut uart = uart(IER_THRE, 0x01);
        assert!(uart.irq(), "enabling it with the transmitter empty raises it");
        assert_eq!(uart.read(2) & 0xf, IIR_THRE);
        assert!(!uart.irq());
        uart.take_dip();
        uart.write(0, 1);
        assert!(uart.irq());
        uart.take_dip();
        uart.write(0, 2);
        assert!(uart.irq() && uart.take_dip(), "each byte is an edge of its own");
    }

    #[test]
    fn a_transmitter_that_is_held_back_is_full_and_interrupts_when_it_is_not() {
        let mut uart = uart(IER_THRE, 0x01);
        uart.hold_back(true);
        assert!(!uart.irq());
        assert_eq!((uart.read(5), uart.read(2) & 0xf), (0, IIR_NONE));
        uart.write(0, b'x');
        assert!(!uart.irq());
        uart.take_dip();
        uart.hold_back(false);
        assert!(uart.irq() && uart.take_dip());
        assert_eq!((uart.read(5), uart.read(2) & 0xf), (0x60, IIR_THRE));
        uart.hold_back(false);
        assert!(!uart.irq(), "that it still is empty is no event");
    }

    #[test]
    fn received_data_outranks_the_transmitter() {
        let mut uart = uart(IER_RX | IER_THRE, 0x01);
        uart.receive(b"a");
        assert_eq!(uart.read(2) & 0xf, IIR_RX);
        uart.read(0);
        assert_eq!(uart.read(2) & 0xf, IIR_THRE);
        assert_eq!(uart.read(2) & 0xf, IIR_NONE);
    }

    #[test]
    fn out2_gates_the_interrupt() {
        let mut uart = uart(IER_THRE, 0);
        uart.write(4, 0);
        assert!(!uart.irq());
        uart.write(4, MCR_OUT2);
        assert!(uart.irq());
    }

    #[test]
    fn loopback_returns_bytes_and_modem_lines_and_overruns() {
        let mut uart = uart(0, 0);
        uart.write(4, 0x1a);
        assert_eq!(uart.read(6) & 0xf0, 0x90);
        assert_eq!(uart.write(0, 1), None);
        assert_eq!(uart.write(0, 2), None);
        uart.write(1, IER_LINE);
        assert_eq!(uart.read(2), IIR_LINE);
        assert_eq!(uart.read(5), 0x63);
        assert_eq!(uart.read(2), IIR_NONE);
        assert_eq!(uart.read(0), 2, "the newer byte replaced the older");
        uart.receive(b"k");
        assert_eq!(uart.read(5), 0x60, "the line is disconnected");
        uart.write(4, 0x0b);
        assert_eq!(uart.read(5), 0x61);
    }

    #[test]
    fn modem_status_change_interrupts_until_it_is_read() {
        let mut uart = uart(IER_MODEM, 0);
        uart.write(4, 0x10);
        uart.write(4, 0x0b);
        assert!(uart.irq());
        assert_eq!(uart.read(2), IIR_MODEM);
        assert_eq!(uart.read(6), 0xbb);
        assert_eq!(uart.read(6), 0xb0);
        assert!(!uart.irq());
    }

    #[test]
    fn sender_is_held_back_not_overrun() {
        let mut uart = uart(0, 0x01);
        let flood = vec![7; 3 * QUEUE_SIZE];
        let first = uart.receive(&flood);
        assert_eq!(first, QUEUE_SIZE);
        assert_eq!(uart.receive(&flood), FIFO_SIZE, "room that the FIFO made");
        assert_eq!(uart.receive(&flood), 0);
        uart.read(0);
        assert_eq!(uart.receive(&flood), 1);
        assert_eq!(uart.read(5) & LSR_OVERRUN, 0);
    }

    #[test]
    fn fcr_clears_the_fifo_only() {
        let mut uart = uart(0, 0x01);
        uart.receive(&[9; 20]);
        uart.write(2, 0x03);
        let left = std::iter::from_fn(|| (uart.read(5) & LSR_DATA != 0).then(|| uart.read(0)));
        assert_eq!(left.count(), 4);
    }
}
