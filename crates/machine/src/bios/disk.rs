//! INT 13h: the disk image, read-only, by cylinder/head/sector and by the packet services. An image that has the size of
//! a diskette is one, in drive 0; any other is the first hard disk.

use super::call::Call;
use super::rom;
use ringer_cpu::addr::Pa;
use ringer_cpu::{Gpr, SegReg, Segment};
use ringer_devices::FloppyFormat;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use thiserror::Error;

/// Bytes in a sector.
pub const SECTOR: usize = 512;
/// DL of a hard disk.
pub const HARD_DISK: u8 = 0x80;
const HEADS: u64 = 16;
const SECTORS_PER_TRACK: u64 = 63;
const MAX_CYLINDERS: u64 = 1024;
/// Sectors that a packet may ask for at a time.
const MAX_PACKET: u16 = 127;

/// Status codes in AH.
mod error {
    pub const BAD_COMMAND: u8 = 0x01;
    pub const WRITE_PROTECTED: u8 = 0x03;
    pub const NOT_FOUND: u8 = 0x04;
    pub const DMA_OVERRUN: u8 = 0x08;
    pub const CONTROLLER: u8 = 0x20;
}

/// What is wrong with a disk image.
#[derive(Debug, Error)]
pub enum DiskError {
    /// No whole sector.
    #[error("a boot sector has 512 bytes, and a disk image begins with one; this has {0}")]
    Size(u64),
    /// The boot sector lacks its signature.
    #[error("not bootable: the first sector does not end with 55h AAh")]
    Signature,
    /// The file could not be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// A disk image whose first sector boots.
#[derive(Debug)]
pub struct Disk {
    file: File,
    /// Bytes of the file. The last sector may be there in part, and has zeroes behind that.
    length: u64,
    sectors: u64,
    first: Vec<u8>,
    /// What a diskette of the image's size has.
    floppy: Option<&'static FloppyFormat>,
}

impl Disk {
    /// A disk with the contents of `file`.
    ///
    /// # Errors
    /// When the file has less than a sector, has no boot signature, or cannot be read.
    pub fn new(file: File) -> Result<Self, DiskError> {
        let length = file.metadata()?.len();
        if length < SECTOR as u64 {
            return Err(DiskError::Size(length));
        }
        let mut first = vec![0; SECTOR];
        file.read_exact_at(&mut first, 0)?;
        if !first.ends_with(&[0x55, 0xaa]) {
            return Err(DiskError::Signature);
        }
        let floppy = FloppyFormat::of(length);
        let floppy = floppy.filter(|it| it.bytes() == length && it.sector_bytes() == SECTOR);
        Ok(Self { file, length, sectors: length.div_ceil(SECTOR as u64), first, floppy })
    }

    /// The first sector.
    #[must_use]
    pub fn boot_sector(&self) -> &[u8] {
        &self.first
    }

    /// DL of its drive, the only one.
    #[must_use]
    pub fn drive(&self) -> u8 {
        if self.floppy.is_some() { 0 } else { HARD_DISK }
    }

    fn heads(&self) -> u64 {
        self.floppy.map_or(HEADS, |floppy| u64::from(floppy.heads))
    }

    fn sectors_per_track(&self) -> u64 {
        self.floppy.map_or(SECTORS_PER_TRACK, |floppy| u64::from(floppy.sectors))
    }

    fn cylinders(&self) -> u64 {
        self.sectors.div_ceil(self.heads() * self.sectors_per_track()).min(MAX_CYLINDERS)
    }

