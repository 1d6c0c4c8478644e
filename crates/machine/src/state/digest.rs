//! A machine's state in a few numbers, so that runs can be compared.

use ringer_devices::Section;
use std::fmt;

/// Numbers for a machine's state: two runs that are alike have equal ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDigest {
    /// For each section its name and its CRC-32.
    pub sections: Vec<(String, u32)>,
    /// CRC-32 of guest memory's contents.
    pub memory: u32,
}

impl StateDigest {
    pub(crate) fn new(sections: &[Section], memory: u32) -> Self {
        let one = |section: &Section| (section.id.clone(), crc32fast::hash(&section.bytes));
        Self { sections: sections.iter().map(one).collect(), memory }
    }
}

impl fmt::Display for StateDigest {
    /// One number for the sections and one for memory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hasher = crc32fast::Hasher::new();
        for (id, crc) in &self.sections {
            hasher.update(id.as_bytes());
            hasher.update(&crc.to_le_bytes());
        }
        write!(f, "{:08x}-{:08x}", hasher.finalize(), self.memory)
    }
}
