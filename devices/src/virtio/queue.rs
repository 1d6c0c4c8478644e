//! A ring of requests (VIRTIO 1.2, 2.7), which the crate virtio-queue walks; what it lets through is checked here.

use super::chain::{Chain, Piece};
use super::memory::Through;
use crate::memory::Dma;
use crate::state::{StateError, check};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use virtio_bindings::bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::{Error, Queue, QueueOwnedT, QueueState, QueueT};
use vm_memory::{Bytes, GuestAddress};

/// An old driver's ring lies in whole pages.
const PAGE: u64 = 4096;

/// The driver has broken the rules of the ring: nothing more can be taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// A ring.
#[derive(Debug)]
pub(crate) struct Virtqueue(Queue);

/// What of it is saved.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct VirtqueueState {
    next_avail: u16,
    next_used: u16,
    size: u16,
    ready: bool,
    by_index: bool,
    descriptors: u64,
    available: u64,
    used: u64,
}

/// One of the three parts of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Descriptors,
    Available,
    Used,
}

impl Virtqueue {
    /// A ring of `size` (a power of two) entries at most.
    ///
    /// # Panics
    /// When `size` is none: sizes are constants of the devices.
    pub(crate) fn new(size: u16) -> Self {
        Virtqueue(Queue::new(size).expect("the size of a ring is a power of two"))
    }

    /// As after a reset of the device.
    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    /// Entries.
    pub(crate) fn size(&self) -> u16 {
        self.0.size()
    }

    /// Sets them; what is no power of two, or too many, changes nothing.
    pub(crate) fn set_size(&mut self, size: u16) {
        self.0.set_size(size);
    }

