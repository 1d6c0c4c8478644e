//! A virtio device as a PCI function that old and new drivers know: registers in ports and in memory, its interrupt pin or
//! messages, and the rings that it serves.

use crate::config::BoardConfig;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::folder::{Folder, Tag};
use crate::link::Mac;
use crate::medium::Medium;
use crate::memory::{Dma, DmaError};
use crate::row::{Bar, DmaKind, Function, Fuzz, Line, Own, Region, Row, WHOLE};
use crate::state::{StateError, decode, encode};
use crate::virtio::backend::{Backend, Incoming};
use crate::virtio::balloon::Balloon;
use crate::virtio::block::Block;
use crate::virtio::console::Console;
use crate::virtio::msix::{MsiX, Switches, VECTORS};
use crate::virtio::net::Net;
use crate::virtio::queue::Broken;
use crate::virtio::rng::Rng;
use crate::virtio::share::Share;
use crate::virtio::transport::{
    Effect, ISR_CONFIG, ISR_RING, LEGACY_CONFIG, LEGACY_CONFIG_MSIX, Transport, TransportState,
};
use crate::virtio::window::{self, Aim};
use serde::{Deserialize, Serialize};

/// Regions of a row: an old driver's registers, the messages, a new driver's registers.
const LEGACY: usize = 0;
const MESSAGES: usize = 1;
const REGIONS: &[Region] = &[
    Region::movable_ports("old registers", 0x80, WHOLE),
    Region::movable_memory("messages", 0x1000, 4),
    Region::movable_memory("registers", 0x4000, WHOLE),
];
const BARS: &[Bar] = &[Bar::new(0, LEGACY), Bar::new(1, MESSAGES), Bar::new(4, 2)];
/// What is where in the last.
const COMMON: u64 = 0;
const ISR: u64 = 0x1000;
const CONFIG: u64 = 0x2000;
const NOTIFY: u64 = 0x3000;
const PART: u64 = 0x1000;
/// Bytes between the places where rings are notified of.
const NOTIFY_STEP: u64 = 4;

/// Where the capability for messages is in the configuration space, and the bits of its control word's high byte.
const MSIX: u8 = 0x84;
const MSIX_ON: u8 = 0x80;
const MSIX_MASKED: u8 = 0x40;
/// The capability that reaches registers through the configuration space.
const WINDOW: u8 = 0x90;
const WINDOW_DATA: u8 = WINDOW + window::DATA;

/// A capability of the vendor's (VIRTIO 1.2, 4.1.4): what lies in 4 KiB of the registers from `offset` on.
const fn capability(next: u8, len: u8, kind: u8, offset: u64) -> [u8; 16] {
    let [a, b, c, d, ..] = offset.to_le_bytes();
    let [e, f, g, h, ..] = PART.to_le_bytes();
    [0x09, next, len, kind, 4, 0, 0, 0, a, b, c, d, e, f, g, h]
}

const OWN: &[Own] = &[
    Own { offset: 0x40, values: &capability(0x50, 16, 1, COMMON), masks: &[] },
    Own { offset: 0x50, values: &capability(0x60, 16, 3, ISR), masks: &[] },
    Own { offset: 0x60, values: &capability(0x70, 16, 4, CONFIG), masks: &[] },
    Own { offset: 0x70, values: &capability(MSIX, 20, 2, NOTIFY), masks: &[] },
    Own { offset: 0x80, values: &[NOTIFY_STEP.to_le_bytes()[0], 0, 0, 0], masks: &[] },
    // The table at the beginning of the region, what waits in its second half.
    Own {
        offset: MSIX,
        values: &[0x11, WINDOW, VECTORS.to_le_bytes()[0] - 1, 0, 1, 0, 0, 0, 1, 8, 0, 0],
        masks: &[0, 0, 0, MSIX_ON | MSIX_MASKED],
    },
    Own { offset: WINDOW, values: &window::VALUES, masks: &window::MASKS },
];

