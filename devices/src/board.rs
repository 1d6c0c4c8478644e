//! The board: owns every chip by value, wires their pins, and is the one door to them.
//!
//! One thread owns a `Board` and tells it the time with every call. Nothing happens on the board between
//! calls; what would have happened by itself (a timer edge) is caught up on by [`Board::advance`], and
//! [`Board::next_deadline`] says when that can next matter. Missed edges of one line merge into one
//! interrupt, as they do in a real 8259 whose processor is late, while the timers keep their phase.
//!
//! Which port belongs to which chip is in `ports`; here are time, interrupts, events and reset.

use std::collections::VecDeque;
use std::fmt;
use std::io;

use crate::bus::Bus;
use crate::clock;
use crate::dma::Dma;
use crate::i8042::{I8042, Signal};
use crate::irq::Irqs;
use crate::pci::Pci;
use crate::pic::Mask;
use crate::pit::Pit;
use crate::pm::Pm;
use crate::ports::{self, Port};
use crate::rtc::Rtc;
use crate::uart::Uart;

const IRQ_TIMER: u8 = 0;
const IRQ_KEYBOARD: u8 = 1;
const IRQ_COM1: u8 = 4;
const IRQ_RTC: u8 = 8;
/// The ACPI system control interrupt.
pub(crate) const IRQ_SCI: u8 = 9;
const IRQ_AUX: u8 = 12;
const IRQ_FERR: u8 = 13;

/// POST codes that are kept.
const POST_LOG: usize = 4096;

/// How a board is equipped.
#[derive(Clone, Copy, Debug)]
pub struct BoardConfig {
    /// Bytes of guest RAM, which the CMOS reports.
    pub ram_size: u64,
    /// Whether a write to ports F4h..F7h is a [`BoardEvent::DebugExit`].
    pub debug_exit: bool,
    /// The real-time clock's date at time 0, in seconds after 1970-01-01 00:00.
    pub rtc_epoch_s: u64,
    /// Whether writes to port 80h are logged for [`Board::post_codes`].
    pub log_post: bool,
}

/// Where the bytes of a serial line go.
pub trait SerialSink: Send {
    /// Takes all of `bytes`.
    ///
    /// # Errors
    /// Whatever the host says; the board reports it once and then discards the line's output.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// What the board wants of the machine around it.
#[derive(Debug)]
pub enum BoardEvent {
    /// The guest entered ACPI S5.
    PowerOff,
    /// The guest pulled a reset line (CF9h, i8042, port 92h).
    Reset,
    /// The guest wrote this value to the debug-exit port.
    DebugExit(u32),
    /// The A20 gate opened (`true`) or closed.
    A20(bool),
    /// A sink failed; its further output is discarded.
    SerialError(io::Error),
}

/// Counts of what happened on a board.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Port reads, of any size.
    pub port_reads: u64,
    /// Port writes, of any size.
    pub port_writes: u64,
    /// Bytes of port accesses that no device decodes.
    pub unclaimed_ports: u64,
    /// Memory-mapped accesses; no device decodes any.
    pub unclaimed_mmio: u64,
    /// Interrupts acknowledged, by IRQ.
    pub interrupts: [u64; 16],
    /// Spurious interrupts acknowledged.
    pub spurious: u64,
    /// Rising edges of the 8254's channel 0.
    pub timer_edges: u64,
    /// Of those, edges merged with a later one because the board was told the time too late.
    pub timer_edges_merged: u64,
    /// Bytes accepted for COM1.
    pub serial_in: u64,
    /// Bytes that COM1 sent.
    pub serial_out: u64,
}

/// A sink that is given up on after its first error.
struct Line {
    sink: Box<dyn SerialSink>,
    failed: bool,
}

impl Line {
    fn new(sink: Box<dyn SerialSink>) -> Self {
        Line { sink, failed: false }
    }

    fn send(&mut self, byte: u8) -> Option<io::Error> {
        if self.failed {
            return None;
        }
        let error = self.sink.write(&[byte]).err();
        self.failed = error.is_some();
        error
    }
}

