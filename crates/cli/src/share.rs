//! The shared folder of a run: opened before the guest runs, served by a thread of its own.

use crate::args::ShareArgs;
use crate::error::CliError;
use crate::signals;
use ringer::sandbox::{Threads, spawn};
use ringer::{Builder, MachineConfig, Tag};
use ringer_cpu::refusal::refused;
use ringer_share::{ShareError, SharedFolder};
use std::thread;

/// A folder that is open, or none.
pub struct OpenShare(Option<SharedFolder>);

impl OpenShare {
    /// Opens what `args` name, for a machine like `config`, whose device is there already if it goes on from a state.
    ///
    /// # Errors
    /// When it cannot be opened, or the state has no such device.
    pub fn open(
        args: &ShareArgs,
        config: &mut MachineConfig,
        from_state: bool,
    ) -> Result<Self, CliError> {
        let Some(share) = args.folder()? else { return Ok(Self(None)) };
        let place = &mut config.pc.virtio.share;
        match (*place, share.tag) {
            (None, _) if from_state => return Err(CliError::NoSavedShare { tag: None }),
            (Some(saved), Some(tag)) if saved != tag => {
                return Err(CliError::NoSavedShare { tag: Some(saved) });
            }
            (saved, tag) => *place = saved.or(tag).or(Some(Tag::DEFAULT)),
        }
        let opened = SharedFolder::open(&share.path, share.writable);
        let text = args.share.clone().unwrap_or_default();
        let opened =
            opened.map_err(|error: ShareError| CliError::Share { text, reason: error.to_string() });
        opened.map(|folder| Self(Some(folder)))
    }

    /// Has a thread serve it, and the machine that `builder` builds show it.
    pub fn serve(self, builder: Builder) -> Result<Builder, CliError> {
        let Some(folder) = self.0 else { return Ok(builder) };
        let (line, service) = folder.split();
        let thread = thread::Builder::new().name("share".to_owned());
        let spawned = signals::shielded(|| spawn(thread, Threads::SHARE, || service.run()));
        let host = |source| CliError::Host { what: "the shared folder", source };
        // It ends when the machine is gone.
        let _ = spawned.map_err(host)?.map_err(refused("clone")).map_err(host)?;
        Ok(builder.folder(line))
    }
}
