//! Headers of Multiboot 1 (specification 0.6.96, 3.1) and Multiboot 2 (2.0, 3.1), and the piece of a flat image.

use super::super::elf::Piece;
use super::super::error::MultibootError;
use super::super::screen::ScreenWish;

pub const MAGIC_1: u32 = 0x1bad_b002;
pub const MAGIC_2: u32 = 0xe852_50d6;
/// The header lies in so many bytes at the start of the file: of version 1 aligned to 4, of version 2 to 8.
const SEARCH_1: usize = 8192;
const SEARCH_2: usize = 32768;

/// Flags of version 1: modules on page boundaries (they always are here).
pub const PAGE_ALIGN: u32 = 1 << 0;
/// Memory information wanted (it is always given).
pub const MEMORY_INFO: u32 = 1 << 1;
/// The header says which screen is preferred.
pub const VIDEO: u32 = 1 << 2;
/// The header holds addresses.
pub const ADDRESSES: u32 = 1 << 16;
/// A loader must refuse flags in the lower half that it does not know.
const REQUIRED: u32 = 0xffff;
/// Where the fields for the screen are in the header.
const VIDEO_AT: usize = 32;

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

/// Where a flat image goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Addresses {
    header: u32,
    load: u32,
    load_end: u32,
    bss_end: u32,
}

/// A header that was read.
#[derive(Debug)]
pub struct Header {
    pub version: Version,
    /// Its place in the file.
    at: usize,
    addresses: Option<Addresses>,
    /// Where the kernel begins, if the header says so.
    pub entry: Option<u32>,
    /// The screen that the kernel would like.
    pub screen: Option<ScreenWish>,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// The header of version 1: its place in the file, its flags.
fn find_1(file: &[u8]) -> Option<(usize, u32)> {
    let window = &file[..file.len().min(SEARCH_1)];
    (0..window.len()).step_by(4).find_map(|at| {
        let (magic, flags) = (word(window, at)?, word(window, at + 4)?);
        let sum = magic.wrapping_add(flags).wrapping_add(word(window, at + 8)?);
        (magic == MAGIC_1 && sum == 0).then_some((at, flags))
    })
}

/// The header of version 2: its place in the file, its length.
fn find_2(file: &[u8]) -> Option<(usize, u32)> {
    let window = &file[..file.len().min(SEARCH_2)];
    (0..window.len()).step_by(8).find_map(|at| {
        let (magic, architecture) = (word(window, at)?, word(window, at + 4)?);
        let length = word(window, at + 8)?;
        let sum = magic.wrapping_add(architecture).wrapping_add(length);
        let whole = sum.wrapping_add(word(window, at + 12)?) == 0;
        (magic == MAGIC_2 && architecture == 0 && whole).then_some((at, length))
    })
}

/// Whether a file with this beginning has a header of either version.
pub fn has_header(head: &[u8]) -> bool {
    find_1(head).is_some() || find_2(head).is_some()
}

/// Whether it has one of version 1.
pub fn has_header_of_version_1(head: &[u8]) -> bool {
    find_1(head).is_some()
}

impl Header {
    /// The header in `file`: of version 1 if there is one. `None`: it has none.
    ///
    /// # Errors
    /// When it asks for what is not here, or is none.
    pub fn read(file: &[u8]) -> Result<Option<Self>, MultibootError> {
        if let Some((at, flags)) = find_1(file) {
            return Self::of_version_1(file, at, flags).map(Some);
        }
        let Some((at, length)) = find_2(file) else { return Ok(None) };
        let tags = file.get(at + 16..at.saturating_add(length as usize));
        let tags = tags.ok_or(MultibootError::Header)?;
        let mut header =
            Self { version: Version::Two, at, addresses: None, entry: None, screen: None };
        header.take_tags(tags).map(|()| Some(header))
    }

