use super::*;
use crate::map::Range;

fn memory() -> GuestMemory {
    GuestMemory::new(2 << 20).unwrap()
}

#[test]
fn sizes_out_of_range_are_refused_by_name() {
    for size in [0, 4096, MIN_RAM - 4096, MIN_RAM + 1, MAX_RAM + 4096, 1 << 40] {
        let error = GuestMemory::new(size).unwrap_err();
        assert!(error.to_string().contains(&size.to_string()), "{error}");
    }
    assert!(GuestMemory::new(MIN_RAM).is_ok());
    assert_eq!(GuestMemory::new(MAX_RAM).unwrap().ram_size(), MAX_RAM);
}

#[test]
fn the_physical_map_without_a_rom() {
    let m = memory();
    assert_eq!(m.region(Pa(0x9_ffff)), Region::Ram { offset: 0x9_ffff });
    assert_eq!(m.region(Pa(0xa_0000)), Region::Io);
    assert_eq!(m.region(Pa(0xb_ffff)), Region::Io);
    assert_eq!(m.region(Pa(0xc_0000)), Region::Ram { offset: 0xc_0000 });
    assert_eq!(m.region(Pa(0xf_ffff)), Region::Ram { offset: 0xf_ffff });
    assert_eq!(m.region(Pa(0x1f_ffff)), Region::Ram { offset: 0x1f_ffff });
    assert_eq!(m.region(Pa(0x20_0000)), Region::Io);
    assert_eq!(m.region(Pa(0xffff_fff0)), Region::Io);
    assert_eq!(m.region(Pa(u64::MAX)), Region::Io);
}

#[test]
fn a_rom_ends_at_4_gib_and_its_tail_shows_under_1_mib() {
    let mut m = memory();
    let image: Vec<u8> = (0..256u32 << 10).map(|k| (k >> 10) as u8).collect();
    m.install_rom(&image).unwrap();
    let mut b = [0; 1];
    assert!(m.read(Pa(0xffff_ffff), &mut b));
    assert_eq!(b, [255]);
    assert!(m.read(Pa(0xfffc_0000), &mut b));
    assert_eq!(b, [0]);
    assert!(m.read(Pa(0xe_0000), &mut b));
    assert_eq!(b, [128]);
    assert!(!m.dma_write(Pa(0xe_0000), &[1]), "a device cannot write ROM");
    assert_eq!(m.region(Pa(0xfffb_ffff)), Region::Io);
}

#[test]
fn a_rom_of_odd_size_is_padded_in_front() {
    let mut m = memory();
    m.install_rom(&[1, 2, 3, 4, 5]).unwrap();
    let mut b = [0; 6];
    assert!(m.read(Pa(0xffff_fffa), &mut b));
    assert_eq!(b, [0xff, 1, 2, 3, 4, 5]);
    assert!(m.read(Pa(0xf_fffb), &mut b[..5]));
    assert_eq!(b[..5], [1, 2, 3, 4, 5]);
    assert!(
        matches!(m.region(Pa(0xf_e000)), Region::Ram { .. }),
        "only what the image has is aliased"
    );
    assert!(m.install_rom(&[]).is_err());
    assert!(m.install_rom(&vec![0; MAX_ROM + 1]).is_err());
}

#[test]
fn shadow_ram_can_be_switched() {
    let mut m = memory();
    m.install_rom(&[0x5a; 0x2_0000]).unwrap();
    assert!(m.dma_write(Pa(0xc_8000), &[7]));
    assert_eq!(m.switch_shadow(Pa(0xc_8000), 0x1000, Shadow::ReadOnly), Ok(Flush::Everything));
    assert_eq!(m.switch_shadow(Pa(0xc_8000), 0x1000, Shadow::ReadOnly), Ok(Flush::Nothing));
    assert!(!m.dma_write(Pa(0xc_8000), &[8]));
    assert!(m.load(Pa(0xc_8000), &[9]).is_ok(), "loaders may");
    let mut b = [0; 1];
    assert!(m.read(Pa(0xc_8000), &mut b));
    assert_eq!(b, [9]);
    assert!(m.dma_write(Pa(0xc_9000), &[1]));
    // The RAM behind the ROM comes forth, and is what it was written to be.
    assert!(!m.dma_write(Pa(0xe_0000), &[1]));
    assert_eq!(m.switch_shadow(Pa(0xe_0000), 0x2_0000, Shadow::ReadWrite), Ok(Flush::Everything));
    assert!(m.dma_write(Pa(0xe_0000), &[0x33]) && m.read(Pa(0xe_0000), &mut b));
    assert_eq!(b, [0x33]);
    assert_eq!(m.reset(), Flush::Everything);
    assert!(m.read(Pa(0xe_0000), &mut b));
    assert_eq!(b, [0x5a], "a reset shows the ROM again");
    assert!(m.dma_write(Pa(0xc_8000), &[8]), "and opens shadow RAM");
    assert!(m.switch_shadow(Pa(0x9_f000), 0x2000, Shadow::ReadOnly).is_err());
}

