//! Accesses, time and pins: what the machine does with a board while a guest runs.

use crate::backplane::Stats;
use crate::board::Board;
use crate::bus::{Bus, Claim};
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::host::{BoardEvent, Output, Room};
use crate::irq::Taken;
use crate::link::{HEADER, MAX_FRAME};
use crate::memory::{Dma, NoMemory, Shadow};
use crate::row::{DmaKind, Line, Space};
use std::fmt;

/// The widest access is of this many bytes.
const MAX_SIZE: u8 = 8;

fn ones(size: u8) -> u64 {
    u64::MAX >> (64 - 8 * u32::from(size.clamp(1, MAX_SIZE)))
}

/// Sizes of port accesses are 1, 2 and 4; anything else is taken for the nearest.
fn legal(size: u8) -> u8 {
    match size {
        0 | 1 => 1,
        2 | 3 => 2,
        _ => 4,
    }
}

/// A board with guest memory at hand.
pub struct OverMemory<'a> {
    board: &'a mut Board,
    memory: &'a mut dyn Dma,
}

impl fmt::Debug for OverMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OverMemory").field(&self.board).finish()
    }
}

impl OverMemory<'_> {
    /// As [`Board::port_in`].
    #[inline]
    pub fn port_in(&mut self, now: u64, port: u16, size: u8) -> u32 {
        self.advance(now);
        self.board.plane.stats.port_reads += 1;
        let size = legal(size);
        let value = self.read(Space::Port, u64::from(port), size);
        u32::try_from(value & ones(4)).unwrap_or(u32::MAX)
    }

    /// As [`Board::port_out`].
    #[inline]
    pub fn port_out(&mut self, now: u64, port: u16, size: u8, value: u32) {
        self.advance(now);
        self.board.plane.stats.port_writes += 1;
        self.write(Space::Port, u64::from(port), legal(size), u64::from(value));
    }

    /// As [`Board::mmio_read`].
    pub fn mmio_read(&mut self, now: u64, pa: u64, size: u8) -> u64 {
        self.advance(now);
        self.read(Space::Memory, pa, size.clamp(1, MAX_SIZE))
    }

    /// As [`Board::mmio_write`].
    pub fn mmio_write(&mut self, now: u64, pa: u64, size: u8, value: u64) {
        self.advance(now);
        self.write(Space::Memory, pa, size.clamp(1, MAX_SIZE), value);
    }

    /// As [`Board::advance`].
    #[inline]
    pub fn advance(&mut self, now: u64) {
        let plane = &mut self.board.plane;
        plane.now = plane.now.max(now);
        if self.board.deadlines.first().is_some_and(|deadline| deadline <= self.board.plane.now) {
            self.wake_due();
        }
    }

    fn wake_due(&mut self) {
        let mut due = self.board.deadlines.due(self.board.plane.now);
        while due != 0 {
            let slot = due.trailing_zeros() as usize;
            due &= due - 1;
            self.board.call(slot, self.memory, |device, ctx| device.wake(ctx));
            self.board.woken(slot);
        }
    }

    /// As [`Board::serial_input`].
    pub fn serial_input(&mut self, now: u64, bytes: &[u8]) -> usize {
        self.port_input(now, 0, bytes)
    }

    /// As [`Board::port_input`].
    pub fn port_input(&mut self, now: u64, port: usize, bytes: &[u8]) -> usize {
        self.advance(now);
        let slot = match port {
            0 => self.board.console_in(),
            _ => self.board.serials.get(port).copied().flatten(),
        };
        let Some(slot) = slot else { return bytes.len() };
        let taken = self.board.call(slot, self.memory, |device, ctx| device.receive(bytes, ctx));
        self.board.plane.stats.serial_in += taken as u64;
        taken
    }

    /// As [`Board::key_input`].
    pub fn key_input(&mut self, now: u64, bytes: &[u8]) -> usize {
        self.advance(now);
        let Some(slot) = self.board.keyboard else { return 0 };
        self.board.call(slot, self.memory, |device, ctx| device.receive(bytes, ctx))
    }

    /// As [`Board::press_power_button`].
    pub fn press_power_button(&mut self, now: u64) {
        self.advance(now);
        if let Some(slot) = self.board.power_management {
            self.board.call(slot, self.memory, |device, ctx| device.pin(true, ctx));
        }
    }

    /// As [`Board::frame_input`].
    pub fn frame_input(&mut self, now: u64, frame: &[u8]) -> bool {
        self.advance(now);
        let Some(slot) = self.board.linked() else { return true };
        if !(HEADER..=MAX_FRAME).contains(&frame.len()) {
            return true;
        }
        let taken = self.board.call(slot, self.memory, |device, ctx| device.frame(frame, ctx));
        self.board.plane.stats.frames_in += u64::from(taken);
        taken
    }

    /// As [`Board::reset`].
    pub fn reset(&mut self, now: u64) {
        let board = &mut *self.board;
        board.plane.now = board.plane.now.max(now);
        board.plane.reset();
        for mount in &mut board.mounts {
            mount.bases.clone_from(&mount.homes);
        }
        board.replug();
        for slot in 0..board.mounts.len() {
            board.call(slot, self.memory, |device, ctx| device.reset(Reset::Warm, ctx));
        }
    }

    #[inline]
    fn read(&mut self, space: Space, address: u64, size: u8) -> u64 {
        if let Some(claim) = self.board.bus(space).find(address, size) {
            let (region, offset) = (usize::from(claim.region), address - claim.first);
            if claim.region == Claim::ROM {
                return self.board.mounts[usize::from(claim.slot)].read_rom(offset, size);
            }
            let read =
                |device: &mut dyn Device, ctx: &mut Ctx<'_>| device.read(region, offset, size, ctx);
            let slot = usize::from(claim.slot);
            let mut value = self.board.call(slot, self.memory, read);
            if let Some(asked) = self.board.plane.pci.take_asked() {
                // The register lies in another device, which brings it up to date before it is read.
                self.board.call(asked, self.memory, |device, ctx| device.inspected(ctx));
                value = self.board.call(slot, self.memory, read);
                self.board.plane.pci.take_asked();
            }
            return value & ones(size);
        }
        self.read_bytes(space, address, size)
    }

    #[cold]
    fn read_bytes(&mut self, space: Space, address: u64, size: u8) -> u64 {
        if size == 1 {
            return self.board.unclaimed(space);
        }
        (0..u64::from(size)).rev().fold(0, |value, byte| {
            let byte = match address.checked_add(byte) {
                Some(address) => self.read(space, address, 1),
                None => self.board.unclaimed(space),
            };
            value << 8 | byte
        })
    }

    #[inline]
    fn write(&mut self, space: Space, address: u64, size: u8, value: u64) {
        if let Some(claim) = self.board.bus(space).find(address, size) {
            let (region, offset) = (usize::from(claim.region), address - claim.first);
            if claim.region == Claim::ROM {
                return;
            }
            return self.board.call(usize::from(claim.slot), self.memory, |device, ctx| {
                device.write(region, offset, size, value & ones(size), ctx);
            });
        }
        self.write_bytes(space, address, size, value);
    }

    #[cold]
    fn write_bytes(&mut self, space: Space, address: u64, size: u8, value: u64) {
        if size == 1 {
            self.board.unclaimed(space);
            return;
        }
        for (byte, value) in (0..u64::from(size)).zip(value.to_le_bytes()) {
            match address.checked_add(byte) {
                Some(address) => self.write(space, address, 1, u64::from(value)),
                None => drop(self.board.unclaimed(space)),
            }
        }
    }
}