/// A function: device number `device`, of this kind, of a class.
const fn function(device: u8, kind: u16, class: u16) -> Function {
    // Numbers of devices that old drivers know; not in the order of the kinds.
    let device_id = match kind {
        1 => 0x1000,
        2 => 0x1001,
        5 => 0x1002,
        3 => 0x1003,
        4 => 0x1005,
        _ => 0x1009,
    };
    Function {
        device,
        vendor_id: 0x1af4,
        device_id,
        class,
        subsystem: (0x1af4, kind),
        command_mask: Function::IO | Function::MEMORY | Function::MASTER | Function::INTX_OFF,
        pin: 1,
        bars: BARS,
        capabilities: 0x40,
        own: OWN,
        live: WINDOW_DATA,
        ..Function::NONE
    }
}

const fn row(id: &'static str, title: &'static str, spec: &'static str, pci: Function) -> Row {
    Row {
        id,
        title,
        spec,
        regions: REGIONS,
        pci: Some(pci),
        lines: &[Line::INTX],
        clocked: true,
        dma: DmaKind::Master,
        version: 1,
        loads: &[],
        fuzz: Fuzz { read: 2, write: 2, time: 1 },
    }
}

/// The disks.
pub(crate) const DISKS: [Row; 4] = [
    disk("virtio-blk0", "First virtio disk", 0),
    disk("virtio-blk1", "Second virtio disk", 1),
    disk("virtio-blk2", "Third virtio disk", 2),
    disk("virtio-blk3", "Fourth virtio disk", 3),
];

const fn disk(id: &'static str, title: &'static str, unit: u8) -> Row {
    row(id, title, "VIRTIO 1.2, 5.2", function(0x10 + unit, 2, 0x0100))
}

/// The source of random numbers.
pub(crate) const RNG: Row =
    row("virtio-rng", "Virtio random numbers", "VIRTIO 1.2, 5.4", function(0x14, 4, 0x00ff));
/// The console.
pub(crate) const CONSOLE: Row =
    row("virtio-console", "Virtio console", "VIRTIO 1.2, 5.3", function(0x15, 3, 0x0780));
/// The balloon.
pub(crate) const BALLOON: Row =
    row("virtio-balloon", "Virtio balloon", "VIRTIO 1.2, 5.5", function(0x16, 5, 0x00ff));
/// The network adapter.
pub(crate) const NET: Row =
    row("virtio-net", "Virtio network adapter", "VIRTIO 1.2, 5.1", function(0x17, 1, 0x0200));

/// The folder of the host's.
pub(crate) const SHARE: Row =
    row("virtio-9p", "Virtio shared folder", "VIRTIO 1.2, 5; 9P2000.L", function(0x18, 9, 0x0002));

impl Dma for Ctx<'_> {
    fn dma_read(&mut self, pa: u64, buf: &mut [u8]) -> Result<(), DmaError> {
        Ctx::dma_read(self, pa, buf)
    }

    fn dma_write(&mut self, pa: u64, data: &[u8]) -> Result<(), DmaError> {
        Ctx::dma_write(self, pa, data)
    }
}

/// A function.
#[derive(Debug)]
pub(crate) struct VirtioFunction {
    transport: Transport,
    messages: MsiX,
    backend: Box<dyn Backend>,
    /// Rings that have to be looked at when time has gone on, a bit for each.
    waiting: u16,
}

#[derive(Serialize, Deserialize)]
struct VirtioState {
    transport: TransportState,
    messages: MsiX,
    waiting: u16,
    backend: Vec<u8>,
}

impl VirtioFunction {
    fn new(backend: Box<dyn Backend>) -> Self {
        let transport = Transport::new(backend.rings());
        VirtioFunction { transport, messages: MsiX::default(), backend, waiting: 0 }
    }

    /// Disk number `UNIT`, without a medium.
    pub(crate) fn disk<const UNIT: u8>(_: &BoardConfig) -> Self {
        Self::new(Box::new(Block::new(UNIT)))
    }

