//! What a machine may take of its host beside its memory, and how that is shared out.
//!
//! What the process holds is its resident set, the page tables that the host's kernel keeps for it, and its mappings. All of
//! that together stays under the guest's memory and [`MemoryBudget::beside`]. The translation cache has its part, in which
//! its blocks' metadata counts ([`ringer_translator::runtime::CodeCache`]); windows and target tables have theirs, charged
//! where a page of them is taken; what is left is for the process itself, for guest pages that are resident through more
//! than one mapping, and for what grows between two looks ([`crate::footprint`]). A program that embeds machines has memory
//! of its own, so only a limit that was asked for is held against what the whole process holds.

/// Beside memory and cache, unless said otherwise; and what is added for each byte of memory.
const WORK: u64 = 160 << 20;
const WORK_SHARE: u64 = 16;
/// The least that is workable, and what is added for each byte of memory.
const LEAST_WORK: u64 = 96 << 20;
const LEAST_SHARE: u64 = 64;
/// What a mapping costs the host's kernel, in bytes.
pub(crate) const MAPPING: u64 = 256;

/// Bytes that a machine may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    ram: u64,
    cache: u64,
    beside: u64,
    whole_process: bool,
}

impl MemoryBudget {
    /// For a guest with `ram` bytes of memory and a translation cache of `cache`: at most `beside` bytes beside the memory,
    /// and what the process holds is looked at; or [`MemoryBudget::usual`], and it is not. Less than is workable is made that.
    #[must_use]
    pub fn new(ram: u64, cache: u64, beside: Option<u64>) -> Self {
        let whole_process = beside.is_some();
        let beside = beside.unwrap_or(Self::usual(ram, cache)).max(Self::least(ram, cache));
        Self { ram, cache, beside, whole_process }
    }

    /// What it is by default: the cache, 160 MiB, and a sixteenth of the memory.
    #[must_use]
    pub fn usual(ram: u64, cache: u64) -> u64 {
        cache + WORK + ram / WORK_SHARE
    }

    /// The least that a machine works with: the cache, 96 MiB, and a 64th of the memory.
    #[must_use]
    pub fn least(ram: u64, cache: u64) -> u64 {
        cache + LEAST_WORK + ram / LEAST_SHARE
    }

    /// Bytes beside guest memory.
    #[must_use]
    pub fn beside(&self) -> u64 {
        self.beside
    }

    /// Bytes in all.
    #[must_use]
    pub fn whole(&self) -> u64 {
        self.ram + self.beside
    }

    /// Whether the process is the machine's alone.
    pub(crate) fn whole_process(&self) -> bool {
        self.whole_process
    }

    /// Pages of guest memory.
    pub(crate) fn ram_pages(&self) -> u32 {
        (self.ram >> 12) as u32
    }

    fn work(&self) -> u64 {
        self.beside - self.cache
    }

    /// Of that, for target tables.
    pub(crate) fn tables(&self) -> usize {
        (self.work() / 6) as usize
    }

    /// For windows.
    pub(crate) fn windows(&self) -> usize {
        (self.work() / 3) as usize
    }

    /// Kept free for what grows between two looks.
    pub(crate) fn margin(&self) -> u64 {
        self.work() / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_default_is_what_the_readme_says_and_less_than_workable_is_not_had() {
        assert_eq!(MemoryBudget::new(512 * MIB, 64 * MIB, None).beside(), (64 + 160 + 32) * MIB);
        let least = MemoryBudget::least(512 * MIB, 64 * MIB);
        assert_eq!(least, (64 + 96 + 8) * MIB);
        assert_eq!(MemoryBudget::new(512 * MIB, 64 * MIB, Some(1)).beside(), least);
        assert_eq!(MemoryBudget::new(512 * MIB, 64 * MIB, Some(1 << 30)).whole(), 1536 * MIB);
    }
}
