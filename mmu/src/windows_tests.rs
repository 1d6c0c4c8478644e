use super::*;
use crate::format::bit;
use crate::map::Shadow;
use crate::testing::{
    ALL, DIR, PWU, Rig, TestIo, TestSink, get32, guest, machine, map, map_in, pte_at, put32, put64,
    regs,
};
use ringer_cpu::addr::Pa;
use ringer_cpu::state::cr4;
use ringer_cpu::{PagingChange, PagingRegs, Privilege};

const D: u32 = bit::D as u32;
const A: u32 = bit::A as u32;
const RW: u32 = bit::RW as u32;
const US: u32 = bit::US as u32;
const LARGE: u32 = ALL | bit::PS as u32;

#[test]
fn pages_appear_on_first_access_with_the_guests_rights() {
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, 0x1000, 0x5000, PWU);
    map(&mut rig.mmu, 0x2000, 0x6000, PWU & !RW);
    map(&mut rig.mmu, 0x3000, 0x7000, PWU & !US);
    put32(&mut rig.mmu, 0x5004, 55);
    assert_eq!(rig.direct(0x1004), None);
    assert_eq!(rig.read(0x1004), Ok(55));
    assert_eq!(get32(&rig.mmu, pte_at(DIR, 0x1000)) & (A | D), A);
    assert!(!rig.p.write(rig.base + 0x1004, 1), "clean pages are not writable");
    assert_eq!(rig.write(0x1004, 56), Ok(()));
    assert_eq!(get32(&rig.mmu, pte_at(DIR, 0x1000)) & (A | D), A | D);
    assert_eq!(get32(&rig.mmu, 0x5004), 56);
    assert_eq!(rig.read(0x2000), Ok(0));
    assert_eq!(rig.write(0x2000, 1), Err(Reason::TrueFault));
    assert_eq!(rig.read(0x3000), Err(Reason::TrueFault));
    assert_eq!(rig.read(0x4000), Err(Reason::TrueFault));
    rig.activate(false);
    assert_eq!(rig.direct(0x1004), None, "the supervisor has its own window");
    assert_eq!(rig.read(0x3000), Ok(0));
    assert_eq!(rig.write(0x2000, 1), Err(Reason::TrueFault), "CR0.WP");
}

#[test]
fn devices_rom_and_code_are_for_the_interpreter() {
    let mut rig = Rig::new(guest());
    rig.mmu.memory.install_rom(&[0x5a; 4096]).unwrap();
    map(&mut rig.mmu, 0x1000, 0xa_0000, ALL);
    map(&mut rig.mmu, 0x2000, 0xffff_f000, ALL);
    map(&mut rig.mmu, 0x3000, 0x5000, ALL);
    rig.protect(5);
    assert_eq!(rig.read(0x1000), Err(Reason::Mmio));
    assert_eq!(rig.read(0x2000), Ok(0x5a5a_5a5a));
    assert_eq!(rig.write(0x2000, 1), Err(Reason::Mmio));
    assert_eq!(rig.read(0x3000), Ok(0));
    assert_eq!(rig.write(0x3000, 1), Err(Reason::CodeWrite));
    assert!(rig.io.reads.is_empty() && rig.io.writes.is_empty());
}

#[test]
fn neighbours_in_use_come_along_and_others_do_not() {
    let mut rig = Rig::new(guest());
    for k in 0..16 {
        map(&mut rig.mmu, 0x10000 + k * 0x1000, 0x50_0000 + k * 0x1000, ALL);
    }
    map(&mut rig.mmu, 0x13000, 0x50_3000, PWU); // never accessed
    map(&mut rig.mmu, 0x15000, 0x50_5000, ALL & !D);
    map(&mut rig.mmu, 0x16000, 0x50_6000, ALL & !US);
    rig.protect(0x507);
    assert_eq!(rig.write(0x11000, 1), Ok(()));
    assert!(rig.p.write(rig.base + 0x12000, 2));
    assert!(rig.p.write(rig.base + 0x1f000, 2));
    assert_eq!(rig.direct(0x13000), None);
    assert_eq!(get32(&rig.mmu, pte_at(DIR, 0x13000)) & A, 0);
    assert_eq!(rig.direct(0x15000), None, "alone, it is not worth a host mapping");
    assert_eq!(rig.direct(0x16000), None);
    assert!(!rig.p.write(rig.base + 0x17000, 2));
    assert_eq!(rig.direct(0x20000), None);
    assert_eq!(rig.windows.stats().hidden_fills, 1);
    assert_eq!(rig.read(0x15000), Ok(0));
    assert!(!rig.p.write(rig.base + 0x15000, 2));
}

