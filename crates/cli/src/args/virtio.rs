//! Virtio devices that are no drives.

use crate::error::CliError;
use clap::Args;
use ringer::{VirtioConfig, parse_size};

/// Virtio devices.
#[derive(Clone, Debug, Default, Args)]
pub struct VirtioArgs {
    /// A virtio source of random numbers
    #[arg(long)]
    pub virtio_rng: bool,
    /// A virtio console beside the first serial port: what it prints goes where that one's output goes, and input goes to it
    /// once it has a driver
    #[arg(long)]
    pub virtio_console: bool,
    /// A virtio balloon: memory that the guest does not use goes back to the host; with SIZE so much of it at least, as far
    /// as the guest can
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub virtio_balloon: Option<String>,
}

impl VirtioArgs {
    /// The devices that are asked for, beside these disks, of a machine with `ram_size` bytes of memory.
    ///
    /// # Errors
    /// [`CliError::Balloon`] for a size that is none, or more than the memory.
    pub fn devices(&self, disks: [bool; 4], ram_size: u64) -> Result<VirtioConfig, CliError> {
        let size = |text: &String| {
            let error = |reason| CliError::Balloon { text: text.clone(), reason };
            let size = if text == "0" { Ok(0) } else { parse_size(text) };
            let size = size.map_err(|e| error(e.to_string()))?;
            if size >= ram_size {
                return Err(error("it is to be less than the guest's memory".to_owned()));
            }
            Ok(u32::try_from(size >> 12).unwrap_or(u32::MAX))
        };
        let balloon = self.virtio_balloon.as_ref().map(size).transpose()?;
        let (rng, console) = (self.virtio_rng, self.virtio_console);
        Ok(VirtioConfig { disks, rng, console, balloon, share: None })
    }
}
