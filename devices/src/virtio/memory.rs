//! Guest memory as the ring's crate wants it: slices of host memory, here of copies, and a bitmap that is told of each write.
//!
//! A slice is a copy of guest memory in a small buffer. What is written to it goes on to the guest's memory when the crate
//! marks it as dirty, by the same door as all that devices write, so that translated code there is noticed (invariant 7).
//! The crate asks for a few bytes at a time (a descriptor, an index) and is done with a slice before it asks for the next.

use crate::memory::Dma;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::iter::FusedIterator;
use std::sync::atomic::Ordering;
use vm_memory::bitmap::{Bitmap, BitmapSlice, WithBitmapSlice};
use vm_memory::guest_memory::{GuestMemorySliceIterator, Result};
use vm_memory::io::{ReadVolatile, WriteVolatile};
use vm_memory::{
    AtomicAccess, Bytes, GuestAddress, GuestMemory, GuestMemoryError, GuestMemoryRegion,
    GuestRegionCollection, MemoryRegionAddress, Permissions, VolatileSlice,
};

/// Bytes of a buffer: the crate's largest object is a descriptor.
const LEN: usize = 16;
/// Buffers, which are used in turn.
const BUFFERS: usize = 4;

/// A copy of guest memory.
#[repr(align(16))]
struct Buffer([Cell<u8>; LEN]);

/// Guest memory, for one operation on a ring.
pub(super) struct Through<'m> {
    memory: RefCell<&'m mut (dyn Dma + 'm)>,
    buffers: [Buffer; BUFFERS],
    /// Where each buffer's bytes belong.
    places: [Cell<u64>; BUFFERS],
    next: Cell<usize>,
    failed: Cell<bool>,
}

impl fmt::Debug for Through<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Through").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl<'m> Through<'m> {
    /// A view of `memory`.
    pub(super) fn new(memory: &'m mut (dyn Dma + 'm)) -> Self {
        Through {
            memory: RefCell::new(memory),
            buffers: [const { Buffer([const { Cell::new(0) }; LEN]) }; BUFFERS],
            places: [const { Cell::new(0) }; BUFFERS],
            next: Cell::new(0),
            failed: Cell::new(false),
        }
    }

    /// Whether an access met no memory, or none that can be written.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    fn look(&self, pa: u64, bytes: &mut [u8]) -> bool {
        self.memory.borrow_mut().dma_read(pa, bytes).is_ok()
    }

    fn slice(&self, pa: u64, count: usize) -> Result<VolatileSlice<'_, Note<'_>>> {
        let mut bytes = [0; LEN];
        if count > LEN || !self.look(pa, &mut bytes[..count.min(LEN)]) {
            return Err(GuestMemoryError::InvalidGuestAddress(GuestAddress(pa)));
        }
        let at = self.next.get();
        self.next.set((at + 1) % BUFFERS);
        self.places[at].set(pa);
        let buffer = &self.buffers[at].0;
        buffer.iter().zip(bytes).for_each(|(cell, byte)| cell.set(byte));
        let note = Note { through: self, buffer: at, offset: 0 };
        let start = buffer.as_ptr().cast::<u8>().cast_mut();
        // SAFETY: `start` is that of a buffer of LEN bytes, `count` at most, in cells that `self` has and lends for the slice's
        // lifetime; nobody has a reference to what is in a cell, and `Through` is of one thread.
        Ok(unsafe { VolatileSlice::with_bitmap(start, count, note, None) })
    }
}

/// Takes note of writes to a buffer.
trait WriteThrough {
    /// Bytes `offset..offset + len` of buffer `buffer` have been written.
    fn written(&self, buffer: usize, offset: usize, len: usize);
}

impl WriteThrough for Through<'_> {
    fn written(&self, buffer: usize, offset: usize, len: usize) {
        let bytes: [u8; LEN] = std::array::from_fn(|at| self.buffers[buffer].0[at].get());
        let changed = bytes.get(offset..).and_then(|rest| rest.get(..len)).unwrap_or_default();
        let pa = self.places[buffer].get().wrapping_add(offset as u64);
        let done = self.memory.borrow_mut().dma_write(pa, changed);
        if done.is_err() {
            self.failed.set(true);
        }
    }
}

/// The bitmap of a slice: nothing is kept, all goes on to guest memory.
#[derive(Clone, Copy)]
pub(super) struct Note<'a> {
    through: &'a (dyn WriteThrough + 'a),
    buffer: usize,
    offset: usize,
}

impl fmt::Debug for Note<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note").field("buffer", &self.buffer).field("offset", &self.offset).finish()
    }
}

impl<'a> WithBitmapSlice<'_> for Note<'a> {
    type S = Note<'a>;
}

impl BitmapSlice for Note<'_> {}

impl Bitmap for Note<'_> {
    fn mark_dirty(&self, offset: usize, len: usize) {
        self.through.written(self.buffer, self.offset + offset, len);
    }

    fn dirty_at(&self, _offset: usize) -> bool {
        false
    }

    fn slice_at(&self, offset: usize) -> Self {
        Note { offset: self.offset + offset, ..*self }
    }
}

/// What names the kind of bitmap that slices have; there is none of the whole memory.
pub(super) enum Notes {}

impl<'a> WithBitmapSlice<'a> for Notes {
    type S = Note<'a>;
}

impl Bitmap for Notes {
    fn mark_dirty(&self, _offset: usize, _len: usize) {
        match *self {}
    }

    fn dirty_at(&self, _offset: usize) -> bool {
        match *self {}
    }

    fn slice_at(&self, _offset: usize) -> Note<'_> {
        match *self {}
    }
}