#[test]
fn what_the_guest_takes_away_goes_at_the_flush_and_not_before() {
    let mut rig = Rig::new(guest());
    for k in 0..8 {
        map(&mut rig.mmu, k * 0x1000, 0x50_0000 + k * 0x1000, ALL);
        put32(&mut rig.mmu, 0x50_0000 + u64::from(k) * 0x1000, k);
    }
    rig.write(0x0, 0).unwrap();
    put32(&mut rig.mmu, pte_at(DIR, 0x1000), 0);
    put32(&mut rig.mmu, pte_at(DIR, 0x2000), 0x50_7000 | ALL);
    put32(&mut rig.mmu, pte_at(DIR, 0x3000), 0x50_3000 | ALL & !RW);
    put32(&mut rig.mmu, pte_at(DIR, 0x4000), 0x50_4000 | ALL & !A);
    assert_eq!(rig.direct(0x1000), Some(1), "stale until flushed");
    rig.load_cr3(DIR);
    assert_eq!(rig.direct(0x0), Some(0), "what did not change stays");
    assert_eq!(rig.direct(0x5000), Some(5));
    assert_eq!(rig.read(0x1000), Err(Reason::TrueFault));
    assert_eq!(rig.direct(0x2000), None);
    assert_eq!(rig.read(0x2000), Ok(7));
    assert_eq!(rig.direct(0x3000), Some(3));
    assert_eq!(rig.write(0x3000, 1), Err(Reason::TrueFault));
    assert_eq!(rig.direct(0x4000), None, "the accessed flag must be set again");
    assert_eq!(rig.read(0x4000), Ok(4));
    assert_ne!(get32(&rig.mmu, pte_at(DIR, 0x4000)) & A, 0);
}

#[test]
fn a_cleared_dirty_flag_is_set_again_by_the_next_write() {
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, 0x1000, 0x5000, ALL);
    rig.write(0x1000, 1).unwrap();
    put32(&mut rig.mmu, pte_at(DIR, 0x1000), 0x5000 | ALL & !D);
    rig.load_cr3(DIR);
    assert_eq!(rig.direct(0x1000), Some(1));
    assert_eq!(rig.write(0x1000, 2), Ok(()));
    assert_ne!(get32(&rig.mmu, pte_at(DIR, 0x1000)) & D, 0);
}

#[test]
fn invlpg_drops_one_page_in_both_windows_of_the_address_space() {
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, 0x1000, 0x5000, ALL);
    map(&mut rig.mmu, 0x2000, 0x6000, ALL);
    rig.read(0x1000).unwrap();
    let user = rig.base;
    rig.activate(false);
    rig.read(0x1000).unwrap();
    map(&mut rig.mmu, 0x1000, 0x7000, ALL);
    map(&mut rig.mmu, 0x2000, 0x7000, ALL);
    put32(&mut rig.mmu, 0x7000, 77);
    rig.mmu.mmu.invlpg(Lin(0x1abc));
    rig.windows.on_invlpg(rig.mmu.paging(), &rig.mmu.memory, Lin(0x1abc), &mut rig.sink);
    assert_eq!((rig.direct(0x1000), rig.p.read(user + 0x1000)), (None, None));
    assert_eq!((rig.direct(0x2000), rig.p.read(user + 0x2000)), (Some(0), Some(0)));
    assert_eq!(rig.read(0x1000), Ok(77));
}

