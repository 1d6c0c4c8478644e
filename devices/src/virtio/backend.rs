//! What a virtio device has of its own: features, rings, a configuration space, and what it does with requests.

use super::BUDGET;
use super::chain::Chain;
use super::queue::Broken;
use crate::ctx::Ctx;
use crate::folder::Folder;
use crate::medium::Medium;
use crate::state::StateError;
use std::fmt;

/// What came from outside, for a ring of the driver's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) ring: usize,
    pub(crate) bytes: Vec<u8>,
    /// It may be given in several requests' buffers, whose number is told in the word at this offset.
    pub(crate) count_at: Option<usize>,
}

/// A device behind the registers that all have.
pub(crate) trait Backend: fmt::Debug + Send {
    /// Features of its kind, and of those of all kinds that it offers.
    fn features(&self) -> u64;

    /// Entries of its rings.
    fn rings(&self) -> &'static [u16];

    /// Its configuration space.
    fn config(&self) -> Vec<u8>;

    /// The driver writes a byte there.
    fn set_config(&mut self, _offset: u64, _value: u8) {}

    /// Bytes that one access moves before the rest has to wait.
    fn budget(&self) -> u64 {
        BUDGET
    }

    /// Whether it wants a request from ring `ring` now.
    fn wants(&self, _ring: usize) -> bool {
        true
    }

    /// Serves a request of ring `ring` under the features that the driver has accepted, and says how many bytes it has
    /// written.
    ///
    /// # Errors
    /// [`Broken`] for what no driver may ask and the device has no answer to.
    fn serve(
        &mut self,
        ring: usize,
        chain: &Chain,
        accepted: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<u32, Broken>;

    /// Bytes come in from the host. How many it takes, and the ring that has to be looked at then.
    fn receive(&mut self, _bytes: &[u8]) -> (usize, usize) {
        (0, 0)
    }

    /// The host takes nothing more of what is sent, or does so again. The ring that has to be looked at then.
    fn backed_up(&mut self, _full: bool) -> usize {
        0
    }

    /// A frame comes in; what of it goes to the driver that has accepted these features.
    fn frame(&self, _frame: &[u8], _accepted: u64) -> Option<Incoming> {
        None
    }

    /// The driver, or the machine, resets the device.
    fn reset(&mut self) {}

    /// A medium comes or goes; false where none can.
    fn insert(&mut self, _medium: Option<Box<dyn Medium>>) -> bool {
        false
    }

    /// A folder is there from now on; false where none can be.
    fn share(&mut self, _folder: Box<dyn Folder>) -> bool {
        false
    }

    /// What a guest could find out of it, beside the registers that all have.
    ///
    /// # Errors
    /// [`StateError`].
    fn save(&self) -> Result<Vec<u8>, StateError> {
        Ok(Vec::new())
    }

    /// Takes that over.
    ///
    /// # Errors
    /// [`StateError`] for what no `save` wrote.
    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        match bytes {
            [] => Ok(()),
            _ => Err(StateError::TooLong(bytes.len())),
        }
    }
}