/// A PC's devices.
pub struct Board {
    pub(crate) config: BoardConfig,
    pub(crate) ports: Bus<Port>,
    pub(crate) irqs: Irqs,
    pub(crate) pit: Pit,
    pub(crate) rtc: Rtc,
    pub(crate) com1: Uart,
    pub(crate) kbc: I8042,
    pub(crate) pm: Pm,
    pub(crate) pci: Pci,
    pub(crate) dma: [Dma; 2],
    pub(crate) dma_pages: [u8; 16],
    /// Bits 3..0 of port 61h as written.
    pub(crate) system_control: u8,
    /// Port CF9h as written.
    pub(crate) reset_control: u8,
    pub(crate) last_post: u8,
    pub(crate) a20: bool,
    pub(crate) stats: Stats,
    pub(crate) now: u64,
    ferr: bool,
    ignne: bool,
    serial: Line,
    debugcon: Line,
    events: VecDeque<BoardEvent>,
    post_log: Vec<u8>,
    deadline: Option<u64>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board")
            .field("now", &self.now)
            .field("deadline", &self.deadline)
            .field("irqs", &self.irqs)
            .field("pit", &self.pit)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// GATE of channels 0 and 1 is tied high; port 61h drives that of channel 2.
const PIT_GATES: [bool; 3] = [true, true, false];

impl Board {
    /// A board after power-on at time 0. COM1's output goes to `serial`, port E9h's to `debugcon`.
    pub fn new(
        config: BoardConfig,
        serial: Box<dyn SerialSink>,
        debugcon: Box<dyn SerialSink>,
    ) -> Board {
        let mut rtc = Rtc::new(config.rtc_epoch_s);
        fill_cmos(&mut rtc, config.ram_size);
        let mut board = Board {
            config,
            ports: ports::map(),
            irqs: Irqs::new(),
            pit: Pit::new(PIT_GATES),
            rtc,
            com1: Uart::new(),
            kbc: I8042::new(),
            pm: Pm::new(0),
            pci: Pci::new(),
            dma: [Dma::new(), Dma::new()],
            dma_pages: [0; 16],
            system_control: 0,
            reset_control: 0,
            last_post: 0,
            a20: true,
            stats: Stats::default(),
            now: 0,
            ferr: false,
            ignne: false,
            serial: Line::new(serial),
            debugcon: Line::new(debugcon),
            events: VecDeque::new(),
            post_log: Vec::new(),
            deadline: None,
        };
        // The timer's output idles high: the line has its level before the guest can see an edge.
        board.settle();
        board
    }

    /// Takes every device off the port bus: from now on each port reads all ones and writes are lost.
    /// For test benches, where a random port must not reach a chip.
    pub fn unplug_ports(&mut self) {
        self.ports = Bus::new();
        self.irqs.touch();
    }

