//! A machine's parts, brought into sections and back.

use super::error::StateError;
use ringer_devices::Section;
use ringer_devices::state::{decode, encode};
use ringer_mmu::{GuestMemory, MemoryState};
use ringer_monitor::{Monitor, MonitorState};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The sections that are no device's: name and version.
const MONITOR: (&str, u32) = ("monitor", 1);
const MEMORY: (&str, u32) = ("memory", 1);
const MACHINE: (&str, u32) = ("machine", 1);
/// What the names of the board's sections begin with.
const DEVICE: &str = "device/";

/// What the machine itself has of its state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// CS and EIP of the triple fault that the running boot followed, if it may be hopeless.
    pub last_fault: Option<(u16, u32)>,
    /// A key that the built-in firmware has taken from the serial port and not given to the guest yet.
    pub key: Option<u8>,
}

/// The sections of a machine that stands between two instructions.
///
/// # Errors
/// When a part cannot write its state down.
pub fn sections(monitor: &mut Monitor, own: &Own) -> Result<Vec<Section>, StateError> {
    let mut sections = vec![
        section(MONITOR, &monitor.save_state()?)?,
        section(MEMORY, &monitor.memory().state())?,
        section(MACHINE, own)?,
    ];
    let id = "devices";
    let board = monitor.board_mut().save();
    let board = board.map_err(|source| StateError::Section { id, source })?;
    sections.extend(board.into_iter().map(|s| Section { id: format!("{DEVICE}{}", s.id), ..s }));
    Ok(sections)
}

fn section<T: Serialize>(
    (id, version): (&'static str, u32),
    of: &T,
) -> Result<Section, StateError> {
    let bytes = encode(of).map_err(|source| StateError::Section { id, source })?;
    Ok(Section { id: id.to_owned(), version, bytes })
}

/// Loads guest memory's contents.
pub type LoadContents<'a> = dyn FnMut(&mut GuestMemory) -> Result<(), StateError> + 'a;

/// Brings the machine to the state in `sections`, which is of one like it, with guest memory as `contents`
/// loads it; returns what is the machine's own.
///
/// # Errors
/// When a part of it cannot be; the machine is a mixture then, and must not run.
pub fn restore(
    monitor: &mut Monitor,
    sections: &[Section],
    contents: &mut LoadContents<'_>,
) -> Result<Own, StateError> {
    let rest: MonitorState = only(sections, MONITOR)?;
    let memory: MemoryState = only(sections, MEMORY)?;
    let own: Own = only(sections, MACHINE)?;
    let devices = devices(sections)?;
    if monitor.memory().state() != memory {
        // Whatever was translated came from where other memory may show now.
        monitor.flush_cache();
        let _ = monitor.memory_mut().load_state(&memory)?;
    }
    contents(monitor.memory_mut())?;
    monitor.board_mut().load(&devices)?;
    monitor.load_state(&rest)?;
    Ok(own)
}

/// The one section of that name, in that version.
fn only<T: DeserializeOwned>(
    sections: &[Section],
    (id, known): (&'static str, u32),
) -> Result<T, StateError> {
    let mut found = sections.iter().filter(|section| section.id == id);
    let (Some(section), None) = (found.next(), found.next()) else {
        let found = sections.iter().filter(|section| section.id == id).count();
        return Err(StateError::Sections { id, found });
    };
    if section.version != known {
        return Err(StateError::Version { id, found: section.version, known });
    }
    decode(&section.bytes).map_err(|source| StateError::Section { id, source })
}

/// The board's sections; there are no others than these and ours.
fn devices(sections: &[Section]) -> Result<Vec<Section>, StateError> {
    let ours = [MONITOR.0, MEMORY.0, MACHINE.0];
    let others = sections.iter().filter(|section| !ours.contains(&section.id.as_str()));
    let device = |section: &Section| {
        let id = section.id.strip_prefix(DEVICE);
        let id =
            id.ok_or_else(|| StateError::Unknown { what: "section", text: section.id.clone() })?;
        Ok(Section { id: id.to_owned(), ..section.clone() })
    };
    others.map(device).collect()
}
