//! The Multiboot loaders against synthetic images.

use super::header::{ADDRESSES, MAGIC_1 as HEADER_MAGIC, MAGIC_2, MEMORY_INFO, PAGE_ALIGN, VIDEO};
use super::info::LOADER_MAGIC;
use super::*;
use crate::boot::error::PartsError;
use crate::boot::screen::Framebuffer;
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
    image.boot(&mut memory, &mut cpu, None).unwrap();
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
    let memory = PartsError::Memory { end: 0x80_0001, ram: RAM };
    assert_eq!(new(&flat(0, 0x80_0001, 0)), memory.into());
    assert_eq!(new(&[0; 100]), MultibootError::NoHeader);
    assert_eq!(new(&dwords(&header(8))), MultibootError::Features(8));
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
    assert_eq!(elf_error(&wide), ElfError::WrongMachine, "of 64 bits, but for an i386");
    let mut none = file.clone();
    none[52] = 2;
    assert_eq!(elf_error(&none), ElfError::NoSegments);
    let mut headers = file;
    headers[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(elf_error(&headers), ElfError::Headers(_)));
    let wide = [b"\x7fELF\x02".as_slice(), &[0; 100]].concat();
    assert_eq!(elf_error(&wide), ElfError::Needs64Bit, "without a Multiboot header, too");
    let high = new(&elf_file(0x10_0000, 0xffff_fff0, 0x100));
    assert_eq!(high, PartsError::Memory { end: 0x1_0000_00f0, ram: RAM }.into());
}

#[test]
fn the_information_avoids_a_kernel_in_low_memory() {
    let image = MultibootImage::new(elf_file(0x1000, 0x1000, 0x4000), "", vec![], RAM).unwrap();
    assert!(image.block >= 0x5000, "{:#x}", image.block);
    let full = MultibootImage::new(elf_file(0x1000, 0x1000, 0x9_e800), "", vec![], RAM);
    assert_eq!(full.unwrap_err(), PartsError::NoRoom.into());
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
    assert_eq!(error, PartsError::Overlapping { sum: 65534 * 0x100, ram: RAM }.into());
    // As much as there is room for: the bytes are held once.
    let image = MultibootImage::new(amplified(0x6000, 0x100), "", vec![], RAM).unwrap();
    assert_eq!((image.parts.count(), image.parts.held()), (0x6000, 0x100));
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
        PartsError::Memory { end: 0x10_1000 + (7 << 20), ram: RAM }.into()
    );
}

