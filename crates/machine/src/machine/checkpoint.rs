//! States of a machine kept beside it, to go back to: they share what guest memory they have in common.

use super::Machine;
use crate::state::{Own, StateError, restore};
use ringer_devices::Section;
use ringer_monitor::Moment;
use std::fmt;
use std::sync::Arc;

/// A piece of guest memory: where it is in the memory file, and its bytes.
type Chunk = (u64, Arc<[u8]>);

/// A state of the machine that it was taken of, to which that machine can go back.
pub struct Checkpoint {
    place: Moment,
    inputs: usize,
    sections: Vec<Section>,
    /// In order; what is in none of them is zero.
    memory: Vec<Chunk>,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Checkpoint {
    /// Where the run was.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.place
    }

    /// Pieces of guest memory: a number that is the piece's own while any checkpoint has it, and its bytes.
    pub fn pieces(&self) -> impl Iterator<Item = (usize, u64)> {
        self.memory.iter().map(|(_, bytes)| (bytes.as_ptr() as usize, bytes.len() as u64))
    }
}

impl Machine {
    /// The state between two instructions, to go back to. What of guest memory is as in `like` is shared
    /// with it.
    ///
    /// # Errors
    /// [`StateError`] when a part cannot write its state down.
    pub fn checkpoint(&mut self, like: Option<&Checkpoint>) -> Result<Checkpoint, StateError> {
        let sections = self.sections()?;
        let known = like.map_or(&[][..], |checkpoint| &checkpoint.memory);
        let mut memory = Vec::with_capacity(known.len());
        let taken = self.monitor.memory().each_chunk(&mut |offset, bytes| {
            let same = known.binary_search_by_key(&offset, |(offset, _)| *offset);
            let same = same.ok().map(|n| &known[n].1).filter(|known| known[..] == *bytes);
            memory.push((offset, same.map_or_else(|| bytes.into(), Arc::clone)));
            Ok(())
        });
        taken.map_err(StateError::Read)?;
        let (place, inputs) = (self.monitor.moment(), self.monitor.inputs());
        Ok(Checkpoint { place, inputs, sections, memory })
    }

    /// Goes back to `checkpoint`, which was taken of this machine. Serial input and keys that the guest got
    /// after it are there again when it got them, if they were kept ([`ringer_monitor::Monitor::keep_inputs`]).
    ///
    /// # Errors
    /// [`StateError`], and the machine does not run any more: it is a mixture.
    pub fn rewind(&mut self, checkpoint: &Checkpoint) -> Result<(), StateError> {
        self.mixed = true;
        let sections = &checkpoint.sections;
        let Own { last_fault, key } = restore(&mut self.monitor, sections, &mut |memory| {
            let chunks = checkpoint.memory.iter().map(|(offset, bytes)| (*offset, &bytes[..]));
            let _ = memory.load_chunks(chunks)?;
            Ok(())
        })?;
        self.last_fault = last_fault;
        self.image.set_pending_key(key);
        self.monitor.rewound(checkpoint.place, checkpoint.inputs);
        self.mixed = false;
        Ok(())
    }
}
