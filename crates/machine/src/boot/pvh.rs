//! Kernels with the entry of PVH: an ELF file for 32 bits with a note that says where, entered in protected mode with the
//! address of a structure in EBX (Xen's public/arch-x86/hvm/start_info.h, and docs/misc/pvh).

use super::elf;
use super::error::{LoadError, PvhError};
use super::parts::{Parts, Placed, place_modules};
use super::payload::Payload;
use crate::firmware::{self, FlatEntry, LOW_MEMORY_END};
use ringer_cpu::addr::Pa;
use ringer_cpu::{CpuState, Gpr};
use ringer_mmu::GuestMemory;

/// The note: its owner and its type, XEN_ELFNOTE_PHYS32_ENTRY.
const OWNER: &[u8] = b"Xen\0";
const PHYS32_ENTRY: u32 = 18;
/// Notes are no more than this, in bytes.
const MOST_NOTES: u64 = 1 << 16;

const MAGIC: u32 = 0x336e_c578;
/// Version 1 has a memory map.
const VERSION: u32 = 1;
const INFO_LEN: usize = 56;
const MODULE_LEN: usize = 32;
const CODE: u16 = 8;
/// Bytes of the descriptor table in front of the structure.
const TABLE: usize = CODE as usize + 24;
/// Limit of the task state segment.
const TSS_LIMIT: u32 = 0x67;

