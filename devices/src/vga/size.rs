//! How much memory the adapter has, in bytes, and what is in it.

/// Bytes of video memory.
pub const VIDEO: u64 = 16 << 20;
/// Bytes of the page of text.
pub(super) const TEXT: u64 = 32 << 10;
/// Device memory that the adapter needs, in bytes.
pub const MEMORY: u64 = VIDEO + TEXT;
/// Bytes of video memory that the planes take, 64 KiB each.
pub(super) const PLANES: u64 = 256 << 10;
/// Doublewords in there.
pub(super) const DWORDS: u32 = 1 << 16;