#[test]
fn a_page_that_goes_time_and_again_is_not_mapped_until_it_stays() {
    let mut rig = Rig::new(guest());
    let remap = |rig: &mut Rig, round: u32| {
        map(&mut rig.mmu, 0x1000, 0x5000 + (round & 1) * 0x1000, ALL);
        rig.mmu.mmu.invlpg(Lin(0x1000));
        rig.windows.on_invlpg(rig.mmu.paging(), &rig.mmu.memory, Lin(0x1000), &mut rig.sink);
    };
    put32(&mut rig.mmu, 0x5000, 0);
    put32(&mut rig.mmu, 0x6000, 1);
    let mut passed = 0;
    for round in 0..100 {
        remap(&mut rig, round);
        match rig.read(0x1000) {
            Ok(value) => assert_eq!(value, round & 1),
            Err(reason) => {
                assert_eq!(reason, Reason::Churn);
                assert!(rig.windows.stays_unmapped(Lin(0x1000)));
                passed += 1;
            }
        }
    }
    assert!(passed > 90, "{passed}");
    assert_eq!(rig.windows.stats().hidden_fills, 100 - passed);
    let tries = (1..20).find(|_| rig.read(0x1000) == Ok(1)).expect("it is mapped in the end");
    assert!(tries > 1);
    assert!(!rig.windows.stays_unmapped(Lin(0x1000)));
    assert_eq!(rig.direct(0x1000), Some(1));
}

#[test]
fn a_range_flushed_page_by_page_goes_in_few_host_calls() {
    let mut rig = Rig::new(guest());
    let pages = 0x10..0x20u32;
    for page in pages.clone() {
        map(&mut rig.mmu, page << 12, 0x5000 + (page << 12), ALL);
    }
    rig.read(0x1_0000).unwrap();
    assert!(pages.clone().all(|page| rig.direct(page << 12).is_some()));
    let flush = |rig: &mut Rig, page: u32| {
        put32(&mut rig.mmu, pte_at(DIR, page << 12), 0);
        rig.mmu.mmu.invlpg(Lin::from(page << 12));
        rig.windows.on_invlpg(
            rig.mmu.paging(),
            &rig.mmu.memory,
            Lin::from(page << 12),
            &mut rig.sink,
        );
    };
    flush(&mut rig, 0x14);
    assert_eq!(rig.windows.stats().pages_dropped, 1, "one alone says nothing");
    flush(&mut rig, 0x15);
    assert_eq!(rig.windows.stats().pages_dropped, 12);
    assert!((0x14..0x20).all(|page: u32| rig.direct(page << 12).is_none()));
    // What went without need comes back.
    assert_eq!(rig.read(0x1_7000), Ok(0));
    assert_eq!(rig.direct(0x1_8000), None, "what goes so soon is mapped page by page");
    flush(&mut rig, 0x17);
    assert_eq!(rig.read(0x1_7000), Err(Reason::TrueFault));
}

#[test]
fn what_goes_at_once_goes_in_one_host_call_around_what_stays() {
    let mut rig = Rig::new(guest());
    let chunks = [0x40_1000, 0x80_1000, 0xc0_1000, 0x100_1000];
    chunks.iter().for_each(|lin| map(&mut rig.mmu, *lin, 0x5000, ALL));
    for (mapped, calls) in [([0, 2, 2], 1), ([0, 1, 2], 2), ([0, 1, 3], 1)] {
        mapped.iter().for_each(|k| rig.read(chunks[*k]).map(drop).unwrap());
        let before = rig.windows.mappings();
        let goes = |k: usize| k != 1 || mapped[2] == 3;
        let gone: Vec<usize> = mapped.into_iter().filter(|k| goes(*k)).collect();
        let pde = |k: usize| DIR + u64::from(chunks[k] >> 22) * 4;
        gone.iter().for_each(|k| put32(&mut rig.mmu, pde(*k), 0));
        rig.load_cr3(DIR);
        assert_eq!(rig.windows.mappings() - before, 2 * calls, "{mapped:?}");
        for (k, lin) in chunks.into_iter().enumerate() {
            let stays = mapped.contains(&k) && !gone.contains(&k);
            assert_eq!(rig.direct(lin).is_some(), stays, "{mapped:?}: {lin:#x}");
            map(&mut rig.mmu, lin, 0x5000, ALL);
        }
    }
}

