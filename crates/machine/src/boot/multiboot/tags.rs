//! What a kernel of Multiboot 2 is told: the information structure, a list of tags (3.6).

use super::told::{LOADER_NAME, Told};
use crate::boot::screen::Screen;
use crate::firmware::{self, HIGH_MEMORY, LOW_MEMORY_END};

/// What EAX holds at the entry.
pub const LOADER_MAGIC: u32 = 0x36d7_6289;

/// Types of tags.
mod tag {
    pub const END: u32 = 0;
    pub const CMDLINE: u32 = 1;
    pub const LOADER_NAME: u32 = 2;
    pub const MODULE: u32 = 3;
    pub const MEMORY: u32 = 4;
    pub const MAP: u32 = 6;
    pub const FRAMEBUFFER: u32 = 8;
    pub const SECTIONS: u32 = 9;
    pub const OLD_RSDP: u32 = 14;
    pub const NEW_RSDP: u32 = 15;
    pub const LOAD_BASE: u32 = 21;
}

/// Bytes of the ACPI root pointer of version 1; of version 2 and later it says itself.
pub const OLD_RSDP: usize = 20;

/// The tags, in their order.
#[derive(Default)]
struct Tags(Vec<u8>);

impl Tags {
    fn add(&mut self, kind: u32, body: &[u8]) {
        self.0.extend(kind.to_le_bytes());
        self.0.extend((body.len() as u32 + 8).to_le_bytes());
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(8), 0);
    }

    fn add_words(&mut self, kind: u32, words: &[u32], rest: &[u8]) {
        let words = words.iter().flat_map(|word| word.to_le_bytes());
        self.add(kind, &words.chain(rest.iter().copied()).collect::<Vec<_>>());
    }
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// The structure for a kernel at `base`, with the ACPI root pointer `rsdp`. Its length depends on neither, nor on the screen.
pub fn build(base: u32, told: &Told, screen: Option<Screen>, rsdp: &[u8]) -> Vec<u8> {
    let mut tags = Tags::default();
    tags.add(tag::CMDLINE, &text(&told.cmdline));
    tags.add(tag::LOADER_NAME, &text(LOADER_NAME));
    for module in &told.modules {
        tags.add_words(tag::MODULE, &[module.address, module.end], &text(&module.name));
    }
    let upper = told.ram.saturating_sub(u64::from(HIGH_MEMORY)) >> 10;
    let upper = u32::try_from(upper).unwrap_or(u32::MAX);
    tags.add_words(tag::MEMORY, &[LOW_MEMORY_END >> 10, upper], &[]);
    let mut map = Vec::new();
    for range in firmware::memory_map(told.ram) {
        map.extend(range.base.to_le_bytes());
        map.extend(range.size.to_le_bytes());
        map.extend((range.kind as u32).to_le_bytes());
        map.extend([0; 4]);
    }
    tags.add_words(tag::MAP, &[24, 0], &map);
    if let Some(sections) = &told.sections {
        let words = [sections.count(), sections.entry_len, sections.names];
        tags.add_words(tag::SECTIONS, &words, &sections.headers);
    }
    let new = rsdp.get(15).is_some_and(|&revision| revision >= 2);
    tags.add(tag::OLD_RSDP, &rsdp[..rsdp.len().min(OLD_RSDP)]);
    if new {
        tags.add(tag::NEW_RSDP, rsdp);
    }
    tags.add_words(tag::LOAD_BASE, &[base], &[]);
    let without = tags.0.len();
    match screen {
        None => {}
        Some(Screen::Text) => {
            tags.add_words(tag::FRAMEBUFFER, &[0xb_8000, 0, 160, 80, 25], &[16, 2, 0, 0]);
        }
        Some(Screen::Graphics(it)) => {
            let colours = it.fields();
            let rest = [&[it.depth, 1, 0, 0][..], colours.as_flattened()].concat();
            let words = [it.address, 0, it.pitch, it.width, it.height];
            tags.add_words(tag::FRAMEBUFFER, &words, &rest);
        }
    }
    tags.add(tag::END, &[]);
    let total = tags.0.len() as u32 + 8;
    let mut block = [total.to_le_bytes(), [0; 4]].concat();
    block.append(&mut tags.0);
    // As long as with the longest description of a screen.
    block.resize(8 + without + SCREEN_ROOM, 0);
    block
}

/// The longest tag of a screen, and the end.
const SCREEN_ROOM: usize = 40 + 8;