#[test]
fn shadow_ram_takes_writes_that_reads_do_not_see() {
    let mut m = memory();
    m.install_rom(&[0x5a; 0x1_0000]).unwrap();
    m.hide_shadow();
    let mut b = [0; 1];
    assert_eq!(m.region(Pa(0xc_8000)), Region::Io, "nothing lies before it");
    assert!(m.read(Pa(0xf_0000), &mut b) && !m.dma_write(Pa(0xf_0000), &[1]));
    for pa in [0xc_8000, 0xf_0000] {
        assert_eq!(m.switch_shadow(Pa(pa), 0x4000, Shadow::WriteOnly), Ok(Flush::Everything));
        assert!(m.dma_write(Pa(pa), &[0x77]), "it is written");
    }
    assert!(m.read(Pa(0xf_0000), &mut b) && !m.read(Pa(0xc_8000), &mut b));
    assert_eq!(b, [0x5a], "and the ROM read");
    for pa in [0xc_8000, 0xf_0000] {
        let _ = m.switch_shadow(Pa(pa), 0x4000, Shadow::ReadOnly).unwrap();
        assert!(m.read(Pa(pa), &mut b));
        assert_eq!(b, [0x77]);
    }
    assert_eq!(m.reset(), Flush::Everything);
    assert_eq!(m.region(Pa(0xc_8000)), Region::Io);
}

#[test]
fn a_reset_keeps_ram_and_marks_of_code() {
    let mut m = memory();
    assert!(m.dma_write(Pa(0x5000), &[5]) && m.mark_code(Frame(5), true));
    assert_eq!(m.reset(), Flush::Nothing);
    let mut b = [0; 1];
    assert!(m.read(Pa(0x5000), &mut b) && m.is_code_page(Frame(5)));
    assert_eq!(b, [5]);
}

#[test]
fn refused_accesses_of_devices_are_counted() {
    let mut m = memory();
    m.install_rom(&[1; 4096]).unwrap();
    assert!(!m.dma_write(Pa(0xffff_f000), &[1]) && !m.dma_write(Pa(0xa_0000), &[1]));
    assert!(!m.dma_read(Pa(0x1f_ffff), &mut [0; 2]) && m.dma_read(Pa(0xffff_f000), &mut [0; 2]));
    assert_eq!(m.dma_refusals(), DmaRefusals { rom: 1, no_memory: 2 });
}

#[test]
fn only_a_pcs_memory_takes_a_rom() {
    let mut flat = GuestMemory::without_hole(2 << 20).unwrap();
    assert!(matches!(flat.install_rom(&[1]), Err(MemoryError::NoRom)));
}

/// RAM of 1 MiB and 64 KiB of a device's at 16 MiB.
fn with_device() -> GuestMemory {
    let ranges = vec![
        Range { start: 0, len: 1 << 20, kind: Kind::Ram { offset: 0 } },
        Range { start: 16 << 20, len: 0x1_0000, kind: Kind::DeviceRam { offset: 1 << 20 } },
    ];
    GuestMemory::with_map(MemoryMap::new(ranges).unwrap()).unwrap()
}

#[test]
fn pages_that_devices_write_are_logged_where_the_map_says_so() {
    let mut m = with_device();
    let screen = Pa(16 << 20);
    assert!(m.dma_write(Pa(0x5000), &[1]) && m.dma_write(screen.plus(0x2fff), &[1, 2]));
    assert_eq!(m.take_dirty(screen, 0x1_0000), [Frame(0x1002), Frame(0x1003)]);
    assert_eq!(m.take_dirty(screen, 0x1_0000), []);
    assert_eq!(m.take_dirty(Pa(0), 1 << 20), [], "plain RAM is not logged");
    assert_eq!(m.log_writes(true), Flush::Writes);
    assert!(m.dma_write(Pa(0x5000), &[1]) && m.dma_write(screen, &[1]));
    assert_eq!(m.take_dirty(Pa(0), u64::MAX >> 20), [Frame(5), Frame(0x1000)]);
    let _ = m.log_writes(false);
    assert!(m.dma_write(Pa(0x6000), &[1]) && m.dma_write(screen, &[1]));
    assert_eq!(m.take_dirty(Pa(0), 32 << 20), [Frame(0x1000)]);
}

