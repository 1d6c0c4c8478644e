//! The Multiboot loader against synthetic images.

use super::super::elf::ElfError;
use super::*;
use ringer_cpu::addr::Pa;

const RAM: u64 = 8 << 20;

fn dwords(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_le_bytes()).collect()
}

fn header(flags: u32) -> Vec<u32> {
    vec![HEADER_MAGIC, flags, 0u32.wrapping_sub(HEADER_MAGIC).wrapping_sub(flags)]
}

/// A flat image at 1 MiB: header, then code; the numbers are load end, bss end, entry.
fn flat(load_end: u32, bss_end: u32, entry: u32) -> Vec<u8> {
    let mut words = header(ADDRESSES);
    words.extend([0x10_0000, 0x10_0000, load_end, bss_end, entry]);
    let mut file = dwords(&words);
    file.extend([0x90; 96]);
    file
}

/// An ELF executable with one segment of 0x100 bytes in the file at offset 0x80.
fn elf_file(address: u32, physical: u32, memory: u32) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2, 0, 3, 0]);
    file.extend(dwords(&[1, address + 0x10, 52, 0, 0]));
    file.extend([52, 0, 32, 0, 1, 0, 40, 0, 0, 0, 0, 0]);
    file.extend(dwords(&[1, 0x80, address, physical, 0x100, memory, 7, 4096]));
    file.resize(0x80, 0);
    file.extend(dwords(&header(PAGE_ALIGN | MEMORY_INFO)));
    file.resize(0x180, 0xcc);
    file
}

fn boot(image: &MultibootImage) -> (GuestMemory, CpuState) {
    let mut memory = GuestMemory::new(RAM).unwrap();
    let mut cpu = CpuState::reset(0);
    image.boot(&mut memory, &mut cpu).unwrap();
    (memory, cpu)
}

fn peek(memory: &GuestMemory, address: u32) -> u32 {
    let mut bytes = [0; 4];
    assert!(memory.read(Pa::from(address), &mut bytes));
    u32::from_le_bytes(bytes)
}

fn text(memory: &GuestMemory, address: u32) -> String {
    let bytes = (0..).map(|i| (peek(memory, address + i) & 0xff) as u8);
    String::from_utf8(bytes.take_while(|b| *b != 0).collect()).unwrap()
}

#[test]
fn an_elf_kernel_enters_with_the_information_structure() {
    let file = elf_file(0x10_0000, 0x10_0000, 0x2000);
    let module = |name: &str, bytes| (name.to_owned(), Payload::Bytes(bytes));
    let modules = vec![module("one", vec![0x11; 5000]), module("two", vec![0x22; 8])];
    let image = MultibootImage::new(file, "kernel quiet", modules, RAM).unwrap();
    let (memory, cpu) = boot(&image);
    assert_eq!(cpu.eip(), 0x10_0010);
    assert_eq!(cpu.reg32(Gpr::Eax), LOADER_MAGIC);
    assert!(cpu.protected() && cpu.cs().is_flat() && cpu.ss().is_flat());
    assert_eq!(peek(&memory, 0x10_0000), HEADER_MAGIC);

    let info = cpu.reg32(Gpr::Ebx);
    assert_eq!(peek(&memory, info) & 0x24d, 0x24d);
    assert_eq!(peek(&memory, info + 4), 639);
    assert_eq!(peek(&memory, info + 8), 7 << 10);
    assert_eq!(text(&memory, peek(&memory, info + 16)), "kernel quiet");
    assert_eq!(text(&memory, peek(&memory, info + 64)), "Ringer");
    assert_eq!(peek(&memory, info + 20), 2);
    let list = peek(&memory, info + 24);
    let (one, two) = (peek(&memory, list), peek(&memory, list + 16));
    assert_eq!((one, peek(&memory, list + 4)), (0x10_2000, 0x10_2000 + 5000));
    assert_eq!(two, 0x10_4000);
    assert_eq!(peek(&memory, one), 0x1111_1111);
    assert_eq!(text(&memory, peek(&memory, list + 16 + 8)), "two");
    let (length, map) = (peek(&memory, info + 44), peek(&memory, info + 48));
    assert_eq!(length % 24, 0);
    assert_eq!((peek(&memory, map), peek(&memory, map + 12)), (20, 0x9fc00));
}

#[test]
fn the_entry_is_translated_when_physical_and_linear_addresses_differ() {
    let image = MultibootImage::new(elf_file(0xc010_0000, 0x20_0000, 0x100), "", vec![], RAM);
    let (memory, cpu) = boot(&image.unwrap());
    assert_eq!(cpu.eip(), 0x20_0010);
    assert_eq!(peek(&memory, 0x20_0000), HEADER_MAGIC);
}

#[test]
fn a_flat_image_is_placed_by_its_header() {
    let file = flat(0, 0x10_4000, 0x10_0020);
    let (memory, cpu) = boot(&MultibootImage::new(file.clone(), "", vec![], RAM).unwrap());
    assert_eq!(cpu.eip(), 0x10_0020);
    assert_eq!(peek(&memory, 0x10_0020), 0x9090_9090);
    assert_eq!(peek(&memory, 0x10_0000 + file.len() as u32), 0);
}

