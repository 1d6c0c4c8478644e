//! The tables by which a PC says what it is made of: SMBIOS 2.8 (DSP0134), a 32-bit entry point and its structures.

use ringer_cpu::CpuModel;

/// What the tables tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Described {
    /// Bytes of RAM.
    pub ram_size: u64,
    /// The processor.
    pub model: CpuModel,
}

/// Bytes of an entry point.
const ENTRY_LEN: u8 = 0x1f;
const VERSION: (u8, u8) = (2, 8);
/// No handle, and no error information.
const NONE: u16 = 0xffff;
const NO_ERRORS: u16 = 0xfffe;
const MAKER: &str = "Ringer";

/// Types of structures, and handles of those that are named elsewhere.
mod kind {
    pub(super) const BIOS: u8 = 0;
    pub(super) const SYSTEM: u8 = 1;
    pub(super) const CHASSIS: u8 = 3;
    pub(super) const PROCESSOR: u8 = 4;
    pub(super) const MEMORY_ARRAY: u8 = 16;
    pub(super) const MEMORY_DEVICE: u8 = 17;
    pub(super) const MAPPED_ARRAY: u8 = 19;
    pub(super) const BOOT: u8 = 32;
    pub(super) const END: u8 = 127;
}
const ARRAY: u16 = 0x1000;

/// The structures.
#[derive(Clone, Debug, Default)]
pub(super) struct Smbios {
    /// One after the other.
    pub tables: Vec<u8>,
    count: u16,
    longest: u16,
}

/// The body of a structure in the making, with its strings.
#[derive(Debug, Default)]
struct Body {
    bytes: Vec<u8>,
    strings: Vec<u8>,
    named: u8,
}

impl Body {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    fn word(self, word: u16) -> Self {
        self.bytes(&word.to_le_bytes())
    }

    fn dword(self, dword: u32) -> Self {
        self.bytes(&dword.to_le_bytes())
    }

    /// A string: its number here, its text behind the structure.
    fn text(mut self, text: &str) -> Self {
        self.named += 1;
        self.strings.extend(text.bytes().filter(|byte| *byte != 0));
        self.strings.push(0);
        let number = self.named;
        self.bytes(&[number])
    }
}

impl Smbios {
    /// The structures of this machine; with `bios` one that says who wrote its firmware, which firmware says itself where
    /// there is any.
    pub(super) fn new(machine: &Described, bios: bool) -> Self {
        let mut new = Self::default();
        if bios {
            new.add(kind::BIOS, 0, bios_information());
        }
        new.add(kind::SYSTEM, 0x100, system());
        new.add(kind::CHASSIS, 0x300, chassis());
        new.add(kind::PROCESSOR, 0x400, processor(machine.model));
        new.add_memory(machine.ram_size);
        // Ten reserved bytes, the last of which says that nothing went wrong.
        new.add(kind::BOOT, 0x2000, Body::default().bytes(&[0; 7]));
        new.add(kind::END, 0x7f00, Body::default());
        new
    }

    fn add(&mut self, kind: u8, handle: u16, body: Body) {
        let start = self.tables.len();
        self.tables.extend([kind, body.bytes.len() as u8 + 4]);
        self.tables.extend(handle.to_le_bytes());
        self.tables.extend(body.bytes);
        self.tables.extend(&body.strings);
        // The set of strings ends with an empty one, also where it is empty.
        self.tables.extend(if body.strings.is_empty() { &[0, 0][..] } else { &[0] });
        self.count += 1;
        self.longest = self.longest.max((self.tables.len() - start) as u16);
    }

    /// One array with one module, from 0 on.
    fn add_memory(&mut self, ram_size: u64) {
        let (kib, mib) = ((ram_size >> 10) as u32, (ram_size >> 20) as u16);
        // On the board, system memory, no error correction, so many bytes, one device.
        let array = Body::default().bytes(&[3, 3, 3]).dword(kib).word(NO_ERRORS).word(1);
        self.add(kind::MEMORY_ARRAY, ARRAY, array.bytes(&[0; 8]));
        let module = Body::default().word(ARRAY).word(NO_ERRORS).word(64).word(64).word(mib);
        // A DIMM of no set; RAM, of unknown detail.
        let module = module.bytes(&[9, 0]).text("DIMM 0").bytes(&[0, 7]).word(1 << 2);
        // Speed, four strings, attributes, two words more of size and speed.
        let module = module.word(0).text(MAKER).bytes(&[0; 3]).bytes(&[0]).dword(0).word(0);
        self.add(kind::MEMORY_DEVICE, 0x1100, module);
        let mapped = Body::default().dword(0).dword(kib.saturating_sub(1)).word(ARRAY);
        self.add(kind::MAPPED_ARRAY, 0x1300, mapped.bytes(&[1]).bytes(&[0; 16]));
    }