    fn of_version_1(file: &[u8], at: usize, flags: u32) -> Result<Self, MultibootError> {
        let unknown = flags & REQUIRED & !(PAGE_ALIGN | MEMORY_INFO | VIDEO);
        if unknown != 0 {
            return Err(MultibootError::Features(unknown));
        }
        let field = |offset: usize| word(file, at + offset);
        let mut header =
            Self { version: Version::One, at, addresses: None, entry: None, screen: None };
        if flags & ADDRESSES != 0 {
            let fields = [12, 16, 20, 24, 28].map(field);
            let [Some(own), Some(load), Some(load_end), Some(bss_end), Some(entry)] = fields else {
                return Err(MultibootError::Addresses);
            };
            header.addresses = Some(Addresses { header: own, load, load_end, bss_end });
            header.entry = Some(entry);
        }
        if flags & VIDEO != 0 {
            let fields = [0, 4, 8, 12].map(|offset| field(VIDEO_AT + offset));
            let [Some(mode), Some(width), Some(height), Some(depth)] = fields else {
                return Err(MultibootError::Header);
            };
            header.screen = Some(ScreenWish { text: mode == 1, width, height, depth });
        }
        Ok(header)
    }

    /// Takes over the tags of version 2 (3.1.3): type, flags, size, then what the type has.
    fn take_tags(&mut self, mut tags: &[u8]) -> Result<(), MultibootError> {
        while let (Some(kind), Some(flags), Some(size)) =
            (half(tags, 0), half(tags, 2), word(tags, 4))
        {
            let size = size as usize;
            if kind == 0 {
                return Ok(());
            }
            let body = tags.get(8..size).ok_or(MultibootError::Header)?;
            if !self.take_tag(kind, body)? && flags & 1 == 0 {
                return Err(MultibootError::Tag(kind));
            }
            tags = tags.get(size.next_multiple_of(8)..).unwrap_or_default();
        }
        Err(MultibootError::Header)
    }

    /// Takes over a tag; false if what it asks for is not here.
    fn take_tag(&mut self, kind: u16, body: &[u8]) -> Result<bool, MultibootError> {
        let field = |n: usize| word(body, 4 * n).ok_or(MultibootError::Header);
        match kind {
            // What it wants to be told of: all that exists is told of.
            1 => return Ok((0..body.len() / 4).all(|n| field(n).is_ok_and(|tag| tag <= LAST_TAG))),
            2 => {
                let [header, load, load_end, bss_end] =
                    [field(0)?, field(1)?, field(2)?, field(3)?];
                self.addresses = Some(Addresses { header, load, load_end, bss_end });
            }
            3 => self.entry = Some(field(0)?),
            // Which consoles it can use: there are both kinds. Where EFI would enter it. Modules lie on pages.
            4 | 6..=9 => {}
            5 => {
                let [width, height, depth] = [field(0)?, field(1)?, field(2)?];
                self.screen = Some(ScreenWish { text: false, width, height, depth });
            }
            // It could lie elsewhere, and is told that it does not.
            10 => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether the header says where the image goes, whatever its format.
    pub fn is_flat(&self) -> bool {
        self.addresses.is_some()
    }

    /// The one piece of a flat image.
    ///
    /// # Errors
    /// When the addresses contradict each other, or bytes are missing.
    pub fn flat_piece(&self, file: &[u8]) -> Result<Piece, MultibootError> {
        const ERROR: MultibootError = MultibootError::Addresses;
        let Addresses { header, load, load_end, bss_end } = self.addresses.ok_or(ERROR)?;
        // All ones: from the beginning of the file.
        let before = if load == u32::MAX { self.at as u32 } else { header.wrapping_sub(load) };
        let load = if load == u32::MAX { header.checked_sub(before).ok_or(ERROR)? } else { load };
        if header < load {
            return Err(ERROR);
        }
        let start = self.at.checked_sub(before as usize).ok_or(ERROR)?;
        let available = file.len() - start;
        let size = match load_end {
            0 => available,
            end => end.checked_sub(load).ok_or(ERROR)? as usize,
        };
        if size > available {
            return Err(MultibootError::Truncated { missing: (size - available) as u64 });
        }
        let file_size = u32::try_from(size).map_err(|_| ERROR)?;
        let memory = match bss_end {
            0 => file_size,
            end => end.checked_sub(load).ok_or(ERROR)?.max(file_size),
        };
        Ok(Piece { address: load, bytes: start..start + size, size: memory })
    }
}

/// The last type of tag that the specification has for what a kernel is told.
const LAST_TAG: u32 = 21;
