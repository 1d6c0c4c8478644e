//! The board: owns every device by value, finds who decodes an access, and is the one door to them.
//!
//! One thread owns a `Board` and tells it the time with every call. Nothing happens on the board between
//! calls; what would have happened by itself (a timer edge) is caught up on by [`Board::advance`], and
//! [`Board::next_deadline`] says when that can next matter. Missed edges of one line merge into one
//! interrupt, as they do in a real 8259 whose processor is late, while the timers keep their phase.
//!
//! Which devices there are is in [`crate::rows`]; what they share is in `backplane`.

use crate::backplane::Backplane;
use crate::bus::{Bus, BusError, Claim};
use crate::config::BoardConfig;
use crate::ctx::Ctx;
use crate::deadlines::Deadlines;
use crate::device::{Device, Reset};
use crate::folder::Folder;
use crate::fw_cfg::FwCfg;
use crate::host::{Output, SerialSink};
use crate::irq::MAX_DRIVERS;
use crate::link::Link;
use crate::medium::Medium;
use crate::memory::{Dma, NoMemory};
use crate::row::{Row, Space, Wire};
use crate::rows;
use crate::speaker::Sound;
use thiserror::Error;

/// Why a device could not be attached; the board is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AttachError {
    /// There is a device of that name.
    #[error("device {0:?} is on the board already")]
    Twice(&'static str),
    /// The table of rows has no such device.
    #[error("no row is called {0:?}")]
    Unknown(String),
    /// The board is full.
    #[error("no room for device {id:?}: a board has {} slots", MAX_DRIVERS)]
    Full {
        /// The device.
        id: &'static str,
    },
    /// An interrupt line that does not exist, or that only one device may drive.
    #[error("device {id:?} cannot drive interrupt line {irq}")]
    Line {
        /// The device.
        id: &'static str,
        /// The line.
        irq: u8,
    },
    /// A PCI function number that is taken.
    #[error("device {id:?}: PCI function {device:02x}.{function} is taken")]
    Function {
        /// The device.
        id: &'static str,
        /// Device number.
        device: u8,
        /// Function number.
        function: u8,
    },
    /// A region.
    #[error("device {id:?}: {source}")]
    Region {
        /// The device.
        id: &'static str,
        /// What is wrong with it.
        source: BusError,
    },
}

/// A device in its place.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(crate) row: Row,
    pub(crate) device: Box<dyn Device>,
    /// Where its regions are.
    pub(crate) bases: Vec<Option<u64>>,
    /// Where they are after a reset.
    pub(crate) homes: Vec<Option<u64>>,
    /// The expansion ROM of its PCI function.
    pub(crate) rom: Vec<u8>,
    due: Option<u64>,
}

impl Mount {
    /// What `size` bytes at `offset` of the expansion ROM read. What is in no ROM reads all ones.
    pub(crate) fn read_rom(&self, offset: u64, size: u8) -> u64 {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = (0..usize::from(size)).rev().map(|at| self.rom.get(from.saturating_add(at)));
        bytes.fold(0, |value, byte| value << 8 | u64::from(*byte.unwrap_or(&0xff)))
    }
}

/// The serial ports, in their order.
const SERIAL_PORTS: [&str; 4] =
    [rows::COM1, rows::MORE_SERIAL[0], rows::MORE_SERIAL[1], rows::MORE_SERIAL[2]];

/// A PC's devices.
#[derive(Debug)]
pub struct Board {
    config: BoardConfig,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) plane: Backplane,
    pub(crate) ports: Bus,
    pub(crate) memory: Bus,
    pub(crate) deadlines: Deadlines,
    unplugged: bool,
    /// Slots of the devices that the board's own pins and lines lead to.
    pub(crate) coprocessor: Option<usize>,
    /// COM1 to COM4.
    pub(crate) serials: [Option<usize>; 4],
    pub(crate) power_management: Option<usize>,
    pub(crate) keyboard: Option<usize>,
    pub(crate) console: Option<usize>,
    pub(crate) local_apic: Option<usize>,
}

/// Last address of a space.
fn end(space: Space) -> u64 {
    match space {
        Space::Port => 0xffff,
        Space::Memory => u64::MAX,
    }
}