/// The entry that one of `notes` names, each a length of name, a length of contents, a type, and both at multiples of 4.
fn entry_in(mut notes: &[u8]) -> Option<u32> {
    while notes.len() >= 12 {
        let word = |at: usize| Some(u32::from_le_bytes(notes.get(at..at + 4)?.try_into().ok()?));
        let (name, len, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let contents = 12_usize.checked_add(name.checked_next_multiple_of(4)?)?;
        let end = contents.checked_add(len)?;
        if kind == PHYS32_ENTRY && notes.get(12..12 + OWNER.len()) == Some(OWNER) && len >= 4 {
            return word(contents);
        }
        notes = notes.get(end.checked_next_multiple_of(4)?..)?;
    }
    None
}

/// The entry of a file that begins with `head`, of which `read` gives so many bytes at an offset.
pub fn entry(head: &[u8], mut read: impl FnMut(u64, u64) -> Option<Vec<u8>>) -> Option<u32> {
    let notes = elf::notes(head);
    notes.into_iter().find_map(|(at, len)| entry_in(&read(at, len.min(MOST_NOTES))?))
}

/// A kernel that was read, checked and laid out.
#[derive(Debug)]
pub struct PvhImage {
    parts: Parts,
    module: Option<Placed>,
    cmdline: String,
    entry: u32,
    block: u32,
    ram: u64,
}

impl PvhImage {
    /// Checks the kernel in `file` and lays it out in `ram` bytes of memory.
    ///
    /// # Errors
    /// [`PvhError`].
    pub fn new(
        file: Vec<u8>,
        initrd: Option<Payload>,
        cmdline: &str,
        ram: u64,
    ) -> Result<Self, PvhError> {
        if elf::is_64_bit(&file) {
            return Err(elf::ElfError::Needs64Bit.into());
        }
        let bytes = |at: u64, len: u64| {
            let start = usize::try_from(at).ok()?;
            let end = start.checked_add(usize::try_from(len).ok()?)?;
            file.get(start..end.min(file.len())).map(<[u8]>::to_vec)
        };
        let entry = entry(&file, bytes).ok_or(PvhError::NoEntry)?;
        let loaded = elf::load(&file)?;
        let parts = Parts::new(file, loaded.pieces, ram)?;
        let modules = initrd.map(|payload| (String::new(), payload)).into_iter().collect();
        let module = place_modules(modules, parts.end(), ram)?.pop();
        let cmdline = cmdline.to_owned();
        let mut image = Self { parts, module, cmdline, entry, block: 0, ram };
        image.block = image.parts.free_place(TABLE + image.information(0).len())?;
        Ok(image)
    }

    /// The structure, and behind it the list of modules, the memory map and the command line.
    fn information(&self, rsdp: u32) -> Vec<u8> {
        let base = u64::from(self.block) + TABLE as u64;
        let map = firmware::memory_map(self.ram);
        let modules = base + INFO_LEN as u64;
        let ranges = modules + MODULE_LEN as u64;
        let text = ranges + map.len() as u64 * 24;
        let mut block = Vec::new();
        let count = u32::from(self.module.is_some());
        for word in [MAGIC, VERSION, 0, count] {
            block.extend(word.to_le_bytes());
        }
        for address in [modules, text, u64::from(rsdp), ranges] {
            block.extend(address.to_le_bytes());
        }
        block.extend((map.len() as u64).to_le_bytes());
        let module = self.module.as_ref().map_or([0; 2], |it| [it.address, it.end - it.address]);
        for word in [u64::from(module[0]), u64::from(module[1]), 0, 0] {
            block.extend(word.to_le_bytes());
        }
        for range in map {
            block.extend(range.base.to_le_bytes());
            block.extend(range.size.to_le_bytes());
            block.extend(u64::from(range.kind as u32).to_le_bytes());
        }
        block.extend_from_slice(self.cmdline.as_bytes());
        block.push(0);
        block
    }

    pub(super) fn boot(
        &self,
        memory: &mut GuestMemory,
        cpu: &mut CpuState,
    ) -> Result<(), LoadError> {
        firmware::install_data_area(memory, 0)?;
        let rsdp = firmware::install_acpi(memory, cpu)?;
        self.parts.install(memory)?;
        if let Some(module) = &self.module {
            module.install(memory)?;
        }
        let info = self.block + TABLE as u32;
        memory.load(Pa::from(info), &self.information(rsdp))?;
        let entry = FlatEntry { gdt: self.block, code: CODE, eip: self.entry, esp: LOW_MEMORY_END };
        firmware::enter_flat(memory, cpu, entry)?;
        // A reset leaves an active one at 0, with another limit.
        cpu.tr.limit = TSS_LIMIT;
        cpu.set_reg32(Gpr::Ebx, info);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(owner: &[u8], kind: u32, contents: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for word in [owner.len() as u32, contents.len() as u32, kind] {
            note.extend(word.to_le_bytes());
        }
        for part in [owner, contents] {
            note.extend_from_slice(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    /// An ELF executable at 1 MiB with these notes.
    fn file(notes: &[u8]) -> Vec<u8> {
        let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>();
        let mut file = [b"\x7fELF\x01\x01\x01".as_slice(), &[0; 9], &[2, 0, 3, 0]].concat();
        file.extend(words(&[1, 0x10_0000, 52, 0, 0]));
        file.extend([52, 0, 32, 0, 2, 0, 40, 0, 0, 0, 0, 0]);
        file.extend(words(&[1, 0x80, 0x10_0000, 0x10_0000, 0x80, 0x80, 7, 4096]));
        file.extend(words(&[4, 0x100, 0, 0, notes.len() as u32, 0, 4, 4]));
        file.resize(0x80, 0);
        file.resize(0x100, 0x90);
        [&file, notes].concat()
    }

    #[test]
    fn the_note_says_where_and_the_structure_what() {
        let entry = 0x10_0040_u32.to_le_bytes();
        let notes = [
            note(b"GNU\0", 18, &[1; 4]),
            note(b"Xen\0", 6, b"linux\0"),
            note(b"Xen\0", 18, &entry),
        ];
        let initrd = Some(Payload::Bytes(vec![7; 100]));
        let image = PvhImage::new(file(&notes.concat()), initrd, "quiet", 8 << 20).unwrap();
        let mut memory = GuestMemory::new(8 << 20).unwrap();
        let mut cpu = CpuState::reset(0);
        image.boot(&mut memory, &mut cpu).unwrap();
        assert!(cpu.eip() == 0x10_0040 && cpu.protected() && cpu.cs().is_flat());
        let mut info = [0; INFO_LEN];
        let at = u64::from(cpu.reg32(Gpr::Ebx));
        assert!(memory.read(Pa(at), &mut info));
        let word = |at: usize| u32::from_le_bytes(info[at..at + 4].try_into().unwrap());
        assert_eq!([0, 4, 12].map(word), [MAGIC, 1, 1]);
        let read = |at: u32, len: usize| {
            let mut bytes = vec![0; len];
            assert!(memory.read(Pa::from(at), &mut bytes));
            bytes
        };
        let module = read(word(16), 16);
        assert_eq!(module[..4], 0x10_1000_u32.to_le_bytes());
        assert_eq!((module[8], read(0x10_1000, 100)), (100, vec![7; 100]));
        assert_eq!(read(word(24), 6), b"quiet\0");
        assert_eq!(read(word(32), 8), b"RSD PTR ");
        let map = read(word(40), 24);
        assert_eq!((map[8..12].to_vec(), map[16]), (0x9fc00_u32.to_le_bytes().to_vec(), 1));
        assert!(word(48) >= 4);
    }

    #[test]
    fn what_is_no_such_kernel_is_refused() {
        let new = |notes: &[u8]| PvhImage::new(file(notes), None, "", 8 << 20).unwrap_err();
        assert_eq!(new(&note(b"Xen\0", 6, b"linux")), PvhError::NoEntry);
        assert_eq!(new(&note(b"Xen\0", 18, &[1])), PvhError::NoEntry);
        let endless = [u32::MAX.to_le_bytes(), u32::MAX.to_le_bytes(), 18u32.to_le_bytes()];
        assert_eq!(new(endless.as_flattened()), PvhError::NoEntry);
        let mut wide = file(&note(b"Xen\0", 18, &[0; 4]));
        wide[4] = 2;
        let error = PvhImage::new(wide, None, "", 8 << 20).unwrap_err();
        assert_eq!(error, PvhError::Elf(elf::ElfError::Needs64Bit));
    }
}