#[test]
fn windows_outlive_cr3_loads() {
    let other = 0x20_0000;
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, 0x1000, 0x5000, ALL);
    map_in(&mut rig.mmu, other, 0x1000, 0x6000, ALL);
    put32(&mut rig.mmu, 0x5000, 5);
    put32(&mut rig.mmu, 0x6000, 6);
    assert_eq!(rig.read(0x1000), Ok(5));
    let first = rig.base;
    rig.load_cr3(other);
    assert_ne!(rig.base, first);
    assert_eq!(rig.read(0x1000), Ok(6));
    rig.load_cr3(DIR);
    assert_eq!((rig.base, rig.direct(0x1000)), (first, Some(5)));
    // A change made while another address space ran is noticed on the way back.
    rig.load_cr3(other);
    map(&mut rig.mmu, 0x1000, 0x6000, ALL);
    rig.load_cr3(DIR);
    assert_eq!(rig.direct(0x1000), None);
    let validations = rig.windows.stats().validations;
    rig.activate(false);
    rig.activate(true);
    rig.activate(false);
    rig.activate(true);
    assert!(rig.windows.stats().validations <= validations + 1, "no flush, no validation");
}

#[test]
fn an_entry_that_changed_twice_without_a_flush_is_still_noticed() {
    let mut rig = Rig::new(guest());
    let shared = 0x10_0000;
    map(&mut rig.mmu, shared, 0x5000, ALL);
    map(&mut rig.mmu, shared + 0x1000, 0x6000, 0);
    rig.read(shared).unwrap(); // copies the table: page 1 is absent in it
    map(&mut rig.mmu, shared + 0x1000, 0x6000, ALL);
    put32(&mut rig.mmu, 0x6000, 6);
    put32(&mut rig.mmu, 0x7000, 7);
    assert_eq!(rig.read(shared + 0x1000), Ok(6));
    map(&mut rig.mmu, shared + 0x1000, 0x7000, ALL);
    rig.load_cr3(DIR);
    assert_eq!(rig.read(shared + 0x1000), Ok(7));
    // A to B, used, and back to A.
    map(&mut rig.mmu, shared + 0x1000, 0x6000, ALL & !A);
    rig.windows.on_cr3_load();
    rig.activate(true);
    map(&mut rig.mmu, shared + 0x1000, 0x7000, ALL);
    assert_eq!(rig.read(shared + 0x1000), Ok(7));
    map(&mut rig.mmu, shared + 0x1000, 0x6000, ALL & !A);
    rig.load_cr3(DIR);
    assert_eq!(rig.read(shared + 0x1000), Ok(6));
}

#[test]
fn a_directory_entry_that_names_another_table_takes_everything_below_along() {
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, 0x40_1000, 0x5000, ALL);
    map(&mut rig.mmu, 0x40_2000, 0x6000, ALL);
    map(&mut rig.mmu, 0x80_1000, 0x7000, ALL);
    put32(&mut rig.mmu, 0x30_0004, 0x8000 | ALL);
    put32(&mut rig.mmu, 0x8000, 88);
    rig.read(0x40_2000).unwrap();
    rig.read(0x80_1000).unwrap();
    rig.note(Page(0x401));
    put32(&mut rig.mmu, DIR + 4, 0x30_0000 | ALL);
    rig.load_cr3(DIR);
    assert_eq!(rig.direct(0x40_2000), None);
    assert_eq!(rig.direct(0x80_1000), Some(0));
    assert_eq!(rig.read(0x40_1000), Ok(88));
    assert_eq!(rig.sink.dropped, [(1, 0x401, 1)]);
    assert_eq!(rig.read(0x40_2000), Err(Reason::TrueFault));
}

#[test]
fn a_fill_sets_no_flag() {
    let mut rig = Rig::new(guest());
    for (flags, write) in [(0, false), (0, true), (bit::A as u32, true)] {
        map(&mut rig.mmu, 0x1000, 0x5000, PWU | flags);
        rig.load_cr3(DIR);
        let leaf = |rig: &Rig| rig.mmu.peek(Lin(0x1000)).expect("mapped").leaf();
        let before = leaf(&rig);
        assert_eq!(rig.fault_alone(0x1000, write), Fill::Interpret(Reason::NoticedWalk));
        assert_eq!(leaf(&rig), before);
        assert_eq!(rig.fault(0x1000, write), Fill::Mapped);
        assert_ne!(leaf(&rig), before);
    }
}

