//! Frames on their way to the guest: some wait here when its inbox has no room.

use crate::pcap::Pcap;
use std::collections::VecDeque;
use std::fmt;

/// Frames that wait at most.
const MOST: usize = 256;

/// Takes a frame, or has no room for it.
pub(crate) type Inlet = Box<dyn FnMut(&[u8]) -> bool + Send>;

/// The way to the guest.
pub(crate) struct Outbox {
    inlet: Inlet,
    waiting: VecDeque<Vec<u8>>,
    pcap: Option<Pcap>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

impl Outbox {
    /// A way to the guest by `inlet`, which says whether there was room; frames are recorded by `pcap`.
    pub fn new(inlet: Inlet, pcap: Option<Pcap>) -> Self {
        Self { inlet, waiting: VecDeque::new(), pcap }
    }

    /// Whether a frame would not have to be dropped.
    pub fn has_room(&self) -> bool {
        self.waiting.len() < MOST
    }

    /// Whether frames wait for the guest.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A frame for the guest; without room it is lost.
    pub fn push(&mut self, frame: Vec<u8>) {
        if !self.has_room() {
            return;
        }
        if let Some(pcap) = &mut self.pcap {
            pcap.record(&frame);
        }
        if self.is_waiting() || !(self.inlet)(&frame) {
            self.waiting.push_back(frame);
        }
    }

    /// Tries again what waits.
    pub fn retry(&mut self) {
        while let Some(frame) = self.waiting.front() {
            if !(self.inlet)(frame) {
                return;
            }
            self.waiting.pop_front();
        }
    }

    /// A frame of the guest's, to be recorded.
    pub fn record(&mut self, frame: &[u8]) {
        if let Some(pcap) = &mut self.pcap {
            pcap.record(frame);
        }
    }

    /// What is recorded so far is in its file.
    pub fn flush(&mut self) {
        if let Some(pcap) = &mut self.pcap {
            pcap.flush();
        }
    }
}