#[test]
fn writes_that_leave_memory_write_nothing() {
    let mut m = memory();
    assert!(!m.dma_write(Pa(0x9_fffe), &[1; 4]));
    assert!(m.load(Pa(0x1f_fffe), &[1; 4]).is_err());
    assert!(!m.dma_write(Pa(u64::MAX - 1), &[1; 4]));
    let mut b = [0; 2];
    assert!(m.read(Pa(0x9_fffe), &mut b));
    assert_eq!(b, [0, 0]);
    assert!(m.read(Pa(0x1f_fffe), &mut b));
    assert_eq!(b, [0, 0]);
}

#[test]
fn offsets_out_of_bounds_reach_nothing() {
    let mut m = memory();
    let mut b = [5; 4];
    for offset in [u64::MAX, u64::MAX - 2, (2 << 20) + MAX_ROM as u64 - 3] {
        m.read_offset(offset, &mut b);
        m.write_offset(offset, &[1; 4]);
        assert!(!m.is_code_offset(u64::MAX));
    }
    assert_eq!(b, [5; 4]);
}

#[test]
fn device_writes_to_code_pages_are_noted() {
    let mut m = memory();
    m.mark_code(Frame(3), true);
    assert!(m.dma_write(Pa(0x2ffe), &[1; 4]));
    assert!(m.dma_write(Pa(0x5000), &[1; 4]));
    assert_eq!(m.take_code_writes(), vec![(Pa(0x3000), 2)]);
    assert!(m.take_code_writes().is_empty());
}

#[test]
fn memory_without_the_hole_is_ram_up_to_its_end() {
    let mut memory = GuestMemory::without_hole(2 << 20).unwrap();
    assert!(memory.dma_write(Pa(0xa_0000 - 2), &[1, 2, 3, 4]));
    assert_eq!(memory.region(Pa(0xa_0000)), Region::Ram { offset: 0xa_0000 });
    assert_eq!(memory.region(Pa(2 << 20)), Region::Io);
    assert_eq!(GuestMemory::new(2 << 20).unwrap().region(Pa(0xa_0000)), Region::Io);
}

#[test]
fn cleared_memory_is_zero_and_given_back_and_its_code_is_noted() {
    let mut m = memory();
    m.load(Pa(0x9_e000), &[7; 0x2000]).unwrap();
    m.load(Pa(0xc_0000), &[7; 0x4000]).unwrap();
    let touched = m.touched();
    m.mark_code(Frame(0xc1), true);
    m.mark_code(Frame(0xc3), true);
    // The display adapters' hole lies between.
    m.clear(Pa(0x9_f800), 0xc_3010 - 0x9_f800);
    let byte = |m: &GuestMemory, pa: u64| {
        let mut b = [0; 1];
        assert!(m.read(Pa(pa), &mut b));
        b[0]
    };
    assert!(m.touched() < touched);
    assert_eq!((byte(&m, 0x9_f7ff), byte(&m, 0x9_f800), byte(&m, 0x9_ffff)), (7, 0, 0));
    assert_eq!((byte(&m, 0xc_0000), byte(&m, 0xc_300f), byte(&m, 0xc_3010)), (0, 0, 7));
    assert_eq!(m.take_code_writes(), vec![(Pa(0xc_1000), 0x1000), (Pa(0xc_3000), 0x10)]);
    m.clear(Pa(u64::MAX - 1), 5);
}

#[test]
fn whole_pages_of_ram_go_back_and_nothing_else_does() {
    let mut m = memory();
    m.load(Pa(0x9_e000), &[7; 0x2000]).unwrap();
    m.load(Pa(0x10_0000), &[7; 0x3000]).unwrap();
    let touched = m.touched();
    m.mark_code(Frame(0x101), true);
    m.give_back_ram(Pa(0x10_0800), 0x2000);
    // A look takes the page again.
    assert!(m.touched() < touched);
    let mut bytes = [0; 0x3000];
    assert!(m.read(Pa(0x10_0000), &mut bytes));
    assert!(bytes[..0x1000].iter().chain(&bytes[0x2000..]).all(|byte| *byte == 7));
    assert!(bytes[0x1000..0x2000].iter().all(|byte| *byte == 0));
    assert_eq!(m.take_code_writes(), vec![(Pa(0x10_1000), 0x1000)]);
    // Over the hole, and as far as addresses go.
    m.give_back_ram(Pa(0x9_e000), u64::MAX);
    assert!(m.read(Pa(0x9_e000), &mut bytes[..0x2000]) && bytes[..0x2000] == [0; 0x2000]);
    m.give_back_ram(Pa(u64::MAX - 1), 5);
    m.give_back_ram(Pa(!0xfff), u64::MAX);
}
