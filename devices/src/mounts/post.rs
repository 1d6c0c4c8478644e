//! Port 80h: the diagnostic display of a POST card, which reads back.

use super::byte::data;
use crate::ctx::Ctx;
use crate::device::{Device, Reset};
use crate::state::{StateError, decode, encode};

/// The code that is shown.
#[derive(Debug)]
pub(crate) struct Post(u8);

impl Post {
    /// As at power-on.
    pub(crate) fn new() -> Self {
        Post(0)
    }
}

impl Device for Post {
    fn read(&mut self, _region: usize, _offset: u64, _size: u8, _ctx: &mut Ctx<'_>) -> u64 {
        u64::from(self.0)
    }

    fn write(&mut self, _region: usize, _offset: u64, _size: u8, value: u64, ctx: &mut Ctx<'_>) {
        self.0 = data(value);
        ctx.plane.post.note(self.0);
    }

    /// A reset leaves the last code standing, which is what the card is for.
    fn reset(&mut self, kind: Reset, _ctx: &mut Ctx<'_>) {
        if kind == Reset::Cold {
            self.0 = 0;
        }
    }

    fn save(&self, _ctx: &Ctx<'_>) -> Result<Vec<u8>, StateError> {
        encode(&self.0)
    }

    fn load(&mut self, _version: u32, bytes: &[u8], _ctx: &mut Ctx<'_>) -> Result<(), StateError> {
        self.0 = decode(bytes)?;
        Ok(())
    }
}