#[test]
fn code_that_was_only_fetched_is_reported_when_its_entry_changes() {
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, 0x1000, 0x5000, PWU);
    map(&mut rig.mmu, 0x2000, 0x6000, PWU);
    let id = rig.activate(true).0;
    for page in [1, 2] {
        rig.mmu.walk_to_fetch(&mut rig.io, Lin::from(page << 12), Privilege::User).unwrap();
        rig.note(Page::from(page));
    }
    rig.load_cr3(DIR);
    assert_eq!(rig.sink, TestSink::default());
    map(&mut rig.mmu, 0x2000, 0x7000, PWU);
    rig.load_cr3(DIR);
    assert_eq!(rig.sink.dropped, [(id, 2, 1)]);
    rig.load_cr3(DIR);
    assert_eq!(rig.sink.dropped.len(), 1, "reported once");
    // Entered again through a fresh entry before any flush: the change is reported at once.
    rig.note(Page(1));
    map(&mut rig.mmu, 0x1000, 0x7000, PWU);
    rig.note(Page(1));
    assert_eq!(rig.sink.dropped[1..], [(id, 1, 1)]);
}

#[test]
fn code_under_tables_that_cannot_be_copied_lives_until_the_flush() {
    let mut rig = Rig::new(guest());
    put32(&mut rig.mmu, DIR, 0xa_0000 | PWU);
    rig.io.answer = Some(0x5000 | u64::from(ALL));
    assert_eq!(rig.fault_alone(0x1000, false), Fill::Interpret(Reason::NoticedWalk));
    rig.note(Page(1));
    rig.load_cr3(DIR);
    assert_eq!(rig.sink.dropped, [(1, 1, 1)]);
}

#[test]
fn protected_code_loses_the_right_to_write_under_every_alias() {
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, 0x1000, 0x5000, ALL);
    map(&mut rig.mmu, 0x40_9000, 0x5000, ALL);
    map(&mut rig.mmu, 0x40_a000, 0x6000, ALL);
    for lin in [0x1000, 0x40_9000, 0x40_a000] {
        rig.write(lin, 1).unwrap();
    }
    let user = rig.base;
    rig.activate(false);
    rig.write(0x1000, 2).unwrap();
    rig.protect(5);
    assert_eq!(rig.write(0x1000, 3), Err(Reason::CodeWrite));
    for lin in [0x1000, 0x40_9000] {
        assert!(!rig.p.write(user + lin, 3));
        assert_eq!(rig.p.read(user + lin), Some(2));
    }
    assert!(rig.p.write(user + 0x40_a000, 3));
    rig.mmu.set_code_page(Frame(5), false);
    assert_eq!(rig.write(0x1000, 4), Ok(()));
}

#[test]
fn without_paging_all_of_ram_is_mapped_at_once_around_holes_and_code() {
    let mut rig = Rig::new(machine());
    rig.mmu.memory.switch_shadow(Pa(0xc_8000), 0x1000, Shadow::ReadOnly).map(drop).unwrap();
    rig.protect(0x123);
    assert_eq!(rig.write(0x50_0000, 1), Ok(()));
    for lin in [0u32, 0x9_fffc, 0xc_0000, 0xc_9000, 0xff_fffc, 0x10_0000] {
        assert!(rig.p.write(rig.base + u64::from(lin), lin), "{lin:x}");
        assert_eq!(get32(&rig.mmu, u64::from(lin)), lin);
    }
    assert_eq!((rig.direct(0xa_0000), rig.direct(0x100_0000)), (None, None));
    assert!(!rig.p.write(rig.base + 0xc_8000, 1) && rig.direct(0xc_8000).is_some());
    assert_eq!(rig.read(0xa_0000), Err(Reason::Mmio));
    assert_eq!(rig.read(0x100_0000), Err(Reason::Mmio));
    assert_eq!(rig.windows.stats().hidden_fills, 1);
    // The granule of the code page is read-only; its other pages open when they are written.
    assert_eq!(rig.write(0x12_3000, 1), Err(Reason::CodeWrite));
    assert_eq!(rig.write(0x12_4000, 1), Ok(()));
    assert!(rig.p.write(rig.base + 0x12_f000, 1));
    assert_eq!(rig.write(0x12_0000, 1), Ok(()));
    assert!(!rig.p.write(rig.base + 0x12_3000, 1));
}