    /// The source of random numbers.
    pub(crate) fn rng(_: &BoardConfig) -> Self {
        Self::new(Box::new(Rng::default()))
    }

    /// The console.
    pub(crate) fn console(_: &BoardConfig) -> Self {
        Self::new(Box::new(Console::default()))
    }

    /// A balloon that asks for as much as `config` says.
    pub(crate) fn balloon(config: &BoardConfig) -> Self {
        Self::new(Box::new(Balloon::new(config.virtio.balloon.unwrap_or(0))))
    }

    /// A network adapter of the address that `config` says.
    pub(crate) fn net(config: &BoardConfig) -> Self {
        Self::new(Box::new(Net::new(config.nics.virtio.unwrap_or(Mac::DEFAULT))))
    }

    /// A folder that is mounted by the tag that `config` says.
    pub(crate) fn share(config: &BoardConfig) -> Self {
        Self::new(Box::new(Share::new(config.virtio.share.unwrap_or(Tag::DEFAULT))))
    }

    /// What the window in the configuration space shows.
    fn aim(ctx: &Ctx<'_>) -> Option<Aim> {
        window::aim(|at| ctx.config(WINDOW + at), BARS, REGIONS)
    }

    fn switches(ctx: &Ctx<'_>) -> Switches {
        let control = ctx.config(MSIX + 3);
        Switches { on: control & MSIX_ON != 0, masked: control & MSIX_MASKED != 0 }
    }

    /// The pin, and messages that may be sent.
    fn settle(&mut self, ctx: &mut Ctx<'_>) {
        let switches = Self::switches(ctx);
        if !switches.on {
            self.messages.forget();
        }
        while let Some((address, data)) = self.messages.take(switches) {
            ctx.message(address, data);
        }
        ctx.line(0, !switches.on && self.transport.isr != 0);
    }

    /// Tells the driver that ring `ring` has something for it, or that the configuration has changed.
    fn interrupt(&mut self, ring: Option<usize>) {
        self.transport.isr |= if ring.is_some() { ISR_RING } else { ISR_CONFIG };
        self.messages.raise(self.transport.vector(ring));
    }

    /// Serves ring `ring` until it is empty or the device wants no more, or its budget is used up.
    fn serve(&mut self, ring: usize, ctx: &mut Ctx<'_>) {
        self.waiting &= !(1 << ring);
        if !self.transport.is_live() {
            return;
        }
        match self.drain(ring, ctx) {
            Ok(true) => self.interrupt(Some(ring)),
            Ok(false) => {}
            Err(Broken) => self.fail(),
        }
    }

    /// The driver has broken the rules.
    fn fail(&mut self) {
        self.transport.fail();
        self.waiting = 0;
        self.interrupt(None);
    }

    /// Gives what came in to the driver, and says whether that wants an interrupt; nothing where it has no room.
    fn give(&mut self, mut what: Incoming, ctx: &mut Ctx<'_>) -> Result<Option<bool>, Broken> {
        let Some(queue) = self.transport.rings.get_mut(what.ring) else { return Ok(Some(false)) };
        let (start, len) = (queue.position(), what.bytes.len() as u64);
        let (mut chains, mut room) = (Vec::new(), 0u64);
        while room < len && (chains.is_empty() || what.count_at.is_some()) {
            let Some(chain) = queue.pop(ctx)? else {
                queue.go_back(start);
                return Ok(None);
            };
            room = room.saturating_add(chain.writable_len());
            chains.push(chain);
        }
        if room < len {
            // It fits into no buffer that this driver gives: lost, as by a receiver that is overrun.
            queue.go_back(start);
            return Ok(Some(false));
        }
        let count = u16::try_from(chains.len()).unwrap_or(u16::MAX).to_le_bytes();
        if let Some(place) = what.count_at.and_then(|at| what.bytes.get_mut(at..at + 2)) {
            place.copy_from_slice(&count);
        }
        let mut rest = &what.bytes[..];
        for chain in chains {
            let now = usize::try_from(chain.writable_len()).unwrap_or(usize::MAX).min(rest.len());
            let (first, later) = rest.split_at(now);
            chain.write(0, first, ctx).map_err(|_| Broken)?;
            queue.push(chain.head, u32::try_from(now).unwrap_or(u32::MAX), ctx)?;
            rest = later;
        }
        queue.settle(true, ctx).map(Some)
    }