    /// Reads a memory-mapped register of `size` bytes at physical address `pa`. No device of this board
    /// decodes memory: all ones.
    pub fn mmio_read(&mut self, now: u64, _pa: u64, size: u8) -> u64 {
        self.advance(now);
        self.stats.unclaimed_mmio += 1;
        u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8)))
    }

    /// Writes a memory-mapped register. No device of this board decodes memory: the write is lost.
    pub fn mmio_write(&mut self, now: u64, _pa: u64, _size: u8, _value: u64) {
        self.advance(now);
        self.stats.unclaimed_mmio += 1;
    }

    /// Brings the board's time to `now`, raising the interrupts of every timer edge up to then.
    pub fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        if self.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.settle();
        }
    }

    /// The time, in nanoseconds, at which a timer will next raise an interrupt line by itself.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadline
    }

    /// Brings all timers to the board's time and their interrupt lines with them.
    pub(crate) fn settle(&mut self) {
        let tick = clock::PIT.ticks(self.now);
        let rises = self.pit.take_rises(0, tick);
        if rises > 0 {
            self.irqs.edge(IRQ_TIMER);
            self.stats.timer_edges += rises;
            self.stats.timer_edges_merged += rises - 1;
        }
        self.irqs.set(IRQ_TIMER, self.pit.out(0, tick));
        self.rtc.sync(self.now);
        self.irqs.set(IRQ_RTC, self.rtc.irq());
        self.pm.sync(self.now);
        self.irqs.set(IRQ_SCI, self.pm.sci());
        let timer = self.pit.next_rise(0).map(|tick| clock::PIT.ns_at(tick));
        let clocks = [timer, self.rtc.deadline(), self.pm.deadline()];
        self.deadline = clocks.into_iter().flatten().min();
    }

    /// The INTR line to the processor.
    pub fn intr(&self) -> bool {
        self.irqs.intr()
    }

    /// Whether [`Board::masks`] can say something else than at the last call of this.
    pub fn take_masks_changed(&mut self) -> bool {
        self.irqs.take_changed()
    }

    /// The masks behind ports 21h and A1h; `None` when they are not there.
    pub fn masks(&self) -> Option<[Mask; 2]> {
        self.ports.find(0x21).and_then(|_| self.ports.find(0xa1)).map(|_| self.irqs.masks())
    }

    /// As `writes` OUTs to ports 21h and A1h that left the masks so, where each did no more than [`Mask`] says.
    pub fn set_masks(&mut self, masks: [u8; 2], writes: u64) {
        self.stats.port_writes += writes;
        self.irqs.set_masks(masks);
    }

    /// An INTA cycle: the vector to deliver. If the request is gone by now, that of a spurious IRQ 7
    /// (or 15).
    pub fn ack(&mut self, now: u64) -> u8 {
        self.advance(now);
        let (vector, irq) = self.irqs.ack();
        match irq.and_then(|irq| self.stats.interrupts.get_mut(usize::from(irq))) {
            Some(count) => *count += 1,
            None => self.stats.spurious += 1,
        }
        vector
    }

    /// Bytes from the outside to COM1. Returns how many were accepted: the rest has to wait until the
    /// guest has read some.
    pub fn serial_input(&mut self, now: u64, bytes: &[u8]) -> usize {
        self.advance(now);
        let taken = self.com1.receive(bytes);
        self.stats.serial_in += taken as u64;
        self.com1_lines();
        taken
    }

    /// The FERR# pin of the processor's floating-point unit, which a PC turns into IRQ 13.
    pub fn set_ferr(&mut self, now: u64, asserted: bool) {
        self.advance(now);
        if asserted && !self.ferr {
            self.irqs.set(IRQ_FERR, true);
        } else if !asserted {
            self.irqs.set(IRQ_FERR, false);
            self.ignne = false;
        }
        self.ferr = asserted;
    }

    /// The IGNNE# pin: the guest has acknowledged IRQ 13 at port F0h, and may execute floating-point
    /// instructions with the error still standing until FERR# falls.
    pub fn ignne(&self) -> bool {
        self.ignne
    }

    /// Port F0h: clears the latch behind IRQ 13.
    pub(crate) fn clear_ferr(&mut self) {
        self.ignne = self.ferr;
        self.irqs.set(IRQ_FERR, false);
    }

    /// True when there is an event to take.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The oldest event that nobody has taken.
    pub fn take_event(&mut self) -> Option<BoardEvent> {
        self.events.pop_front()
    }

    /// Queues an event. One of a kind is enough: of gates and errors the latest counts, of ways to end
    /// the run the first, so that a guest cannot make the queue grow.
    pub(crate) fn event(&mut self, event: BoardEvent) {
        let kind = std::mem::discriminant(&event);
        let queued = self.events.iter_mut().find(|e| std::mem::discriminant(*e) == kind);
        match (queued, &event) {
            (None, _) => self.events.push_back(event),
            (Some(queued), BoardEvent::A20(_)) => *queued = event,
            (Some(_), _) => {}
        }
    }

    /// Opens or closes the A20 gate. The keyboard controller and port 92h are two handles on one gate:
    /// the latest to move it wins.
    pub(crate) fn set_a20(&mut self, open: bool) {
        if self.a20 != open {
            self.a20 = open;
            self.event(BoardEvent::A20(open));
        }
    }

    pub(crate) fn keyboard_signal(&mut self, signal: Option<Signal>) {
        match signal {
            Some(Signal::A20(open)) => self.set_a20(open),
            Some(Signal::Reset) => self.event(BoardEvent::Reset),
            None => {}
        }
        self.keyboard_lines();
    }

    pub(crate) fn keyboard_lines(&mut self) {
        if self.kbc.take_dip() {
            self.irqs.set(IRQ_KEYBOARD, false);
            self.irqs.set(IRQ_AUX, false);
        }
        self.irqs.set(IRQ_KEYBOARD, self.kbc.irq());
        self.irqs.set(IRQ_AUX, self.kbc.aux_irq());
    }

    pub(crate) fn com1_lines(&mut self) {
        if self.com1.take_dip() {
            self.irqs.set(IRQ_COM1, false);
        }
        self.irqs.set(IRQ_COM1, self.com1.irq());
    }

    pub(crate) fn serial_output(&mut self, byte: u8) {
        self.stats.serial_out += 1;
        if let Some(error) = self.serial.send(byte) {
            self.event(BoardEvent::SerialError(error));
        }
    }

    pub(crate) fn debug_output(&mut self, byte: u8) {
        if let Some(error) = self.debugcon.send(byte) {
            self.event(BoardEvent::SerialError(error));
        }
    }

    pub(crate) fn post(&mut self, code: u8) {
        self.last_post = code;
        if self.config.log_post {
            if self.post_log.len() >= 2 * POST_LOG {
                self.post_log.drain(..POST_LOG);
            }
            self.post_log.push(code);
        }
    }

    /// The latest 4096 codes written to port 80h, oldest first; empty unless the board logs them.
    pub fn post_codes(&self) -> &[u8] {
        &self.post_log[self.post_log.len().saturating_sub(POST_LOG)..]
    }

    /// What has happened so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Pulls every chip's reset pin. The real-time clock keeps time and memory; the bytes waiting on the
    /// serial line and a sink's error are kept; other events are gone, but for the A20 gate opening.
    pub fn reset(&mut self, now: u64) {
        self.now = self.now.max(now);
        self.irqs = Irqs::new();
        self.pit = Pit::new(PIT_GATES);
        self.rtc.reset();
        self.com1.reset();
        self.kbc = I8042::new();
        self.pm = Pm::new(self.now);
        self.pci = Pci::new();
        self.dma = [Dma::new(), Dma::new()];
        self.dma_pages = [0; 16];
        self.system_control = 0;
        self.reset_control = 0;
        self.ferr = false;
        self.ignne = false;
        self.events.retain(|event| matches!(event, BoardEvent::SerialError(_)));
        self.set_a20(true);
        self.settle();
    }
}

/// Fills the CMOS as firmware would have: the processor has a coprocessor, there are no disks, and so
/// much memory.
fn fill_cmos(rtc: &mut Rtc, ram_size: u64) {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    let low = ram_size.min(640 * KIB) / KIB;
    let extended = (ram_size.saturating_sub(MIB) / KIB).min(0xffff);
    let above_16m = (ram_size.saturating_sub(16 * MIB) / (64 * KIB)).min(0xffff);
    rtc.set_ram(0x14, 0x02);
    for (index, word) in [(0x15, low), (0x17, extended), (0x30, extended), (0x34, above_16m)] {
        let [low, high, ..] = word.to_le_bytes();
        rtc.set_ram(index, low);
        rtc.set_ram(index + 1, high);
    }
    let sum = (0x10..=0x2d).fold(0u16, |sum, index| sum + u16::from(rtc.ram(index)));
    let [low, high] = sum.to_be_bytes();
    rtc.set_ram(0x2e, low);
    rtc.set_ram(0x2f, high);
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
