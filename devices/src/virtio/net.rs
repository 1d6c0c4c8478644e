//! A network adapter (VIRTIO 1.2, 5.1) with one pair of rings, whose frames go and come as they are: nothing is left for
//! either side to compute or to cut.

use super::backend::{Backend, Incoming};
use super::chain::Chain;
use super::feature;
use super::queue::Broken;
use crate::ctx::Ctx;
use crate::link::{MAX_FRAME, Mac};

/// Its rings.
const INPUT: usize = 0;
/// Features: it has an address, a frame may come in several buffers, it has a status.
const MAC: u64 = 1 << 5;
const MERGEABLE: u64 = 1 << 15;
const STATUS: u64 = 1 << 16;
/// Bytes before a frame, and in old drivers' that know of no several buffers; where their number is.
const HEAD: usize = 12;
const OLD_HEAD: usize = 10;
const BUFFERS: usize = 10;
/// Bytes that one access sends.
const BUDGET: u64 = 1 << 20;

/// The adapter.
#[derive(Debug)]
pub(crate) struct Net {
    mac: Mac,
}

impl Net {
    /// An adapter of this address.
    pub(crate) fn new(mac: Mac) -> Self {
        Net { mac }
    }
}

fn head(accepted: u64) -> usize {
    if accepted & (feature::VERSION_1 | MERGEABLE) != 0 { HEAD } else { OLD_HEAD }
}

impl Backend for Net {
    fn features(&self) -> u64 {
        feature::ALWAYS | MAC | MERGEABLE | STATUS
    }

    fn rings(&self) -> &'static [u16] {
        &[256, 256]
    }

    fn config(&self) -> Vec<u8> {
        // The address, the status (the link is up), one pair of rings.
        [&self.mac.0[..], &[1, 0, 1, 0]].concat()
    }

    fn budget(&self) -> u64 {
        BUDGET
    }

    fn wants(&self, ring: usize) -> bool {
        // Buffers for what comes in stay where they are until something comes.
        ring != INPUT
    }

    fn serve(
        &mut self,
        _ring: usize,
        chain: &Chain,
        accepted: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<u32, Broken> {
        let head = head(accepted) as u64;
        let len = chain.readable_len().checked_sub(head).ok_or(Broken)?;
        // One that is too long is no frame, and lost.
        if let Some(len) = usize::try_from(len).ok().filter(|len| *len <= MAX_FRAME) {
            let mut frame = [0; MAX_FRAME];
            let frame = &mut frame[..len];
            chain.read(head, frame, ctx).map_err(|_| Broken)?;
            ctx.send_frame(frame);
        }
        Ok(0)
    }

    fn frame(&self, frame: &[u8], accepted: u64) -> Option<Incoming> {
        let mut bytes = vec![0; head(accepted)];
        if let Some(buffers) = bytes.get_mut(BUFFERS) {
            *buffers = 1;
        }
        bytes.extend_from_slice(frame);
        let count_at = (accepted & MERGEABLE != 0).then_some(BUFFERS);
        Some(Incoming { ring: INPUT, bytes, count_at })
    }
}