impl Board {
    /// The board with guest memory at hand, for devices that master the bus. Without it their transfers
    /// find no memory.
    pub fn over<'a>(&'a mut self, memory: &'a mut dyn Dma) -> OverMemory<'a> {
        OverMemory { board: self, memory }
    }

    fn bus(&self, space: Space) -> &Bus {
        match space {
            Space::Port => &self.ports,
            Space::Memory => &self.memory,
        }
    }

    /// A byte that no device decodes: all ones.
    fn unclaimed(&mut self, space: Space) -> u64 {
        let stats = &mut self.plane.stats;
        match space {
            Space::Port => stats.unclaimed_ports += 1,
            Space::Memory => stats.unclaimed_mmio += 1,
        }
        0xff
    }

    /// Reads `size` (1, 2 or 4) bytes at `port`. What no device decodes reads all ones.
    pub fn port_in(&mut self, now: u64, port: u16, size: u8) -> u32 {
        self.over(&mut NoMemory).port_in(now, port, size)
    }

    /// Writes the low `size` (1, 2 or 4) bytes of `value` to `port`. What no device decodes is lost.
    pub fn port_out(&mut self, now: u64, port: u16, size: u8, value: u32) {
        self.over(&mut NoMemory).port_out(now, port, size, value);
    }

    /// Fills `buf` as reads of `size` (1, 2 or 4) bytes at `port` would, as long as those do no more than move data, whenever
    /// they come before the next deadline. Returns how many bytes; the next read is one for [`Board::port_in`].
    pub fn burst_in(&mut self, port: u16, size: u8, buf: &mut [u8]) -> usize {
        let Some(claim) = self.ports.find(u64::from(port), size) else { return 0 };
        let (region, offset) = (usize::from(claim.region), u64::from(port) - claim.first);
        let device = &mut self.mounts[usize::from(claim.slot)].device;
        let done = device.burst_in(region, offset, size, buf).min(buf.len());
        self.plane.stats.port_reads += (done / usize::from(size.max(1))) as u64;
        done
    }