    /// The entry point of the structures at physical address `tables`.
    pub(super) fn entry(&self, tables: u32) -> Vec<u8> {
        let mut entry = b"_SM_\0".to_vec();
        entry.extend([ENTRY_LEN, VERSION.0, VERSION.1]);
        entry.extend(self.longest.to_le_bytes());
        entry.extend([0; 6]);
        entry.extend(b"_DMI_\0");
        entry.extend((self.tables.len() as u16).to_le_bytes());
        entry.extend(tables.to_le_bytes());
        entry.extend(self.count.to_le_bytes());
        entry.push(VERSION.0 << 4 | VERSION.1);
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
        entry[0x15] = sum(&entry[0x10..]);
        entry[4] = sum(&entry);
        entry
    }
}

fn bios_information() -> Body {
    let version = env!("CARGO_PKG_VERSION");
    let body = Body::default().text(MAKER).text(version).word(0xe000).text("01/01/2026");
    // 64 KiB; characteristics: not told; it is a virtual machine's; no releases.
    body.bytes(&[0]).bytes(&(1u64 << 3).to_le_bytes()).bytes(&[0, 1 << 4 | 1 << 2]).dword(u32::MAX)
}

fn system() -> Body {
    let body = Body::default().text(MAKER).text("PC (i440FX, PIIX3)");
    let body = body.text(env!("CARGO_PKG_VERSION")).bytes(&[0]).bytes(&[0; 16]);
    // Switched on by its button; no SKU, no family.
    body.bytes(&[6, 0, 0])
}

fn chassis() -> Body {
    // Of another kind; no version, serial number or tag; safe; no security.
    let body = Body::default().text(MAKER).bytes(&[1, 0, 0, 0, 3, 3, 3, 2]).dword(0);
    body.bytes(&[0, 0, 0, 0])
}

fn processor(model: CpuModel) -> Body {
    // A central processor of another family.
    let body = Body::default().text("CPU 0").bytes(&[3, 1]).text(MAKER).bytes(&[0; 8]);
    // Voltage, clocks unknown; there and working; no caches.
    let body = body.text(model.name()).bytes(&[0]).word(0).word(0).word(0).bytes(&[0x41, 1]);
    let body = body.word(NONE).word(NONE).word(NONE).bytes(&[0; 3]);
    // One core, one thread; characteristics unknown; family again.
    body.bytes(&[1, 1, 1]).word(1 << 1).word(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte))
    }

    /// Type, length of the formatted part, and strings of each structure, as a reader finds them.
    fn structures(mut rest: &[u8]) -> Vec<(u8, usize, Vec<String>)> {
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (kind, len) = (rest[0], usize::from(rest[1]));
            let end = rest[len..].windows(2).position(|pair| pair == [0, 0]).unwrap() + len;
            let texts = rest[len..end].split(|byte| *byte == 0);
            let texts = texts.filter(|text| !text.is_empty());
            let texts = texts.map(|text| String::from_utf8(text.to_vec()).unwrap()).collect();
            found.push((kind, len, texts));
            rest = &rest[end + 2..];
        }
        found
    }

    #[test]
    fn a_reader_finds_each_structure_with_the_length_of_its_version() {
        let machine = Described { ram_size: 64 << 20, model: CpuModel::PENTIUM4 };
        let smbios = Smbios::new(&machine, true);
        let found = structures(&smbios.tables);
        let shapes: Vec<(u8, usize)> = found.iter().map(|(kind, len, _)| (*kind, *len)).collect();
        let expected = [
            (kind::BIOS, 0x18),
            (kind::SYSTEM, 0x1b),
            (kind::CHASSIS, 0x15),
            (kind::PROCESSOR, 0x2a),
            (kind::MEMORY_ARRAY, 0x17),
            (kind::MEMORY_DEVICE, 0x22),
            (kind::MAPPED_ARRAY, 0x1f),
            (kind::BOOT, 0x0b),
            (kind::END, 4),
        ];
        assert_eq!(shapes, expected);
        assert_eq!(usize::from(smbios.count), found.len());
        assert_eq!(found[1].2[0], MAKER);
        assert_eq!(Smbios::new(&machine, false).count, smbios.count - 1);
    }

    #[test]
    fn the_entry_point_sums_to_zero_twice() {
        let machine = Described { ram_size: 3 << 30, model: CpuModel::PENTIUM4 };
        let smbios = Smbios::new(&machine, false);
        let entry = smbios.entry(0xf_0020);
        assert_eq!(entry.len(), usize::from(ENTRY_LEN));
        assert_eq!((sum(&entry), sum(&entry[0x10..])), (0, 0));
        assert_eq!(entry[0x18..0x1c], 0xf_0020u32.to_le_bytes());
        assert_eq!(
            usize::from(u16::from_le_bytes([entry[0x16], entry[0x17]])),
            smbios.tables.len()
        );
    }
}
