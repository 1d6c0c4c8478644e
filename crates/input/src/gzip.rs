//! Files in gzip, unpacked up to a bound.

use crate::file::{InputError, Limit};
use flate2::read::MultiGzDecoder;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Bytes unpacked at a time.
const PIECE: usize = 1 << 16;

/// Whether a file with this beginning is in gzip.
#[must_use]
pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// What `packed`, the contents of the file at `path`, unpacks to: at most `limit` bytes. No more than those are ever held.
///
/// # Errors
/// [`InputError`], when it is more than that or damaged.
pub fn gunzip(path: &Path, packed: &[u8], limit: Limit) -> Result<Vec<u8>, InputError> {
    let error = |source| InputError::Read { path: path.to_owned(), source };
    let (bytes, end) = unpack(packed, limit.bytes.saturating_add(1));
    end.map_err(|source| error(io::Error::new(source.kind(), format!("gzip: {source}"))))?;
    if bytes.len() as u64 > limit.bytes {
        return Err(InputError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// The first bytes of what something unpacks to that begins with `packed`: `most` at most, fewer if no more is there.
#[must_use]
pub fn gunzip_start(packed: &[u8], most: u64) -> Vec<u8> {
    unpack(packed, most).0
}

/// Up to `most` bytes, and what came instead of the next.
fn unpack(packed: &[u8], most: u64) -> (Vec<u8>, io::Result<()>) {
    let mut reader = MultiGzDecoder::new(packed).take(most);
    let (mut bytes, mut piece) = (Vec::new(), vec![0; PIECE]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (bytes, Ok(())),
            // What does not fit into memory is an error, not the end of the process.
            Ok(n) if bytes.try_reserve(n).is_ok() => bytes.extend_from_slice(&piece[..n]),
            Ok(_) => return (bytes, Err(ErrorKind::OutOfMemory.into())),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (bytes, Err(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_unpacks_is_bounded_and_damage_is_told() {
        let small = Limit::new(100_000, "what a test unpacks");
        let name = Path::new("kernel.gz");
        let bytes: Vec<u8> = (0..100_000u32).map(|n| (n >> 5) as u8).collect();
        let file = packed(&bytes);
        assert!(is_gzip(&file) && file.len() < 5000);
        assert_eq!(gunzip(name, &file, small).unwrap(), bytes);
        let much = packed(&vec![0; 100_001]);
        let error = gunzip(name, &much, small).unwrap_err().to_string();
        assert_eq!(error, "kernel.gz is larger than what a test unpacks (97 KiB)");
        let cut = gunzip(name, &file[..file.len() / 2], small).unwrap_err().to_string();
        assert!(cut.starts_with("cannot read kernel.gz: gzip: "), "{cut}");
        assert_eq!(gunzip_start(&file[..file.len() / 2], 50), bytes[..50]);
        let two = [packed(b"one "), packed(b"two")].concat();
        assert_eq!(gunzip(name, &two, small).unwrap(), b"one two");
    }
}
