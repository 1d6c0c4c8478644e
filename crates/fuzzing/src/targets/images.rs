//! What is booted: kernels, and files that are recognised.

use crate::sample;
use crate::target::Target;
use ringer_cpu::CpuState;
use ringer_machine::boot::Image;
use ringer_machine::{BootSource, FileKind, LoadError, recognise, symbols_for};
use ringer_mmu::GuestMemory;
use std::cell::RefCell;
use std::path::Path;

/// Guest memory.
const RAM: u64 = 32 << 20;
/// What a loader may take beside guest memory: the file, and a few times that for what is found in it.
const MEMORY: usize = 4 << 20;

/// A bzImage's header, for either entry; the notes of a kernel for PVH.
pub const LINUX: Target = Target {
    name: "linux",
    run: linux,
    seeds: || vec![bzimage(2, 0x1000), bzimage(1, 64), old(1, 0x203), old(0, 0x200), pvh()],
    words: &[b"HdrS", b"\x55\xaa", b"\xeb\x6a", b"Xen\0", &[18, 0, 0, 0], &[0xff; 4]],
    memory: MEMORY,
};

/// Multiboot kernels, flat and in ELF files, with their modules and symbols.
pub const MULTIBOOT: Target = Target {
    name: "multiboot",
    run: multiboot,
    seeds: || vec![flat(), second(), elf(1), elf(9), ringer_test_roms::demo()[..8192].to_vec()],
    words: &[
        b"\x7fELF\x01\x01\x01",
        &[1, 0, 0, 0],
        b"\x02\xb0\xad\x1b",
        b"\xd6\x50\x52\xe8",
        &[0xff; 4],
    ],
    memory: MEMORY,
};

/// A file of whatever kind, by its contents.
pub const GUEST: Target = Target {
    name: "guest",
    run: guest,
    seeds: || vec![bzimage(1, 64), flat(), second(), pvh(), sector(), rom()],
    words: &[b"RINGERST", b"HdrS", b"\x7fELF\x02", b"\x55\xaa", b"CD001", b"\x02\xb0\xad\x1b"],
    memory: MEMORY,
};

