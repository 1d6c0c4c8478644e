//! The guest-physical address space as data: which ranges are memory, of which kind, and where in the memory file
//! they lie. What no range covers belongs to the devices, or to nobody.
//!
//! Invariant: the ranges are in ascending order, made of whole pages, do not overlap, end below [`PHYSICAL_END`], name no
//! byte of the memory file beyond [`MAX_FILE`], and show no byte that can be written twice: who is told of a write by
//! its physical address knows whose code it changes. [`MemoryMap::check`] is the only way in, and a switch of a
//! range at run time keeps it.

use ringer_cpu::addr::{PAGE_SIZE, Pa};
use serde::{Deserialize, Serialize};

/// End of the physical address space: 36 bits.
pub const PHYSICAL_END: u64 = 1 << 36;
/// Most bytes of the memory file: windows keep its pages as numbers of 20 bits.
pub const MAX_FILE: u64 = 4 << 30;
/// Most ranges of a map, far above what a layout and its switches need.
const MAX_RANGES: usize = 1024;

const FOUR_GIB: u64 = 1 << 32;
/// The hole of the legacy display adapters.
const VGA_START: u64 = 0xa_0000;
/// Start of the memory behind option ROMs and the BIOS (shadow RAM).
const SHADOW_START: u64 = 0xc_0000;
const ONE_MIB: u64 = 0x10_0000;
/// At most so much of the ROM's end shows under 1 MiB.
const ROM_TAIL: u64 = 128 << 10;

/// How a shadowed range answers, as a chipset's attribute registers switch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shadow {
    /// RAM that can be read and written.
    ReadWrite,
    /// RAM that can be read.
    ReadOnly,
    /// The ROM, or devices where there is none, for reads; the RAM for writes.
    WriteOnly,
    /// The ROM before it, or devices where there is none.
    Rom,
}

/// What a range is. Offsets are those of its first byte in the memory file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Memory.
    Ram {
        /// Offset in the memory file.
        offset: u64,
    },
    /// Memory that the guest cannot write. Several ranges may show the same bytes.
    Rom {
        /// Offset in the memory file.
        offset: u64,
    },
    /// Memory of a device: what is written is logged, page by page.
    DeviceRam {
        /// Offset in the memory file.
        offset: u64,
    },
    /// RAM behind a ROM, between which the chipset chooses.
    Shadowed {
        /// Offset of the RAM in the memory file.
        ram: u64,
        /// Offset of the ROM in the memory file.
        rom: Option<u64>,
        /// The choice.
        state: Shadow,
    },
}

impl Kind {
    /// The same kind, `bytes` further on.
    fn plus(self, bytes: u64) -> Self {
        match self {
            Self::Ram { offset } => Self::Ram { offset: offset + bytes },
            Self::Rom { offset } => Self::Rom { offset: offset + bytes },
            Self::DeviceRam { offset } => Self::DeviceRam { offset: offset + bytes },
            Self::Shadowed { ram, rom, state } => {
                Self::Shadowed { ram: ram + bytes, rom: rom.map(|rom| rom + bytes), state }
            }
        }
    }

    /// The offsets that it has: of what can be written, and of what cannot.
    fn parts(self) -> (Option<u64>, Option<u64>) {
        match self {
            Self::Ram { offset } | Self::DeviceRam { offset } => (Some(offset), None),
            Self::Rom { offset } => (None, Some(offset)),
            Self::Shadowed { ram, rom, .. } => (Some(ram), rom),
        }
    }

    fn offsets(self) -> impl Iterator<Item = u64> {
        let (ram, rom) = self.parts();
        ram.into_iter().chain(rom)
    }
}

/// A range of physical addresses that is memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First address, a multiple of 4 KiB.
    pub start: u64,
    /// Bytes, a multiple of 4 KiB.
    pub len: u64,
    /// What it is.
    pub kind: Kind,
}

impl Range {
    fn end(&self) -> u64 {
        self.start + self.len
    }

    fn is_device(&self) -> bool {
        matches!(self.kind, Kind::DeviceRam { .. })
    }

    /// The part of it from `start` to `end`, which lie in it.
    fn part(&self, start: u64, end: u64) -> Self {
        Self { start, len: end - start, kind: self.kind.plus(start - self.start) }
    }
}

