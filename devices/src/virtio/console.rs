//! A console (VIRTIO 1.2, 5.3) of one port: bytes out to the host at once, bytes in as the driver has room for them.

use super::backend::Backend;
use super::chain::Chain;
use super::feature;
use super::queue::Broken;
use crate::ctx::Ctx;
use crate::state::{StateError, check, decode, encode};

/// Its rings.
const INPUT: usize = 0;
const OUTPUT: usize = 1;
/// Bytes that wait for the driver at most.
const WAITING: usize = 4096;
/// Bytes of output that one access sends, so that whoever reads them can say when it is too much; bytes at a time.
const BUDGET: u64 = 16 << 10;
const PIECE: usize = 4096;

/// The console.
#[derive(Debug, Default)]
pub(crate) struct Console {
    waiting: Vec<u8>,
    /// The host takes no more at the moment.
    full: bool,
}

impl Backend for Console {
    fn features(&self) -> u64 {
        feature::ALWAYS
    }

    fn rings(&self) -> &'static [u16] {
        &[64, 64]
    }

    fn config(&self) -> Vec<u8> {
        // Columns and rows that nobody knows, and one port.
        vec![0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    }

    fn budget(&self) -> u64 {
        BUDGET
    }

    fn wants(&self, ring: usize) -> bool {
        match ring {
            INPUT => !self.waiting.is_empty(),
            _ => !self.full,
        }
    }

    fn serve(
        &mut self,
        ring: usize,
        chain: &Chain,
        _accepted: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<u32, Broken> {
        if ring == INPUT {
            let room = usize::try_from(chain.writable_len()).unwrap_or(WAITING);
            let len = room.min(self.waiting.len());
            chain.write(0, &self.waiting[..len], ctx).map_err(|_| Broken)?;
            self.waiting.drain(..len);
            return Ok(u32::try_from(len).unwrap_or(0));
        }
        debug_assert_eq!(ring, OUTPUT);
        let len = chain.readable_len().min(BUDGET);
        let mut at = 0;
        while at < len {
            let mut bytes = vec![0; usize::try_from(len - at).unwrap_or(PIECE).min(PIECE)];
            chain.read(at, &mut bytes, ctx).map_err(|_| Broken)?;
            ctx.send(&bytes);
            at += bytes.len() as u64;
        }
        Ok(0)
    }

    fn receive(&mut self, bytes: &[u8]) -> (usize, usize) {
        let room = WAITING.saturating_sub(self.waiting.len()).min(bytes.len());
        self.waiting.extend_from_slice(&bytes[..room]);
        (room, INPUT)
    }

    fn backed_up(&mut self, full: bool) -> usize {
        self.full = full;
        OUTPUT
    }

    fn reset(&mut self) {
        self.waiting.clear();
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        encode(&self.waiting)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let waiting: Vec<u8> = decode(bytes)?;
        check(waiting.len() <= WAITING, "input of a console")?;
        self.waiting = waiting;
        Ok(())
    }
}