    /// Writes the beginning of `data` to `port` by `size` bytes, as far as that does no more than move data, as
    /// [`Board::burst_in`]. Returns how many bytes.
    pub fn burst_out(&mut self, port: u16, size: u8, data: &[u8]) -> usize {
        let Some(claim) = self.ports.find(u64::from(port), size) else { return 0 };
        let (region, offset) = (usize::from(claim.region), u64::from(port) - claim.first);
        let device = &mut self.mounts[usize::from(claim.slot)].device;
        let done = device.burst_out(region, offset, size, data).min(data.len());
        self.plane.stats.port_writes += (done / usize::from(size.max(1))) as u64;
        done
    }

    /// Reads a memory-mapped register of `size` (1..=8) bytes at physical address `pa`. What no device
    /// decodes reads all ones.
    pub fn mmio_read(&mut self, now: u64, pa: u64, size: u8) -> u64 {
        self.over(&mut NoMemory).mmio_read(now, pa, size)
    }

    /// Writes a memory-mapped register. What no device decodes is lost.
    pub fn mmio_write(&mut self, now: u64, pa: u64, size: u8, value: u64) {
        self.over(&mut NoMemory).mmio_write(now, pa, size, value);
    }

    /// Brings the board's time to `now`, raising the interrupts of every timer edge up to then.
    pub fn advance(&mut self, now: u64) {
        self.over(&mut NoMemory).advance(now);
    }

    /// Keys pressed and released, and the mouse moved, as [`crate::Input::bytes`] and [`crate::Layout::typed`] say it: bytes
    /// of scan code set 2, whichever the guest has chosen (make code; F0h and make code at the release). Returns how many
    /// were accepted: the rest has to wait until the guest has read some, or its time has come.
    pub fn key_input(&mut self, now: u64, bytes: &[u8]) -> usize {
        self.over(&mut NoMemory).key_input(now, bytes)
    }

    /// The keyboard's lights: Scroll Lock, Num Lock and Caps Lock from bit 0 on.
    #[must_use]
    pub fn leds(&self) -> u8 {
        self.plane.leds
    }