/// The slice that was asked for, or why there is none.
struct One<'a>(Option<Result<VolatileSlice<'a, Note<'a>>>>);

impl<'a> Iterator for One<'a> {
    type Item = Result<VolatileSlice<'a, Note<'a>>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take()
    }
}

impl FusedIterator for One<'_> {}

impl<'a> GuestMemorySliceIterator<'a, Note<'a>> for One<'a> {}

impl GuestMemory for Through<'_> {
    type PhysicalMemory = GuestRegionCollection<NoRegion>;
    type Bitmap = Notes;

    fn check_range(&self, addr: GuestAddress, count: usize, _access: Permissions) -> bool {
        let mut bytes = [0; 512];
        let mut at = 0;
        while at < count {
            let now = bytes.len().min(count - at);
            let pa = addr.0.checked_add(at as u64);
            if !pa.is_some_and(|pa| self.look(pa, &mut bytes[..now])) {
                return false;
            }
            at += now;
        }
        true
    }

    fn get_slices<'a>(
        &'a self,
        addr: GuestAddress,
        count: usize,
        _access: Permissions,
    ) -> Result<impl GuestMemorySliceIterator<'a, Note<'a>>> {
        let slice = (count > 0).then(|| self.slice(addr.0, count));
        if slice.as_ref().is_some_and(Result::is_err) {
            self.failed.set(true);
        }
        Ok(One(slice))
    }
}

/// A region of memory in one piece, of which there is none.
pub(super) enum NoRegion {}

impl GuestMemoryRegion for NoRegion {
    type B = ();

    fn len(&self) -> u64 {
        match *self {}
    }

    fn start_addr(&self) -> GuestAddress {
        match *self {}
    }

    fn bitmap(&self) {
        match *self {}
    }
}

impl Bytes<MemoryRegionAddress> for NoRegion {
    type E = GuestMemoryError;

    fn write(&self, _: &[u8], _: MemoryRegionAddress) -> Result<usize> {
        match *self {}
    }

    fn read(&self, _: &mut [u8], _: MemoryRegionAddress) -> Result<usize> {
        match *self {}
    }

    fn write_slice(&self, _: &[u8], _: MemoryRegionAddress) -> Result<()> {
        match *self {}
    }

    fn read_slice(&self, _: &mut [u8], _: MemoryRegionAddress) -> Result<()> {
        match *self {}
    }

    fn read_volatile_from<F: ReadVolatile>(
        &self,
        _: MemoryRegionAddress,
        _: &mut F,
        _: usize,
    ) -> Result<usize> {
        match *self {}
    }

    fn read_exact_volatile_from<F: ReadVolatile>(
        &self,
        _: MemoryRegionAddress,
        _: &mut F,
        _: usize,
    ) -> Result<()> {
        match *self {}
    }

    fn write_volatile_to<F: WriteVolatile>(
        &self,
        _: MemoryRegionAddress,
        _: &mut F,
        _: usize,
    ) -> Result<usize> {
        match *self {}
    }

    fn write_all_volatile_to<F: WriteVolatile>(
        &self,
        _: MemoryRegionAddress,
        _: &mut F,
        _: usize,
    ) -> Result<()> {
        match *self {}
    }

    fn store<T: AtomicAccess>(&self, _: T, _: MemoryRegionAddress, _: Ordering) -> Result<()> {
        match *self {}
    }

    fn load<T: AtomicAccess>(&self, _: MemoryRegionAddress, _: Ordering) -> Result<T> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory that counts what comes through its door.
    struct Counted(Vec<u8>, Vec<(u64, usize)>);

    impl Dma for Counted {
        fn dma_read(
            &mut self,
            pa: u64,
            buf: &mut [u8],
        ) -> std::result::Result<(), crate::memory::DmaError> {
            self.0.dma_read(pa, buf)
        }

        fn dma_write(
            &mut self,
            pa: u64,
            data: &[u8],
        ) -> std::result::Result<(), crate::memory::DmaError> {
            self.1.push((pa, data.len()));
            self.0.dma_write(pa, data)
        }
    }

    #[test]
    fn each_write_goes_through_the_door_and_nothing_else_does() {
        let mut memory = Counted(vec![0x11; 64], Vec::new());
        {
            let through = Through::new(&mut memory);
            assert_eq!(through.read_obj::<u32>(GuestAddress(4)).unwrap(), 0x1111_1111);
            through.write_obj(0x1234_5678u32, GuestAddress(8)).unwrap();
            through.store(7u16, GuestAddress(13), Ordering::Release).unwrap();
            assert_eq!(through.load::<u16>(GuestAddress(13), Ordering::Acquire).unwrap(), 7);
            assert!(!through.has_failed());
            assert!(through.check_range(GuestAddress(0), 64, Permissions::ReadWrite));
            assert!(!through.check_range(GuestAddress(0), 65, Permissions::Read));
        }
        assert_eq!(memory.1, [(8, 4), (13, 2)]);
        assert_eq!(memory.0[6..16], [0x11, 0x11, 0x78, 0x56, 0x34, 0x12, 0x11, 7, 0, 0x11]);
    }

    #[test]
    fn what_is_no_memory_is_an_error_and_remembered() {
        let mut memory = vec![0; 64];
        let through = Through::new(&mut memory);
        assert!(through.read_obj::<u64>(GuestAddress(60)).is_err());
        assert!(through.has_failed());
        let through = Through::new(&mut memory);
        assert!(through.load::<u16>(GuestAddress(u64::MAX), Ordering::Acquire).is_err());
        assert!(through.has_failed());
    }
}