/// What is wrong with a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// A range or an offset is not made of whole pages, or is empty.
    #[error(
        "memory range {start:#x}, {len:#x} bytes: it must be whole pages of 4 KiB, at least one"
    )]
    Misaligned {
        /// First address.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// A range ends beyond the physical address space, or lies beyond the memory file's greatest size.
    #[error(
        "memory range {start:#x}, {len:#x} bytes: addresses end at 64 GiB, memory at 4 GiB in all"
    )]
    TooLarge {
        /// First address.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// Two ranges cover the same address.
    #[error("memory ranges at {first:#x} and {second:#x} overlap")]
    Overlap {
        /// First address of the lower one.
        first: u64,
        /// First address of the higher one.
        second: u64,
    },
    /// A byte of the memory file that can be written is shown twice.
    #[error("bytes of the memory file from {offset:#x} on are shown twice, and can be written")]
    Shared {
        /// Offset in the memory file.
        offset: u64,
    },
    /// Nothing but RAM that is no device's can have a ROM before it, and nothing else can be shadowed.
    #[error("memory at {start:#x}, {len:#x} bytes cannot be switched between RAM and ROM")]
    NotShadowed {
        /// First address.
        start: u64,
        /// Bytes.
        len: u64,
    },
    /// There are too many ranges.
    #[error("{0} memory ranges: 1024 at most")]
    TooMany(usize),
}

/// The physical address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryMap {
    ranges: Vec<Range>,
    /// The longest of them, which is asked first.
    main: Range,
}

impl MemoryMap {
    /// The map of these ranges, in any order.
    ///
    /// # Errors
    /// [`MapError`] with the first range that breaks the invariant.
    pub fn new(mut ranges: Vec<Range>) -> Result<Self, MapError> {
        ranges.sort_by_key(|range| range.start);
        Self::check(&ranges)?;
        let main = longest(&ranges);
        Ok(Self { ranges, main })
    }

    /// A PC with `ram_size` bytes of RAM, at least 1 MiB: the display adapters' hole under C0000h, shadow RAM from there
    /// to 1 MiB, and, when there is one, a ROM of `rom` bytes that lies behind the RAM in the memory file, ends at 4 GiB,
    /// and whose last 128 KiB show under 1 MiB too.
    ///
    /// # Errors
    /// [`MapError`] when the sizes are no whole pages or the parts meet.
    pub fn pc(ram_size: u64, rom: u64) -> Result<Self, MapError> {
        let ram = |start: u64, end: u64| Range {
            start,
            len: end.saturating_sub(start),
            kind: Kind::Ram { offset: start },
        };
        let tail = rom.min(ROM_TAIL);
        let shadowed = |start: u64, end: u64, rom| Range {
            start,
            len: end.saturating_sub(start),
            kind: Kind::Shadowed {
                ram: start,
                rom,
                state: if rom.is_some() { Shadow::Rom } else { Shadow::ReadWrite },
            },
        };
        let mut ranges = vec![ram(0, VGA_START), shadowed(SHADOW_START, ONE_MIB - tail, None)];
        if ram_size > ONE_MIB {
            ranges.push(ram(ONE_MIB, ram_size));
        }
        if rom > 0 {
            ranges.push(shadowed(ONE_MIB - tail, ONE_MIB, Some(ram_size + rom - tail)));
            let start = FOUR_GIB.saturating_sub(rom);
            ranges.push(Range { start, len: rom, kind: Kind::Rom { offset: ram_size } });
        }
        Self::new(ranges)
    }

    /// RAM from 0 to `ram_size` and nothing else.
    ///
    /// # Errors
    /// [`MapError`] when the size is no whole number of pages, or too large.
    pub fn flat(ram_size: u64) -> Result<Self, MapError> {
        Self::new(vec![Range { start: 0, len: ram_size, kind: Kind::Ram { offset: 0 } }])
    }

    fn check(ranges: &[Range]) -> Result<(), MapError> {
        if ranges.len() > MAX_RANGES {
            return Err(MapError::TooMany(ranges.len()));
        }
        let mut last: Option<&Range> = None;
        for range in ranges {
            let Range { start, len, kind } = *range;
            let mut words = kind.offsets().chain([start, len]);
            if len == 0 || !words.all(|word| word.is_multiple_of(PAGE_SIZE)) {
                return Err(MapError::Misaligned { start, len });
            }
            let within = |at: u64, end: u64| at.checked_add(len).is_some_and(|sum| sum <= end);
            if !within(start, PHYSICAL_END) || !kind.offsets().all(|at| within(at, MAX_FILE)) {
                return Err(MapError::TooLarge { start, len });
            }
            if let Some(last) = last.filter(|last| last.end() > start) {
                return Err(MapError::Overlap { first: last.start, second: start });
            }
            last = Some(range);
        }
        Self::check_shared(ranges)
    }

