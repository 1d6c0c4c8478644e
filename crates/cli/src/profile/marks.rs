//! `--mark-text TEXT`: watches what the guest sends on its first serial port.

use ringer::{Marker, Room, SerialSink, Sinks};
use std::collections::VecDeque;
use std::io;

/// `sinks`, the first of them watched for `texts`.
pub fn watched(sinks: Sinks, texts: &[String], marker: &Marker) -> Sinks {
    if texts.is_empty() {
        return sinks;
    }
    let longest = texts.iter().map(String::len).max().unwrap_or_default();
    let Sinks { serial: sink, debugcon } = sinks;
    let last = VecDeque::with_capacity(longest);
    let (texts, marker) = (texts.to_vec(), marker.clone());
    Sinks { serial: Box::new(Watched { sink, texts, longest, last, marker }), debugcon }
}

struct Watched {
    sink: Box<dyn SerialSink>,
    texts: Vec<String>,
    longest: usize,
    /// The last bytes, as many as the longest text has.
    last: VecDeque<u8>,
    marker: Marker,
}

impl SerialSink for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            if self.last.len() == self.longest {
                self.last.pop_front();
            }
            self.last.push_back(*byte);
            for text in &self.texts {
                let fits = self.last.len() >= text.len();
                let end = self.last.len().saturating_sub(text.len());
                if fits && self.last.iter().skip(end).eq(text.as_bytes()) {
                    self.marker.mark(text);
                }
            }
        }
        self.sink.write(bytes)
    }

    fn room(&mut self) -> Room {
        self.sink.room()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl SerialSink for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.0.lock().unwrap().extend(bytes);
            Ok(())
        }
    }

    #[test]
    fn each_text_marks_when_its_last_byte_is_sent_and_all_is_passed_on() {
        let kept = Arc::default();
        let sink = || Box::new(Kept(Arc::clone(&kept)));
        let (marker, texts) = (Marker::default(), ["login: ".to_owned(), "in".to_owned()]);
        let sinks = Sinks { serial: sink(), debugcon: sink() };
        let mut sinks = watched(sinks, &texts, &marker);
        for part in ["lo", "gin: x", "n", "login:", " "] {
            sinks.serial.write(part.as_bytes()).unwrap();
        }
        assert_eq!(marker.take(), ["in", "login: ", "in", "login: "]);
        assert_eq!(*kept.lock().unwrap(), b"login: xnlogin: ");
    }
}
