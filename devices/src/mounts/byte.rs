//! The parts of an access that an eight-bit chip sees.

/// The register select pins: the low byte of an offset.
pub(super) fn register(offset: u64) -> u8 {
    offset.to_le_bytes()[0]
}

/// The data pins: the low byte of a value.
pub(super) fn data(value: u64) -> u8 {
    value.to_le_bytes()[0]
}
