//! What a kernel of Multiboot 1 is told: the information structure with everything that it points to (3.3).

use super::told::{LOADER_NAME, Told};
use crate::boot::screen::{Framebuffer, Screen};
use crate::firmware::{self, HIGH_MEMORY, LOW_MEMORY_END};

/// What EAX holds at the entry.
pub const LOADER_MAGIC: u32 = 0x2bad_b002;

const SIZE: usize = 120;
const HAS_MEMORY: u32 = 1 << 0;
const HAS_CMDLINE: u32 = 1 << 2;
const HAS_MODULES: u32 = 1 << 3;
const HAS_SECTIONS: u32 = 1 << 5;
const HAS_MAP: u32 = 1 << 6;
const HAS_LOADER_NAME: u32 = 1 << 9;
const HAS_VBE: u32 = 1 << 11;
const HAS_FRAMEBUFFER: u32 = 1 << 12;

/// Bytes of the two blocks that the VBE has for a mode (VBE 3.0, 4.3 and 4.4).
const VBE_CONTROL: usize = 512;
const VBE_MODE: usize = 256;

/// The structure, for address `base`; its length does not depend on that.
pub fn build(base: u32, told: &Told, screen: Option<Screen>) -> Vec<u8> {
    let mut block = Block { bytes: vec![0; SIZE], base };
    let mut flags = HAS_MEMORY | HAS_CMDLINE | HAS_MAP | HAS_LOADER_NAME;
    block.set(4, LOW_MEMORY_END >> 10);
    let upper = told.ram.saturating_sub(u64::from(HIGH_MEMORY)) >> 10;
    block.set(8, u32::try_from(upper).unwrap_or(u32::MAX));
    let text = block.append_text(&told.cmdline);
    block.set(16, text);

    let mut list = Vec::new();
    for module in &told.modules {
        let name = block.append_text(&module.name);
        list.extend([module.address, module.end, name, 0].iter().flat_map(|w| w.to_le_bytes()));
    }
    let at = block.append(&list);
    if !told.modules.is_empty() {
        flags |= HAS_MODULES;
        block.set(20, told.modules.len() as u32);
        block.set(24, at);
    }
    if let Some(sections) = &told.sections {
        flags |= HAS_SECTIONS;
        let at = block.append(&sections.headers);
        for (offset, value) in
            [(28, sections.count()), (32, sections.entry_len), (36, at), (40, sections.names)]
        {
            block.set(offset, value);
        }
    }
    let mut map = Vec::new();
    for range in firmware::memory_map(told.ram) {
        map.extend(20u32.to_le_bytes());
        map.extend(range.base.to_le_bytes());
        map.extend(range.size.to_le_bytes());
        map.extend((range.kind as u32).to_le_bytes());
    }
    let at = block.append(&map);
    block.set(44, map.len() as u32);
    block.set(48, at);
    let name = block.append_text(LOADER_NAME);
    block.set(64, name);
    let room = [block.append(&[0; VBE_CONTROL]), block.append(&[0; VBE_MODE])];
    if told.screen.is_some() {
        flags |= block.show(screen, room);
    }
    block.set(0, flags);
    block.bytes
}

struct Block {
    bytes: Vec<u8>,
    base: u32,
}

impl Block {
    /// Appends at the next multiple of 8; returns the address.
    fn append(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.base.wrapping_add(self.bytes.len() as u32);
        self.bytes.extend_from_slice(bytes);
        at
    }

    fn append_text(&mut self, text: &str) -> u32 {
        let at = self.append(text.as_bytes());
        self.bytes.push(0);
        at
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Sets a dword of the structure.
    fn set(&mut self, offset: usize, value: u32) {
        self.put(offset, &value.to_le_bytes());
    }

    /// Says what `screen` is, with room for the blocks of the VBE at these addresses; the flags that say so.
    fn show(&mut self, screen: Option<Screen>, [control, mode]: [u32; 2]) -> u32 {
        match screen {
            None => 0,
            Some(Screen::Text) => {
                self.set(88, 0xb_8000);
                self.put(96, &[160, 0, 0, 0, 80, 0, 0, 0, 25, 0, 0, 0, 16, 2]);
                HAS_FRAMEBUFFER
            }
            Some(Screen::Graphics(it)) => {
                self.set(88, it.address);
                for (offset, value) in [(96, it.pitch), (100, it.width), (104, it.height)] {
                    self.set(offset, value);
                }
                self.put(108, &[it.depth, 1]);
                self.put(110, it.fields().as_flattened());
                self.set(72, control);
                self.set(76, mode);
                // A mode without a number, with a linear frame buffer.
                self.put(80, &0x4fff_u16.to_le_bytes());
                let place = |at: u32| (at - self.base) as usize;
                let (control, mode) = (place(control), place(mode));
                self.put(control, b"VESA\x00\x03");
                self.put(mode, &vbe_mode(&it));
                HAS_FRAMEBUFFER | HAS_VBE
            }
        }
    }
}

/// The VBE's block of a mode: what a kernel draws by.
fn vbe_mode(screen: &Framebuffer) -> [u8; 52] {
    let mut block = [0; 52];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    // Supported, colours, graphics, linear.
    put(0, &0x009b_u16.to_le_bytes());
    put(16, &screen.pitch.to_le_bytes()[..2]);
    put(18, &screen.width.to_le_bytes()[..2]);
    put(20, &screen.height.to_le_bytes()[..2]);
    // One plane, direct colour.
    put(24, &[1, screen.depth, 1, 6]);
    let [red, green, blue] = screen.fields();
    for (at, [position, size]) in [(31, red), (33, green), (35, blue)] {
        put(at, &[size, position]);
    }
    put(40, &screen.address.to_le_bytes());
    put(50, &screen.pitch.to_le_bytes()[..2]);
    block
}
