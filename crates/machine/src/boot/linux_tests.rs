//! The Linux loader against synthetic kernels.

use super::*;
use ringer_cpu::addr::Pa;

const RAM: u64 = 64 << 20;
/// Protected-mode bytes of the synthetic kernel.
const CODE_SIZE: usize = 0x1000;

/// A bzImage with one setup sector and `CODE_SIZE` bytes of code.
fn kernel(change: impl FnOnce(&mut setup_header)) -> Vec<u8> {
    let mut header = setup_header {
        setup_sects: 1,
        syssize: (CODE_SIZE / 16) as u32,
        boot_flag: 0xaa55,
        jump: 0x6aeb,
        header: HEADER_MAGIC,
        version: 0x020f,
        loadflags: LOADED_HIGH,
        code32_start: HIGH_MEMORY,
        initrd_addr_max: 0x37ff_ffff,
        kernel_alignment: 0x10_0000,
        relocatable_kernel: 1,
        cmdline_size: 2047,
        pref_address: 0x100_0000,
        init_size: 0x100_0000,
        ..setup_header::default()
    };
    change(&mut header);
    let mut file = vec![0; 2 * SECTOR];
    let bytes = header.as_slice();
    file[HEADER_OFFSET..HEADER_OFFSET + bytes.len()].copy_from_slice(bytes);
    file.extend((0..CODE_SIZE).map(|i| i as u8));
    file
}

/// A kernel that is entered in protected mode.
fn new(file: Vec<u8>, initrd: Option<Payload>, cmdline: &str) -> ProtectedLinux {
    match LinuxImage::new(file, initrd, cmdline, RAM).expect("a kernel") {
        LinuxImage::Protected(image) => image,
        LinuxImage::Real(_) => panic!("the other entry"),
    }
}

fn refused(file: Vec<u8>) -> LinuxError {
    LinuxImage::new(file, None, "", RAM).expect_err("must be refused")
}

