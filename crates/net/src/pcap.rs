//! Frames in a file that packet analysers read: the classic pcap format, Ethernet, microseconds of the host's time at which the
//! network's thread had the frame.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::time::{SystemTime, UNIX_EPOCH};

const MAGIC: u32 = 0xa1b2_c3d4;
const VERSION: [u16; 2] = [2, 4];
/// Longest frame that the file says it has.
const SNAP: u32 = 65535;
const ETHERNET: u32 = 1;

/// Tells the user, once, why nothing more is recorded.
pub(crate) type Complaint = Box<dyn FnOnce(&io::Error) + Send>;

/// The record.
pub(crate) struct Pcap {
    file: BufWriter<File>,
    complaint: Option<Complaint>,
}

impl Pcap {
    /// Begins a record in `file`.
    pub fn new(file: File, complaint: Complaint) -> Self {
        let mut pcap = Self { file: BufWriter::new(file), complaint: Some(complaint) };
        let mut header = Vec::from(MAGIC.to_le_bytes());
        header.extend(VERSION.iter().flat_map(|word| word.to_le_bytes()));
        // No time zone, no accuracy.
        header.extend([0; 8]);
        header.extend([SNAP, ETHERNET].iter().flat_map(|word| word.to_le_bytes()));
        pcap.put(&[&header]);
        pcap
    }

    /// A frame, in either direction.
    pub fn record(&mut self, frame: &[u8]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let len = u32::try_from(frame.len()).unwrap_or(SNAP);
        // The format's seconds end in 2106.
        let words = [now.as_secs() as u32, now.subsec_micros(), len, len];
        let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(&[&head, frame]);
    }

    /// What is recorded is in the file.
    pub fn flush(&mut self) {
        if self.complaint.is_some() {
            let flushed = self.file.flush();
            self.note(flushed);
        }
    }

    fn put(&mut self, parts: &[&[u8]]) {
        if self.complaint.is_some() {
            let written = parts.iter().try_for_each(|part| self.file.write_all(part));
            self.note(written);
        }
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && let Some(complaint) = self.complaint.take()
        {
            complaint(&error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};

    #[test]
    fn a_record_has_a_head_and_frames_with_times() {
        let mut file = tempfile::tempfile().unwrap();
        let mut pcap = Pcap::new(file.try_clone().unwrap(), Box::new(|e| panic!("{e}")));
        pcap.record(&[7; 60]);
        pcap.record(&[8; 61]);
        pcap.flush();
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 24 + 16 + 60 + 16 + 61);
        assert_eq!(bytes[..8], [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        assert_eq!(bytes[20..24], [1, 0, 0, 0]);
        assert_eq!(bytes[32..40], [60, 0, 0, 0, 60, 0, 0, 0]);
        assert!(bytes[40..100].iter().all(|byte| *byte == 7));
        let micros = u32::from_le_bytes(bytes[28..32].try_into().unwrap());
        assert!(micros < 1_000_000);
    }

    #[test]
    fn a_full_disk_is_told_once() {
        let (tell, told) = std::sync::mpsc::channel();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let complain = move |error: &io::Error| tell.send(error.to_string()).unwrap();
        let mut pcap = Pcap::new(full, Box::new(complain));
        for _ in 0..1000 {
            pcap.record(&[0; 1000]);
        }
        pcap.flush();
        assert_eq!(told.iter().count(), 1);
    }
}
