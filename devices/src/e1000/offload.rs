//! What the controller does to frames that go out beside sending them.

use crate::link::HEADER;
use serde::{Deserialize, Serialize};

/// Bytes of a frame before it is cut into segments, at most: what an IPv4 packet can have, behind its header.
pub(crate) const MOST: usize = HEADER + 4 + 0xffff;

/// What a context descriptor says of the frames behind it: where checksums begin, end and go; how a frame is segmented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offload {
    pub ip: (u8, u8, u16),
    pub transport: (u8, u8, u16),
    pub command: u8,
    pub header: u8,
    pub segment: u16,
    /// Of the frame that is put together: what its first descriptor asked for.
    pub options: u8,
    pub segmented: bool,
}
