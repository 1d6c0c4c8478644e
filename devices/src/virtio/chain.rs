//! A request: buffers that the device reads, then buffers that it writes, each a stream of bytes.

use crate::memory::{Dma, DmaError};

/// A buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Physical address.
    pub(crate) pa: u64,
    /// Bytes.
    pub(crate) len: u32,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chain {
    /// The number by which it is given back.
    pub(crate) head: u16,
    /// What the device reads.
    pub(crate) readable: Vec<Piece>,
    /// What it writes.
    pub(crate) writable: Vec<Piece>,
}

fn bytes(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| u64::from(piece.len)).sum()
}

/// Where bytes `from..from + len` of a stream lie: address, and which of them.
fn parts(
    pieces: &[Piece],
    from: u64,
    len: usize,
) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut start = 0u64;
    let end = from.saturating_add(len as u64);
    pieces.iter().filter_map(move |piece| {
        let (first, last) = (start, start + u64::from(piece.len));
        start = last;
        let (low, high) = (first.max(from), last.min(end));
        let at = |offset: u64| usize::try_from(offset - from).ok();
        (low < high).then(|| Some((piece.pa.wrapping_add(low - first), at(low)?..at(high)?)))?
    })
}

impl Chain {
    /// Bytes that the device can read.
    pub(crate) fn readable_len(&self) -> u64 {
        bytes(&self.readable)
    }

    /// Bytes that the device can write.
    pub(crate) fn writable_len(&self) -> u64 {
        bytes(&self.writable)
    }

    /// Fills `buf` from byte `from` on of what can be read. What lies behind its end stays as it is.
    ///
    /// # Errors
    /// [`DmaError`]: a buffer is no memory.
    pub(crate) fn read(
        &self,
        from: u64,
        buf: &mut [u8],
        memory: &mut dyn Dma,
    ) -> Result<(), DmaError> {
        let len = buf.len();
        parts(&self.readable, from, len)
            .try_for_each(|(pa, range)| memory.dma_read(pa, &mut buf[range]))
    }

    /// Writes `data` from byte `from` on of what can be written, as far as there is room.
    ///
    /// # Errors
    /// [`DmaError`]: a buffer is no memory that can be written.
    pub(crate) fn write(
        &self,
        from: u64,
        data: &[u8],
        memory: &mut dyn Dma,
    ) -> Result<(), DmaError> {
        parts(&self.writable, from, data.len())
            .try_for_each(|(pa, range)| memory.dma_write(pa, &data[range]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_go_over_the_borders_of_buffers_and_end_where_they_end() {
        let mut memory: Vec<u8> = (0..64).collect();
        let piece = |pa, len| Piece { pa, len };
        let chain = Chain {
            head: 0,
            readable: vec![piece(10, 3), piece(0, 0), piece(20, 4)],
            writable: vec![piece(40, 2), piece(50, 5)],
        };
        assert_eq!((chain.readable_len(), chain.writable_len()), (7, 7));
        let mut buf = [0xff; 5];
        chain.read(1, &mut buf, &mut memory).unwrap();
        assert_eq!(buf, [11, 12, 20, 21, 22]);
        chain.read(5, &mut buf, &mut memory).unwrap();
        assert_eq!(buf, [22, 23, 20, 21, 22], "behind the end nothing changes");
        chain.write(1, &[1, 2, 3], &mut memory).unwrap();
        assert_eq!((memory[40], memory[41], &memory[50..53]), (40, 1, &[2, 3, 52][..]));
        chain.write(6, &[9; 8], &mut memory).unwrap();
        assert_eq!(memory[54..56], [9, 55]);
        let outside = Chain { readable: vec![piece(62, 4)], ..Chain::default() };
        assert!(outside.read(0, &mut buf, &mut memory).is_err());
        let wraps = Chain { readable: vec![piece(u64::MAX, 4)], ..Chain::default() };
        assert!(wraps.read(0, &mut buf, &mut memory).is_err());
        assert!(wraps.read(u64::MAX, &mut buf, &mut memory).is_ok());
    }
}