#[test]
fn code_found_later_is_protected_by_granules_in_bulk_mappings() {
    let mut rig = Rig::new(machine());
    rig.write(0x50_0000, 1).unwrap();
    let before = rig.windows.mappings();
    for frame in 0x500..0x600 {
        rig.protect(frame);
    }
    assert!(!rig.p.write(rig.base + 0x50_0000, 2) && !rig.p.write(rig.base + 0x5f_f000, 2));
    assert!(rig.p.write(rig.base + 0x60_0000, 2) && rig.p.write(rig.base + 0x4f_f000, 2));
    assert!(rig.windows.mappings() <= before + 2 * 16);
    assert_eq!(rig.write(0x50_0000, 1), Err(Reason::CodeWrite));
}

#[test]
fn with_a20_closed_odd_mibs_are_aliases() {
    let mut mmu = machine();
    mmu.mmu.set_a20(false);
    let mut rig = Rig::new(mmu);
    rig.write(0x10_0040, 7).unwrap();
    assert_eq!((rig.read(0x40), get32(&rig.mmu, 0x40)), (Ok(7), 7));
    rig.protect(0);
    assert_eq!(rig.write(0x10_0000, 1), Err(Reason::CodeWrite));
    assert_eq!(rig.write(0, 1), Err(Reason::CodeWrite));
    assert_eq!(rig.read(0x30_0000), Ok(0));
    rig.mmu.mmu.set_a20(true);
    rig.windows.on_mode_change();
    rig.activate(true);
    assert_eq!(rig.read(0x10_0040), Ok(0));
}

#[test]
fn large_pages_come_whole_with_those_that_continue_them() {
    let mut rig = Rig::new(guest());
    for k in 0..4u32 {
        put32(&mut rig.mmu, DIR + u64::from(768 + k) * 4, k << 22 | LARGE & !US);
    }
    assert_eq!(rig.read(0xc050_0000), Err(Reason::TrueFault));
    rig.activate(false);
    rig.protect(0x300);
    assert_eq!(rig.write(0xc050_0000, 5), Ok(()));
    assert_eq!(get32(&rig.mmu, 0x50_0000), 5);
    for lin in [0xc010_0000u64, 0xc0ff_f000, 0xc080_0000] {
        assert!(rig.p.write(rig.base + lin, 1));
    }
    assert_eq!(rig.direct(0xc00a_0000), None, "the hole under 1 MiB");
    assert_eq!(rig.write(0xc030_0000, 1), Err(Reason::CodeWrite));
    assert_eq!(rig.windows.stats().hidden_fills, 1);
    // Split into small pages: the large mapping goes with the flush, its neighbours stay.
    put32(&mut rig.mmu, DIR + 769 * 4, 0x30_0000 | ALL);
    put32(&mut rig.mmu, 0x30_0000, 0x7000 | ALL);
    put32(&mut rig.mmu, 0x7000, 7);
    rig.load_cr3(DIR);
    rig.activate(false);
    assert_eq!((rig.direct(0xc050_0000), rig.direct(0xc080_0000)), (None, Some(1)));
    assert_eq!(rig.read(0xc040_0000), Ok(7));
}

#[test]
fn a_clean_large_page_is_read_only_until_its_first_write() {
    let mut rig = Rig::new(guest());
    put32(&mut rig.mmu, DIR + 4, 0x40_0000 | LARGE & !(A | D));
    assert_eq!(rig.read(0x45_0000), Ok(0));
    assert_eq!(get32(&rig.mmu, DIR + 4) & (A | D), A);
    assert!(!rig.p.write(rig.base + 0x45_0000, 1));
    assert_eq!(rig.write(0x45_0000, 1), Ok(()));
    assert_eq!(get32(&rig.mmu, DIR + 4) & (A | D), A | D);
    assert!(rig.p.write(rig.base + 0x7f_f000, 1), "all of it");
    // Clean again after a flush.
    put32(&mut rig.mmu, DIR + 4, 0x40_0000 | LARGE & !D);
    rig.load_cr3(DIR);
    assert!(!rig.p.write(rig.base + 0x7f_f000, 1) && rig.direct(0x7f_f000).is_some());
}