/// A bzImage with `setup` sectors and so many bytes of code.
fn bzimage(setup: u8, code: u32) -> Vec<u8> {
    let mut file = vec![0; 512 * (usize::from(setup) + 1)];
    file[0x1f1] = setup;
    file[0x1f4..0x1f8].copy_from_slice(&(code / 16).to_le_bytes());
    file[0x1fe..0x206].copy_from_slice(b"\x55\xaa\xeb\x6aHdrS");
    file[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    file[0x211] = 1;
    file[0x214..0x218].copy_from_slice(&0x10_0000_u32.to_le_bytes());
    file[0x22c..0x230].copy_from_slice(&0x37ff_ffff_u32.to_le_bytes());
    file[0x230..0x234].copy_from_slice(&0x10_0000_u32.to_le_bytes());
    file[0x234] = 1;
    file[0x238..0x23c].copy_from_slice(&2047_u32.to_le_bytes());
    file[0x258..0x260].copy_from_slice(&0x10_0000_u64.to_le_bytes());
    file[0x260..0x264].copy_from_slice(&0x1_0000_u32.to_le_bytes());
    file.extend(std::iter::repeat_n(0x90, code as usize));
    file
}

/// A kernel of an older protocol.
fn old(flags: u8, version: u16) -> Vec<u8> {
    let mut file = bzimage(1, 64);
    file[0x206..0x208].copy_from_slice(&version.to_le_bytes());
    file[0x211] = flags;
    file
}

/// A kernel with an entry for PVH.
fn pvh() -> Vec<u8> {
    let mut file = elf(2);
    let note = file.len() as u32;
    file[0xa0..0xc0].copy_from_slice(&words(&[4, note, 0, 0, 20, 20, 4, 4]));
    file.extend(words(&[4, 4, 18, u32::from_le_bytes(*b"Xen\0"), 0x10_0010]));
    file
}

/// A flat kernel of Multiboot 2 that asks for a screen.
fn second() -> Vec<u8> {
    let base = 0x10_0000;
    let tags = words(&[2, 24, base, base, 0, 0, 3, 12, base + 96, 0, 5, 20, 800, 600, 32, 0, 0, 8]);
    let (magic, length) = (0xe852_50d6_u32, 16 + tags.len() as u32);
    let sum = 0u32.wrapping_sub(magic).wrapping_sub(length);
    [words(&[magic, 0, length, sum]), tags, vec![0x90; 64]].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A Multiboot header with these flags.
fn header(flags: u32) -> Vec<u8> {
    words(&[0x1bad_b002, flags, 0u32.wrapping_sub(0x1bad_b002).wrapping_sub(flags)])
}

fn flat() -> Vec<u8> {
    let base = 0x10_0000;
    [header(1 << 16), words(&[base, base, 0, base + 0x800, base + 32]), vec![0x90; 64]].concat()
}

/// An ELF file with so many segments.
fn elf(segments: u16) -> Vec<u8> {
    let table = 0x80;
    let data = table + 32 * u32::from(segments);
    let mut file = [&b"\x7fELF\x01\x01\x01"[..], &[0; 9], &[2, 0, 3, 0]].concat();
    file.extend(words(&[1, 0x10_0010, table, 0, 0]));
    file.extend([52, 0, 32, 0, segments as u8, 0, 40, 0, 0, 0, 0, 0]);
    file.extend(header(3));
    file.resize(table as usize, 0);
    for number in 0..u32::from(segments) {
        let at = 0x10_0000 + 0x1000 * number;
        file.extend(words(&[1, data, at, at, 0x100, 0x180, 7, 4096]));
    }
    file.resize(data as usize + 0x100, 0xcc);
    file
}

fn sector() -> Vec<u8> {
    let mut sector = vec![0x90; 700];
    sector[510..512].copy_from_slice(&[0x55, 0xaa]);
    sector
}

fn rom() -> Vec<u8> {
    let mut rom = vec![0; 4096];
    rom[4080] = 0xea;
    rom
}

thread_local! {
    static MACHINE: RefCell<GuestMemory> = RefCell::new(GuestMemory::new(RAM).expect("there is memory"));
}

/// Reads the image, and boots it if it is one: twice, as after a reset.
fn boot(source: &BootSource) {
    let Ok(image) = Image::read(source, RAM) else { return };
    MACHINE.with_borrow_mut(|memory| {
        for _ in 0..2 {
            let mut cpu = CpuState::reset(0);
            let booted = image.boot(memory, &mut cpu);
            // What lies within memory may lie in one of its holes.
            let fits = matches!(booted, Ok(()) | Err(LoadError::Memory(_)));
            assert!(fits, "what was checked fits: {booted:?}");
        }
    });
}

fn linux(bytes: &[u8]) {
    sample::with(bytes, |path| {
        let (kernel, initrd) = (path.to_owned(), Some(path.to_owned()));
        boot(&BootSource::Linux { kernel, initrd, cmdline: "console=ttyS0".to_owned() });
    });
}

fn multiboot(bytes: &[u8]) {
    sample::with(bytes, |path| {
        let source = BootSource::Multiboot {
            kernel: path.to_owned(),
            modules: vec![path.to_owned(); 2],
            cmdline: "x".to_owned(),
        };
        let symbols = symbols_for(&source, &[]).expect("none was asked for");
        let _ = symbols.place(0x10_0010);
        boot(&source);
    });
}

fn guest(bytes: &[u8]) {
    sample::with(bytes, |path: &Path| {
        let Ok(kind) = recognise(path) else { return };
        let path = path.to_owned();
        match kind {
            FileKind::Rom => drop(Image::read(&BootSource::Rom(path), RAM)),
            FileKind::BootSector => drop(Image::read(&BootSource::BootSector(path), RAM)),
            FileKind::Linux => linux_alone(path),
            _ => {}
        }
    });
}

fn linux_alone(kernel: std::path::PathBuf) {
    boot(&BootSource::Linux { kernel, initrd: None, cmdline: String::new() });
}
