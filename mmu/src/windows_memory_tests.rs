//! Windows over memory that changes: logged writes, loaded contents, maps of other shapes.

use crate::map::{Kind, MemoryMap, Range};
use crate::ram::{Flush, GuestMemory};
use crate::soft::Mmu;
use crate::testing::{ALL, Bench, Rig, get32, guest, machine, map};
use ringer_cpu::addr::{Frame, Pa};

#[test]
fn writes_through_windows_are_logged_at_the_first_one() {
    for paging in [true, false] {
        let mut rig = Rig::new(if paging { guest() } else { machine() });
        for k in 0..16 {
            map(&mut rig.mmu, 0x50_0000 + k * 0x1000, 0x50_0000 + k * 0x1000, ALL);
        }
        rig.write(0x50_0000, 1).unwrap();
        assert_eq!(rig.mmu.memory.log_writes(true), Flush::Writes);
        rig.mmu.mmu.flush_tlb();
        rig.windows.protect_all();
        let dirty = |rig: &mut Rig| rig.mmu.memory.take_dirty(Pa(0x50_0000), 0x1_0000);
        assert!(!rig.p.write(rig.base + 0x50_0000, 2), "writes are to be noticed");
        assert_eq!((rig.read(0x50_3000), dirty(&mut rig)), (Ok(0), vec![]));
        for _ in 0..2 {
            for lin in [0x50_3000, 0x50_3004, 0x50_7000] {
                rig.write(lin, 3).unwrap();
            }
            assert!(rig.p.write(rig.base + 0x50_7008, 3), "the second write is for nothing");
            assert!(!rig.p.write(rig.base + 0x50_4000, 3), "its neighbours are clean");
            let frames = dirty(&mut rig);
            assert_eq!(frames, [Frame(0x503), Frame(0x507)]);
            rig.mmu.mmu.flush_tlb();
            for frame in frames {
                rig.windows.protect_frame(&rig.mmu.memory, frame);
            }
        }
        let _ = rig.mmu.memory.log_writes(false);
        rig.write(0x50_3000, 4).unwrap();
        assert_eq!(dirty(&mut rig), []);
    }
}

#[test]
fn after_a_load_nothing_is_mapped() {
    let mut rig = Rig::new(machine());
    let mut contents = Vec::new();
    rig.mmu.memory.save_contents(&mut contents).unwrap();
    rig.write(0x50_0000, 1).unwrap();
    let user = rig.base;
    let id = rig.activate(false);
    rig.write(0x50_0000, 2).unwrap();
    assert_eq!(rig.mmu.memory.load_contents(&mut &contents[..]).unwrap(), Flush::Everything);
    rig.windows.forget_all(&mut rig.sink);
    assert_eq!((rig.direct(0x50_0000), rig.p.read(user + 0x50_0000)), (None, None));
    assert!(rig.sink.gone.contains(&id.0));
    rig.activate(true);
    assert_eq!(rig.read(0x50_0000), Ok(0));
}

#[test]
fn memory_that_is_not_where_its_address_says_is_protected_all_the_same() {
    // RAM in two ranges of one large page, the second elsewhere in the memory file.
    let ram = |start, len, offset| Range { start, len, kind: Kind::Ram { offset } };
    let ranges = vec![ram(0, 0x50_8000, 0), ram(0x50_8000, 0x1f_8000, 0x80_0000)];
    let map = MemoryMap::new(ranges).unwrap();
    let mmu = Bench { mmu: Mmu::new(), memory: GuestMemory::with_map(map).unwrap() };
    let mut rig = Rig::new(mmu);
    rig.write(0x50_0000, 1).unwrap();
    let words = [0x50_4000u32, 0x50_8000, 0x51_0000, 0x60_0000];
    for lin in words {
        assert!(rig.p.write(rig.base + u64::from(lin), lin));
        assert_eq!(get32(&rig.mmu, u64::from(lin)), lin);
    }
    for lin in words {
        rig.protect(u64::from(lin) >> 12);
        assert!(!rig.p.write(rig.base + u64::from(lin), 0), "{lin:#x}");
    }
}
