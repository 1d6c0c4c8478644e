//! What lockstep's dry run wrote, so that it can be undone and then compared.

use ringer_cpu::Lin;
use ringer_mmu::GuestMemory;

/// Bytes of one write; the usual ones, up to 16, without an allocation.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// So many bytes of the array.
    Few(u8, [u8; 16]),
    /// Any number (FXSAVE).
    Many(Box<[u8]>),
}

impl Bytes {
    /// `len` bytes that `fill` writes.
    pub fn fill(len: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut few = [0; 16];
        if let Some(out) = few.get_mut(..len) {
            fill(out);
            return Self::Few(len as u8, few);
        }
        let mut many = vec![0; len].into_boxed_slice();
        fill(&mut many);
        Self::Many(many)
    }

    /// The `len` bytes of `memory` at `offset`.
    pub fn of(memory: &GuestMemory, offset: u64, len: usize) -> Self {
        Self::fill(len, |out| memory.read_offset(offset, out))
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Self::Few(len, bytes) => &bytes[..usize::from(*len)],
            Self::Many(bytes) => bytes,
        }
    }
}

/// One RAM write of the dry run.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Offset in guest memory.
    pub offset: u64,
    /// The bytes before it.
    pub old: Bytes,
}

/// Accessed or dirty flags that a walk set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagsSet {
    /// Of the paging-structure entry, in guest memory.
    pub offset: u64,
    /// The linear address that the walk was for.
    pub lin: Lin,
}

/// Bits 5 and 6 of a paging-structure entry.
const ACCESSED_AND_DIRTY: u8 = 0x60;

/// The journal of one dry run.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// In order of time; those of flags that walks set are among them.
    pub writes: Vec<Entry>,
    /// Accessed and dirty flags that walks set.
    pub flags_set: Vec<FlagsSet>,
    /// The run touched a device: it cannot be repeated, so it must not be kept.
    pub device: bool,
}

impl Journal {
    /// The bits of the byte at `offset` that are data: not the flags that a walk set there, this run's or one of
    /// `others`.
    #[must_use]
    pub fn data_bits(&self, offset: u64, others: &[(FlagsSet, u32)]) -> u8 {
        let mut all = self.flags_set.iter().chain(others.iter().map(|(flags, _)| flags));
        if all.any(|flags| flags.offset == offset) { !ACCESSED_AND_DIRTY } else { !0 }
    }

    /// Notes that the bytes at `offset` were `old` before a write.
    pub fn record(&mut self, offset: u64, old: &[u8]) {
        let old = Bytes::fill(old.len(), |out| out.copy_from_slice(old));
        self.writes.push(Entry { offset, old });
    }
}
