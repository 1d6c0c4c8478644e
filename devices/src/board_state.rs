//! The board's state as sections, one for each device and one for the wires between them.
//!
//! In it is what a guest could find out: registers, levels of lines, where regions are, the time, and input
//! that a device has accepted. Not in it is what belongs to the host: sinks, the POST log, the counts of
//! [`crate::Stats`], and events that nobody has taken, of which there are none between two instructions.

use crate::board::Board;
use crate::memory::NoMemory;
use crate::row::Wire;
use crate::state::{BoardLoadError, Section, StateError, check, decode, encode};
use serde::{Deserialize, Serialize};

/// The section of the wires.
const WIRES: &str = "board";
const WIRES_VERSION: u32 = 2;

/// What the wires carry.
#[derive(Debug, Serialize, Deserialize)]
struct Wires {
    now: u64,
    a20: bool,
    ignne: bool,
    /// Devices that drive a line high: name, index of the line in the row.
    high: Vec<(String, u8)>,
    /// Where each device's regions are: name, bases.
    bases: Vec<(String, Vec<Option<u64>>)>,
}

impl Board {
    /// The state of every device, and of the wires. Meant for between two instructions, when the events have
    /// been taken.
    ///
    /// # Errors
    /// [`StateError`] when a device cannot write its state down; none of this crate's is such a one.
    pub fn save(&mut self) -> Result<Vec<Section>, StateError> {
        let wires = encode(&self.wires())?;
        let wires = Section { id: WIRES.to_owned(), version: WIRES_VERSION, bytes: wires };
        let mut sections = vec![wires];
        for slot in 0..self.mounts.len() {
            let row = self.mounts[slot].row;
            let bytes = self.call(slot, &mut NoMemory, |device, ctx| device.save(ctx))?;
            sections.push(Section { id: row.id.to_owned(), version: row.version, bytes });
        }
        Ok(sections)
    }

    fn wires(&self) -> Wires {
        let mut high = Vec::new();
        let mut bases = Vec::new();
        for (slot, mount) in self.mounts.iter().enumerate() {
            let id = mount.row.id;
            let driven = (0u8..).zip(mount.row.lines);
            let driven = driven.filter(|(_, line)| self.plane.drives(slot, line.wire));
            high.extend(driven.map(|(n, _)| (id.to_owned(), n)));
            bases.push((id.to_owned(), mount.bases.clone()));
        }
        let plane = &self.plane;
        Wires { now: plane.now, a20: plane.a20, ignne: plane.ignne, high, bases }
    }

    /// Takes over what [`Board::save`] gave on a board of the same devices. Sinks, counts and the POST log
    /// stay this board's own; events are gone. The levels of the A20 gate, INTR and IGNNE# are for the caller
    /// to look at: no event tells of them.
    ///
    /// # Errors
    /// [`BoardLoadError`], naming the device; the board is unusable then.
    pub fn load(&mut self, sections: &[Section]) -> Result<(), BoardLoadError> {
        let known = |id: &str| id == WIRES || self.slot(id).is_some();
        if let Some(stranger) = sections.iter().find(|section| !known(&section.id)) {
            return Err(BoardLoadError::UnknownDevice(stranger.id.clone()));
        }
        let section = only(sections, WIRES, WIRES_VERSION, &[])?;
        let wires = decode(&section.bytes);
        let wired = wires.and_then(|wires| self.set_wires(&wires));
        wired.map_err(|source| BoardLoadError::State { id: WIRES, source })?;
        for slot in 0..self.mounts.len() {
            let row = self.mounts[slot].row;
            let section = only(sections, row.id, row.version, row.loads)?;
            self.call(slot, &mut NoMemory, |device, ctx| {
                device.load(section.version, &section.bytes, ctx)
            })
            .map_err(|source| BoardLoadError::State { id: row.id, source })?;
            self.woken(slot);
        }
        self.plane.restore_wires();
        while self.take_event().is_some() {}
        self.take_shadows();
        Ok(())
    }

    fn set_wires(&mut self, wires: &Wires) -> Result<(), StateError> {
        check(wires.bases.len() == self.mounts.len(), "number of devices")?;
        for (id, bases) in &wires.bases {
            let slot = self.slot(id).ok_or(StateError::Impossible("device"))?;
            let mount = &mut self.mounts[slot];
            check(bases.len() == mount.bases.len(), "number of regions")?;
            mount.bases.clone_from(bases);
        }
        self.rebuild().map_err(|_| StateError::Impossible("place of a region"))?;
        self.plane.irqs.release();
        self.plane.pci.reset();
        for (id, n) in &wires.high {
            let slot = self.slot(id).ok_or(StateError::Impossible("device"))?;
            let line = self.mounts[slot].row.lines.get(usize::from(*n));
            match line.ok_or(StateError::Impossible("interrupt line"))?.wire {
                Wire::Isa(irq) => self.plane.irqs.restore(slot, irq, true),
                Wire::Intx => drop(self.plane.pci.drive(slot, true)),
            }
        }
        self.plane.now = wires.now;
        self.plane.a20 = wires.a20;
        self.plane.ignne = wires.ignne;
        Ok(())
    }
}

/// The one section of device `id`, in a version that it reads.
fn only<'a>(
    sections: &'a [Section],
    id: &'static str,
    version: u32,
    loads: &[u32],
) -> Result<&'a Section, BoardLoadError> {
    let mut found = sections.iter().filter(|section| section.id == id);
    let (Some(section), None) = (found.next(), found.next()) else {
        let found = sections.iter().filter(|section| section.id == id).count();
        return Err(BoardLoadError::Sections { id, found });
    };
    if section.version == version || loads.contains(&section.version) {
        return Ok(section);
    }
    let reads = loads.iter().copied().chain([version]).collect();
    Err(BoardLoadError::Version { id, version: section.version, reads })
}