#[test]
fn a_kernel_is_entered_as_the_protocol_says() {
    let initrd = Payload::Bytes(vec![0xa5; 5000]);
    let image = new(kernel(|_| ()), Some(initrd), "console=ttyS0");
    let mut memory = GuestMemory::new(RAM).unwrap();
    let mut cpu = CpuState::reset(0);
    image.boot(&mut memory, &mut cpu).unwrap();

    assert_eq!(cpu.eip(), 0x10_0000);
    assert_eq!(cpu.reg32(Gpr::Esi), ZERO_PAGE);
    assert_eq!((cpu.cs().selector, cpu.ss().selector), (0x10, 0x18));
    let mut code = [0; 4];
    assert!(memory.read(Pa(0x10_0000), &mut code));
    assert_eq!(code, [0, 1, 2, 3]);

    let mut page = boot_params::default();
    assert!(memory.read(Pa::from(ZERO_PAGE), page.as_mut_slice()));
    let header = page.hdr;
    let (address, size) = (header.ramdisk_image, header.ramdisk_size);
    assert_eq!((u64::from(address), size), ((RAM - 5000) & !4095, 5000));
    let mut byte = [0];
    assert!(memory.read(Pa(u64::from(address) + 4999), &mut byte));
    assert_eq!(byte, [0xa5]);
    let mut text = [0; 14];
    assert!(memory.read(Pa::from(header.cmd_line_ptr), &mut text));
    assert_eq!(&text, b"console=ttyS0\0");

    let rows = usize::from(page.e820_entries);
    let table = page.e820_table;
    let usable: u64 = table[..rows].iter().filter(|e| e.r#type == 1).map(|e| e.size).sum();
    assert_eq!(usable, RAM - 0x6_0400);
    let mut rsdp = [0; 8];
    assert!(memory.read(Pa(page.acpi_rsdp_addr), &mut rsdp));
    assert_eq!(&rsdp, b"RSD PTR ");
}

#[test]
fn truncation_is_told_with_the_number_of_missing_bytes() {
    let mut file = kernel(|_| ());
    file.truncate(file.len() - 100);
    let wanted = (2 * SECTOR + CODE_SIZE) as u64;
    assert_eq!(refused(file), LinuxError::Truncated { missing: 100, wanted });
    assert_eq!(refused(kernel(|_| ())[..0x300].to_vec()), {
        LinuxError::Truncated { missing: wanted - 0x300, wanted }
    });
    // What rounding to paragraphs leaves out is not missing.
    let mut unpadded = kernel(|_| ());
    unpadded.truncate(unpadded.len() - 15);
    assert!(LinuxImage::new(unpadded.clone(), None, "", RAM).is_ok());
    unpadded.pop();
    assert_eq!(refused(unpadded), LinuxError::Truncated { missing: 16, wanted });
    let huge = kernel(|h| h.syssize = u32::MAX);
    assert!(matches!(refused(huge), LinuxError::Truncated { .. }));
}

#[test]
fn what_is_no_32_bit_bzimage_is_refused_by_name() {
    assert_eq!(refused(vec![0; 100]), LinuxError::NotAKernel);
    assert_eq!(refused(vec![0xff; 0x10000]), LinuxError::NotAKernel);
    assert_eq!(refused(kernel(|h| h.boot_flag = 0)), LinuxError::NotAKernel);
    let old = refused(kernel(|h| h.version = 0x0102));
    assert_eq!(old, LinuxError::TooOld { version: 0x0102 });
    assert!(old.to_string().contains("1.02"), "{old}");
}

#[test]
fn a_64_bit_kernel_is_told_from_others() {
    let wide = |flags: u16| {
        let mut file = kernel(|_| {});
        // xloadflags (boot protocol 2.12)
        file[0x236..0x238].copy_from_slice(&flags.to_le_bytes());
        LinuxImage::new(file, None, "", RAM).unwrap().is_wide()
    };
    assert_eq!((wide(0), wide(XLF_KERNEL_64)), (false, true));
}

#[test]
fn what_has_no_other_entry_is_entered_in_real_mode() {
    let real = |change: fn(&mut setup_header)| {
        let image = LinuxImage::new(kernel(change), None, "", RAM).unwrap();
        matches!(image, LinuxImage::Real(_))
    };
    assert!(real(|h| h.version = 0x0205));
    assert!(real(|h| h.loadflags = 0), "a zImage");
    assert!(real(|h| h.code32_start = 0));
    assert!(!real(|h| h.version = 0x0206));
    // Sizes of such protocols mean nothing, and fields behind the header are code.
    let old = |h: &mut setup_header| {
        (h.version, h.syssize, h.cmdline_size, h.xloadflags) = (0x0203, 0, 0, u16::MAX);
    };
    assert!(LinuxImage::new(kernel(old), None, "root=/dev/fd0", RAM).is_ok());
    let long = LinuxImage::new(kernel(old), None, &"x".repeat(256), RAM).unwrap_err();
    assert_eq!(long, LinuxError::CommandLine { length: 256, limit: 255 });
    let low = |size| {
        let mut file = kernel(|h| (h.loadflags, h.version) = (0, 0x0200));
        file.resize(2 * SECTOR + size, 0);
        LinuxImage::new(file, None, "", RAM)
    };
    assert!(low(0x8_0000).is_ok());
    assert_eq!(low(0x8_0001).unwrap_err(), LinuxError::Low { size: 0x8_0001, most: 0x8_0000 });
    let mut setup = kernel(|h| (h.setup_sects, h.code32_start) = (120, 0));
    setup.resize(1 << 20, 0);
    assert!(matches!(refused(setup), LinuxError::Low { size: 61952, .. }));
}

#[test]
fn memory_and_command_line_limits_are_the_kernels_own() {
    let small = LinuxImage::new(kernel(|_| ()), None, "", 16 << 20).unwrap_err();
    assert_eq!(small, LinuxError::Memory { needed: 32 << 20, ram: 16 << 20 });
    let line = "x".repeat(2048);
    let long = LinuxImage::new(kernel(|_| ()), None, &line, RAM).unwrap_err();
    assert_eq!(long, LinuxError::CommandLine { length: 2048, limit: 2047 });
    let initrd = Payload::Bytes(vec![0; 33 << 20]);
    let no_room = LinuxImage::new(kernel(|_| ()), Some(initrd), "", RAM).unwrap_err();
    assert_eq!(no_room, LinuxError::InitrdRoom { size: 33 << 20, ram: RAM });
}

#[test]
fn an_initrd_stays_below_the_kernels_limit() {
    let file = kernel(|h| h.initrd_addr_max = 0x2ff_ffff);
    let image = new(file, Some(Payload::Bytes(vec![1; 4096])), "");
    assert_eq!(image.initrd.unwrap().0, 0x2ff_f000);
}

#[test]
fn no_header_value_can_upset_the_loader() {
    for fill in [0u8, 1, 0x7f, 0x80, 0xff] {
        let file = kernel(|h| {
            h.init_size = u32::from_ne_bytes([fill; 4]);
            h.pref_address = u64::from_ne_bytes([fill; 8]);
            h.kernel_alignment = u32::from_ne_bytes([fill; 4]);
            h.initrd_addr_max = u32::from_ne_bytes([fill; 4]);
            h.cmdline_size = u32::from_ne_bytes([fill; 4]);
            h.setup_sects = 1;
        });
        let image = LinuxImage::new(file, Some(Payload::Bytes(vec![1; 100])), "", RAM);
        if let Ok(LinuxImage::Protected(image)) = image {
            assert!(u64::from(image.initrd.unwrap().0) + 100 <= RAM);
        }
    }
}

#[test]
fn a_display_is_told_of_as_the_text_mode_that_a_bios_leaves() {
    for display in [false, true] {
        let image = LinuxImage::new(kernel(|_| {}), None, "", RAM).expect("a kernel");
        let LinuxImage::Protected(image) = image.with_display(display) else {
            panic!("the other entry")
        };
        let screen = image.zero_page(0).screen_info;
        let size = (screen.orig_video_cols, screen.orig_video_lines, screen.orig_video_points);
        let wanted = if display { (80, 25, 16) } else { (0, 0, 0) };
        assert_eq!((screen.orig_video_isVGA, size), (u8::from(display), wanted));
    }
}