    /// Whether the driver has set the ring up.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.ready()
    }

    /// The driver has set the ring up, or an old one takes it away.
    pub(crate) fn set_ready(&mut self, ready: bool) {
        self.0.set_ready(ready);
    }

    /// Interrupts and notifications are asked for by index.
    pub(crate) fn set_by_index(&mut self, on: bool) {
        self.0.set_event_idx(on);
    }

    /// Where a part of the ring is.
    pub(crate) fn place(&self, part: Part) -> u64 {
        match part {
            Part::Descriptors => self.0.desc_table(),
            Part::Available => self.0.avail_ring(),
            Part::Used => self.0.used_ring(),
        }
    }

    /// Sets the low or the high half of a part's address. One that is not aligned as it must be changes nothing.
    pub(crate) fn set_place(&mut self, part: Part, high: bool, value: u32) {
        let (low, high) = if high { (None, Some(value)) } else { (Some(value), None) };
        match part {
            Part::Descriptors => self.0.set_desc_table_address(low, high),
            Part::Available => self.0.set_avail_ring_address(low, high),
            Part::Used => self.0.set_used_ring_address(low, high),
        }
    }

    /// The page where an old driver's ring is; 0: nowhere.
    pub(crate) fn page(&self) -> u32 {
        match self.is_ready() {
            true => u32::try_from(self.0.desc_table() / PAGE).unwrap_or(0),
            false => 0,
        }
    }

    /// An old driver says where the ring is (VIRTIO 1.2, 2.7.2), or takes it away.
    pub(crate) fn set_page(&mut self, page: u32) {
        if page == 0 {
            return self.0.reset();
        }
        let size = u64::from(self.0.size());
        let descriptors = u64::from(page) * PAGE;
        let available = descriptors + 16 * size;
        let used = (available + 6 + 2 * size).next_multiple_of(PAGE);
        let places =
            [(Part::Descriptors, descriptors), (Part::Available, available), (Part::Used, used)];
        for (part, place) in places {
            let [a, b, c, d, e, f, g, h] = place.to_le_bytes();
            self.set_place(part, false, u32::from_le_bytes([a, b, c, d]));
            self.set_place(part, true, u32::from_le_bytes([e, f, g, h]));
        }
        self.0.set_ready(true);
    }

    /// Takes the next request, if there is one.
    ///
    /// # Errors
    /// [`Broken`]: the ring is nowhere, more is offered than fits into it, or the request is none: it has no buffers or more
    /// than the ring has entries, its descriptors lead nowhere or round in circles, or what is to be read comes after what is
    /// to be written.
    pub(crate) fn pop(&mut self, memory: &mut dyn Dma) -> Result<Option<Chain>, Broken> {
        let most = usize::from(self.0.size());
        let through = Through::new(memory);
        let next = match self.0.iter(&through) {
            Ok(mut offered) => offered.next(),
            Err(Error::QueueNotReady) => return Ok(None),
            Err(_) => return Err(Broken),
        };
        let Some(descriptors) = next else {
            return if through.has_failed() { Err(Broken) } else { Ok(None) };
        };
        let mut chain = Chain { head: descriptors.head_index(), ..Chain::default() };
        let (mut count, mut open) = (0, true);
        for descriptor in descriptors.take(most + 1) {
            count += 1;
            open = descriptor.has_next();
            let piece = Piece { pa: descriptor.addr().0, len: descriptor.len() };
            match (descriptor.is_write_only(), chain.writable.is_empty()) {
                (true, _) => chain.writable.push(piece),
                (false, true) => chain.readable.push(piece),
                (false, false) => return Err(Broken),
            }
        }
        let whole = count > 0 && count <= most && !open && !through.has_failed();
        if whole { Ok(Some(chain)) } else { Err(Broken) }
    }

    /// How far requests have been taken.
    pub(crate) fn position(&self) -> u16 {
        self.0.next_avail()
    }

    /// The requests that were taken since then have not been.
    pub(crate) fn go_back(&mut self, position: u16) {
        self.0.set_next_avail(position);
    }

    /// Gives request `head` back, of whose buffers `len` bytes were written.
    ///
    /// # Errors
    /// [`Broken`]: the ring is nowhere.
    pub(crate) fn push(&mut self, head: u16, len: u32, memory: &mut dyn Dma) -> Result<(), Broken> {
        let through = Through::new(memory);
        let done = self.0.add_used(&through, head, len);
        if done.is_ok() && !through.has_failed() { Ok(()) } else { Err(Broken) }
    }

    /// The device has looked at the ring, and given something back if `given`: asks for a notification of the next request,
    /// and answers whether the driver wants an interrupt.
    ///
    /// # Errors
    /// [`Broken`]: the ring is nowhere.
    pub(crate) fn settle(&mut self, given: bool, memory: &mut dyn Dma) -> Result<bool, Broken> {
        if !self.0.ready() {
            return Ok(false);
        }
        let through = Through::new(memory);
        let wanted = match self.0.event_idx_enabled() {
            true => self.0.enable_notification(&through).and_then(|_| match given {
                true => self.0.needs_notification(&through),
                false => Ok(false),
            }),
            false if given => {
                let flags =
                    through.load::<u16>(GuestAddress(self.0.avail_ring()), Ordering::Acquire);
                let quiet = u16::try_from(VRING_AVAIL_F_NO_INTERRUPT).unwrap_or(1);
                flags.map(|flags| u16::from_le(flags) & quiet == 0).map_err(Error::GuestMemory)
            }
            false => Ok(false),
        };
        if through.has_failed() { Err(Broken) } else { wanted.map_err(|_| Broken) }
    }

    pub(crate) fn save(&self) -> VirtqueueState {
        let state = self.0.state();
        VirtqueueState {
            next_avail: state.next_avail,
            next_used: state.next_used,
            size: state.size,
            ready: state.ready,
            by_index: state.event_idx_enabled,
            descriptors: state.desc_table,
            available: state.avail_ring,
            used: state.used_ring,
        }
    }

    /// Takes over a state.
    ///
    /// # Errors
    /// [`StateError::Impossible`] for what no driver could have set.
    pub(crate) fn load(&mut self, state: VirtqueueState) -> Result<(), StateError> {
        let state = QueueState {
            max_size: self.0.max_size(),
            next_avail: state.next_avail,
            next_used: state.next_used,
            event_idx_enabled: state.by_index,
            size: state.size,
            ready: state.ready,
            desc_table: state.descriptors,
            avail_ring: state.available,
            used_ring: state.used,
        };
        let queue = Queue::try_from(state);
        check(queue.is_ok(), "a ring of requests")?;
        queue.map(|queue| self.0 = queue).map_err(|_| StateError::Impossible("a ring of requests"))
    }
}
