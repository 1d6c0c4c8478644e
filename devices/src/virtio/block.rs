//! A disk (VIRTIO 1.2, 5.2). A request takes no time, as with all drives here; what one moves is bounded by [`MOST`].

use super::backend::Backend;
use super::chain::Chain;
use super::feature;
use super::queue::Broken;
use crate::ctx::Ctx;
use crate::medium::{Medium, MediumError};
use crate::state::{StateError, check, decode, encode};

const SECTOR: u64 = 512;
/// Bytes of a request's head, and of a disk's name.
const HEAD: u64 = 16;
const NAME: usize = 20;
/// Bytes that are moved at a time, and by a request at most.
const PIECE: u64 = 256 << 10;
const MOST: u64 = 64 << 20;
/// Entries of the ring, and buffers with data of a request at most.
const RING: u16 = 256;
const SEGMENTS: u32 = RING as u32 - 2;
/// Bytes of the configuration space.
const CONFIG: usize = 60;

/// Features of a disk: how many buffers a request may have, it is read-only, it can be flushed, sectors that nobody needs go
/// back to the host, zeros are written without data.
const SEG_MAX: u64 = 1 << 2;
const RO: u64 = 1 << 5;
const BLK_SIZE: u64 = 1 << 6;
const FLUSH: u64 = 1 << 9;
const DISCARD: u64 = 1 << 13;
const WRITE_ZEROES: u64 = 1 << 14;
/// Sectors of zeros that one request writes at most.
const MOST_ZEROS: u32 = 1 << 15;
/// Sectors that one request gives back at most.
const MOST_GIVEN: u32 = 1 << 21;
/// Flags of a range: zeros may be written by giving the sectors back.
const UNMAP: u32 = 1;

/// Kinds of requests.
const IN: u32 = 0;
const OUT: u32 = 1;
const DO_FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const DO_DISCARD: u32 = 11;
const DO_WRITE_ZEROES: u32 = 13;

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
}

impl From<MediumError> for Status {
    fn from(_: MediumError) -> Self {
        Status::IoError
    }
}

impl From<crate::memory::DmaError> for Status {
    fn from(_: crate::memory::DmaError) -> Self {
        Status::IoError
    }
}

/// A disk.
#[derive(Debug)]
pub(crate) struct Block {
    unit: u8,
    medium: Option<Box<dyn Medium>>,
    buffer: Vec<u8>,
}

impl Block {
    /// Disk number `unit`, without a medium.
    pub(crate) fn new(unit: u8) -> Self {
        Block { unit, medium: None, buffer: Vec::new() }
    }

    fn sectors(&self) -> u64 {
        self.medium.as_ref().map_or(0, |medium| medium.len() / SECTOR)
    }

    /// Where `len` bytes from sector `first` on are, if there are such sectors.
    fn place(&self, first: u64, len: u64) -> Result<u64, Status> {
        let count = len / SECTOR;
        let end = first.checked_add(count).ok_or(Status::IoError)?;
        match len.is_multiple_of(SECTOR) && len <= MOST && end <= self.sectors() {
            true => Ok(first * SECTOR),
            false => Err(Status::IoError),
        }
    }

    /// The pieces of `len` bytes: where each begins, and its bytes.
    fn pieces(len: u64) -> impl Iterator<Item = (u64, usize)> {
        let starts = (0..len.div_ceil(PIECE)).map(|n| n * PIECE);
        starts.map(move |at| (at, usize::try_from((len - at).min(PIECE)).unwrap_or(0)))
    }

    fn read(&mut self, first: u64, chain: &Chain, ctx: &mut Ctx<'_>) -> Result<u64, Status> {
        let len = chain.writable_len().saturating_sub(1);
        let place = self.place(first, len)?;
        let medium = self.medium.as_mut().ok_or(Status::IoError)?;
        for (at, bytes) in Self::pieces(len) {
            if self.buffer.len() < bytes {
                self.buffer.resize(bytes, 0);
            }
            let buffer = &mut self.buffer[..bytes];
            medium.read(place + at, buffer)?;
            chain.write(at, buffer, ctx)?;
        }
        Ok(len)
    }

    fn write(&mut self, first: u64, chain: &Chain, ctx: &mut Ctx<'_>) -> Result<u64, Status> {
        let len = chain.readable_len() - HEAD;
        let place = self.place(first, len)?;
        let medium = self.medium.as_mut().ok_or(Status::IoError)?;
        for (at, bytes) in Self::pieces(len) {
            if self.buffer.len() < bytes {
                self.buffer.resize(bytes, 0);
            }
            let buffer = &mut self.buffer[..bytes];
            chain.read(HEAD + at, buffer, ctx)?;
            medium.write(place + at, buffer)?;
        }
        Ok(0)
    }

    /// A request's one range, of `most` sectors at most: where it is, its bytes, and its flags, which are some of `known`.
    fn range(
        &self,
        chain: &Chain,
        most: u32,
        known: u32,
        ctx: &mut Ctx<'_>,
    ) -> Result<(u64, u64, u32), Status> {
        let mut range = [0; 16];
        if chain.readable_len() != HEAD + range.len() as u64 {
            return Err(Status::Unsupported);
        }
        chain.read(HEAD, &mut range, ctx)?;
        let [first @ .., c0, c1, c2, c3, f0, f1, f2, f3] = range;
        let [first, count] =
            [u64::from_le_bytes(first), u32::from_le_bytes([c0, c1, c2, c3]).into()];
        let flags = u32::from_le_bytes([f0, f1, f2, f3]);
        if flags & !known != 0 {
            return Err(Status::Unsupported);
        }
        let end = u64::checked_add(first, count).ok_or(Status::IoError)?;
        match count <= u64::from(most) && end <= self.sectors() {
            true => Ok((first * SECTOR, count * SECTOR, flags)),
            false => Err(Status::IoError),
        }
    }