    /// The same; whether the driver wants an interrupt.
    fn drain(&mut self, ring: usize, ctx: &mut Ctx<'_>) -> Result<bool, Broken> {
        let accepted = self.transport.accepted();
        let Some(queue) = self.transport.rings.get_mut(ring) else { return Ok(false) };
        let (mut moved, mut given) = (0u64, false);
        while self.backend.wants(ring) {
            if moved >= self.backend.budget() {
                self.waiting |= 1 << ring;
                break;
            }
            let Some(chain) = queue.pop(ctx)? else { break };
            moved = moved.saturating_add(chain.readable_len()).saturating_add(chain.writable_len());
            let len = self.backend.serve(ring, &chain, accepted, ctx)?;
            queue.push(chain.head, len, ctx)?;
            given = true;
        }
        queue.settle(given, ctx)
    }

    fn follow(&mut self, effect: Effect, ctx: &mut Ctx<'_>) {
        match effect {
            Effect::Nothing => {}
            Effect::Reset => {
                self.waiting = 0;
                self.backend.reset();
            }
            Effect::Notify(ring) if usize::from(ring) < self.transport.rings.len() => {
                self.serve(usize::from(ring), ctx);
            }
            Effect::Notify(_) => {}
        }
        self.settle(ctx);
    }

    /// The device's own configuration.
    fn config(&self, offset: u64, size: u8) -> u64 {
        let config = self.backend.config();
        let byte =
            |at: u64| usize::try_from(at).ok().and_then(|at| config.get(at)).copied().unwrap_or(0);
        let bytes = (0..u64::from(size.min(8))).rev();
        bytes.fold(0, |value, at| value << 8 | u64::from(byte(offset.saturating_add(at))))
    }

    fn set_config(&mut self, offset: u64, size: u8, value: u64) {
        for (at, byte) in (offset..).zip(value.to_le_bytes()).take(usize::from(size.min(8))) {
            self.backend.set_config(at, byte);
        }
    }

    fn legacy_config(ctx: &Ctx<'_>) -> u64 {
        if Self::switches(ctx).on { LEGACY_CONFIG_MSIX } else { LEGACY_CONFIG }
    }
}

impl Device for VirtioFunction {
    fn read(&mut self, region: usize, offset: u64, size: u8, ctx: &mut Ctx<'_>) -> u64 {
        let offered = self.backend.features();
        match region {
            LEGACY => {
                let config = Self::legacy_config(ctx);
                if offset >= config {
                    return self.config(offset - config, size);
                }
                let value = self.transport.legacy_read(offset, offered);
                self.settle(ctx);
                value
            }
            MESSAGES if offset.is_multiple_of(4) => u64::from(self.messages.read(offset)),
            MESSAGES => 0,
            _ => match offset / PART * PART {
                COMMON => self.transport.read(offset, offered),
                ISR => {
                    let value = self.transport.take_isr();
                    self.settle(ctx);
                    u64::from(value)
                }
                CONFIG => self.config(offset - CONFIG, size),
                _ => 0,
            },
        }
    }

    fn write(&mut self, region: usize, offset: u64, size: u8, value: u64, ctx: &mut Ctx<'_>) {
        let offered = self.backend.features();
        let effect = match region {
            LEGACY => {
                let config = Self::legacy_config(ctx);
                if offset >= config {
                    return self.set_config(offset - config, size, value);
                }
                self.transport.legacy_write(offset, value, offered)
            }
            MESSAGES => {
                if let (0, Ok(value)) = (offset % 4, u32::try_from(value)) {
                    self.messages.write(offset, value);
                }
                Effect::Nothing
            }
            _ => match offset / PART * PART {
                COMMON => self.transport.write(offset, value, offered),
                CONFIG => return self.set_config(offset - CONFIG, size, value),
                NOTIFY => {
                    let ring = (offset - NOTIFY) / NOTIFY_STEP;
                    u16::try_from(ring).map_or(Effect::Nothing, Effect::Notify)
                }
                _ => Effect::Nothing,
            },
        };
        self.follow(effect, ctx);
    }

