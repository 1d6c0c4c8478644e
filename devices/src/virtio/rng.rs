//! A source of random numbers (VIRTIO 1.2, 5.4): the host's, or, where a run must repeat exactly, a fixed sequence.

use super::backend::Backend;
use super::chain::Chain;
use super::feature;
use super::queue::Broken;
use crate::ctx::Ctx;
use crate::state::{StateError, decode, encode};

/// Bytes that a request gets at most; a device may give less than there is room for.
const MOST: usize = 4096;
/// Bytes that one access gives.
const BUDGET: u64 = 64 << 10;
/// Increment and multipliers of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// The source.
#[derive(Debug, Default)]
pub(crate) struct Rng {
    /// Where the fixed sequence is.
    state: u64,
}

impl Rng {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(MIX[0]);
        let z = (z ^ (z >> 27)).wrapping_mul(MIX[1]);
        z ^ (z >> 31)
    }
}

impl Backend for Rng {
    fn features(&self) -> u64 {
        feature::ALWAYS
    }

    fn rings(&self) -> &'static [u16] {
        &[64]
    }

    fn config(&self) -> Vec<u8> {
        Vec::new()
    }

    fn budget(&self) -> u64 {
        BUDGET
    }

    fn serve(
        &mut self,
        _ring: usize,
        chain: &Chain,
        _accepted: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<u32, Broken> {
        let len = usize::try_from(chain.writable_len()).unwrap_or(MOST).min(MOST);
        let mut bytes = vec![0; len];
        if !ctx.entropy(&mut bytes) {
            for part in bytes.chunks_mut(8) {
                part.copy_from_slice(&self.next().to_le_bytes()[..part.len()]);
            }
        }
        chain.write(0, &bytes, ctx).map_err(|_| Broken)?;
        Ok(u32::try_from(len).unwrap_or(0))
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        encode(&self.state)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.state = decode(bytes)?;
        Ok(())
    }
}
