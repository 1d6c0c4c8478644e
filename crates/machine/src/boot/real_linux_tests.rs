//! The entry in real mode against synthetic kernels.

use super::super::linux::LinuxImage;
use super::*;
use ringer_cpu::{CpuState, SegReg};

const RAM: u64 = 16 << 20;

/// A kernel of one sector of setup code and 64 bytes of kernel proper.
fn kernel(version: u16, flags: u8) -> Vec<u8> {
    let mut file = vec![0; 1024];
    file[0x1f1] = 1;
    file[0x1f4] = 4;
    file[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    file[0x200..0x202].copy_from_slice(&[0xeb, 0x66]);
    file[0x202..0x206].copy_from_slice(b"HdrS");
    file[0x206..0x208].copy_from_slice(&version.to_le_bytes());
    file[LOAD_FLAGS] = flags;
    file[0x22c..0x230].copy_from_slice(&u32::MAX.to_le_bytes());
    file[0x238..0x23c].copy_from_slice(&1000u32.to_le_bytes());
    file.extend([0x77; 64]);
    file
}

/// Boots it, and reads so many bytes at an address.
fn boot(file: Vec<u8>, cmdline: &str) -> (impl Fn(u32, usize) -> Vec<u8>, CpuState) {
    let initrd = Some(Payload::Bytes(vec![5; 300]));
    let image = match LinuxImage::new(file, initrd, cmdline, RAM).unwrap() {
        LinuxImage::Real(image) => image,
        LinuxImage::Protected(_) => panic!("the other entry"),
    };
    let mut memory = GuestMemory::new(RAM).unwrap();
    let mut cpu = CpuState::reset(0);
    image.power_on(&mut memory).unwrap();
    image.boot(&mut memory, &mut cpu).unwrap();
    let read = move |at, len| {
        let mut bytes = vec![0; len];
        assert!(memory.read(Pa::from(at), &mut bytes));
        bytes
    };
    (read, cpu)
}

#[test]
fn a_newer_kernel_has_a_pointer_to_its_command_line() {
    let (read, cpu) = boot(kernel(0x0207, 1), "vga=0x303 quiet");
    assert_eq!((cpu.seg[SegReg::Cs as usize].selector, cpu.eip()), (0xf000, 0xe100));
    // jmp 1020h:0, and what the header says then.
    assert_eq!(read(0x7c00 + 18, 5), [0xea, 0, 0, 0x20, 0x10]);
    assert_eq!(read(0x7c00 + 2, 3), [0xb8, 0x00, 0x10]);
    assert_eq!(read(0x1_0210, 2), [0xff, 0x81]);
    assert_eq!(read(0x1_0224, 2), 0xee00_u16.to_le_bytes());
    assert_eq!(read(0x1_0228, 4), 0x1_f000_u32.to_le_bytes());
    assert_eq!(read(0x1_f000, 16), b"vga=0x303 quiet\0");
    assert_eq!(read(0x1_01fa, 2), [3, 3]);
    assert_eq!(read(0x10_0000, 64), [0x77; 64]);
    let at = (RAM as u32 - 300) & !4095;
    assert_eq!(read(0x1_0218, 8), [at.to_le_bytes(), 300u32.to_le_bytes()].concat());
    assert_eq!(read(at + 299, 1), [5]);
}

#[test]
fn a_zimage_and_an_old_kernel_find_theirs_by_two_words() {
    let (read, _) = boot(kernel(0x0200, 0), "root=/dev/fd0");
    assert_eq!(read(0x7c00 + 18, 5), [0xea, 0, 0, 0x20, 0x90]);
    assert_eq!(read(0x9_0020, 4), [0x3f, 0xa3, 0x00, 0x98]);
    assert_eq!(read(0x9_9800, 14), b"root=/dev/fd0\0");
    assert_eq!(read(0x1_0000, 64), [0x77; 64]);
    assert_eq!((read(0x9_0211, 1), read(0x9_0224, 2)), (vec![0], vec![0, 0]), "no heap yet");
    let (read, _) = boot(kernel(0x0201, 1), "");
    assert_eq!(read(0x9_0020, 4), [0x3f, 0xa3, 0x00, 0xe0]);
    assert_eq!((read(0x9_0212, 2), read(0x10_0000, 1)), (vec![0x01, 0xe0], vec![0x77]));
}

#[test]
fn video_modes_are_numbers_and_names() {
    for (line, mode) in [
        ("vga=normal", Some(0xffff)),
        ("a vga=ext", Some(0xfffe)),
        ("vga=1 vga=ask", Some(0xfffd)),
        ("vga=791", Some(791)),
        ("vga=0x317", Some(0x317)),
        ("vga=what", None),
        ("novga=1", None),
    ] {
        assert_eq!(video_mode(line), mode, "{line}");
    }
}
