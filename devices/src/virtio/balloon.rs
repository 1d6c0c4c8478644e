//! A balloon (VIRTIO 1.2, 5.5): memory that the guest does not use goes back to the host, because it was asked for some, or
//! because it tells of what is free by itself. What goes back reads as zeros, and is memory again when it is touched.

use super::backend::Backend;
use super::chain::Chain;
use super::feature;
use super::queue::Broken;
use crate::ctx::Ctx;
use crate::state::{StateError, decode, encode};

/// The driver may take pages back when it has no others; it tells of free pages by ring 2.
const DEFLATE_ON_OOM: u64 = 1 << 2;
const REPORTING: u64 = 1 << 5;
/// Rings: pages given, pages taken back, pages that are free.
const GIVEN: usize = 0;
const FREE: usize = 2;
const PAGE: u64 = 4096;
/// Numbers of pages that a request has at most; what comes after them stays with the guest.
const NUMBERS: usize = 4096;
/// Bytes that a request gives back at most, likewise.
const MOST: u64 = 256 << 20;

/// The balloon.
#[derive(Debug)]
pub(crate) struct Balloon {
    /// Pages that the guest is asked for, and that it says it has given.
    wanted: u32,
    actual: [u8; 4],
}

impl Balloon {
    /// One that asks for so many pages of 4 KiB.
    pub(crate) fn new(wanted: u32) -> Self {
        Balloon { wanted, actual: [0; 4] }
    }
}

impl Backend for Balloon {
    fn features(&self) -> u64 {
        feature::ALWAYS | DEFLATE_ON_OOM | REPORTING
    }

    fn rings(&self) -> &'static [u16] {
        &[128, 128, 128]
    }

    fn config(&self) -> Vec<u8> {
        [self.wanted.to_le_bytes(), self.actual].concat()
    }

    fn set_config(&mut self, offset: u64, value: u8) {
        let at = offset.checked_sub(4).and_then(|at| usize::try_from(at).ok());
        if let Some(byte) = at.and_then(|at| self.actual.get_mut(at)) {
            *byte = value;
        }
    }

    fn serve(
        &mut self,
        ring: usize,
        chain: &Chain,
        _accepted: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<u32, Broken> {
        match ring {
            GIVEN => {
                let len = usize::try_from(chain.readable_len() / 4).unwrap_or(NUMBERS);
                let mut numbers = vec![0; 4 * len.min(NUMBERS)];
                chain.read(0, &mut numbers, ctx).map_err(|_| Broken)?;
                for number in numbers.chunks_exact(4) {
                    let number = number.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
                    ctx.give_back(number * PAGE, PAGE);
                }
            }
            FREE => {
                let mut left = MOST;
                for piece in &chain.writable {
                    let len = u64::from(piece.len).min(left);
                    left -= len;
                    ctx.give_back(piece.pa, len);
                }
            }
            // Those that are taken back are there already.
            _ => {}
        }
        Ok(0)
    }

    fn reset(&mut self) {
        self.actual = [0; 4];
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        encode(&(self.wanted, self.actual))
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        (self.wanted, self.actual) = decode(bytes)?;
        Ok(())
    }
}
