//! What the inline TLB of a window holds, and when it goes.

use crate::inline_tlb::{DISTANCES, ENTRIES, READ_TAGS, WRITE_TAGS};
use crate::testing::{ALL, DIR, Rig, guest, map, offset, put32, regs};
use ringer_cpu::PagingChange;
use ringer_cpu::addr::{Frame, Lin};

/// The page of these tests, and two frames for it.
const AT: u32 = 0x50_0000;
const ONE: u32 = 0x60_0000;
const TWO: u32 = 0x61_0000;

/// Where an access to `lin` is led.
fn found(rig: &Rig, lin: u32, write: bool) -> Option<u64> {
    let read = |from: i32, k: u64| {
        rig.p.read(rig.base.wrapping_add_signed(i64::from(from)) + k).expect("it is there")
    };
    let (page, place) = (lin >> 12, u64::from(lin >> 12) % ENTRIES as u64);
    let tag = read(if write { WRITE_TAGS } else { READ_TAGS }, 4 * place);
    let half = |k| u64::from(read(DISTANCES, 8 * place + k));
    let hit = tag.wrapping_add(page).wrapping_add(1) == 0;
    hit.then(|| (rig.base + u64::from(lin)).wrapping_add(half(0) | half(4) << 32))
}

fn enter(rig: &mut Rig, lin: u32) {
    let (paging, memory) = (rig.mmu.mmu.paging(), &mut rig.mmu.memory);
    rig.windows.enter(paging, memory, Lin::from(lin), &mut rig.sink);
}

fn invlpg(rig: &mut Rig, lin: u32) {
    rig.mmu.mmu.invlpg(Lin::from(lin));
    rig.windows.on_invlpg(rig.mmu.mmu.paging(), &rig.mmu.memory, Lin::from(lin), &mut rig.sink);
}

/// A guest whose page at [`AT`] has been one frame and the other so often that it is not mapped any more; now it is [`ONE`].
fn churned() -> Rig {
    let mut rig = Rig::new(guest());
    put32(&mut rig.mmu, ONE.into(), 1);
    put32(&mut rig.mmu, TWO.into(), 2);
    for k in 0..12 {
        map(&mut rig.mmu, AT, if k % 2 == 0 { TWO } else { ONE }, ALL);
        invlpg(&mut rig, AT);
        let _ = rig.read(AT);
    }
    assert!(!rig.windows.maps(Lin::from(AT), false), "it churns");
    rig
}

#[test]
fn a_page_that_churns_is_led_to_without_being_mapped() {
    let mut rig = churned();
    assert_eq!(found(&rig, AT, false), None);
    enter(&mut rig, AT);
    let at = found(&rig, AT, false).expect("entered");
    assert_eq!((rig.p.read(at), found(&rig, AT, true)), (Some(1), Some(at)));
    assert!(rig.p.write(at + 4, 7) && !rig.windows.maps(Lin::from(AT), false));
    map(&mut rig.mmu, AT, TWO, ALL);
    assert_eq!(found(&rig, AT, false), Some(at), "as a TLB: until it is flushed");
    invlpg(&mut rig, AT);
    assert_eq!(found(&rig, AT, false), None);
    enter(&mut rig, AT);
    assert_eq!(found(&rig, AT, false).and_then(|at| rig.p.read(at)), Some(2));
    assert_eq!(rig.windows.stats().entered_aside, 2);
}

#[test]
fn a_mapped_page_is_led_to_where_it_is_mapped() {
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, AT, ONE, ALL);
    enter(&mut rig, AT);
    assert!(!rig.windows.maps(Lin::from(AT), false), "nobody asked the window");
    assert!(found(&rig, AT, true).is_some_and(|at| at != rig.base + u64::from(AT)));
    rig.write(AT, 1).unwrap();
    enter(&mut rig, AT);
    assert_eq!(found(&rig, AT, true), Some(rig.base + u64::from(AT)));
    assert_eq!(rig.windows.stats().entered_mapped, 1);
}

