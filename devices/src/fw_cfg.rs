//! What the host tells firmware: items by number and files by name, after QEMU's "Firmware Configuration (fw_cfg)
//! Device" specification.
//!
//! A guest selects an item and reads it byte by byte, or has it copied into memory. Nothing is writable, and past an
//! item's end there are zeros. Files are items from 20h on, in the order of their names; item 19h is their directory.
//!
//! Invariant: what a guest does changes [`Selection`] only.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Numbers of the items that firmware of PCs asks for.
pub mod item {
    /// "QEMU".
    pub const SIGNATURE: u16 = 0x00;
    /// Which interfaces there are: a doubleword.
    pub const ID: u16 = 0x01;
    /// 1 where the machine has no display: a word.
    pub const NO_GRAPHIC: u16 = 0x04;
    /// Processors that run: a word.
    pub const PROCESSORS: u16 = 0x05;
    /// Nodes of memory, and what is on which: quadwords.
    pub const NUMA: u16 = 0x0d;
    /// Whether firmware offers a menu of what to boot: a word.
    pub const BOOT_MENU: u16 = 0x0e;
    /// Processors that there can be: a word.
    pub const MAX_PROCESSORS: u16 = 0x0f;
    /// The directory of files.
    pub const FILES: u16 = 0x19;
    /// The first file.
    pub const FIRST_FILE: u16 = 0x20;
    /// IRQ 0 reaches input 2 of the I/O APIC: a doubleword.
    pub const IRQ0_OVERRIDE: u16 = 0x8002;
}

/// Bytes of a file's name, the zero behind it included.
const NAME: usize = 56;
/// Most files: QEMU's own number is of this order.
const MAX_FILES: usize = 256;
/// Both interfaces, ports and DMA.
const INTERFACES: u32 = 1 << 0 | 1 << 1;

/// Why a file cannot be offered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FwCfgError {
    /// Its name has no room.
    #[error("the firmware file name {0:?} must have 1 to {max} bytes, none of them zero", max = NAME - 1)]
    Name(String),
    /// It is there already.
    #[error("firmware file {0:?} is there already")]
    Twice(String),
    /// There are too many.
    #[error("no room for firmware file {0:?}: {MAX_FILES} at most")]
    Full(String),
    /// It has more bytes than its length can say.
    #[error("firmware file {0:?} has 4 GiB or more")]
    TooLong(String),
}

/// All items.
#[derive(Clone, Debug)]
pub struct FwCfg {
    items: BTreeMap<u16, Vec<u8>>,
    files: BTreeMap<String, Vec<u8>>,
    /// Item [`item::FILES`], which follows from the files.
    directory: Vec<u8>,
}

impl Default for FwCfg {
    fn default() -> Self {
        Self::new()
    }
}

impl FwCfg {
    /// Nothing but what says that it is there.
    #[must_use]
    pub fn new() -> Self {
        let mut new = Self {
            items: BTreeMap::new(),
            files: BTreeMap::new(),
            directory: 0u32.to_be_bytes().to_vec(),
        };
        new.set(item::SIGNATURE, b"QEMU");
        new.set(item::ID, &INTERFACES.to_le_bytes());
        new
    }

    /// Gives item `number`, which is no file's, these contents.
    pub fn set(&mut self, number: u16, contents: &[u8]) {
        self.items.insert(number, contents.to_vec());
    }

    /// Adds a file. Numbers of files that come behind it in the order of names change: meant for before the guest runs.
    ///
    /// # Errors
    /// [`FwCfgError`] when the name or the size is impossible, or the name is taken.
    pub fn add(&mut self, name: &str, contents: Vec<u8>) -> Result<(), FwCfgError> {
        let error = |kind: fn(String) -> FwCfgError| Err(kind(name.to_owned()));
        if name.is_empty() || name.len() >= NAME || name.contains('\0') {
            return error(FwCfgError::Name);
        }
        if u32::try_from(contents.len()).is_err() {
            return error(FwCfgError::TooLong);
        }
        if self.files.contains_key(name) {
            return error(FwCfgError::Twice);
        }
        if self.files.len() >= MAX_FILES {
            return error(FwCfgError::Full);
        }
        self.files.insert(name.to_owned(), contents);
        self.directory = self.list();
        Ok(())
    }

    /// The contents of the file called `name`.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// The directory: how many files, and for each its size, its number and its name, big-endian.
    fn list(&self) -> Vec<u8> {
        let mut list = (self.files.len() as u32).to_be_bytes().to_vec();
        for (number, (name, contents)) in (item::FIRST_FILE..).zip(&self.files) {
            list.extend((contents.len() as u32).to_be_bytes());
            list.extend(number.to_be_bytes());
            list.extend([0; 2]);
            let end = list.len() + NAME;
            list.extend(name.as_bytes());
            list.resize(end, 0);
        }
        list
    }