/// When a device that wants to be woken at `due` is: after `now`, and not at the end of time, which never
/// comes.
fn ahead(due: Option<u64>, now: u64) -> Option<u64> {
    due.map(|due| due.max(now.saturating_add(1))).filter(|&due| due != u64::MAX)
}

impl Board {
    /// A board after power-on at time 0, with the devices of [`rows::TABLE`] that `config` asks for. COM1's
    /// output goes to `serial`, port E9h's to `debugcon`.
    ///
    /// # Panics
    /// Never: the rows do not overlap, and a test mounts them all.
    pub fn new(
        config: BoardConfig,
        serial: Box<dyn SerialSink>,
        debugcon: Box<dyn SerialSink>,
    ) -> Board {
        let mut board = Board {
            config,
            mounts: Vec::new(),
            plane: Backplane::new(config.log_post),
            ports: Bus::default(),
            memory: Bus::default(),
            deadlines: Deadlines::default(),
            unplugged: false,
            coprocessor: None,
            serials: [None; 4],
            power_management: None,
            keyboard: None,
            console: None,
            local_apic: None,
        };
        if config.apic {
            board.plane.irqs.fit_apics();
        }
        for entry in rows::TABLE.iter().filter(|entry| (entry.fitted)(&config)) {
            let attached = board.attach(entry.row, (entry.make)(&config));
            attached.expect("the rows of the table do not overlap");
        }
        board.connect(rows::COM1, serial);
        board.connect(rows::DEBUG_CONSOLE, debugcon);
        board.coprocessor = board.slot(rows::COPROCESSOR);
        board.serials = SERIAL_PORTS.map(|id| board.slot(id));
        board.power_management = board.slot(rows::PM);
        board.keyboard = board.slot(rows::KEYBOARD);
        board.console = board.slot(rows::VIRTIO_CONSOLE);
        board.local_apic = board.slot(rows::LOCAL_APIC);
        board
    }

    /// The slot of device `id`.
    pub(crate) fn slot(&self, id: &str) -> Option<usize> {
        self.mounts.iter().position(|mount| mount.row.id == id)
    }