    /// Bytes from the outside to COM1, or to the virtio console if that has a driver. Returns how many were accepted: the rest has to wait until the
    /// guest has read some.
    pub fn serial_input(&mut self, now: u64, bytes: &[u8]) -> usize {
        self.over(&mut NoMemory).serial_input(now, bytes)
    }

    /// The same to the serial port `port`: 0 is COM1. Where there is no such port all are lost.
    pub fn port_input(&mut self, now: u64, port: usize, bytes: &[u8]) -> usize {
        self.over(&mut NoMemory).port_input(now, port, bytes)
    }

    /// The latest time that the board was told.
    pub fn time(&self) -> u64 {
        self.plane.now
    }

    /// A frame comes in over the link of the network adapter. False: that has no room for it now, and it has to wait until
    /// the guest has made some. One that nobody wants, or that no frame is, is taken and gone.
    pub fn frame_input(&mut self, now: u64, frame: &[u8]) -> bool {
        self.over(&mut NoMemory).frame_input(now, frame)
    }

    /// Whether it is worth while to offer frames again that the network adapter had no room for.
    #[inline]
    pub fn takes_frames(&self) -> bool {
        self.linked().is_none_or(|slot| self.mounts[slot].device.takes_frames())
    }

    /// Whether a network adapter is connected to something.
    pub fn is_linked(&self) -> bool {
        self.plane.link.is_some()
    }

    /// From now on, or no longer, what the network adapter sends has been sent before.
    pub fn hold_link(&mut self, held: bool) {
        self.plane.link_held = held;
    }

    /// Where bytes for the console go: to the virtio console once it has a driver, else to COM1.
    fn console_in(&self) -> Option<usize> {
        let driven = |slot: &usize| self.mounts[*slot].device.listens();
        self.console.filter(driven).or(self.serials[0])
    }

    fn linked(&self) -> Option<usize> {
        self.plane.link.as_ref().map(|(slot, _)| *slot)
    }

