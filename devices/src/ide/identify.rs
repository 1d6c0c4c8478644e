//! What devices say of themselves: 256 words each (ATA-6, 8.15 and 8.16).

use super::front::{MAX_MULTIPLE, SECTOR};

/// What a disk says that can differ.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiskFacts {
    /// Its serial number's last digit.
    pub(super) unit: u8,
    /// Sectors.
    pub(super) sectors: u64,
    /// Cylinders, heads and sectors per track by default.
    pub(super) default: (u16, u16, u16),
    /// The same as translated now.
    pub(super) current: (u16, u16, u16),
    /// Sectors of a READ MULTIPLE block; 0: none.
    pub(super) multiple: u8,
    /// The transfer mode as SET FEATURES has it.
    pub(super) mode: u8,
    /// Writes may wait in the cache.
    pub(super) write_cache: bool,
    /// Reads may look ahead.
    pub(super) look_ahead: bool,
}

/// Words, by number.
struct Words([u16; 256]);

impl Words {
    fn text(&mut self, first: usize, words: usize, text: &str) {
        let bytes = text.bytes().chain(std::iter::repeat(b' '));
        let mut bytes = bytes.take(2 * words);
        for word in self.0.iter_mut().skip(first).take(words) {
            let (high, low) = (bytes.next().unwrap_or(b' '), bytes.next().unwrap_or(b' '));
            *word = u16::from_be_bytes([high, low]);
        }
    }

    fn double(&mut self, first: usize, value: u32) {
        let [a, b, c, d] = value.to_le_bytes();
        self.0[first] = u16::from_le_bytes([a, b]);
        self.0[first + 1] = u16::from_le_bytes([c, d]);
    }

    /// Firmware, serial number, model; transfer modes, of which `mode` is selected; the versions that are met.
    fn common(&mut self, serial: &str, model: &str, mode: u8) {
        self.text(10, 10, serial);
        self.text(23, 4, concat!(env!("CARGO_PKG_VERSION"), " "));
        self.text(27, 20, model);
        self.0[53] = 0x0007;
        let selected = |base: u8| match mode {
            mode if mode & 0xf8 == base => 0x100 << (mode & 7),
            _ => 0,
        };
        self.0[63] = 0x0007 | selected(0x20);
        // PIO modes 3 and 4; 120 ns a cycle.
        self.0[64] = 0x0003;
        self.0[65..=68].fill(120);
        self.0[88] = 0x003f | selected(0x40);
        // ATA-4 to ATA-6.
        self.0[80] = 0x0070;
    }

    fn bytes(self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
}

/// IDENTIFY DEVICE.
pub(super) fn disk(facts: &DiskFacts) -> Vec<u8> {
    let mut words = Words([0; 256]);
    let (cylinders, heads, sectors) = facts.default;
    // A fixed device.
    words.0[0] = 0x0040;
    (words.0[1], words.0[3], words.0[6]) = (cylinders, heads, sectors);
    words.common(&format!("RG{:08}", facts.unit), "RINGER HARDDISK", facts.mode);
    words.0[47] = 0x8000 | u16::from(MAX_MULTIPLE);
    // LBA and DMA; IORDY; standby timers as the standard has them.
    (words.0[49], words.0[50]) = (0x2b00, 0x4000);
    (words.0[54], words.0[55], words.0[56]) = facts.current;
    let (cylinders, heads, sectors) = facts.current;
    words.double(57, u32::from(cylinders) * u32::from(heads) * u32::from(sectors));
    if facts.multiple != 0 {
        words.0[59] = 0x0100 | u16::from(facts.multiple);
    }
    words.double(60, u32::try_from(facts.sectors).unwrap_or(u32::MAX).min(0x0fff_ffff));
    // Supported: NOP, both buffers, look-ahead, write cache, power management; 48 bits, both flushes.
    (words.0[82], words.0[83], words.0[84]) = (0x7068, 0x7400, 0x4000);
    let cache = u16::from(facts.write_cache) << 5 | u16::from(facts.look_ahead) << 6;
    (words.0[85], words.0[86], words.0[87]) = (0x7008 | cache, 0x3400, 0x4000);
    // The result of the reset: device 0 passed, jumpered.
    words.0[93] = 0x600b;
    let [a, b, c, d, e, f, ..] = facts.sectors.to_le_bytes();
    words.0[100] = u16::from_le_bytes([a, b]);
    words.0[101] = u16::from_le_bytes([c, d]);
    words.0[102] = u16::from_le_bytes([e, f]);
    debug_assert_eq!(SECTOR, 512);
    words.bytes()
}

/// IDENTIFY PACKET DEVICE: a removable CD-ROM of twelve-byte packets that wants them within 50 us.
pub(super) fn cd(unit: u8, mode: u8) -> Vec<u8> {
    let mut words = Words([0; 256]);
    words.0[0] = 0x85c0;
    words.common(&format!("RG{unit:08}"), "RINGER CD-ROM", mode);
    // LBA, DMA, IORDY.
    words.0[49] = 0x0b00;
    // Supported and on: NOP, DEVICE RESET, PACKET.
    (words.0[82], words.0[83], words.0[84]) = (0x4210, 0x4000, 0x4000);
    (words.0[85], words.0[86], words.0[87]) = (0x4210, 0, 0x4000);
    words.bytes()
}

/// Whether a device takes transfer mode `mode` (ATA-6, 8.46.11): PIO by default, PIO up to mode 4, multiword DMA up to 2, Ultra
/// DMA up to 5.
pub(super) fn has_mode(mode: u8) -> bool {
    match mode & 0xf8 {
        0x00 => mode <= 1,
        0x08 => mode & 7 <= 4,
        0x20 => mode & 7 <= 2,
        0x40 => mode & 7 <= 5,
        _ => false,
    }
}
