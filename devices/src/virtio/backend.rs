//! What a virtio device has of its own: features, rings, a configuration space, and what it does with requests.

use super::chain::Chain;
use super::queue::Broken;
use crate::ctx::Ctx;
use crate::medium::Medium;
use crate::state::StateError;
use std::fmt;

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

    /// The driver, or the machine, resets the device.
    fn reset(&mut self) {}

    /// A medium comes or goes; false where none can.
    fn insert(&mut self, _medium: Option<Box<dyn Medium>>) -> bool {
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