#[test]
fn pae_windows_follow_the_pdptes() {
    let mut mmu = machine();
    let r = PagingRegs { cr4: cr4::PAE, ..regs(0x10_0000) };
    put64(&mut mmu, 0x10_0000, 0x10_1001);
    put64(&mut mmu, 0x10_1000, 0x10_2067);
    put64(&mut mmu, 0x10_2000 + 8 * 3, 0x7067);
    put64(&mut mmu, 0x10_1008, 0x60_00e7);
    put64(&mut mmu, 0x10_4000, 0x10_2067);
    mmu.load_pdptes(&mut TestIo::default(), &r).unwrap();
    mmu.paging_changed(&r, PagingChange::Mode);
    put32(&mut mmu, 0x7000, 7);
    let mut rig = Rig::new(mmu);
    assert_eq!(rig.read(0x3000), Ok(7));
    assert_eq!(rig.write(0x20_0000, 1), Ok(()));
    assert!(rig.p.write(rig.base + 0x3f_f000, 2));
    assert_eq!(get32(&rig.mmu, 0x7f_f000), 2);
    // CR3 loaded with the same value, another PDPTE 0: no 2 MiB page there.
    put64(&mut rig.mmu, 0x10_0000, 0x10_4001);
    rig.mmu.load_pdptes(&mut TestIo::default(), &r).unwrap();
    rig.mmu.paging_changed(&r, PagingChange::Cr3);
    rig.windows.on_cr3_load();
    rig.activate(true);
    assert_eq!(rig.direct(0x20_0000), None);
    assert_eq!(rig.read(0x3000), Ok(7));
    assert_eq!(rig.read(0x20_0000), Err(Reason::TrueFault));
}

#[test]
fn the_least_recently_used_window_makes_room() {
    let mut rig = Rig::with(guest(), Windows::new(2, 1000).unwrap());
    let dirs = [DIR, 0x20_0000, 0x30_0000];
    for (k, dir) in (0u32..).zip(dirs) {
        map_in(&mut rig.mmu, dir, 0x1000, 0x5000 + k * 0x1000, ALL);
        put32(&mut rig.mmu, 0x5000 + u64::from(k) * 0x1000, k);
    }
    for round in 0..3 {
        for (k, dir) in (0u32..).zip(dirs) {
            rig.load_cr3(dir);
            assert_eq!(rig.read(0x1000), Ok(k), "round {round}");
        }
    }
    let stats = rig.windows.stats();
    assert!(stats.windows_evicted >= 6, "{stats:?}");
    assert_eq!(rig.sink.gone.len() as u64, stats.windows_evicted);
}

#[test]
fn a_guest_that_maps_for_fragmentation_stays_under_the_budget() {
    let mut rig = Rig::with(guest(), Windows::new(4, 500).unwrap());
    // Every linear page maps the frame two before its predecessor's: nothing merges.
    let frame = |k: u32| 0x800 - (k % 0x300) * 2;
    for k in 0..3000u32 {
        map(&mut rig.mmu, k << 12, frame(k) << 12, ALL);
    }
    for k in 0..0x300u32 {
        put32(&mut rig.mmu, u64::from(frame(k)) << 12, frame(k));
    }
    for k in 0..3000u32 {
        assert_eq!(rig.read(k << 12), Ok(frame(k)));
        assert!(rig.windows.mappings() <= 500 + 2 * 6, "{}", rig.windows.mappings());
    }
    assert!(rig.windows.stats().resets > 0);
}

#[test]
fn giving_mappings_up_keeps_what_is_known_of_code() {
    let mut rig = Rig::with(guest(), Windows::new(4, 64).unwrap());
    map(&mut rig.mmu, 0x80_0000, 0x5000, ALL);
    rig.note(Page(0x800));
    for k in 0..200u32 {
        map(&mut rig.mmu, k << 12, (0x900 - k * 2) << 12, ALL);
        rig.read(k << 12).unwrap();
    }
    assert!(rig.windows.stats().resets > 0 && rig.sink.dropped.is_empty());
    map(&mut rig.mmu, 0x80_0000, 0x6000, ALL);
    rig.load_cr3(DIR);
    assert_eq!(rig.sink.dropped, [(1, 0x800, 1)]);
}

#[test]
fn a_window_of_other_paging_registers_is_not_filled() {
    let mut rig = Rig::new(guest());
    map(&mut rig.mmu, 0x1000, 0x5000, ALL);
    rig.mmu.paging_changed(&regs(0x20_0000), PagingChange::Cr3);
    assert_eq!(rig.fault(0x1000, false), Fill::Interpret(Reason::NoHostMapping));
}
