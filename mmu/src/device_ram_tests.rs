use super::*;
use crate::Region;

const SIZE: u64 = 1 << 20;
const FRAME: u64 = 0xe000_0000;

fn memory() -> GuestMemory {
    GuestMemory::with_device_ram(2 << 20, SIZE).unwrap()
}

fn show(memory: &mut GuestMemory, pieces: &[(u64, u64, u64)]) {
    memory.show_device(pieces.iter().copied());
}

fn byte(memory: &GuestMemory, pa: u64) -> Option<u8> {
    let mut byte = [0];
    memory.read(Pa(pa), &mut byte).then_some(byte[0])
}

#[test]
fn pieces_come_move_and_go() {
    let mut memory = memory();
    assert_eq!(memory.device_size(), SIZE);
    memory.device_write(0x3_0000, &[7]);
    show(&mut memory, &[(0xa_0000, 0x1_0000, 0x3_0000), (FRAME, SIZE, 0)]);
    assert_eq!(byte(&memory, 0xa_0000), Some(7));
    assert_eq!(byte(&memory, FRAME + 0x3_0000), None, "no byte is at two addresses");
    assert_eq!(byte(&memory, FRAME + 0x4_0000), Some(0));
    assert!(memory.is_stale());
    memory.take_stale();
    // The bank moves: what it leaves is in the frame buffer again.
    show(&mut memory, &[(0xa_0000, 0x1_0000, 0x4_0000), (FRAME, SIZE, 0)]);
    assert_eq!(byte(&memory, FRAME + 0x3_0000), Some(7));
    let first = (memory.device.start / PAGE_SIZE) as u32;
    let gone = memory.take_stale().gone;
    assert_eq!(gone, [first + 0x30..first + 0x40, first + 0x40..first + 0x50]);
    show(&mut memory, &[(0xa_0000, 0x1_0000, 0x4_0000), (FRAME, SIZE, 0)]);
    assert!(!memory.is_stale(), "as it was");
    show(&mut memory, &[]);
    assert_eq!((byte(&memory, 0xa_0000), byte(&memory, FRAME)), (None, None));
}

#[test]
fn what_cannot_be_shown_is_not() {
    let mut memory = memory();
    // Over RAM, over its end, out of the space, of no whole pages, beyond the memory's end, and nothing at all.
    let ram_end = 2 << 20;
    for piece in [(0x1000, 0x1000, 0), (u64::MAX - 0xfff, 0x2000, 0), (FRAME, 0x1000, SIZE)] {
        show(&mut memory, &[piece]);
        assert!(memory.map().ranges().iter().all(|r| !matches!(r.kind, Kind::DeviceRam { .. })));
    }
    show(&mut memory, &[(FRAME + 1, 0x1000, 0), (FRAME, 0, 0), (FRAME, 0x800, 0)]);
    assert_eq!(byte(&memory, FRAME), None);
    show(&mut memory, &[(ram_end - 0x1000, 0x2000, 0)]);
    assert_eq!(memory.region(Pa(ram_end - 0x1000)), Region::Ram { offset: ram_end - 0x1000 });
    let offset = memory.device.start + 0x1000;
    assert_eq!(memory.region(Pa(ram_end)), Region::Ram { offset }, "what is left of it");
    show(&mut memory, &[(FRAME, 0x2000, 0), (FRAME + 0x1000, 0x2000, 0x8000)]);
    assert_eq!(memory.region(Pa(FRAME + 0x1000)), Region::Ram { offset });
}

#[test]
fn writes_are_told_by_groups() {
    let mut memory = memory();
    show(&mut memory, &[(FRAME, SIZE, 0)]);
    memory.take_stale();
    assert!(!memory.take_device_dirty(0, SIZE));
    assert!(memory.dma_write(Pa(FRAME + 0x1_2345), &[1]));
    assert!(!memory.take_device_dirty(0, 0x1_0000), "another group");
    assert!(memory.take_device_dirty(0, SIZE));
    let first = (memory.device.start / PAGE_SIZE) as u32;
    let clean = memory.take_stale().clean;
    assert!(clean.len() == 1 && clean[0] == (first + 0x10..first + 0x20), "{clean:?}");
    assert!(!memory.take_device_dirty(0, SIZE));
    memory.device_write(SIZE - 1, &[1, 2]);
    assert!(memory.take_device_dirty(SIZE - 1, 1));
    let mut end = [9; 2];
    memory.device_read(SIZE - 1, &mut end);
    assert_eq!(end, [1, 0], "behind the end is nothing");
    memory.device_read(u64::MAX, &mut end);
    memory.device_write(u64::MAX, &end);
}

#[test]
fn clearing_gives_whole_pages_back() {
    let mut memory = memory();
    memory.device_write(0, &[1; 0x5000]);
    let touched = memory.touched();
    memory.device_clear(0x800, 0x3800);
    // Before they are read, which gives them pages again.
    assert_eq!(touched - memory.touched(), 3 * PAGE_SIZE);
    let mut bytes = [0; 0x5000];
    memory.device_read(0, &mut bytes);
    assert!(bytes[..0x800].iter().chain(&bytes[0x4000..]).all(|byte| *byte == 1));
    assert!(bytes[0x800..0x4000].iter().all(|byte| *byte == 0));
    memory.device_clear(0, u64::MAX);
    memory.device_read(0, &mut bytes);
    assert!(bytes.iter().all(|byte| *byte == 0));
}

#[test]
fn code_in_a_piece_that_goes_is_told_and_no_mark_stays() {
    let mut memory = memory();
    show(&mut memory, &[(FRAME, 0x4000, 0)]);
    assert!(memory.mark_code(Pa(FRAME + 0x1000).frame(), true));
    memory.device_write(0x1ffe, &[0; 4]);
    assert_eq!(memory.take_code_writes(), [(Pa(FRAME + 0x1ffe), 2)]);
    show(&mut memory, &[(FRAME + 0x10_0000, 0x4000, 0)]);
    assert_eq!(memory.take_code_writes(), [(Pa(FRAME + 0x1000), 0x1000)]);
    assert!(!memory.is_code_page(Pa(FRAME + 0x10_1000).frame()));
}
