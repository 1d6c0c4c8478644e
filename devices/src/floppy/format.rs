//! Formats of diskettes, and the drives that they are for.

/// A drive by what it was built for, as the CMOS names it (byte 10h, four bits each).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum FloppyDrive {
    /// 5.25 inch, 40 cylinders, double density.
    Kib360,
    /// 5.25 inch, 80 cylinders, high density: at 360 revolutions a minute.
    Kib1200,
    /// 3.5 inch, double density.
    Kib720,
    /// 3.5 inch, high density.
    Kib1440,
    /// 3.5 inch, extra density.
    Kib2880,
}

impl FloppyDrive {
    /// Its type in CMOS byte 10h.
    #[must_use]
    pub const fn cmos_type(self) -> u8 {
        match self {
            Self::Kib360 => 1,
            Self::Kib1200 => 2,
            Self::Kib720 => 3,
            Self::Kib1440 => 4,
            Self::Kib2880 => 5,
        }
    }

    /// The cylinder at which the head meets its stop.
    pub(crate) const fn last_cylinder(self) -> u8 {
        match self {
            Self::Kib360 => 42,
            _ => 83,
        }
    }
}

/// How densely a diskette is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Density {
    /// 250 kbit/s, or 300 in a drive that turns faster.
    Double,
    /// 500 kbit/s.
    High,
    /// 1 Mbit/s.
    Extra,
}

/// A format: what a diskette of a certain size has on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloppyFormat {
    /// Cylinders.
    pub cylinders: u8,
    /// Heads, 1 or 2.
    pub heads: u8,
    /// Sectors on a track, numbered from 1.
    pub sectors: u8,
    /// Bytes in a sector are `128 << size`.
    pub size: u8,
    /// Its density.
    pub density: Density,
    /// The drive that it was made for.
    pub drive: FloppyDrive,
}

const fn format(
    [cylinders, heads, sectors]: [u8; 3],
    density: Density,
    drive: FloppyDrive,
) -> FloppyFormat {
    FloppyFormat { cylinders, heads, sectors, size: 2, density, drive }
}

/// The formats, the smallest first.
pub const FORMATS: [FloppyFormat; 14] = [
    format([40, 1, 8], Density::Double, FloppyDrive::Kib360),
    format([40, 1, 9], Density::Double, FloppyDrive::Kib360),
    format([40, 2, 8], Density::Double, FloppyDrive::Kib360),
    format([40, 2, 9], Density::Double, FloppyDrive::Kib360),
    format([80, 2, 8], Density::Double, FloppyDrive::Kib720),
    format([80, 2, 9], Density::Double, FloppyDrive::Kib720),
    format([80, 2, 15], Density::High, FloppyDrive::Kib1200),
    // Of 1,024 bytes a sector.
    FloppyFormat { size: 3, ..format([77, 2, 8], Density::High, FloppyDrive::Kib1200) },
    format([80, 2, 18], Density::High, FloppyDrive::Kib1440),
    // Distribution media, and what else fits on a high-density diskette.
    format([80, 2, 20], Density::High, FloppyDrive::Kib1440),
    format([80, 2, 21], Density::High, FloppyDrive::Kib1440),
    format([82, 2, 21], Density::High, FloppyDrive::Kib1440),
    format([83, 2, 21], Density::High, FloppyDrive::Kib1440),
    format([80, 2, 36], Density::Extra, FloppyDrive::Kib2880),
];

/// Those that an image of some other length is put on.
const USUAL: [usize; 2] = [8, 13];

impl FloppyFormat {
    /// Bytes in a sector.
    #[must_use]
    pub const fn sector_bytes(&self) -> usize {
        128 << self.size
    }

    /// Bytes on the diskette.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        let tracks = self.cylinders as u64 * self.heads as u64;
        tracks * self.sectors as u64 * self.sector_bytes() as u64
    }

    /// The format of an image of `len` bytes: the one that has as many; else 1.44 MB or 2.88 MB, of which the image is
    /// the beginning and zeroes are the rest. `None`: no diskette holds so much.
    #[must_use]
    pub fn of(len: u64) -> Option<&'static FloppyFormat> {
        let exact = FORMATS.iter().find(|format| format.bytes() == len);
        let usual = || USUAL.iter().map(|&at| &FORMATS[at]).find(|format| format.bytes() >= len);
        exact.or_else(usual)
    }

    /// The data rate, as the controller's rate select has it, at which a drive of that kind reads it.
    pub(crate) fn rate_in(&self, drive: FloppyDrive) -> u8 {
        match self.density {
            Density::Double if drive == FloppyDrive::Kib1200 => 1,
            Density::Double => 2,
            Density::High => 0,
            Density::Extra => 3,
        }
    }

    /// Cylinders of a drive of that kind to each of the diskette's.
    pub(crate) fn stretch_in(&self, drive: FloppyDrive) -> u8 {
        if self.drive == FloppyDrive::Kib360 && drive == FloppyDrive::Kib1200 { 2 } else { 1 }
    }

    /// Where the sector is in the image, in sectors. `None`: the format has no such sector.
    pub(crate) fn sector(&self, cylinder: u8, head: u8, number: u8) -> Option<u16> {
        let there =
            cylinder < self.cylinders && head < self.heads && (1..=self.sectors).contains(&number);
        let track = u16::from(cylinder) * u16::from(self.heads) + u16::from(head);
        there.then(|| track * u16::from(self.sectors) + u16::from(number) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_its_format() {
        let kib = [160, 180, 320, 360, 640, 720, 1200, 1232, 1440, 1600, 1680, 1722, 1743, 2880];
        for (kib, format) in kib.iter().zip(&FORMATS) {
            assert_eq!(format.bytes(), kib * 1024);
            assert_eq!(FloppyFormat::of(kib * 1024), Some(format));
            let last = format.sector(format.cylinders - 1, format.heads - 1, format.sectors);
            let sectors = format.bytes() / format.sector_bytes() as u64;
            assert_eq!(last.map(u64::from), Some(sectors - 1));
            assert_eq!(format.sector(format.cylinders, 0, 1), None);
            assert_eq!(format.sector(0, 0, 0), None);
        }
        assert!(FORMATS.is_sorted_by_key(FloppyFormat::bytes));
    }

    #[test]
    fn other_lengths_are_the_beginning_of_a_usual_diskette() {
        assert_eq!(FloppyFormat::of(512).map(FloppyFormat::bytes), Some(1440 << 10));
        assert_eq!(FloppyFormat::of((1440 << 10) + 1).map(FloppyFormat::bytes), Some(2880 << 10));
        assert_eq!(FloppyFormat::of((2880 << 10) + 1), None);
    }
}