#[test]
fn contradicting_addresses_and_missing_bytes_are_refused() {
    let new =
        |file: &[u8]| MultibootImage::new(file.to_vec(), "", vec![], RAM).expect_err("refused");
    assert_eq!(new(&flat(0x10_1000, 0, 0)), MultibootError::Truncated { missing: 0x1000 - 128 });
    assert_eq!(new(&flat(0xf_0000, 0, 0)), MultibootError::Addresses);
    assert_eq!(new(&flat(0, 0xf_0000, 0)), MultibootError::Addresses);
    assert_eq!(new(&flat(0, 0x80_0001, 0)), MultibootError::Memory { end: 0x80_0001, ram: RAM });
    assert_eq!(new(&[0; 100]), MultibootError::NoHeader);
    assert_eq!(new(&dwords(&header(4))), MultibootError::Features(4));
    assert_eq!(new(&flat(0, 0, 0)[..20]), MultibootError::Addresses);

    let elf_error = |file: &[u8]| match new(file) {
        MultibootError::Elf(e) => e,
        other => panic!("{other}"),
    };
    let file = elf_file(0x10_0000, 0x10_0000, 0x100);
    let short = elf_error(&file[..0x17f]);
    assert_eq!(short, ElfError::Truncated { offset: 0x80, size: 0x100 });
    let small = elf_error(&elf_file(0x10_0000, 0x10_0000, 0xff));
    assert_eq!(small, ElfError::FileExceedsMemory { file: 0x100, memory: 0xff });
    let mut other = file.clone();
    other[18] = 62;
    assert_eq!(elf_error(&other), ElfError::WrongMachine);
    let mut wide = file.clone();
    wide[4] = 2;
    assert_eq!(elf_error(&wide), ElfError::Needs64Bit);
    let mut none = file.clone();
    none[52] = 2;
    assert_eq!(elf_error(&none), ElfError::NoSegments);
    let mut headers = file;
    headers[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(elf_error(&headers), ElfError::Headers(_)));
    let wide = [b"\x7fELF\x02".as_slice(), &[0; 100]].concat();
    assert_eq!(elf_error(&wide), ElfError::Needs64Bit, "without a Multiboot header, too");
    let high = new(&elf_file(0x10_0000, 0xffff_fff0, 0x100));
    assert_eq!(high, MultibootError::Memory { end: 0x1_0000_00f0, ram: RAM });
}

#[test]
fn the_information_avoids_a_kernel_in_low_memory() {
    let image = MultibootImage::new(elf_file(0x1000, 0x1000, 0x4000), "", vec![], RAM).unwrap();
    assert!(image.info >= 0x5000, "{:#x}", image.info);
    let full = MultibootImage::new(elf_file(0x1000, 0x1000, 0x9_e800), "", vec![], RAM);
    assert_eq!(full.unwrap_err(), MultibootError::NoRoomForInfo);
}

/// The kernel of `elf_file` with `count` segments more, each of which has the first one's bytes.
fn amplified(count: u16, apart: u32) -> Vec<u8> {
    let mut file = elf_file(0x10_0000, 0x10_0000, 0x100);
    let table = file.len() as u32;
    file[28..32].copy_from_slice(&table.to_le_bytes());
    file[44..46].copy_from_slice(&count.to_le_bytes());
    for i in 0..u32::from(count) {
        let at = 0x10_0000 + i * apart;
        file.extend(dwords(&[1, 0x80, at, at, 0x100, 0x100, 7, 4096]));
    }
    file
}

#[test]
fn segments_that_name_the_same_bytes_take_no_memory_of_their_own() {
    // More than there is memory, over each other.
    let error = MultibootImage::new(amplified(65534, 0), "", vec![], RAM).unwrap_err();
    assert_eq!(error, MultibootError::Overlapping { sum: 65534 * 0x100, ram: RAM });
    // As much as there is room for: the bytes are held once.
    let image = MultibootImage::new(amplified(0x6000, 0x100), "", vec![], RAM).unwrap();
    assert_eq!((image.pieces.len(), image.file.capacity()), (0x6000, 0x100));
    let (memory, _) = boot(&image);
    for at in [0x10_0000, 0x10_0000 + 0x5fff * 0x100] {
        assert_eq!(peek(&memory, at), HEADER_MAGIC);
    }
}

#[test]
fn modules_behind_each_other_fit_into_memory_or_are_refused() {
    let modules =
        |count| (0..count).map(|_| ("m".to_owned(), Payload::Bytes(vec![1; 1 << 20]))).collect();
    let new =
        |count| MultibootImage::new(elf_file(0x10_0000, 0x10_0000, 0x100), "", modules(count), RAM);
    assert!(new(6).is_ok());
    assert_eq!(
        new(7).unwrap_err(),
        MultibootError::Memory { end: 0x10_1000 + (7 << 20), ram: RAM }
    );
}
