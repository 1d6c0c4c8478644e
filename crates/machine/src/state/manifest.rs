//! What a state says of itself before its sections: what the machine is, what it boots, and which
//! sections follow. A file has it as JSON, to be read by people too.

use super::boot_record::BootRecord;
use super::error::StateError;
use crate::config::{DEBUG_EXIT_PORT, PcConfig};
use ringer_cpu::CpuModel;
use ringer_cpu::choice::{names_of, with_names};
use ringer_devices::{DriveKind, FloppyDrive, Nics, VirtioConfig};
use ringer_monitor::ClockKind;
use serde::{Deserialize, Serialize};

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The program that wrote it, for people.
    pub program: String,
    /// Guest instructions retired when the state was saved, for people: the clock has its own.
    pub retired: u64,
    /// The machine.
    pub machine: MachineRecord,
    /// What it boots.
    pub boot: BootRecord,
    /// The sections, in order.
    pub sections: Vec<Entry>,
}

/// What a machine is to its guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineRecord {
    /// Bytes of memory.
    pub memory: u64,
    /// The processor's name.
    pub cpu: String,
    /// The names of all its features, where the host or the user decided on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_features: Option<String>,
    /// `real` or `virtual`.
    pub clock: String,
    /// There is the test device.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test_device: bool,
    /// The debug-exit port ends the run.
    pub debug_exit: bool,
    /// Where it is, if not at F4h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug_exit_port: Option<u16>,
    /// The IDE drives, if there are any.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub ide: [Option<DriveKind>; 4],
    /// The floppy drives, likewise.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub floppies: [Option<FloppyDrive>; 2],
    /// The AHCI adapter's drives, if there are any.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub ahci: [Option<DriveKind>; 6],
    /// There is no display adapter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_vga: bool,
    /// The network adapters, if there are any.
    #[serde(default, skip_serializing_if = "Nics::is_empty")]
    pub nics: Nics,
    /// The virtio devices, if there are any.
    #[serde(default, skip_serializing_if = "has_no_virtio")]
    pub virtio: VirtioConfig,
    /// There are COM2, COM3 and COM4, if any.
    #[serde(default, skip_serializing_if = "none_of")]
    pub serials: [bool; 3],
    /// There is LPT1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parallel: bool,
}

/// Processors whose features follow from their names.
const FIXED: [CpuModel; 4] =
    [CpuModel::I486, CpuModel::PENTIUM, CpuModel::PENTIUM3, CpuModel::PENTIUM4];

fn has_no_virtio(devices: &VirtioConfig) -> bool {
    *devices == VirtioConfig::NONE
}

fn none_of(there: &[bool; 3]) -> bool {
    !there.contains(&true)
}

fn is_empty<T>(drives: &[Option<T>]) -> bool {
    drives.iter().all(Option::is_none)
}

/// A section's place in the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// Its bytes.
    pub length: u64,
}

impl MachineRecord {
    /// What is to say of `pc` under a clock of this kind.
    #[must_use]
    pub fn of(pc: &PcConfig, clock: ClockKind) -> Self {
        Self {
            memory: pc.ram_size,
            cpu: pc.model.name().to_owned(),
            cpu_features: (!FIXED.contains(&pc.model)).then(|| names_of(pc.model.features())),
            clock: clock_name(clock).to_owned(),
            test_device: pc.test_device,
            debug_exit: pc.debug_exit,
            debug_exit_port: Some(pc.debug_exit_port)
                .filter(|port| pc.debug_exit && *port != DEBUG_EXIT_PORT),
            ide: pc.ide,
            floppies: pc.floppies,
            ahci: pc.ahci,
            no_vga: !pc.vga,
            nics: pc.nics,
            virtio: pc.virtio,
            serials: pc.serials,
            parallel: pc.parallel,
        }
    }

    /// The PC; what of it is no guest's business is as by default.
    ///
    /// # Errors
    /// [`StateError::Unknown`] for a processor that is none.
    pub fn pc(&self) -> Result<PcConfig, StateError> {
        let unknown = |_| StateError::Unknown { what: "processor", text: self.cpu.clone() };
        let mut model: CpuModel = self.cpu.parse().map_err(unknown)?;
        if let Some(names) = &self.cpu_features {
            model = with_names(model, names).map_err(StateError::Processor)?;
        }
        let (ram_size, debug_exit) = (self.memory, self.debug_exit);
        let debug_exit_port = self.debug_exit_port.unwrap_or(DEBUG_EXIT_PORT);
        let (ide, ahci, floppies, vga) = (self.ide, self.ahci, self.floppies, !self.no_vga);
        Ok(PcConfig {
            ram_size,
            model,
            test_device: self.test_device,
            debug_exit,
            debug_exit_port,
            ide,
            ahci,
            floppies,
            vga,
            nics: self.nics,
            virtio: self.virtio,
            serials: self.serials,
            parallel: self.parallel,
            ..PcConfig::default()
        })
    }

    /// The clock.
    ///
    /// # Errors
    /// [`StateError::Unknown`] for a clock that is none.
    pub fn clock(&self) -> Result<ClockKind, StateError> {
        let all = [ClockKind::Real, ClockKind::Virtual];
        let found = all.into_iter().find(|kind| clock_name(*kind) == self.clock);
        found.ok_or_else(|| StateError::Unknown { what: "clock", text: self.clock.clone() })
    }

    /// Whether a machine that is `here` can go on from a state of this one.
    ///
    /// # Errors
    /// [`StateError::Other`] with the first difference.
    pub fn check(&self, here: &Self) -> Result<(), StateError> {
        let same = |what, saved: &str, here: &str| {
            let other = || StateError::Other { what, saved: saved.into(), here: here.into() };
            (saved == here).then_some(()).ok_or_else(other)
        };
        same("bytes of memory:", &self.memory.to_string(), &here.memory.to_string())?;
        same("the processor", &self.cpu, &here.cpu)?;
        let features = |record: &Self| record.cpu_features.clone().unwrap_or_default();
        same("the processor's features", &features(self), &features(here))?;
        same("the clock", &self.clock, &here.clock)?;
        let there = |there| if there { "present" } else { "absent" };
        same("the test device", there(self.test_device), there(here.test_device))?;
        let port = |record: &Self| match (record.debug_exit, record.debug_exit_port) {
            (false, _) => "absent".to_owned(),
            (true, port) => format!("at {:x}h", port.unwrap_or(DEBUG_EXIT_PORT)),
        };
        same("the debug-exit port", &port(self), &port(here))?;
        same("the IDE drives", &format!("{:?}", self.ide), &format!("{:?}", here.ide))?;
        same("the AHCI drives", &format!("{:?}", self.ahci), &format!("{:?}", here.ahci))?;
        let floppies = [self.floppies, here.floppies].map(|drives| format!("{drives:?}"));
        same("the floppy drives", &floppies[0], &floppies[1])?;
        let vga = |record: &Self| if record.no_vga { "absent" } else { "there" };
        same("the display adapter", vga(self), vga(here))?;
        same("the network adapters", &format!("{:?}", self.nics), &format!("{:?}", here.nics))?;
        let virtio = [self.virtio, here.virtio].map(|devices| format!("{devices:?}"));
        same("the virtio devices", &virtio[0], &virtio[1])?;
        let ports = [self, here].map(|it| format!("{:?} {}", it.serials, it.parallel));
        same("serial and parallel ports:", &ports[0], &ports[1])
    }
}

fn clock_name(clock: ClockKind) -> &'static str {
    match clock {
        ClockKind::Real => "real",
        ClockKind::Virtual => "virtual",
    }
}
