//! Memory of a device's own, behind RAM and ROM in the memory file: a display adapter's. Pieces of it stand in the physical
//! address space, where the device says, and that changes while the guest runs.
//!
//! What is written to it is always logged, by groups of pages: the first write to a clean group is noticed. What
//! processors must forget when a piece goes or a group becomes clean waits here ([`GuestMemory::take_stale`]) until the
//! monitor has it forgotten, before the next instruction.

use crate::map::{Kind, Range};
use crate::ram::{GuestMemory, MAX_ROM, MemoryError};
use crate::stale::Stale;
use ringer_cpu::addr::{PAGE_SIZE, Pa};

/// Pages that count as written together: a picture that is drawn anew costs a fault for each of them.
const GROUP: u64 = 16;

/// The pages of `len` bytes at `offset`, which are whole.
fn pages(offset: u64, len: u64) -> std::ops::Range<u32> {
    (offset / PAGE_SIZE) as u32..((offset + len) / PAGE_SIZE) as u32
}

impl GuestMemory {
    /// A PC's memory as [`GuestMemory::new`] makes it, with `len` bytes of a device's beside RAM and ROM; whole pages.
    ///
    /// # Errors
    /// As [`GuestMemory::new`].
    pub fn with_device_ram(ram_size: u64, len: u64) -> Result<Self, MemoryError> {
        let len = len.next_multiple_of(GROUP * PAGE_SIZE);
        let mut memory = Self::with_room_behind(ram_size, len + GROUP * PAGE_SIZE)?;
        let start = (ram_size + MAX_ROM as u64).next_multiple_of(GROUP * PAGE_SIZE);
        memory.device = start..start + len;
        memory.set_logged(false);
        Ok(memory)
    }

    /// Bytes of the device's memory.
    #[must_use]
    pub fn device_size(&self) -> u64 {
        self.device.end - self.device.start
    }

    /// The offset in the memory file of `len` bytes at `offset` of the device's memory, and how many of them there are.
    fn device_part(&self, offset: u64, len: usize) -> (u64, usize) {
        let left = self.device_size().saturating_sub(offset);
        (self.device.start + offset.min(self.device_size()), (len as u64).min(left) as usize)
    }

    /// Reads the device's memory; what is behind its end reads 0.
    pub fn device_read(&self, offset: u64, buf: &mut [u8]) {
        let (at, len) = self.device_part(offset, buf.len());
        let (there, behind) = buf.split_at_mut(len);
        self.read_offset(at, there);
        behind.fill(0);
    }

    /// Writes the device's memory, as the device: code made from there is noted, see
    /// [`GuestMemory::take_code_writes`], and so are pages. What is behind its end is lost.
    pub fn device_write(&mut self, offset: u64, data: &[u8]) {
        let (mut at, len) = self.device_part(offset, data.len());
        let mut data = &data[..len];
        while !data.is_empty() {
            let within = (at % PAGE_SIZE) as usize;
            let (now, later) = data.split_at(data.len().min(PAGE_SIZE as usize - within));
            self.note_code(at - within as u64, within..within + now.len());
            self.note_write(at);
            self.write_offset(at, now);
            (at, data) = (at + now.len() as u64, later);
        }
    }

    /// Makes bytes of the device's memory 0; whole pages are given back to the host.
    pub fn device_clear(&mut self, offset: u64, len: u64) {
        let end = offset.saturating_add(len).min(self.device_size());
        let mut at = offset;
        while at < end {
            let next = ((at / PAGE_SIZE + 1) * PAGE_SIZE).min(end);
            let whole = end - end % PAGE_SIZE;
            if at.is_multiple_of(PAGE_SIZE) && at < whole {
                for page in (at..whole).step_by(PAGE_SIZE as usize) {
                    let page = self.device.start + page;
                    self.note_code(page, 0..PAGE_SIZE as usize);
                    self.note_write(page);
                }
                let first = self.device.start + at;
                self.file.punch(first, whole - at);
                at = whole;
            } else {
                self.device_write(at, &[0; PAGE_SIZE as usize][..(next - at) as usize]);
                at = next;
            }
        }
    }

    /// From now on these pieces of the device's memory stand in the address space and no others: physical address, bytes and
    /// offset. One that is not made of whole pages, or is not all there, is none. Where there is RAM or ROM that shows; of
    /// two pieces at one address, or of the same bytes, the first.
    pub fn show_device(&mut self, pieces: impl Iterator<Item = (u64, u64, u64)>) {
        let size = self.device_size();
        let there = pieces
            .filter(|(_, len, offset)| offset.checked_add(*len).is_some_and(|end| end <= size));
        let wanted = there.map(|(start, len, offset)| Range {
            start,
            len,
            kind: Kind::DeviceRam { offset: self.device.start + offset },
        });
        let wanted: Vec<Range> = wanted.collect();
        let before = self.map.clone();
        self.map.show(&wanted);
        if self.map == before {
            return;
        }
        let gone: Vec<Range> = before.device_ranges_not_in(&self.map);
        for range in gone {
            let Kind::DeviceRam { offset } = range.kind else { continue };
            self.stale.gone.push(pages(offset, range.len));
            for page in (0..range.len).step_by(PAGE_SIZE as usize) {
                // Code that was made from there has another place now, or none.
                if self.code.set(offset + page, false) {
                    self.code_writes.push((Pa(range.start + page), PAGE_SIZE as u32));
                }
            }
        }
        // A software TLB may know of the addresses that they are no memory.
        if self.stale.is_empty() {
            self.stale.gone.push(0..0);
        }
    }

    /// Whether a page of `len` bytes at `offset` of the device's memory, or one of its group, was written since the last
    /// call that named it. They are clean then.
    pub fn take_device_dirty(&mut self, offset: u64, len: u64) -> bool {
        let (at, len) = self.device_part(offset, len.try_into().unwrap_or(usize::MAX));
        let end = at + len as u64;
        let mut dirty = false;
        for page in (at / PAGE_SIZE..end.div_ceil(PAGE_SIZE)).map(|page| page * PAGE_SIZE) {
            if self.clean.set(page, true) {
                dirty = true;
                let number = (page / PAGE_SIZE) as u32;
                match self.stale.clean.last_mut() {
                    Some(last) if last.end == number => last.end += 1,
                    _ => self.stale.clean.push(number..number + 1),
                }
            }
        }
        dirty
    }

    /// A page of the device's memory becomes dirty, and its group with it.
    pub(crate) fn open_group(&mut self, offset: u64) {
        let first = offset / (GROUP * PAGE_SIZE) * GROUP;
        for page in first..first + GROUP {
            self.clean.set(page * PAGE_SIZE, false);
        }
    }

    /// Whether processors have something to forget.
    #[inline]
    #[must_use]
    pub fn is_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// What they have to forget, besides their software TLBs: to be done before the next instruction.
    pub fn take_stale(&mut self) -> Stale {
        std::mem::take(&mut self.stale)
    }
}

#[cfg(test)]
#[path = "device_ram_tests.rs"]
mod tests;