/// A file with a header of Multiboot 2 with these tags, at 1 MiB.
fn second(tags: &[(u16, u16, &[u32])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, flags, words) in tags.iter().chain(&[(0, 0, &[][..])]) {
        body.extend(kind.to_le_bytes());
        body.extend(flags.to_le_bytes());
        body.extend(dwords(&[8 + 4 * words.len() as u32]));
        body.extend(dwords(words));
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let length = 16 + body.len() as u32;
    let sum = 0u32.wrapping_sub(MAGIC_2).wrapping_sub(length);
    let mut file = [dwords(&[MAGIC_2, 0, length, sum]), body].concat();
    file.resize(file.len() + 64, 0x90);
    file
}

const FLAT: (u16, u16, &[u32]) = (2, 0, &[0x10_0000, 0x10_0000, 0, 0]);
const ENTRY: (u16, u16, &[u32]) = (3, 0, &[0x10_0050]);

/// The tags that a kernel of Multiboot 2 is told: type and body.
fn told(memory: &GuestMemory, info: u32) -> Vec<(u32, Vec<u8>)> {
    let total = peek(memory, info);
    let (mut at, mut tags) = (8, Vec::new());
    while at < total {
        let (kind, size) = (peek(memory, info + at), peek(memory, info + at + 4));
        let mut body = vec![0; size as usize - 8];
        assert!(memory.read(Pa::from(info + at + 8), &mut body));
        tags.push((kind, body));
        at += size.next_multiple_of(8);
    }
    assert_eq!((at, &tags.last().unwrap().0), (total, &0));
    tags
}

#[test]
fn a_kernel_of_the_second_protocol_is_told_by_tags() {
    let wish: (u16, u16, &[u32]) = (5, 1, &[800, 600, 32]);
    let asked: (u16, u16, &[u32]) = (1, 0, &[4, 6, 8]);
    let file = second(&[FLAT, ENTRY, wish, asked, (6, 0, &[]), (99, 1, &[7])]);
    let modules = vec![("one -x".to_owned(), Payload::Bytes(vec![0x11; 10]))];
    let image = MultibootImage::new(file, "kernel quiet", modules, RAM).unwrap();
    let size = ScreenWish { text: false, width: 800, height: 600, depth: 32 };
    assert_eq!(image.screen(), Some(size));
    let graphics =
        Framebuffer { address: 0xe000_0000, pitch: 3200, width: 800, height: 600, depth: 32 };
    for screen in [None, Some(Screen::Text), Some(Screen::Graphics(graphics))] {
        let mut memory = GuestMemory::new(RAM).unwrap();
        let mut cpu = CpuState::reset(0);
        image.boot(&mut memory, &mut cpu, screen).unwrap();
        assert_eq!((cpu.eip(), cpu.reg32(Gpr::Eax)), (0x10_0050, tags::LOADER_MAGIC));
        let tags = told(&memory, cpu.reg32(Gpr::Ebx));
        let tag = |kind: u32| tags.iter().find(|tag| tag.0 == kind).map(|tag| tag.1.as_slice());
        assert_eq!(tag(1), Some(&b"kernel quiet\0"[..]));
        assert_eq!(tag(2), Some(&b"Ringer\0"[..]));
        assert_eq!(tag(3).unwrap()[8..], b"one -x\0"[..]);
        assert_eq!(tag(3).unwrap()[..4], 0x10_1000_u32.to_le_bytes());
        assert_eq!(tag(4), Some(&dwords(&[639, 7 << 10])[..]));
        let map = tag(6).unwrap();
        assert_eq!((map[0], map[16..20].to_vec()), (24, dwords(&[0x9fc00])));
        assert_eq!(tag(14).unwrap()[..8], b"RSD PTR "[..]);
        assert_eq!(tag(21), Some(&dwords(&[0x10_0000])[..]));
        match screen {
            None => assert_eq!(tag(8), None),
            Some(Screen::Text) => assert_eq!(tag(8).unwrap()[20..22], [16, 2]),
            Some(_) => {
                let words = dwords(&[0xe000_0000, 0, 3200, 800, 600]);
                let rest = [32, 1, 0, 0, 16, 8, 8, 8, 0, 8];
                assert_eq!(tag(8).unwrap(), [&words[..], &rest].concat());
            }
        }
    }
}

#[test]
fn headers_of_the_second_protocol_are_read_to_their_end_or_refused() {
    let new = |tags: &[_]| MultibootImage::new(second(tags), "", vec![], RAM);
    assert!(new(&[FLAT, ENTRY]).is_ok());
    assert_eq!(new(&[FLAT]).unwrap_err(), MultibootError::Addresses, "no entry");
    assert_eq!(new(&[FLAT, ENTRY, (99, 0, &[])]).unwrap_err(), MultibootError::Tag(99));
    let unknown: (u16, u16, &[u32]) = (1, 0, &[4, 1000]);
    assert_eq!(new(&[FLAT, ENTRY, unknown]).unwrap_err(), MultibootError::Tag(1));
    let short: (u16, u16, &[u32]) = (2, 0, &[0x10_0000]);
    assert_eq!(new(&[short, ENTRY]).unwrap_err(), MultibootError::Header);
    let whole = second(&[FLAT, ENTRY]);
    for cut in [20, 40, 60] {
        let error = MultibootImage::new(whole[..cut].to_vec(), "", vec![], RAM).unwrap_err();
        assert_eq!(error, MultibootError::Header, "{cut}");
    }
    // A tag without a size, which would be read for ever.
    let mut endless = whole;
    endless[20..24].copy_from_slice(&[0; 4]);
    let error = MultibootImage::new(endless, "", vec![], RAM).unwrap_err();
    assert_eq!(error, MultibootError::Header);
}

#[test]
fn a_wish_for_a_screen_is_answered_by_what_is_shown() {
    let mut words = header(ADDRESSES | VIDEO);
    words.extend([0x10_0000, 0x10_0000, 0, 0, 0x10_0040, 0, 640, 480, 16]);
    let image = MultibootImage::new(dwords(&words), "", vec![], RAM).unwrap();
    let wish = ScreenWish { text: false, width: 640, height: 480, depth: 16 };
    assert_eq!(image.screen(), Some(wish));
    let told = |screen| {
        let mut memory = GuestMemory::new(RAM).unwrap();
        let mut cpu = CpuState::reset(0);
        image.boot(&mut memory, &mut cpu, screen).unwrap();
        (memory, cpu.reg32(Gpr::Ebx))
    };
    let graphics =
        Framebuffer { address: 0xe000_0000, pitch: 1280, width: 640, height: 480, depth: 16 };
    let (memory, info) = told(Some(Screen::Graphics(graphics)));
    assert_eq!(peek(&memory, info) & 0x1800, 0x1800);
    assert_eq!(
        [88, 96, 100, 104].map(|at| peek(&memory, info + at)),
        [0xe000_0000, 1280, 640, 480]
    );
    assert_eq!([108, 112].map(|at| peek(&memory, info + at)), [0x050b_0110, 0x0500_0605]);
    let (control, mode) = (peek(&memory, info + 72), peek(&memory, info + 76));
    assert_eq!((peek(&memory, control), peek(&memory, mode + 40)), (0x4153_4556, 0xe000_0000));
    let (memory, info) = told(Some(Screen::Text));
    assert_eq!((peek(&memory, info) & 0x1800, peek(&memory, info + 88)), (0x1000, 0xb_8000));
    let (memory, info) = told(None);
    assert_eq!(peek(&memory, info) & 0x1800, 0);
}

#[test]
fn symbols_of_an_elf_file_lie_behind_the_kernel() {
    let mut file = elf_file(0x10_0000, 0x10_0000, 0x1004);
    let table = file.len() as u32;
    let mut section = |kind: u32, address: u32, offset: u32, size: u32| {
        file.extend(dwords(&[0, kind, 0, address, offset, size, 0, 0, 0, 0]));
    };
    section(0, 0, 0, 0);
    section(1, 0x10_0000, 0x80, 0x100);
    section(2, 0, 0x90, 0x20);
    section(3, 0, 0xa0, 0x7fff_ffff);
    section(3, 0, 0xa0, 0x10);
    file[32..36].copy_from_slice(&table.to_le_bytes());
    file[48..52].copy_from_slice(&[5, 0, 4, 0]);
    let image = MultibootImage::new(file, "", vec![], RAM).unwrap();
    let (memory, cpu) = boot(&image);
    let info = cpu.reg32(Gpr::Ebx);
    assert_eq!(peek(&memory, info) & 0x20, 0x20);
    assert_eq!([28, 32, 40].map(|at| peek(&memory, info + at)), [5, 40, 4]);
    let headers = peek(&memory, info + 36);
    let address = |n: u32| peek(&memory, headers + 40 * n + 12);
    assert_eq!((0..5).map(address).collect::<Vec<_>>(), [0, 0x10_0000, 0x10_1010, 0, 0x10_1030]);
    assert_eq!(peek(&memory, 0x10_1030), 0xcccc_cccc);
}

#[test]
fn a_file_for_64_bits_with_a_header_is_entered_all_the_same() {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let wide = |value: u64| value.to_le_bytes();
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    file.extend([wide(0xffff_8000_0010_0010), wide(64), wide(0)].concat());
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
    file.extend([0x80, 0xffff_8000_0010_0000, 0x10_0000, 0x40, 0x80, 4096].map(wide).concat());
    file.resize(0x80, 0);
    file.extend(dwords(&header(MEMORY_INFO)));
    file.resize(0xc0, 0x90);
    let image = MultibootImage::new(file.clone(), "", vec![], RAM).unwrap();
    assert!(image.is_wide());
    assert_eq!(boot(&image).1.eip(), 0x10_0010);
    // Its segment where 32 bits do not reach.
    file[0x58..0x60].copy_from_slice(&wide(1 << 33));
    let error = MultibootImage::new(file, "", vec![], RAM).unwrap_err();
    assert_eq!(error, MultibootError::Elf(ElfError::Unreachable(1 << 33)));
}