    /// The time, in nanoseconds, at which a device will next do something by itself: after the board's
    /// time, and never `u64::MAX`.
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first()
    }

    /// The earliest deadline of a device that can assert INTR while the processor does nothing: one that drives a line
    /// which the interrupt controllers let through, or has no line. There is nothing to wake up for at others: who looks
    /// at such a device later finds it as if it had been woken.
    pub fn next_interrupt(&self) -> Option<u64> {
        let reaches = |&(_, slot): &(u64, usize)| {
            let mount = &self.mounts[slot];
            mount.row.lines.is_empty() || self.is_let_through(slot)
        };
        self.deadlines.iter().find(reaches).map(|(due, _)| due)
    }

    /// Whether INTR can still be asserted while the processor does nothing: it is, or a device with a deadline, or
    /// with `input` one that listens to the outside, or one with a link, drives a line that the interrupt controllers let
    /// through.
    pub fn can_interrupt(&self, input: bool) -> bool {
        let lines = self.serials.into_iter().chain([self.console_in(), self.keyboard]);
        let typed = lines.flatten().filter(|_| input);
        // A network has no end.
        let mut outside = typed.chain(self.linked());
        let hears = |slot: usize| {
            let mount = &self.mounts[slot];
            mount.device.listens() && self.is_let_through(slot)
        };
        self.intr() || self.nmi() || self.next_interrupt().is_some() || outside.any(hears)
    }

    fn is_let_through(&self, slot: usize) -> bool {
        let mut irqs =
            self.mounts[slot].row.lines.iter().filter_map(|line| self.plane.irq(slot, line.wire));
        // One that masters the bus can send a message.
        let messages = self.mounts[slot].row.dma == DmaKind::Master
            && self.plane.irqs.apics.as_ref().is_some_and(|apics| apics.local().takes_messages());
        messages || irqs.any(|irq| self.plane.irqs.can_interrupt(irq))
    }

    /// The INTR line to the processor.
    pub fn intr(&self) -> bool {
        self.plane.irqs.intr()
    }

    /// A model-specific register that the board keeps for the processor.
    pub fn msr(&self, address: u32) -> Option<u64> {
        self.plane.msrs.as_ref().and_then(|msrs| msrs.read(address))
    }

    /// Writes such a register. False when there is none, it is only read, or `value` has a reserved bit.
    pub fn set_msr(&mut self, address: u32, value: u64) -> bool {
        self.plane.msrs.as_mut().is_some_and(|msrs| msrs.write(address, value))
    }

    /// Whether an NMI waits for the processor.
    pub fn nmi(&self) -> bool {
        self.plane.irqs.nmi()
    }

    /// Whether an NMI waits, or an APIC is set up to make one of an interrupt line.
    pub fn can_pull_nmi(&self) -> bool {
        self.plane.irqs.apics.as_ref().is_some_and(|apics| apics.makes_nmis())
    }

    /// The processor takes the NMI that waits. False if none does.
    pub fn take_nmi(&mut self) -> bool {
        self.plane.irqs.apics.as_mut().is_some_and(|apics| apics.local_mut().take_nmi())
    }

    /// The processor's IA32_APIC_BASE is `value`: its local APIC is there (bits 12 to 35) if bit 11 says so, or nowhere.
    pub fn set_apic_base(&mut self, value: u64) {
        let (on, base) = (value & 1 << 11 != 0, value & 0xf_ffff_f000);
        let Some(slot) = self.local_apic else { return };
        if let Some(apics) = &mut self.plane.irqs.apics {
            apics.local_mut().set_on(on);
        }
        self.plane.remaps.push((slot, 0, on.then_some(base)));
        self.call(slot, &mut NoMemory, |device, ctx| device.wake(ctx));
    }

    /// CR8: the local APIC's task priority class, 0 to 15; 0 where there is none.
    pub fn task_priority(&self) -> u8 {
        self.plane.irqs.apics.as_ref().map_or(0, |apics| apics.local().task_priority())
    }

    /// Sets it.
    pub fn set_task_priority(&mut self, class: u8) {
        if let Some(apics) = &mut self.plane.irqs.apics {
            apics.local_mut().set_task_priority(class & 15);
        }
    }

    /// IA32_TSC_DEADLINE, as a time of the machine clock in nanoseconds; 0: not armed.
    pub fn tsc_deadline(&mut self, now: u64) -> u64 {
        self.advance(now);
        self.plane.irqs.apics.as_ref().map_or(0, |apics| apics.local().tsc_deadline())
    }

    /// Arms the local APIC's timer for `at` in nanoseconds of the machine clock, if it is in its TSC-deadline mode.
    pub fn set_tsc_deadline(&mut self, now: u64, at: u64) {
        self.advance(now);
        let Some(slot) = self.local_apic else { return };
        if let Some(apics) = &mut self.plane.irqs.apics {
            apics.local_mut().set_tsc_deadline(at, self.plane.now);
        }
        self.call(slot, &mut NoMemory, |device, ctx| device.wake(ctx));
    }

    /// The level of interrupt line `irq` (0..=15), before the interrupt controllers.
    pub fn line(&self, irq: u8) -> bool {
        self.plane.irqs.level(irq)
    }

    /// The processor takes the interrupt that INTR asks for: the vector to deliver. If the request is gone by now, that
    /// of a spurious IRQ 7 (or 15), or the local APIC's.
    pub fn ack(&mut self, now: u64) -> u8 {
        self.advance(now);
        let (vector, taken) = self.plane.irqs.take();
        let stats = &mut self.plane.stats;
        match taken {
            Taken::Line(irq) => {
                stats.interrupts[usize::from(irq & 15)] += 1;
                self.acknowledged(irq);
            }
            Taken::Local => stats.local_interrupts += 1,
            Taken::Nothing => stats.spurious += 1,
        }
        vector
    }

    /// Tells the devices with clocks that the processor has taken an interrupt of line `irq`.
    fn acknowledged(&mut self, irq: u8) {
        for slot in 0..self.mounts.len() {
            let row = &self.mounts[slot].row;
            let leads = |line: &Line| self.plane.irq(slot, line.wire) == Some(irq);
            let line = row.lines.iter().position(leads);
            if let Some(line) = line.filter(|_| row.clocked) {
                self.call(slot, &mut NoMemory, |device, ctx| device.acknowledged(line, ctx));
            }
        }
    }

    /// Time goes on whether the guest runs or not, and so much of it went to the guest as `executed` says, in
    /// nanoseconds, and as [`Board::slept`] adds up: ticks that it got no time for are made up. Without this, time is
    /// what the guest executes.
    pub fn keep_ticks(&mut self, executed: fn() -> u64) {
        self.plane.given.executed = Some(executed);
    }

    /// The guest has slept for `ns` nanoseconds more, as long as it wanted to.
    pub fn slept(&mut self, ns: u64) {
        self.plane.given.slept = self.plane.given.slept.saturating_add(ns);
    }

    /// The FERR# pin of the processor's floating-point unit, which a PC turns into IRQ 13.
    pub fn set_ferr(&mut self, now: u64, asserted: bool) {
        self.advance(now);
        if let Some(slot) = self.coprocessor {
            self.call(slot, &mut NoMemory, |device, ctx| device.pin(asserted, ctx));
        }
    }

    /// The IGNNE# pin: the guest has acknowledged IRQ 13 at port F0h, and may execute floating-point
    /// instructions with the error still standing until FERR# falls.
    pub fn ignne(&self) -> bool {
        self.plane.ignne
    }

    /// Whether an output had no room when it was last asked.
    #[inline]
    pub fn has_full_outputs(&self) -> bool {
        self.plane.full != 0
    }

    /// Asks the outputs that had no room. Whether one of them will have some soon, so that the machine had better wait.
    pub fn look_at_outputs(&mut self, now: u64) -> bool {
        self.advance(now);
        let visible = self.plane.given.executed.is_some();
        let (mut soon, mut left) = (false, self.plane.full);
        while left != 0 {
            let slot = left.trailing_zeros() as usize;
            left &= left - 1;
            let output = self.plane.outputs.get_mut(slot).and_then(Option::as_mut);
            let room = output.map_or(Room::Free, Output::room);
            soon |= room == Room::Soon;
            if room == Room::Free {
                self.plane.full &= !(1 << slot);
            }
            // With the virtual clock no guest sees how fast its output is read.
            if visible && room != Room::Soon {
                let full = room == Room::None;
                self.call(slot, &mut NoMemory, |device, ctx| device.backed_up(full, ctx));
            }
        }
        soon
    }

    /// True when there is an event to take, or memory to switch.
    pub fn has_events(&self) -> bool {
        !self.plane.events.is_empty() || !self.plane.shadows.is_empty()
    }

    /// The memory behind ROMs that is to be switched, which nobody has been told of.
    pub fn take_shadows(&mut self) -> Vec<Shadow> {
        std::mem::take(&mut self.plane.shadows)
    }

    /// The oldest event that nobody has taken.
    pub fn take_event(&mut self) -> Option<BoardEvent> {
        self.plane.events.take()
    }

    /// The value of the firmware call that waits, if one does: it is served before anything else, the other
    /// events.
    pub fn take_firmware_call(&mut self) -> Option<u8> {
        self.plane.events.take_call()
    }

    /// The latest 4096 codes written to port 80h, oldest first; empty unless the board logs them.
    pub fn post_codes(&self) -> &[u8] {
        self.plane.post.codes()
    }

    /// How many codes came before [`Board::post_codes`].
    pub fn post_codes_left_out(&self) -> u64 {
        self.plane.post.left_out()
    }

    /// What has happened so far.
    pub fn stats(&self) -> &Stats {
        &self.plane.stats
    }

    /// Pulls every device's reset pin. The real-time clock keeps time and memory; the bytes waiting on the
    /// serial line and a sink's error are kept; other events are gone, but for the A20 gate opening.
    pub fn reset(&mut self, now: u64) {
        self.over(&mut NoMemory).reset(now);
    }
}