    /// `count` sectors from `first`.
    fn read(&self, first: u64, count: u16) -> Result<Vec<u8>, u8> {
        let end = first.checked_add(u64::from(count)).ok_or(error::NOT_FOUND)?;
        if end > self.sectors {
            return Err(error::NOT_FOUND);
        }
        let mut bytes = vec![0; usize::from(count) * SECTOR];
        let at = first * SECTOR as u64;
        let there = self.length.saturating_sub(at).min(bytes.len() as u64) as usize;
        let read = self.file.read_exact_at(&mut bytes[..there], at);
        read.map(|()| bytes).map_err(|_| error::CONTROLLER)
    }
}

pub fn call(call: &mut Call<'_>, disk: Option<&Disk>) {
    match disk {
        Some(disk) => serve(call, disk),
        // As of a drive that is not there.
        None if call.high(Gpr::Eax) == 0x15 => {
            call.set_high(Gpr::Eax, 0);
            call.set_carry(false);
        }
        None => {
            call.set_high(Gpr::Eax, error::BAD_COMMAND);
            call.set_carry(true);
        }
    }
}

fn serve(call: &mut Call<'_>, disk: &Disk) {
    let result = match (call.high(Gpr::Eax), call.low(Gpr::Edx)) {
        // "No such drive" has its own answer in the type service.
        (0x15, drive) if drive != disk.drive() => {
            call.set_high(Gpr::Eax, 0);
            call.set_carry(false);
            return;
        }
        (0x15, _) => {
            drive_type(call, disk);
            return;
        }
        (_, drive) if drive != disk.drive() => Err(error::BAD_COMMAND),
        (0x00 | 0x01, _) => Ok(()),
        (0x02, _) => read_chs(call, disk, true),
        (0x03 | 0x43, _) => Err(error::WRITE_PROTECTED),
        (0x04, _) => read_chs(call, disk, false),
        (0x08, _) => parameters(call, disk),
        // Nobody has changed the diskette.
        (0x16, 0) => Ok(()),
        (0x41..=0x48, 0) => Err(error::BAD_COMMAND),
        (0x41, _) => extensions(call),
        (0x42, _) => read_packet(call, disk),
        (0x48, _) => extended_parameters(call, disk),
        _ => Err(error::BAD_COMMAND),
    };
    if let Err(status) = result {
        call.set_high(Gpr::Eax, status);
    } else if call.high(Gpr::Eax) != EXTENSIONS_VERSION {
        call.set_high(Gpr::Eax, 0);
    }
    call.set_carry(result.is_err());
}

/// AH after the installation check: version 2.1. No service has this number, so it marks the one
/// call that does not return zero in AH.
const EXTENSIONS_VERSION: u8 = 0x21;

fn extensions(call: &mut Call<'_>) -> Result<(), u8> {
    if call.word(Gpr::Ebx) != 0x55aa {
        return Err(error::BAD_COMMAND);
    }
    call.set_word(Gpr::Ebx, 0xaa55);
    call.set_word(Gpr::Ecx, 1);
    call.set_high(Gpr::Eax, EXTENSIONS_VERSION);
    Ok(())
}

fn drive_type(call: &mut Call<'_>, disk: &Disk) {
    let sectors = disk.sectors.min(u64::from(u32::MAX)) as u32;
    call.set_carry(false);
    if disk.floppy.is_some() {
        // With a line that tells of changes.
        call.set_high(Gpr::Eax, 2);
        return;
    }
    call.set_high(Gpr::Eax, 3);
    call.set_word(Gpr::Ecx, (sectors >> 16) as u16);
    call.set_word(Gpr::Edx, sectors as u16);
}

/// AH=02h and 04h: AL sectors from cylinder CH and CL[7:6], head DH, sector CL[5:0] to ES:BX.
fn read_chs(call: &mut Call<'_>, disk: &Disk, transfer: bool) -> Result<(), u8> {
    let count = u16::from(call.low(Gpr::Eax));
    let (low, high) = (u64::from(call.low(Gpr::Ecx)), u64::from(call.high(Gpr::Ecx)));
    let (cylinder, sector) = (high | ((low & 0xc0) << 2), low & 0x3f);
    let head = u64::from(call.high(Gpr::Edx));
    let inside = (1..=disk.sectors_per_track()).contains(&sector) && head < disk.heads();
    if !inside || count == 0 {
        return Err(error::BAD_COMMAND);
    }
    let first = (cylinder * disk.heads() + head) * disk.sectors_per_track() + sector - 1;
    let bytes = disk.read(first, count)?;
    if !transfer {
        return Ok(());
    }
    let at = call.pointer(SegReg::Es, call.word(Gpr::Ebx));
    if call.memory.dma_write(Pa(at), &bytes) { Ok(()) } else { Err(error::DMA_OVERRUN) }
}

fn parameters(call: &mut Call<'_>, disk: &Disk) -> Result<(), u8> {
    let last = disk.cylinders() - 1;
    call.set_high(Gpr::Ecx, last as u8);
    call.set_low(Gpr::Ecx, (disk.sectors_per_track() as u8) | ((last >> 8) << 6) as u8);
    call.set_high(Gpr::Edx, (disk.heads() - 1) as u8);
    call.set_low(Gpr::Edx, 1);
    call.set_low(Gpr::Eax, 0);
    if let Some(floppy) = disk.floppy {
        call.set_word(Gpr::Ebx, u16::from(floppy.drive.cmos_type()));
        call.cpu.seg[SegReg::Es as usize] = Segment::real(rom::SEGMENT, 0);
        call.set_word(Gpr::Edi, rom::DISKETTE);
    }
    Ok(())
}

/// AH=42h: a packet at DS:SI of size (1 byte), zero, sectors (word), buffer (offset and segment),
/// first sector (8 bytes).
fn read_packet(call: &mut Call<'_>, disk: &Disk) -> Result<(), u8> {
    let mut packet = [0; 16];
    let at = call.pointer(SegReg::Ds, call.word(Gpr::Esi));
    if !call.memory.read(Pa(at), &mut packet) || packet[0] < 16 {
        return Err(error::BAD_COMMAND);
    }
    let half = |i: usize| u16::from_le_bytes([packet[i], packet[i + 1]]);
    let first = (0..8).fold(0, |n, i| n | (u64::from(packet[8 + i]) << (8 * i)));
    let count = half(2);
    if count > MAX_PACKET {
        return Err(error::BAD_COMMAND);
    }
    let bytes = disk.read(first, count)?;
    let buffer = (u64::from(half(6)) << 4) + u64::from(half(4));
    if call.memory.dma_write(Pa(buffer), &bytes) { Ok(()) } else { Err(error::DMA_OVERRUN) }
}

/// AH=48h: fills the table at DS:SI (26 bytes of it).
fn extended_parameters(call: &mut Call<'_>, disk: &Disk) -> Result<(), u8> {
    let mut table = Vec::with_capacity(26);
    table.extend(26u16.to_le_bytes());
    table.extend(2u16.to_le_bytes()); // the geometry below is valid
    for number in [disk.cylinders() as u32, HEADS as u32, SECTORS_PER_TRACK as u32] {
        table.extend(number.to_le_bytes());
    }
    table.extend(disk.sectors.to_le_bytes());
    table.extend((SECTOR as u16).to_le_bytes());
    let at = call.pointer(SegReg::Ds, call.word(Gpr::Esi));
    if call.memory.dma_write(Pa(at), &table) { Ok(()) } else { Err(error::BAD_COMMAND) }
}
