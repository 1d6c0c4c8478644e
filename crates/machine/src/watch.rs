//! Texts that end a run when the guest writes them: on the first serial port, or to the debug console.
//!
//! The sinks are called on the machine's thread while the guest's OUT is executed, and a pause that is asked for then
//! is taken before the next instruction: a run ends right behind the one that completed the text, every time.

use ringer_devices::{Room, SerialSink};
use ringer_monitor::Kicker;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A text, and how much of it was just written.
#[derive(Debug)]
struct Text {
    bytes: Vec<u8>,
    /// For each length of the text so far, the longest beginning of the text that ends there too: where to go on
    /// when the next byte does not fit (Knuth, Morris and Pratt).
    fallback: Vec<usize>,
}

impl Text {
    fn new(text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        let mut fallback = vec![0; bytes.len()];
        let mut length = 0;
        for i in 1..bytes.len() {
            while length > 0 && bytes[i] != bytes[length] {
                length = fallback[length - 1];
            }
            length += usize::from(bytes[i] == bytes[length]);
            fallback[i] = length;
        }
        Self { bytes, fallback }
    }

    /// How much of the text stands at the end of what was written once `byte` came behind `matched` bytes of it.
    fn next(&self, mut matched: usize, byte: u8) -> usize {
        if matched == self.bytes.len() {
            matched = self.fallback[matched - 1];
        }
        while matched > 0 && self.bytes[matched] != byte {
            matched = self.fallback[matched - 1];
        }
        matched + usize::from(self.bytes[matched] == byte)
    }
}

#[derive(Debug, Default)]
struct State {
    texts: Vec<Text>,
    /// The first of them that came.
    came: Option<usize>,
    kicker: Option<Kicker>,
    /// Changes with the texts.
    epoch: u64,
}

/// The texts that are watched for; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<State>>);

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is complete before the lock is released.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `texts` are watched for, and `kicker` is told to pause; what of them was written before does not
    /// count, unless they are those that were watched for already.
    pub fn set(&self, texts: &[String], kicker: &Kicker) {
        let mut state = self.lock();
        let same = state.texts.iter().map(|t| &t.bytes[..]).eq(texts.iter().map(String::as_bytes));
        state.came = None;
        if !same {
            state.texts = texts.iter().map(|text| Text::new(text)).collect();
            state.kicker = Some(kicker.clone());
            state.epoch += 1;
        }
    }

    /// The text that came, if one did.
    pub fn take(&self) -> Option<String> {
        let mut state = self.lock();
        let text = state.came.take()?;
        Some(String::from_utf8_lossy(&state.texts[text].bytes).into_owned())
    }

    /// `sink`, watched.
    pub fn sink(&self, sink: Box<dyn SerialSink>) -> Box<dyn SerialSink> {
        Box::new(Watched { sink, watch: self.clone(), epoch: 0, matched: Vec::new() })
    }
}

/// A sink that is watched.
struct Watched {
    sink: Box<dyn SerialSink>,
    watch: Watch,
    epoch: u64,
    /// Of each text, how much was just written here.
    matched: Vec<usize>,
}

impl SerialSink for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.sink.write(bytes);
        let mut state = self.watch.lock();
        if state.texts.is_empty() {
            return written;
        }
        if self.epoch != state.epoch {
            self.epoch = state.epoch;
            self.matched = vec![0; state.texts.len()];
        }
        for byte in bytes {
            for (i, matched) in self.matched.iter_mut().enumerate() {
                *matched = state.texts[i].next(*matched, *byte);
                if *matched == state.texts[i].bytes.len() && state.came.is_none() {
                    state.came = Some(i);
                }
            }
        }
        if state.came.is_some()
            && let Some(kicker) = state.kicker.clone()
        {
            drop(state);
            kicker.pause();
        }
        written
    }

    fn room(&mut self) -> Room {
        self.sink.room()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where in `written` `text` is found: the numbers of bytes behind it.
    fn found(text: &str, written: &str) -> Vec<usize> {
        let text = Text::new(text);
        let mut matched = 0;
        let mut ends = Vec::new();
        for (i, byte) in written.bytes().enumerate() {
            matched = text.next(matched, byte);
            if matched == text.bytes.len() {
                ends.push(i + 1);
            }
        }
        ends
    }

    #[test]
    fn a_text_is_found_wherever_it_is() {
        assert_eq!(found("panic", "kernel panic: papanic"), [12, 21]);
        assert_eq!(found("aab", "aaaab"), [5], "a beginning that repeats itself");
        assert_eq!(found("abab", "abababab"), [4, 6, 8]);
        assert_eq!(found("x", "xx"), [1, 2]);
        assert_eq!(found("long", "lon"), [0; 0]);
    }
}