    /// The rows of the devices on the board.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.mounts.iter().map(|mount| &mount.row)
    }

    /// The registers of device `id`, in words.
    #[must_use]
    pub fn inspect(&self, id: &str) -> Option<String> {
        self.mounts
            .iter()
            .find(|mount| mount.row.id == id)
            .map(|mount| format!("{:#x?}", mount.device))
    }

    /// Sends the output of device `id` to `sink`. False if there is no such device.
    pub fn connect(&mut self, id: &str, sink: Box<dyn SerialSink>) -> bool {
        let slot = self.slot(id);
        let place = slot.and_then(|slot| self.plane.outputs.get_mut(slot));
        place.map(|place| *place = Some(Output::new(sink))).is_some()
    }

    /// Puts `medium` into drive `unit` of device `id`, in place of what is there; `None` takes that out. False if there is
    /// no such device or drive, or it takes no such medium.
    pub fn insert(&mut self, id: &str, unit: usize, medium: Option<Box<dyn Medium>>) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        self.call(slot, &mut NoMemory, |device, ctx| device.insert(unit, medium, ctx))
    }

    /// Lets device `id` show `folder` to the guest. False if there is no such device.
    pub fn share(&mut self, id: &str, folder: Box<dyn Folder>) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        self.call(slot, &mut NoMemory, |device, _| device.share(folder))
    }

    /// Lets `sound` have what the speaker does from now on.
    pub fn connect_sound(&mut self, sound: Box<dyn Sound>) -> bool {
        let Some(slot) = self.slot(rows::TIMER) else { return false };
        self.call(slot, &mut NoMemory, |device, ctx| device.connect_sound(sound, ctx))
    }

    /// The power button is pressed. A guest that listens is told; one that does not, or has been told before and is still
    /// on, is switched off, as by a button that is held: a [`BoardEvent::PowerOff`](crate::BoardEvent).
    pub fn press_power_button(&mut self, now: u64) {
        self.over(&mut NoMemory).press_power_button(now);
    }

    /// Gives the PCI function of device `id` an expansion ROM, which its base register places. False if it has no room for
    /// one so large. Meant for before the guest runs; no state has it in it.
    pub fn set_rom(&mut self, id: &str, rom: Vec<u8>) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        let mount = &mut self.mounts[slot];
        let region = mount.row.pci.and_then(|function| function.rom);
        let Some(region) = region.and_then(|rom| mount.row.regions.get(rom)) else { return false };
        if rom.len() as u64 > region.len {
            return false;
        }
        mount.rom = rom;
        self.plane.pci.fit_rom(slot)
    }

    /// Connects the network adapter `id` to `link`; a board has one that is connected. False if there is no such device.
    pub fn connect_link(&mut self, id: &str, link: Box<dyn Link>) -> bool {
        let slot = self.slot(id);
        slot.map(|slot| self.plane.link = Some((slot, link))).is_some()
    }

    /// Lets devices have random numbers of the host's. Without this they have sequences of their own, the same in each run.
    pub fn set_entropy(&mut self, fill: fn(&mut [u8]) -> bool) {
        self.plane.entropy = Some(fill);
    }

    /// What firmware can ask for; meant for before the guest runs. No state has it in it: it follows from the machine's
    /// configuration.
    pub fn fw_cfg_mut(&mut self) -> &mut FwCfg {
        &mut self.plane.fw_cfg
    }

    /// Puts the device of the table's row `id` on the board, one that the configuration left out.
    ///
    /// # Errors
    /// As [`Board::attach`], or [`AttachError::Unknown`].
    pub fn fit(&mut self, id: &str) -> Result<(), AttachError> {
        let entry = rows::TABLE.iter().find(|entry| entry.row.id == id);
        let entry = entry.ok_or_else(|| AttachError::Unknown(id.to_owned()))?;
        self.attach(entry.row, (entry.make)(&self.config))
    }

    /// Puts a device on the board: its regions on the buses, its function on PCI bus 0. Meant for before the
    /// guest runs; the device gets [`Reset::Cold`].
    ///
    /// # Errors
    /// [`AttachError`] when its name, a line, its function or an address is taken or does not exist. Region
    /// addresses must not be shared with another device in the same width.
    pub fn attach(&mut self, row: Row, device: Box<dyn Device>) -> Result<(), AttachError> {
        let id = row.id;
        if self.slot(id).is_some() {
            return Err(AttachError::Twice(id));
        }
        if self.mounts.len() >= MAX_DRIVERS || row.regions.len() > usize::from(Claim::ROM) {
            return Err(AttachError::Full { id });
        }
        // The master's IR2 is the slave's output.
        let wrong = row.lines.iter().find_map(|line| match line.wire {
            Wire::Isa(irq) => (irq > 15 || irq == 2).then_some(irq),
            Wire::Intx => row.pci.is_none_or(|function| function.pin == 0).then_some(u8::MAX),
        });
        if let Some(irq) = wrong {
            return Err(AttachError::Line { id, irq });
        }
        let bases: Vec<_> = row.regions.iter().map(|region| region.base).collect();
        let slot = self.mounts.len();
        let (homes, rom) = (bases.clone(), Vec::new());
        self.mounts.push(Mount { row, device, homes, bases, rom, due: None });
        if let Err(source) = self.rebuild() {
            self.mounts.pop();
            return Err(AttachError::Region { id, source });
        }
        if let Some(function) =
            row.pci.filter(|&function| !self.plane.pci.add(slot, function, row.regions))
        {
            self.mounts.pop();
            self.replug();
            let (device, function) = (function.device, function.function);
            return Err(AttachError::Function { id, device, function });
        }
        self.plane.outputs.push(None);
        self.call(self.mounts.len() - 1, &mut NoMemory, |device, ctx| {
            device.reset(Reset::Cold, ctx)
        });
        Ok(())
    }

    /// Moves region `region` of device `id` to `base`, where it is after each reset too. Meant for before the guest
    /// runs.
    ///
    /// # Errors
    /// [`AttachError`] when there is no such device or another one decodes an address there; nothing has moved then.
    pub fn relocate(
        &mut self,
        id: &'static str,
        region: usize,
        base: u64,
    ) -> Result<(), AttachError> {
        let unknown = || AttachError::Unknown(id.to_owned());
        let slot = self.slot(id).ok_or_else(unknown)?;
        let place = self.mounts[slot].bases.get_mut(region).ok_or_else(unknown)?;
        let before = place.replace(base);
        if let Err(source) = self.rebuild() {
            self.mounts[slot].bases[region] = before;
            self.replug();
            return Err(AttachError::Region { id, source });
        }
        self.mounts[slot].homes[region] = Some(base);
        Ok(())
    }

    /// Builds both buses anew.
    pub(crate) fn rebuild(&mut self) -> Result<(), BusError> {
        if self.unplugged {
            return Ok(());
        }
        self.ports = Bus::new(&self.claims(Space::Port)?)?;
        self.memory = Bus::new(&self.claims(Space::Memory)?)?;
        self.plane.irqs.touch();
        Ok(())
    }

    /// Device `slot` has been woken. One that is not content is woken again, but later: time must go on.
    pub(crate) fn woken(&mut self, slot: usize) {
        let again = ahead(self.mounts[slot].due, self.plane.now);
        self.deadlines.set(slot, again);
    }

    /// Builds both buses anew from regions that are known not to overlap.
    pub(crate) fn replug(&mut self) {
        let rebuilt = self.rebuild();
        debug_assert!(rebuilt.is_ok(), "{rebuilt:?}");
    }

    fn claims(&self, space: Space) -> Result<Vec<Claim>, BusError> {
        let mut claims = Vec::new();
        for (slot, mount) in (0u8..).zip(&self.mounts) {
            for (number, (region, base)) in (0u8..).zip(mount.row.regions.iter().zip(&mount.bases))
            {
                if let Some(base) = base.filter(|_| region.space == space) {
                    let claim = Claim::new(base, region.len, end(space))?;
                    let is_rom = mount.row.pci.and_then(|f| f.rom) == Some(usize::from(number));
                    let region_of = if is_rom { Claim::ROM } else { number };
                    claims.push(Claim { slot, region: region_of, widths: region.widths, ..claim });
                }
            }
        }
        Ok(claims)
    }

    /// Takes every device off the port bus: from now on each port reads all ones and writes are lost.
    /// For test benches, where a random port must not reach a chip.
    pub fn unplug_ports(&mut self) {
        self.ports = Bus::default();
        self.unplugged = true;
        self.plane.irqs.touch();
    }

    /// Calls into the device in `slot`, then does what it asked for.
    #[inline]
    pub(crate) fn call<R>(
        &mut self,
        slot: usize,
        memory: &mut dyn Dma,
        act: impl FnOnce(&mut dyn Device, &mut Ctx<'_>) -> R,
    ) -> R {
        let mount = &mut self.mounts[slot];
        let (row, bases) = (&mount.row, mount.bases.as_slice());
        let plane = &mut self.plane;
        let mut ctx = Ctx { slot, row, bases, plane, memory: &mut *memory };
        let answer = act(&mut *mount.device, &mut ctx);
        if mount.row.clocked {
            let due = mount.device.deadline();
            if due != mount.due {
                mount.due = due;
                self.deadlines.set(slot, ahead(due, self.plane.now));
            }
        }
        if !self.plane.remaps.is_empty() {
            self.remap();
        }
        if self.plane.pci.is_written() {
            self.configure(memory);
        }
        answer
    }

    /// Does what writes to configuration spaces ask for: regions move, pins are connected or not, devices are told.
    #[cold]
    fn configure(&mut self, memory: &mut dyn Dma) {
        for (slot, register) in self.plane.pci.take_written() {
            for (region, base) in self.plane.pci.places(slot) {
                if self.mounts[slot].bases.get(region).is_some_and(|&now| now != base) {
                    self.plane.remaps.push((slot, region, base));
                }
            }
            self.remap();
            if let Some(wire) = self.plane.pci.wire(slot) {
                self.plane.settle(wire);
            }
            self.call(slot, &mut *memory, |device, ctx| device.configured(register, ctx));
        }
    }

    #[cold]
    fn remap(&mut self) {
        for (slot, region, base) in std::mem::take(&mut self.plane.remaps) {
            let Some(place) = self.mounts[slot].bases.get_mut(region) else { continue };
            *place = base;
            if self.rebuild().is_err() {
                self.mounts[slot].bases[region] = None;
                self.replug();
            }
        }
    }
}