    /// The contents of item `number`; an item that nobody set has none.
    fn contents(&self, number: u16) -> &[u8] {
        if number == item::FILES {
            return &self.directory;
        }
        let file = number.checked_sub(item::FIRST_FILE).map(usize::from);
        let file = file.and_then(|at| self.files.values().nth(at));
        file.or_else(|| self.items.get(&number)).map_or(&[], Vec::as_slice)
    }
}

/// The item that a guest has selected, and how far it has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Selection {
    number: u16,
    at: u32,
}

impl Selection {
    /// Selects item `number`, from its beginning.
    pub(crate) fn select(&mut self, number: u16) {
        *self = Selection { number, at: 0 };
    }

    /// Goes on by `len` bytes.
    pub(crate) fn skip(&mut self, len: u32) {
        self.at = self.at.saturating_add(len);
    }

    /// Fills `buf` with what comes next.
    pub(crate) fn read(&mut self, from: &FwCfg, buf: &mut [u8]) {
        let rest = from.contents(self.number).get(self.at as usize..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        buf[..len].copy_from_slice(&rest[..len]);
        buf[len..].fill(0);
        self.skip(u32::try_from(buf.len()).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: &FwCfg, number: u16, len: usize) -> Vec<u8> {
        let mut selection = Selection::default();
        selection.select(number);
        let mut bytes = vec![0xaa; len];
        // In two pieces: the second goes on where the first ended.
        let (first, second) = bytes.split_at_mut(len / 2);
        selection.read(from, first);
        selection.read(from, second);
        bytes
    }

    #[test]
    fn an_item_is_read_to_its_end_and_zeros_follow() {
        let mut cfg = FwCfg::new();
        assert_eq!(read(&cfg, item::SIGNATURE, 6), b"QEMU\0\0");
        assert_eq!(read(&cfg, item::ID, 4), [3, 0, 0, 0]);
        assert_eq!(read(&cfg, item::PROCESSORS, 2), [0, 0], "nobody set it");
        cfg.set(item::PROCESSORS, &1u16.to_le_bytes());
        assert_eq!(read(&cfg, item::PROCESSORS, 2), [1, 0]);
        assert_eq!(read(&cfg, u16::MAX, 4), [0; 4]);
    }

    #[test]
    fn files_are_listed_in_the_order_of_names() {
        let mut cfg = FwCfg::new();
        assert_eq!(read(&cfg, item::FILES, 4), [0; 4]);
        cfg.add("etc/z", vec![1, 2, 3]).unwrap();
        cfg.add("bootorder", vec![4]).unwrap();
        let list = read(&cfg, item::FILES, 4 + 2 * 64);
        assert_eq!(list[..12], [0, 0, 0, 2, 0, 0, 0, 1, 0, 0x20, 0, 0]);
        assert_eq!(list[12..22], *b"bootorder\0");
        assert_eq!(list[68..76], [0, 0, 0, 3, 0, 0x21, 0, 0]);
        assert_eq!(list[76..82], *b"etc/z\0");
        assert_eq!(read(&cfg, 0x20, 2), [4, 0]);
        assert_eq!(read(&cfg, 0x21, 4), [1, 2, 3, 0]);
        assert_eq!(read(&cfg, 0x22, 1), [0]);
        assert_eq!(cfg.file("etc/z"), Some(&[1, 2, 3][..]));
    }

    #[test]
    fn impossible_files_are_refused() {
        let mut cfg = FwCfg::new();
        for name in ["", "a\0b", &"n".repeat(NAME)] {
            assert_eq!(cfg.add(name, Vec::new()), Err(FwCfgError::Name(name.to_owned())));
        }
        cfg.add(&"n".repeat(NAME - 1), Vec::new()).unwrap();
        cfg.add("a", Vec::new()).unwrap();
        assert_eq!(cfg.add("a", Vec::new()), Err(FwCfgError::Twice("a".to_owned())));
        for number in 2..MAX_FILES {
            cfg.add(&number.to_string(), Vec::new()).unwrap();
        }
        assert_eq!(cfg.add("b", Vec::new()), Err(FwCfgError::Full("b".to_owned())));
    }

    #[test]
    fn a_selection_skips_as_far_as_anybody_asks() {
        let mut selection = Selection::default();
        let cfg = FwCfg::new();
        selection.select(item::SIGNATURE);
        selection.skip(2);
        let mut two = [0; 2];
        selection.read(&cfg, &mut two);
        assert_eq!(two, *b"MU");
        selection.skip(u32::MAX);
        selection.read(&cfg, &mut two);
        assert_eq!(two, [0; 2]);
    }
}