    /// Sectors become zeros.
    fn write_zeroes(&mut self, chain: &Chain, ctx: &mut Ctx<'_>) -> Result<u64, Status> {
        let (place, len, flags) = self.range(chain, MOST_ZEROS, UNMAP, ctx)?;
        let medium = self.medium.as_mut().ok_or(Status::IoError)?;
        if flags & UNMAP != 0 && medium.punch(place, len)? {
            return Ok(0);
        }
        let zeros = vec![0; usize::try_from(len.min(PIECE)).unwrap_or(0)];
        for (at, bytes) in Self::pieces(len) {
            medium.write(place + at, &zeros[..bytes])?;
        }
        Ok(0)
    }

    /// Nobody needs what is in these sectors. It goes where that makes room, and stays elsewhere.
    fn discard(&mut self, chain: &Chain, ctx: &mut Ctx<'_>) -> Result<u64, Status> {
        let (place, len, _) = self.range(chain, MOST_GIVEN, 0, ctx)?;
        self.medium.as_mut().ok_or(Status::IoError)?.punch(place, len)?;
        Ok(0)
    }

    fn flush(&mut self) -> Result<u64, Status> {
        self.medium.as_mut().ok_or(Status::IoError)?.flush()?;
        Ok(0)
    }

    fn name(&self, chain: &Chain, ctx: &mut Ctx<'_>) -> Result<u64, Status> {
        let mut name = format!("RINGER-VIRTIO-{}", self.unit).into_bytes();
        name.resize(NAME, 0);
        let len = usize::try_from(chain.writable_len().saturating_sub(1)).unwrap_or(NAME).min(NAME);
        chain.write(0, &name[..len], ctx)?;
        Ok(len as u64)
    }

    /// Does what a request asks for; the bytes that it has put into the driver's buffers.
    fn act(
        &mut self,
        kind: u32,
        sector: u64,
        chain: &Chain,
        accepted: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<u64, Status> {
        let done = match kind {
            IN => self.read(sector, chain, ctx),
            OUT => self.write(sector, chain, ctx),
            DO_FLUSH => self.flush(),
            GET_ID => self.name(chain, ctx),
            DO_DISCARD => self.discard(chain, ctx),
            DO_WRITE_ZEROES => self.write_zeroes(chain, ctx),
            _ => Err(Status::Unsupported),
        };
        // A driver that cannot flush wants to have written what it wrote (5.2.6.2).
        if matches!(kind, OUT | DO_WRITE_ZEROES) && done.is_ok() && accepted & FLUSH == 0 {
            return self.flush();
        }
        done
    }
}

impl Backend for Block {
    fn features(&self) -> u64 {
        let read_only = self.medium.as_ref().is_some_and(|medium| medium.is_read_only());
        let writes = if read_only { RO } else { DISCARD | WRITE_ZEROES };
        feature::ALWAYS | SEG_MAX | BLK_SIZE | FLUSH | writes
    }

    fn rings(&self) -> &'static [u16] {
        &[RING]
    }

    fn config(&self) -> Vec<u8> {
        let mut config = vec![0; CONFIG];
        let sector: u32 = 512;
        // One range in a request, at any sector.
        let given = [(36, MOST_GIVEN), (40, 1), (44, 1)];
        let all =
            [(12, SEGMENTS), (20, sector), (48, MOST_ZEROS), (52, 1)].into_iter().chain(given);
        for (at, value) in all {
            config[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        config[..8].copy_from_slice(&self.sectors().to_le_bytes());
        // Zeros may be written by taking sectors off the medium.
        config[56] = 1;
        config
    }

    fn serve(
        &mut self,
        _ring: usize,
        chain: &Chain,
        accepted: u64,
        ctx: &mut Ctx<'_>,
    ) -> Result<u32, Broken> {
        let room = chain.writable_len().checked_sub(1).ok_or(Broken)?;
        if chain.readable_len() < HEAD {
            return Err(Broken);
        }
        let mut head = [0; 16];
        chain.read(0, &mut head, ctx).map_err(|_| Broken)?;
        let [k0, k1, k2, k3, _, _, _, _, sector @ ..] = head;
        let (kind, sector) = (u32::from_le_bytes([k0, k1, k2, k3]), u64::from_le_bytes(sector));
        let done = self.act(kind, sector, chain, accepted, ctx);
        let status = done.err().unwrap_or(Status::Ok);
        chain.write(room, &[status as u8], ctx).map_err(|_| Broken)?;
        // The status is the last byte; of a buffer that was not filled none is promised.
        let written = if done == Ok(room) { room + 1 } else { done.unwrap_or(0) };
        Ok(u32::try_from(written).unwrap_or(u32::MAX))
    }

    fn insert(&mut self, medium: Option<Box<dyn Medium>>) -> bool {
        self.medium = medium;
        true
    }

    fn save(&self) -> Result<Vec<u8>, StateError> {
        encode(&self.medium.as_ref().map_or(0, |medium| medium.len()))
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        let len: u64 = decode(bytes)?;
        let here = self.medium.as_ref().map_or(0, |medium| medium.len());
        check(len == here, "the size of a disk's medium")
    }
}