    fn wake(&mut self, ctx: &mut Ctx<'_>) {
        for ring in 0..self.transport.rings.len() {
            if self.waiting & 1 << ring != 0 {
                self.serve(ring, ctx);
            }
        }
        self.settle(ctx);
    }

    fn receive(&mut self, bytes: &[u8], _ctx: &mut Ctx<'_>) -> usize {
        let (taken, ring) = self.backend.receive(bytes);
        // The rings are in memory, which is not at hand now.
        self.waiting |= u16::from(taken > 0) << ring;
        taken
    }

    fn backed_up(&mut self, full: bool, _ctx: &mut Ctx<'_>) {
        let ring = self.backend.backed_up(full);
        self.waiting |= u16::from(!full) << ring;
    }

    fn frame(&mut self, frame: &[u8], ctx: &mut Ctx<'_>) -> bool {
        let incoming = self.backend.frame(frame, self.transport.accepted());
        let Some(incoming) = incoming.filter(|_| self.listens()) else { return true };
        let ring = incoming.ring;
        let given = self.give(incoming, ctx);
        match given {
            Ok(Some(true)) => self.interrupt(Some(ring)),
            Ok(_) => {}
            Err(Broken) => self.fail(),
        }
        self.settle(ctx);
        given != Ok(None)
    }

    fn listens(&self) -> bool {
        self.transport.is_live() && self.transport.rings.first().is_some_and(|ring| ring.is_ready())
    }

    fn deadline(&self) -> Option<u64> {
        (self.waiting != 0).then_some(0)
    }

    fn configured(&mut self, register: u8, ctx: &mut Ctx<'_>) {
        if register == MSIX {
            self.settle(ctx);
        }
        if register == WINDOW_DATA
            && let Some(Aim { region, offset, size }) = Self::aim(ctx)
        {
            let data = window::data(|at| ctx.config(WINDOW + at));
            let value = u64::from(data) & (u64::MAX >> (64 - 8 * u32::from(size)));
            self.write(region, offset, size, value, ctx);
        }
    }

    fn inspected(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(Aim { region, offset, size }) = Self::aim(ctx) {
            let value = self.read(region, offset, size, ctx);
            for (at, byte) in (WINDOW_DATA..).zip(value.to_le_bytes()).take(usize::from(size)) {
                ctx.set_config(at, byte);
            }
        }
    }

    fn insert(&mut self, unit: usize, medium: Option<Box<dyn Medium>>, ctx: &mut Ctx<'_>) -> bool {
        if unit != 0 || !self.backend.insert(medium) {
            return false;
        }
        self.transport.reconfigured();
        if self.transport.is_driven() {
            self.interrupt(None);
            self.settle(ctx);
        }
        true
    }

    fn share(&mut self, folder: Box<dyn Folder>) -> bool {
        self.backend.share(folder)
    }

    fn reset(&mut self, _kind: Reset, _ctx: &mut Ctx<'_>) {
        self.transport.reset();
        self.backend.reset();
        self.messages = MsiX::default();
        self.waiting = 0;
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        let (transport, messages) = (self.transport.save(), self.messages.clone());
        let backend = self.backend.save()?;
        encode(&VirtioState { transport, messages, waiting: self.waiting, backend })
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        let state: VirtioState = decode(bytes)?;
        state.messages.check()?;
        let rings = self.transport.rings.len();
        crate::state::check(u32::from(state.waiting) < 1 << rings, "rings that wait")?;
        self.backend.load(&state.backend)?;
        self.transport.load(state.transport)?;
        (self.messages, self.waiting) = (state.messages, state.waiting);
        Ok(())
    }
}