    /// No two ranges show the same bytes of the memory file unless none of them can be written.
    fn check_shared(ranges: &[Range]) -> Result<(), MapError> {
        let mut pieces: Vec<(u64, u64, bool)> = Vec::with_capacity(2 * ranges.len());
        for Range { len, kind, .. } in ranges {
            let (ram, rom) = kind.parts();
            pieces.extend(ram.map(|offset| (offset, offset + len, true)));
            pieces.extend(rom.map(|offset| (offset, offset + len, false)));
        }
        pieces.sort_unstable();
        // The ends of what is shown so far, all of it and what can be written.
        let (mut any, mut written) = (0, 0);
        for (start, end, writes) in pieces {
            if start < if writes { any } else { written } {
                return Err(MapError::Shared { offset: start });
            }
            any = end.max(any);
            written = if writes { end.max(written) } else { written };
        }
        Ok(())
    }

    /// The ranges, in ascending order.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The ranges that a chipset can switch: first address and bytes of each.
    pub fn shadowed(&self) -> impl Iterator<Item = (Pa, u64)> + '_ {
        let shadowed = |range: &&Range| matches!(range.kind, Kind::Shadowed { .. });
        self.ranges.iter().filter(shadowed).map(|range| (Pa(range.start), range.len))
    }

    /// Bytes that the memory file needs.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        let ends = self.ranges.iter().flat_map(|r| r.kind.offsets().map(|offset| offset + r.len));
        ends.max().unwrap_or(0)
    }

    /// The first address behind the last range.
    pub(crate) fn end(&self) -> u64 {
        self.ranges.last().map_or(0, Range::end)
    }

    /// Where the byte of the memory file at `offset` shows, or can when a shadowed range is switched.
    pub(crate) fn places(&self, offset: u64) -> Vec<Pa> {
        let within = |range: &Range, first: u64| {
            let at = offset.checked_sub(first).filter(|at| *at < range.len)?;
            Some(Pa(range.start + at))
        };
        let places = |range: &Range| {
            let found: Vec<Pa> = range.kind.offsets().filter_map(|o| within(range, o)).collect();
            found
        };
        self.ranges.iter().flat_map(places).collect()
    }

    /// The kind of the byte at `pa`, with its own offset.
    #[inline]
    pub(crate) fn find(&self, pa: Pa) -> Option<Kind> {
        let pa = pa.get();
        let within = pa.wrapping_sub(self.main.start);
        if within < self.main.len {
            return Some(self.main.kind.plus(within));
        }
        let next = self.ranges.partition_point(|range| range.start <= pa);
        let range = self.ranges.get(next.checked_sub(1)?)?;
        (pa < range.end()).then(|| range.kind.plus(pa - range.start))
    }

    /// Whether `len` bytes at `pa` lie in one range, or all of them in none.
    pub(crate) fn is_uniform(&self, pa: Pa, len: u64) -> bool {
        let (first, last) = (pa.get(), pa.get().saturating_add(len - 1));
        let main = |pa: u64| pa.wrapping_sub(self.main.start) < self.main.len;
        if main(first) && main(last) {
            return true;
        }
        let next = |pa: u64| self.ranges.partition_point(|range| range.start <= pa);
        next(first) == next(last) && self.find(Pa(first)).is_some() == self.find(Pa(last)).is_some()
    }

    /// The same map with all shadow RAM hidden, as a chipset's reset leaves it.
    pub(crate) fn hidden(&self) -> Self {
        let mut ranges = Vec::with_capacity(self.ranges.len());
        for mut range in self.ranges.iter().copied() {
            if let Kind::Shadowed { state, .. } = &mut range.kind {
                *state = Shadow::Rom;
            }
            push(&mut ranges, range);
        }
        let main = longest(&ranges);
        Self { ranges, main }
    }

    /// Whether shadowed memory of the `len` bytes at `pa` is not as `to` says.
    pub(crate) fn differs(&self, pa: Pa, len: u64, to: Shadow) -> bool {
        let (start, end) = (pa.get(), pa.get().saturating_add(len));
        let within = |range: &&Range| range.start < end && start < range.end();
        let other =
            |range: &Range| matches!(range.kind, Kind::Shadowed { state, .. } if state != to);
        self.ranges.iter().filter(within).any(other)
    }

    /// Puts `wanted`, pieces of a device's memory, in the place of those that are there. What of them is no whole pages, or
    /// where there is other memory, or shows what an earlier one of them shows, is left out.
    pub(crate) fn show(&mut self, wanted: &[Range]) {
        let mut ranges = self.ranges.clone();
        ranges.retain(|range| !range.is_device());
        let others = ranges.len();
        for want in wanted {
            for piece in free_parts(*want, &ranges[..others], &ranges[others..]) {
                let mut more = ranges.clone();
                more.push(piece);
                // One that cannot be is none.
                if let Ok(map) = Self::new(more.clone()) {
                    ranges = more;
                    *self = map;
                }
            }
        }
        if ranges.len() == others
            && let Ok(map) = Self::new(ranges)
        {
            *self = map;
        }
    }

    /// The pieces of devices' memory.
    pub(crate) fn device_ranges(&self) -> Vec<Range> {
        self.ranges.iter().copied().filter(Range::is_device).collect()
    }

    /// The pieces of devices' memory that `later` does not have at the same place.
    pub(crate) fn device_ranges_not_in(&self, later: &Self) -> Vec<Range> {
        let mut gone = Vec::new();
        for range in self.device_ranges() {
            let mut parts = vec![range];
            for other in &later.ranges {
                let (low, high) = (range.start.max(other.start), range.end().min(other.end()));
                let stays = low < high && range.part(low, high).kind == other.part(low, high).kind;
                if stays {
                    parts = parts.iter().flat_map(|part| without(*part, low, high)).collect();
                }
            }
            gone.extend(parts);
        }
        gone
    }

    /// Switches the shadowed memory at `pa`, `len` bytes.
    ///
    /// # Errors
    /// [`MapError::Misaligned`], and [`MapError::NotShadowed`] when some of it is not shadowed; nothing changes then.
    pub(crate) fn switch(&mut self, pa: Pa, len: u64, to: Shadow) -> Result<(), MapError> {
        let start = pa.get();
        if len == 0 || !start.is_multiple_of(PAGE_SIZE) || !len.is_multiple_of(PAGE_SIZE) {
            return Err(MapError::Misaligned { start, len });
        }
        let wrong = MapError::NotShadowed { start, len };
        let end = start.checked_add(len).ok_or(wrong)?;
        let mut ranges: Vec<Range> = Vec::with_capacity(self.ranges.len() + 2);
        let mut switched = 0;
        for range in &self.ranges {
            let (low, high) = (range.start.max(start), range.end().min(end));
            if low >= high {
                push(&mut ranges, *range);
                continue;
            }
            push(&mut ranges, range.part(range.start, low));
            let mut middle = range.part(low, high);
            let Kind::Shadowed { state, .. } = &mut middle.kind else { return Err(wrong) };
            *state = to;
            switched += middle.len;
            push(&mut ranges, middle);
            push(&mut ranges, range.part(high, range.end()));
        }
        if switched != len {
            return Err(wrong);
        }
        *self = Self::new(ranges)?;
        Ok(())
    }
}

