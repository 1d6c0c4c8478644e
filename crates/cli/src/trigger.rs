//! `--from TEXT` of `ringer verify`: watches what the guest sends on its first serial port, and asks
//! for lockstep at the instruction that completes the text.

use ringer::{Handle, Room, SerialSink, Sinks};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What the watcher and the run share.
#[derive(Clone, Debug, Default)]
pub struct Trigger {
    handle: Arc<OnceLock<Handle>>,
    seen: Arc<AtomicBool>,
}

impl Trigger {
    /// The machine to tell; before it runs.
    pub fn arm(&self, handle: Handle) {
        self.handle.get_or_init(|| handle);
    }

    /// Whether the text came.
    pub fn seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }

    /// `sinks`, the first of them watched for `text`.
    pub fn watch(&self, text: &str, sinks: Sinks) -> Sinks {
        let (trigger, text) = (self.clone(), text.as_bytes().to_vec());
        let last = VecDeque::with_capacity(text.len());
        let Sinks { serial: sink, debugcon } = sinks;
        Sinks { serial: Box::new(Watched { sink, text, last, trigger }), debugcon }
    }

    fn pull(&self) {
        if !self.seen.swap(true, Ordering::Relaxed)
            && let Some(handle) = self.handle.get()
        {
            handle.compare();
        }
    }
}

struct Watched {
    sink: Box<dyn SerialSink>,
    text: Vec<u8>,
    /// The last bytes, as many as the text has.
    last: VecDeque<u8>,
    trigger: Trigger,
}

impl SerialSink for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            if self.last.len() == self.text.len() {
                self.last.pop_front();
            }
            self.last.push_back(*byte);
            if self.last.iter().eq(&self.text) {
                self.trigger.pull();
            }
        }
        self.sink.write(bytes)
    }

    fn room(&mut self) -> Room {
        self.sink.room()
    }
}