/// What has made something of a page must be told of writes, whichever way they go.
#[test]
fn a_page_whose_writes_are_to_be_noticed_is_not_written() {
    let rights = |rig: &mut Rig| (found(rig, AT, false).is_some(), found(rig, AT, true).is_some());
    let mut rig = churned();
    enter(&mut rig, AT);
    assert_eq!(rights(&mut rig), (true, true));
    rig.protect(u64::from(ONE >> 12));
    assert!(!rights(&mut rig).1, "code was made from it");
    enter(&mut rig, AT);
    assert_eq!(rights(&mut rig), (true, false));
    rig.mmu.set_code_page(Frame::from(ONE >> 12), false);
    enter(&mut rig, AT);
    assert_eq!(rights(&mut rig), (true, true));
    let _ = rig.mmu.memory.log_writes(true);
    rig.windows.protect_all();
    assert!(!rights(&mut rig).1, "writes are logged");
    let _ = rig.mmu.memory.log_writes(false);
    enter(&mut rig, AT);
    let backing = (offset(&rig.mmu, ONE.into()) >> 12) as u32;
    assert_eq!(rights(&mut rig), (true, true));
    rig.windows.protect_backing(&(backing..backing + 1));
    assert!(!rights(&mut rig).1, "those of a device's memory");
    enter(&mut rig, AT);
    rig.windows.drop_backing(&(backing..backing + 1), &mut rig.sink);
    assert_eq!(rights(&mut rig), (false, false), "it is elsewhere");
}

#[test]
fn what_the_entries_do_not_permit_is_not_found() {
    let flags = |flags: u32| {
        let mut rig = churned();
        map(&mut rig.mmu, AT, ONE, flags);
        invlpg(&mut rig, AT);
        enter(&mut rig, AT);
        (found(&rig, AT, false).is_some(), found(&rig, AT, true).is_some())
    };
    assert_eq!(flags(ALL), (true, true));
    assert_eq!(flags(ALL & !0x40), (true, false), "not dirty");
    assert_eq!(flags(ALL & !0x20), (false, false), "not accessed");
    assert_eq!(flags(ALL & !2), (true, false), "read-only");
    assert_eq!(flags(ALL & !4), (false, false), "the supervisor's");
    assert_eq!(flags(ALL & !1), (false, false), "not present");
}

/// A load of CR3 takes what changed, and nothing else.
#[test]
fn a_flush_takes_what_changed() {
    let load = |rig: &mut Rig| {
        rig.mmu.paging_changed(&regs(DIR), PagingChange::Cr3);
        rig.windows.on_cr3_load();
        rig.activate(true);
    };
    let mut rig = churned();
    enter(&mut rig, AT);
    load(&mut rig);
    assert!(found(&rig, AT, true).is_some(), "nothing changed");
    map(&mut rig.mmu, AT, TWO, ALL);
    load(&mut rig);
    assert_eq!(found(&rig, AT, false), None);
    enter(&mut rig, AT);
    rig.windows.forget_all(&mut rig.sink);
    rig.activate(true);
    assert_eq!(found(&rig, AT, false), None, "guest memory is not what it was");
}

/// Whoever makes room gives up one window after the other until they hold as little as that.
#[test]
fn a_window_that_is_given_up_holds_nothing() {
    let mut rig = churned();
    enter(&mut rig, AT);
    rig.activate(false);
    enter(&mut rig, AT);
    rig.windows.shed_to(0, &mut rig.sink);
    assert_eq!(rig.windows.held(), 0);
    rig.activate(true);
    assert_eq!(found(&rig, AT, false), None);
}

/// Each window has its own.
#[test]
fn the_supervisor_does_not_find_what_the_user_entered() {
    let mut rig = churned();
    enter(&mut rig, AT);
    rig.activate(false);
    assert_eq!(found(&rig, AT, false), None);
    rig.activate(true);
    assert!(found(&rig, AT, false).is_some());
}
