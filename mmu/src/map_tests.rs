use super::*;

fn ram(start: u64, len: u64, offset: u64) -> Range {
    Range { start, len, kind: Kind::Ram { offset } }
}

#[test]
fn a_pc_has_a_hole_shadow_ram_and_a_rom_at_the_top() {
    let map = MemoryMap::pc(16 << 20, 256 << 10).unwrap();
    assert_eq!(map.find(Pa(0x9_ffff)), Some(Kind::Ram { offset: 0x9_ffff }));
    assert_eq!((map.find(Pa(0xa_0000)), map.find(Pa(0xb_ffff))), (None, None));
    let option = Kind::Shadowed { ram: 0xc_1000, rom: None, state: Shadow::ReadWrite };
    assert_eq!(map.find(Pa(0xc_1000)), Some(option));
    let rom = Some((16 << 20) + (128 << 10));
    assert_eq!(
        map.find(Pa(0xe_0000)),
        Some(Kind::Shadowed { ram: 0xe_0000, rom, state: Shadow::Rom })
    );
    assert_eq!(map.find(Pa(0x12_3456)), Some(Kind::Ram { offset: 0x12_3456 }));
    assert_eq!((map.find(Pa(16 << 20)), map.find(Pa(u64::MAX))), (None, None));
    assert_eq!(map.find(Pa(0xfffc_0000)), Some(Kind::Rom { offset: 16 << 20 }));
    assert_eq!((map.find(Pa(0xfffb_ffff)), map.find(Pa(1 << 32))), (None, None));
    assert_eq!(map.file_len(), (16 << 20) + (256 << 10));
}

fn rom(start: u64, len: u64, offset: u64) -> Range {
    Range { start, len, kind: Kind::Rom { offset } }
}

#[test]
fn what_breaks_a_map_is_named() {
    let cases = [
        (vec![ram(0x800, 0x1000, 0)], MapError::Misaligned { start: 0x800, len: 0x1000 }),
        (vec![ram(0, 0, 0)], MapError::Misaligned { start: 0, len: 0 }),
        (vec![ram(0, 0x1000, 1)], MapError::Misaligned { start: 0, len: 0x1000 }),
        (
            vec![ram(PHYSICAL_END - 0x1000, 0x2000, 0)],
            MapError::TooLarge { start: PHYSICAL_END - 0x1000, len: 0x2000 },
        ),
        (vec![ram(0, 0x2000, MAX_FILE - 0x1000)], MapError::TooLarge { start: 0, len: 0x2000 }),
        (
            vec![ram(0x3000, 0x1000, 0), ram(0, 0x4000, 0)],
            MapError::Overlap { first: 0, second: 0x3000 },
        ),
        (vec![ram(0, 0x1000, 0); 1025], MapError::TooMany(1025)),
        (vec![ram(0, 0x2000, 0), ram(0x2000, 0x1000, 0x1000)], MapError::Shared { offset: 0x1000 }),
        (vec![rom(0, 0x3000, 0), ram(0x3000, 0x1000, 0x2000)], MapError::Shared { offset: 0x2000 }),
        (vec![ram(0, 0x3000, 0), rom(0x3000, 0x1000, 0)], MapError::Shared { offset: 0 }),
    ];
    for (ranges, error) in cases {
        assert_eq!(MemoryMap::new(ranges), Err(error));
    }
    assert!(MemoryMap::pc(16 << 20, 4 << 30).is_err(), "the ROM would cover all");
    assert!(MemoryMap::new(vec![ram(u64::MAX - 0xfff, 0x1000, 0)]).is_err());
    assert!(MemoryMap::new(vec![rom(0, 0x2000, 0), rom(0x4000, 0x1000, 0x1000)]).is_ok());
}

#[test]
fn a_switch_changes_its_pages_and_no_others() {
    let mut map = MemoryMap::pc(2 << 20, 128 << 10).unwrap();
    let before = map.clone();
    map.switch(Pa(0xc_8000), 0x4000, Shadow::ReadOnly).unwrap();
    let at = |map: &MemoryMap, pa: u64| match map.find(Pa(pa)) {
        Some(Kind::Shadowed { ram, state, .. }) => {
            assert_eq!(ram, pa);
            state
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(at(&map, 0xc_7fff), Shadow::ReadWrite);
    assert_eq!((at(&map, 0xc_8000), at(&map, 0xc_bfff)), (Shadow::ReadOnly, Shadow::ReadOnly));
    assert_eq!(at(&map, 0xc_c000), Shadow::ReadWrite);
    // Across two ranges, and back: nothing is left of it.
    map.switch(Pa(0xc_0000), 0x4_0000, Shadow::ReadWrite).unwrap();
    assert_eq!(at(&map, 0xf_f000), Shadow::ReadWrite);
    map.switch(Pa(0xe_0000), 0x2_0000, Shadow::Rom).unwrap();
    assert_eq!(map, before);
}

#[test]
fn what_is_not_shadowed_cannot_be_switched() {
    let mut map = MemoryMap::pc(2 << 20, 0).unwrap();
    let before = map.clone();
    for (pa, len) in
        [(0xb_f000, 0x2000), (0x9_f000, 0x1000), (0xf_f000, 0x2000), (0xa_0000, 0x1000)]
    {
        let error = MapError::NotShadowed { start: pa, len };
        assert_eq!(map.switch(Pa(pa), len, Shadow::ReadOnly), Err(error));
    }
    assert!(map.switch(Pa(0xc_0800), 0x1000, Shadow::Rom).is_err());
    assert!(map.switch(Pa(0xc_0000), 0, Shadow::Rom).is_err());
    assert!(map.switch(Pa(u64::MAX - 0xfff), 0x1000, Shadow::Rom).is_err());
    assert_eq!(map, before);
}
