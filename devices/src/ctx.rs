//! The context of a call into a device: the one way out of it.

use crate::backplane::Backplane;
use crate::host::{BoardEvent, Room};
use crate::isa_dma::IsaTransfer;
use crate::link::{HEADER, MAX_FRAME};
use crate::memory::{DeviceRam, Dma, DmaError, NoRam, Shadow};
use crate::row::{DmaKind, Row, Wire};
use std::fmt;

/// What a device reaches while it is called: time, its lines, memory, events, its place on the buses and
/// its host backend.
pub struct Ctx<'a> {
    pub(crate) slot: usize,
    pub(crate) row: &'a Row,
    pub(crate) bases: &'a [Option<u64>],
    pub(crate) plane: &'a mut Backplane,
    pub(crate) memory: &'a mut dyn Dma,
}

impl fmt::Debug for Ctx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx")
            .field("device", &self.row.id)
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

impl Ctx<'_> {
    /// The time in nanoseconds of the machine clock; it never falls.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.plane.now
    }

    /// Drives line `n` of the device's row. A line that others drive too is high while any of them does. One that falls
    /// takes back the request that its rise was, if nobody has taken it yet.
    #[inline]
    pub fn line(&mut self, n: usize, level: bool) {
        if let Some(line) = self.row.lines.get(n) {
            self.plane.drive(self.slot, line.wire, level);
        }
    }

    /// Makes an edge on line `n` of the device's row, which is then at `level`: the request stands whatever that is.
    pub(crate) fn pulse(&mut self, n: usize, level: bool) {
        self.line(n, false);
        self.line(n, true);
        if !level {
            self.lower(n);
        }
    }

    /// Lowers line `n` of the device's row; what it has asked for it still does.
    pub(crate) fn lower(&mut self, n: usize) {
        match self.row.lines.get(n).map(|line| line.wire) {
            Some(Wire::Isa(irq)) => self.plane.irqs.lower(self.slot, irq),
            Some(Wire::Intx) => self.line(n, false),
            None => {}
        }
    }

    /// Whether a request of line `n` of the device's row waits for the processor to take it.
    pub(crate) fn is_requested(&self, n: usize) -> bool {
        let irq = self.row.lines.get(n).and_then(|line| self.plane.irq(self.slot, line.wire));
        irq.is_some_and(|irq| self.plane.irqs.is_requested(irq))
    }

    /// The register at `offset` of the configuration space of the device's function; all ones without one.
    #[must_use]
    pub fn config(&self, offset: u8) -> u8 {
        self.plane.pci.config(self.slot, offset)
    }

    /// Sets that register, whether or not a guest could.
    pub fn set_config(&mut self, offset: u8, value: u8) {
        self.plane.pci.set_config(self.slot, offset, value);
    }

    /// Leads PIRQ wire `wire` (0..=3) to `irq` (0..=15), or nowhere: the bridge's registers have been written.
    pub(crate) fn route(&mut self, wire: usize, irq: Option<u8>) {
        self.plane.route(wire, irq);
    }

    /// Queues an event for the machine; of one kind it keeps one.
    pub fn event(&mut self, event: BoardEvent) {
        self.plane.events.post(event);
    }

    /// Moves region `region` of the device's row to `base`, or away from its bus, once the call is over. Where
    /// another device decodes an address in a same width, the region is nowhere.
    pub fn remap(&mut self, region: usize, base: Option<u64>) {
        self.plane.remaps.push((self.slot, region, base));
    }

    /// Sends bytes to the device's host backend; without one they are lost. A failure becomes an event.
    pub fn send(&mut self, bytes: &[u8]) {
        let output = self.plane.outputs.get_mut(self.slot).and_then(Option::as_mut);
        let Some(output) = output else { return };
        if let Some(error) = output.send(bytes) {
            self.plane.events.post(BoardEvent::SerialError(error));
        }
        if output.room() != Room::Free {
            self.plane.full |= 1 << self.slot;
        }
    }

    /// Sends a frame over the device's link; without one, or with a length that no frame has, it is lost.
    pub fn send_frame(&mut self, frame: &[u8]) {
        let plane = &mut *self.plane;
        if !(HEADER..=MAX_FRAME).contains(&frame.len()) || plane.link_held {
            return;
        }
        if let Some((_, link)) = plane.link.as_mut().filter(|(slot, _)| *slot == self.slot) {
            plane.stats.frames_out += 1;
            link.send(frame);
        }
    }

    /// Has the machine find out soon whether the host backend takes what the device sends, and tell the device.
    pub(crate) fn ask_output(&mut self) {
        self.plane.full |= 1 << self.slot;
    }

    /// Reads guest memory.
    ///
    /// # Errors
    /// [`DmaError`]: no memory there, or the device may not.
    pub fn dma_read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError> {
        self.master()?;
        self.memory.dma_read(pa, buf)
    }

    /// Writes guest memory.
    ///
    /// # Errors
    /// [`DmaError`]: no memory there, or the device may not.
    pub fn dma_write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError> {
        self.master()?;
        self.memory.dma_write(pa, data)
    }

    /// Fills `bytes` with random numbers of the host's. False: a run must repeat exactly, and there are none.
    pub fn entropy(&mut self, bytes: &mut [u8]) -> bool {
        self.plane.entropy.is_some_and(|fill| fill(bytes))
    }

    /// The guest has no use for the whole pages of RAM among these bytes: they read as zeros from now on, and take none of
    /// the host's memory until they are written.
    pub fn give_back(&mut self, pa: u64, len: u64) {
        if self.master().is_ok() {
            self.memory.dma_give_back(pa, len);
        }
    }

    /// Lets `work` at the memory of devices' own; where the machine has none, at [`NoRam`].
    pub fn with_ram<R>(&mut self, work: impl FnOnce(&mut dyn DeviceRam) -> R) -> R {
        match self.memory.device_ram() {
            Some(ram) => work(ram),
            None => work(&mut NoRam),
        }
    }

    /// Where region `region` of the device's row is now.
    #[must_use]
    pub fn base(&self, region: usize) -> Option<u64> {
        self.bases.get(region).copied().flatten()
    }

    /// A pin of the I/O APIC that is no interrupt line.
    pub(crate) fn io_apic_pin(&mut self, pin: u8, level: bool) {
        if let Some(apics) = &mut self.plane.irqs.apics {
            apics.set_pin(pin, level);
        }
    }

    /// The device drives IRQ 0 and IRQ 8 alone, or no longer.
    pub(crate) fn replace_legacy(&mut self, on: bool) {
        self.plane.irqs.replace_legacy(on.then_some(self.slot));
    }

    /// A message-signalled interrupt: `data` written to `address`, as the device's MSI capability has both (PCI 2.2, 6.8.1;
    /// SDM volume 3A, 10.11). Lost where no local APIC is, or the device may not master the bus.
    pub fn message(&mut self, address: u64, data: u32) {
        if self.master().is_err() || address >> 20 != 0xfee {
            return;
        }
        if let Some(apics) = &mut self.plane.irqs.apics {
            apics.send_msi(address, data);
            if apics.take_init() {
                self.event(BoardEvent::Reset);
            }
        }
    }

    fn master(&self) -> Result<(), DmaError> {
        let on = match (self.row.dma, self.row.pci) {
            (DmaKind::None | DmaKind::Isa(_), _) => false,
            (DmaKind::Master, None) => true,
            (DmaKind::Master, Some(_)) => self.plane.pci.masters(self.slot),
        };
        if on { Ok(()) } else { Err(DmaError::NotMaster) }
    }

    /// Switches memory behind ROMs, before the next instruction. The machine knows which memory that can be.
    pub fn shadow(&mut self, shadow: Shadow) {
        self.plane.shadow(shadow);
    }

    /// Gives `data` to guest memory by the 8237A channel of the device's row, as the guest has programmed it: less of
    /// it, or nothing, where the channel is masked or goes the other way, or comes to its terminal count.
    pub fn isa_dma_write(&mut self, data: &[u8]) -> IsaTransfer {
        match self.row.dma {
            DmaKind::Isa(channel) => self.plane.dma.write(channel, data, self.memory),
            _ => IsaTransfer::default(),
        }
    }

    /// Takes `buf` from guest memory, likewise. Bytes of it that do not move stay as they are.
    pub fn isa_dma_read(&mut self, buf: &mut [u8]) -> IsaTransfer {
        match self.row.dma {
            DmaKind::Isa(channel) => self.plane.dma.read(channel, buf, self.memory),
            _ => IsaTransfer::default(),
        }
    }

    /// Whether the A20 gate is open.
    #[must_use]
    pub fn a20(&self) -> bool {
        self.plane.a20
    }

    /// Opens or closes the A20 gate. The keyboard controller and port 92h are two handles on one gate: the
    /// latest to move it wins.
    pub fn set_a20(&mut self, open: bool) {
        self.plane.set_a20(open);
    }
}
