//! The guest's end of the cable: a bounded queue of frames between the thread that runs the guest and the network's own.

use ringer_devices::Link;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::{read, write};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Frames that wait for the network's thread at most: more than any connection's window lets a guest send.
const MOST: usize = 4096;

#[derive(Debug)]
struct Shared {
    frames: Mutex<VecDeque<Vec<u8>>>,
    /// The network's thread waits, or is about to.
    asleep: AtomicBool,
    ended: AtomicBool,
    wake: OwnedFd,
}

/// A cable; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Cable(Arc<Shared>);

impl Cable {
    /// A cable that nothing is plugged into.
    ///
    /// # Errors
    /// When the host has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let (asleep, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self(Arc::new(Shared { frames: Mutex::default(), asleep, ended, wake })))
    }

    fn frames(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        // A queue is whole whatever a panicking thread did.
        self.0.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has come since the last call, in the place of what is in `batch`, which is empty.
    pub fn take(&self, batch: &mut VecDeque<Vec<u8>>) {
        std::mem::swap(&mut *self.frames(), batch);
    }

    /// The thread is about to wait. False: something has come, and it had better not.
    pub fn fall_asleep(&self) -> bool {
        self.0.asleep.store(true, Ordering::SeqCst);
        let rests = self.frames().is_empty() && !self.is_ended();
        if !rests {
            self.awake();
        }
        rests
    }

    /// It waits no longer.
    pub fn awake(&self) {
        self.0.asleep.store(false, Ordering::SeqCst);
        // Whatever the count is, it has been heard.
        let _ = read(&self.0.wake, &mut [0; 8]);
    }

    /// What becomes readable when something comes while the thread waits.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }

    /// The thread's work is over.
    pub fn end(&self) {
        self.0.ended.store(true, Ordering::SeqCst);
        self.ring();
    }

    /// Whether [`Cable::end`] was called.
    pub fn is_ended(&self) -> bool {
        self.0.ended.load(Ordering::SeqCst)
    }

    fn ring(&self) {
        if self.0.asleep.swap(false, Ordering::SeqCst) {
            // A counter at its limit has rung already.
            let _ = write(&self.0.wake, &1u64.to_ne_bytes());
        }
    }
}

impl Link for Cable {
    fn send(&mut self, frame: &[u8]) {
        let mut frames = self.frames();
        if frames.len() < MOST {
            frames.push_back(frame.to_vec());
        }
        drop(frames);
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_while_the_thread_is_about_to_wait_is_not_lost() {
        let cable = Cable::new().unwrap();
        let mut link = cable.clone();
        assert!(cable.fall_asleep());
        link.send(&[1; 60]);
        let mut count = [0; 8];
        assert_eq!(read(cable.event(), &mut count), Ok(8));
        assert!(!cable.fall_asleep(), "a frame waits");
        let mut batch = VecDeque::new();
        cable.take(&mut batch);
        assert_eq!(batch, [vec![1; 60]]);
        assert!(cable.fall_asleep());
        cable.end();
        assert!(!cable.fall_asleep() && cable.is_ended());
    }

    #[test]
    fn nobody_reads_and_the_queue_is_bounded() {
        let cable = Cable::new().unwrap();
        let mut link = cable.clone();
        (0..2 * MOST).for_each(|_| link.send(&[0; 60]));
        let mut batch = VecDeque::new();
        cable.take(&mut batch);
        assert_eq!(batch.len(), MOST);
    }
}
