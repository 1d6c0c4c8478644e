//! The page tables that the host's kernel keeps for a range of addresses. They count in no resident set, and where a guest
//! decides which pages are touched it decides how many there are: one of 4 KiB for each 2 MiB in which a page was mapped
//! or read, and the host frees it only when those 2 MiB are unmapped as a whole.

/// Pages of 4 KiB that one page table of the host maps.
pub const TABLE_PAGES: u32 = 512;
const TABLE_BYTES: usize = 4096;
/// Words of the bit map for what a table of the next level maps, a GiB.
const GIB: usize = 8;
/// Tables of the levels above those, of a range in use.
const TOP: usize = 2;

/// Which page tables of the host there may be for a range of addresses, aligned by 1 GiB.
#[derive(Debug)]
pub struct HostTables {
    there: Box<[u64]>,
    tables: usize,
    /// Tables that map a GiB each.
    upper: usize,
}

impl HostTables {
    /// None yet, for a range of `gib` GiB.
    #[must_use]
    pub fn new(gib: usize) -> Self {
        Self { there: vec![0; gib * GIB].into_boxed_slice(), tables: 0, upper: 0 }
    }

    /// `pages` pages from `first` on (in the range) were mapped or touched. Bytes that this may have taken.
    pub fn note(&mut self, first: u32, pages: u32) -> usize {
        if pages == 0 {
            return 0;
        }
        let before = self.bytes();
        for table in first / TABLE_PAGES..=(first + (pages - 1)) / TABLE_PAGES {
            let (word, bit) = place(table);
            if self.there[word] & bit != 0 {
                continue;
            }
            let gib = word / GIB * GIB;
            let first_of_gib = self.there[gib..gib + GIB].iter().all(|word| *word == 0);
            self.upper += usize::from(first_of_gib);
            self.tables += 1;
            self.there[word] |= bit;
        }
        self.bytes() - before
    }

    /// `pages` pages from `first` on were unmapped by one call.
    pub fn forget(&mut self, first: u32, pages: u32) {
        for table in first.div_ceil(TABLE_PAGES)..(first + pages) / TABLE_PAGES {
            let (word, bit) = place(table);
            self.tables -= usize::from(self.there[word] & bit != 0);
            self.there[word] &= !bit;
        }
    }

    /// Everything was unmapped by one call.
    pub fn clear(&mut self) {
        self.there.fill(0);
        (self.tables, self.upper) = (0, 0);
    }

    /// Bytes that they take, at most.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let top = if self.tables + self.upper == 0 { 0 } else { TOP };
        (self.tables + self.upper + top) * TABLE_BYTES
    }
}

fn place(table: u32) -> (usize, u64) {
    (table as usize / 64, 1 << (table % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_goes_only_as_a_whole() {
        let mut tables = HostTables::new(4);
        assert_eq!(tables.note(511, 2), (2 + 1 + TOP) * TABLE_BYTES);
        assert_eq!(tables.note(600, 1), 0);
        tables.forget(1, 1022);
        assert_eq!(tables.tables, 2, "neither is gone whole");
        tables.forget(0, 1023);
        assert_eq!(tables.tables, 1);
        assert_eq!(tables.note((1 << 20) - 1, 1), 2 * TABLE_BYTES, "in another GiB");
        tables.note(0, 1 << 20);
        assert_eq!((tables.tables, tables.upper), (2048, 4));
        tables.forget(0, 1 << 20);
        assert_eq!(tables.bytes(), (4 + TOP) * TABLE_BYTES);
        tables.clear();
        assert_eq!(tables.bytes(), 0);
    }
}
