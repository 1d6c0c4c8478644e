//! Sets of pages of the memory file, one bit a page.

use ringer_cpu::addr::PAGE_SIZE;

/// A set of pages, named by offsets in the memory file.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageSet(Vec<u64>);

impl PageSet {
    /// No page of a file of `len` bytes.
    pub fn empty(len: u64) -> Self {
        Self(vec![0; len.div_ceil(PAGE_SIZE).div_ceil(64) as usize])
    }

    /// Whether the page of `offset` is in.
    #[inline]
    pub fn has(&self, offset: u64) -> bool {
        let page = offset / PAGE_SIZE;
        self.0.get((page / 64) as usize).is_some_and(|word| word >> (page % 64) & 1 != 0)
    }

    /// Whether one of the 16 pages around page `page` (aligned by 16) is in.
    pub fn any_of_16(&self, page: u32) -> bool {
        let word = self.0.get(page as usize / 64).copied().unwrap_or(0);
        word >> (page % 64 / 16 * 16) & 0xffff != 0
    }

    /// Puts the page of `offset` in or takes it out; true when that changed something. Beyond the file there is no page.
    pub fn set(&mut self, offset: u64, on: bool) -> bool {
        let page = offset / PAGE_SIZE;
        let Some(word) = self.0.get_mut((page / 64) as usize) else { return false };
        let bit = 1 << (page % 64);
        let before = *word;
        *word = if on { before | bit } else { before & !bit };
        *word != before
    }

    /// Takes all pages out.
    pub fn clear(&mut self) {
        self.0.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_and_go() {
        let mut set = PageSet::empty(100 * PAGE_SIZE);
        assert!(set.set(65 * PAGE_SIZE + 5, true) && !set.set(65 * PAGE_SIZE, true));
        assert!(set.has(65 * PAGE_SIZE) && !set.has(64 * PAGE_SIZE) && !set.has(u64::MAX));
        assert!(set.any_of_16(79) && !set.any_of_16(80) && !set.any_of_16(u32::MAX));
        assert!(!set.set(128 * PAGE_SIZE, true), "there is no such page");
        assert!(set.set(65 * PAGE_SIZE, false) && !set.has(65 * PAGE_SIZE));
        set.set(7, true);
        set.clear();
        assert!(!set.has(0));
    }
}
