//! What windows take of the host's memory stays within their limits, whatever the guest maps.

use super::*;
use crate::format::bit;
use crate::testing::{ALL, DIR, Rig, guest, map_in, put32};

/// A fill takes this much at most: a page table of the host and those above it, a leaf of records, copies of a directory
/// and a table, and maps that grow.
const FILL: usize = 64 << 10;
const DIRS: [u64; 6] = [DIR, 0x20_0000, 0x30_0000, 0x40_0000, 0x50_0000, 0x60_0000];

fn limited(bytes: usize, pages: u32) -> Rig {
    let mut windows = Windows::new(8, 30_000).unwrap();
    windows.set_limits(WindowLimits { bytes, pages });
    Rig::with(guest(), windows)
}

#[test]
fn address_spaces_that_touch_a_page_here_and_there_stay_under_the_limit() {
    const LIMIT: usize = 1 << 20;
    let mut rig = limited(LIMIT, u32::MAX);
    for dir in DIRS {
        for lin in (0..=u32::MAX).step_by(4 << 20) {
            map_in(&mut rig.mmu, dir, lin, 0x5000, ALL);
        }
    }
    put32(&mut rig.mmu, 0x5000, 7);
    let mut most = 0;
    for dir in DIRS {
        rig.load_cr3(dir);
        for lin in (0..=u32::MAX).step_by(4 << 20) {
            assert_eq!(rig.read(lin), Ok(7), "{dir:#x} {lin:#x}");
            most = most.max(rig.windows.held());
        }
    }
    assert!((LIMIT / 2..LIMIT + FILL).contains(&most), "{most}");
    let stats = rig.windows.stats();
    assert!(stats.windows_evicted > 0 && stats.resets > 0, "the running one, too: {stats:?}");
}

#[test]
fn the_least_recently_used_windows_go_first_and_their_code_with_them() {
    let mut rig = limited(1 << 20, u32::MAX);
    let mut ids = Vec::new();
    for dir in &DIRS[..3] {
        map_in(&mut rig.mmu, *dir, 0x1000, 0x5000, ALL);
        rig.load_cr3(*dir);
        ids.push(rig.activate(true).0);
        rig.read(0x1000).unwrap();
    }
    rig.windows.shed_to(rig.windows.held() - 1, &mut rig.sink);
    assert_eq!(rig.sink.gone, [ids[0]]);
    rig.windows.shed_to(0, &mut rig.sink);
    assert_eq!(rig.sink.gone, ids);
    assert_eq!((rig.windows.held(), rig.direct(0x1000)), (0, None));
    rig.activate(true);
    assert_eq!(rig.read(0x1000), Ok(0));
}

#[test]
fn what_code_was_entered_for_is_charged() {
    let mut rig = limited(256 << 10, u32::MAX);
    let mut over = false;
    for lin in (0..=u32::MAX).step_by(4 << 20) {
        map_in(&mut rig.mmu, DIR, lin, 0x5000, ALL);
        let page = Lin::from(lin).page();
        rig.note(page);
        if rig.windows.is_over() {
            over = true;
            rig.windows.shed(&mut rig.sink);
            rig.activate(true);
        }
        assert!(rig.windows.held() < (256 << 10) + FILL);
    }
    assert!(over && !rig.sink.gone.is_empty());
}

#[test]
fn a_window_maps_no_more_pages_than_it_may() {
    const MOST: u32 = 5000;
    let mut rig = limited(usize::MAX, MOST);
    // The same 4 MiB everywhere.
    for k in 0..1024u64 {
        put32(&mut rig.mmu, DIR + k * 4, 0x80_0000 | ALL | bit::PS as u32);
    }
    rig.load_cr3(DIR);
    put32(&mut rig.mmu, 0x80_0000, 9);
    for lin in (0..=u32::MAX).step_by(4 << 20) {
        assert_eq!(rig.read(lin), Ok(9));
        assert!(rig.windows.mapped_here() <= MOST + 1024);
    }
    assert!(rig.windows.stats().resets > 200);
}