/// `range` without the addresses from `low` to `high`.
fn without(range: Range, low: u64, high: u64) -> Vec<Range> {
    let ends = [(range.start, low.min(range.end())), (high.max(range.start), range.end())];
    let parts = ends.into_iter().filter(|(start, end)| start < end);
    parts.map(|(start, end)| range.part(start, end)).collect()
}

/// The parts of `want` at whose addresses there are neither `others` nor `shown`, and whose bytes are not those of `shown`.
fn free_parts(want: Range, others: &[Range], shown: &[Range]) -> Vec<Range> {
    if want.start.checked_add(want.len).is_none() {
        return Vec::new();
    }
    let mut parts = vec![want];
    for other in others.iter().chain(shown) {
        let cut = |part: &Range| without(*part, other.start, other.end());
        parts = parts.iter().flat_map(cut).collect();
    }
    for other in shown {
        let (Kind::DeviceRam { offset: first }, Kind::DeviceRam { offset }) =
            (other.kind, want.kind)
        else {
            continue;
        };
        // Where in the addresses of `want` the bytes of `other` would be.
        let at = |byte: u64| want.start.saturating_add(byte).saturating_sub(offset);
        let cut = |part: &Range| without(*part, at(first), at(first + other.len));
        parts = parts.iter().flat_map(cut).collect();
    }
    parts
}

fn longest(ranges: &[Range]) -> Range {
    let none = Range { start: 0, len: 0, kind: Kind::Ram { offset: 0 } };
    ranges.iter().copied().max_by_key(|range| range.len).unwrap_or(none)
}

/// Appends a range, empty ones excepted, and merges it with the one before when it continues that.
fn push(ranges: &mut Vec<Range>, next: Range) {
    if next.len == 0 {
        return;
    }
    if let Some(last) = ranges.last_mut() {
        let continues = last.end() == next.start && last.kind.plus(last.len) == next.kind;
        if continues {
            last.len += next.len;
            return;
        }
    }
    ranges.push(next);
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
