//! What the monitor says of itself: an EDID block (VESA E-EDID 1.4) of 128 bytes.

/// Bytes of the block.
pub(super) const LEN: usize = 128;

/// Which established timings it shows: 720x400 at 70 Hz, 640x480 at 60 Hz, 800x600 at 60 Hz; 1024x768 at 60 Hz.
const ESTABLISHED: [u8; 3] = [0x80 | 0x20 | 0x01, 0x08, 0];
/// Standard timings: width, aspect ratio and 60 Hz of 1280x1024, 1280x800, 1600x1200, 1920x1080.
const STANDARD: [u8; 8] = [0x81, 0x80, 0x81, 0x00, 0xa9, 0x40, 0xd1, 0xc0];
/// The preferred timing, 1024x768 at 60 Hz of VESA's list: 65 MHz, 1344 by 806 in all.
const PREFERRED: [u8; 18] = [
    0x64, 0x19, // 65.00 MHz
    0x00, 0x40, 0x41, // 1024 and 320 dots
    0x00, 0x26, 0x30, // 768 and 38 lines
    0x18, 0x88, 0x36, 0x00, // synchronization 24 and 136 dots, 3 and 6 lines
    0x40, 0xf0, 0x10, // 320 mm by 240 mm
    0x00, 0x00, 0x18,
];

/// The block.
pub(super) fn block() -> [u8; LEN] {
    let mut block = [0; LEN];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    // The manufacturer's three letters, five bits each: RGR; product 1; week 1 of 2026; version 1.4.
    put(8, &[0x48, 0xf2, 1, 0, 0, 0, 0, 0, 1, 36, 1, 4]);
    // Digital, 8 bits; 32 cm by 24 cm; gamma 2.2; sRGB, and the preferred timing is the native one.
    put(20, &[0xa5, 32, 24, 120, 0x06]);
    // sRGB's primaries and white.
    put(25, &[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
    put(35, &ESTABLISHED);
    put(38, &STANDARD);
    put(46, &[1, 1, 1, 1, 1, 1, 1, 1]);
    put(54, &PREFERRED);
    // Its name; its limits (50 to 75 Hz, 30 to 160 kHz, 250 MHz); nothing.
    put(72, b"\0\0\0\xfc\0Ringer\n      ");
    put(90, &[0, 0, 0, 0xfd, 0, 50, 75, 30, 160, 25, 0, 10, 32, 32, 32, 32, 32, 32]);
    put(108, &[0, 0, 0, 0x10]);
    let sum = block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    block[LEN - 1] = sum.wrapping_neg();
    block
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_block_sums_up_to_nothing_and_names_its_mode() {
        let block = super::block();
        assert_eq!(block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
        let [clock, ..] = [u16::from_le_bytes([block[54], block[55]])];
        assert_eq!(clock, 6500);
        let size = [(56, 58), (59, 61)]
            .map(|(low, high)| u16::from(block[low]) | u16::from(block[high] >> 4) << 8);
        assert_eq!(size, [1024, 768]);
        assert_eq!(&block[77..83], b"Ringer");
    }
}
