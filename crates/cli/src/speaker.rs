//! `--speaker`: what the speaker does, as a WAV file, by the guest's clock.
//!
//! The file is written where the sound is; silence is not written at all, so that a guest that sleeps for hours costs nothing.

use crate::error::CliError;
use crate::say::say;
use crate::terminal;
use ringer::{SOUND_RATE, Sound};
use ringer_input::shown;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes before the samples, and of one.
const HEAD: u32 = 44;
const SAMPLE: u64 = 2;
/// Samples that the format has room for.
const MOST: u64 = (u32::MAX - HEAD) as u64 / SAMPLE;
/// Bytes that are written at a time.
const BUFFER: usize = 64 << 10;

/// A WAV file.
#[derive(Clone)]
pub struct Recording {
    path: PathBuf,
    shared: Arc<Mutex<Writer>>,
}

struct Writer {
    file: File,
    what: String,
    /// What waits to be written, and the number of its first sample.
    waiting: Vec<u8>,
    first: u64,
    /// Samples that there are, silence among them.
    samples: u64,
    ended: bool,
}

/// What a file of so many samples begins with: one channel, 16 bits.
fn head(samples: u64) -> [u8; HEAD as usize] {
    let data = u32::try_from(samples * SAMPLE).unwrap_or(u32::MAX - HEAD);
    let rate = u32::try_from(SOUND_RATE).unwrap_or(0);
    let mut head = [0; HEAD as usize];
    let numbers = [(4, data + HEAD - 8), (16, 16), (24, rate), (28, rate * 2), (40, data)];
    for (at, value) in numbers {
        head[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
    for (at, word) in [(0, b"RIFF"), (8, b"WAVE"), (12, b"fmt "), (36, b"data")] {
        head[at..at + 4].copy_from_slice(word);
    }
    // PCM, one channel, two bytes a sample, 16 bits.
    for (at, value) in [(20, 1), (22, 1), (32, 2), (34, 16)] {
        head[at] = value;
    }
    head
}

impl Recording {
    /// Makes the file, before the run, so that a wrong name is told at once.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<Self, CliError> {
        let error = |source| CliError::Create { path: path.to_owned(), source };
        let file = File::create(path).map_err(error)?;
        // Who reads it meanwhile, or after a run that was killed, finds a file that goes on to its end.
        file.write_all_at(&head(MOST), 0).map_err(error)?;
        let what = shown(path).to_string();
        let writer = Writer { file, what, waiting: Vec::new(), first: 0, samples: 0, ended: false };
        Ok(Self { path: path.to_owned(), shared: Arc::new(Mutex::new(writer)) })
    }

    /// Where the machine's speaker is to be heard.
    pub fn sound(&self) -> Box<dyn Sound> {
        Box::new(self.clone())
    }

    /// The run has ended: the file is whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(), CliError> {
        let mut writer = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.ended {
            return Ok(());
        }
        let samples = writer.samples;
        let done = writer.flush().and_then(|()| writer.file.write_all_at(&head(samples), 0));
        let what = shown(&self.path).to_string();
        done.map_err(|source| CliError::Output { what, source })
    }
}

impl Writer {
    fn flush(&mut self) -> io::Result<()> {
        let at = u64::from(HEAD) + self.first * SAMPLE;
        self.first += self.waiting.len() as u64 / SAMPLE;
        let done = self.file.write_all_at(&self.waiting, at);
        self.waiting.clear();
        done
    }

    fn take(&mut self, first: u64, samples: &[i16]) -> io::Result<()> {
        if first + samples.len() as u64 > MOST {
            return Err(io::Error::other("a WAV file has no room for more than 4 GiB"));
        }
        if first != self.first + self.waiting.len() as u64 / SAMPLE {
            self.flush()?;
            self.first = first;
        }
        self.waiting.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        self.samples = self.samples.max(first + samples.len() as u64);
        if self.waiting.len() >= BUFFER { self.flush() } else { Ok(()) }
    }
}

impl Sound for Recording {
    fn play(&mut self, first: u64, samples: &[i16]) {
        let mut writer = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.ended {
            return;
        }
        if let Err(error) = writer.take(first, samples) {
            writer.ended = true;
            say(format_args!("cannot write {}: {error}; no more sound is recorded", writer.what));
            if terminal::is_raw() {
                let _ = io::stderr().write_all(b"\r");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_not_written_and_the_head_says_how_much_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wav");
        let recording = Recording::create(&path).unwrap();
        let mut sound = recording.sound();
        sound.play(2, &[1, -2]);
        sound.play(4, &[3]);
        sound.play(8, &[0x1234]);
        sound.play(MOST, &[1]);
        sound.play(10, &[1]);
        recording.finish().unwrap();
        let recording = Recording::create(&path).unwrap();
        let mut sound = recording.sound();
        for (first, samples) in [(2, &[1, -2][..]), (4, &[3]), (8, &[0x1234]), (3, &[7])] {
            sound.play(first, samples);
        }
        recording.finish().unwrap();
        let file = std::fs::read(&path).unwrap();
        assert_eq!(file.len(), 44 + 18);
        assert_eq!(
            (&file[..4], &file[4..8], &file[40..44]),
            (&b"RIFF"[..], &[54, 0, 0, 0][..], &[18, 0, 0, 0][..])
        );
        let samples: Vec<i16> =
            file[44..].chunks(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        assert_eq!(samples, [0, 0, 1, 7, 3, 0, 0, 0, 0x1234]);
    }
}
