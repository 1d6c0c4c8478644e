//! Supervisor code that address spaces have in common, and what becomes of it when they do not any more.

use super::*;
use crate::format::bit;
use crate::testing::{ALL, DIR, Rig, TestSink, guest, map, map_in, pte_at, put32, regs};
use ringer_cpu::PagingChange;

/// A second page directory.
const OTHER: u64 = 0x20_0000;
/// The half that all address spaces show.
const KERNEL: u32 = 0xc000_0000;

fn page(lin: u32) -> Page {
    Lin::from(lin).page()
}

/// Two address spaces that agree on the directory entry of [`KERNEL`] and on nothing else; the first one runs the kernel.
fn rig() -> Rig {
    let mut rig = Rig::new(guest());
    for k in 0..16 {
        map(&mut rig.mmu, KERNEL + k * 0x1000, 0x50_0000 + k * 0x1000, ALL);
    }
    share(&mut rig, KERNEL);
    map(&mut rig.mmu, 0x1000, 0x5000, ALL);
    map_in(&mut rig.mmu, OTHER, 0x1000, 0x6000, ALL);
    enter(&mut rig, DIR);
    rig
}

/// The second address space has what the first one has at `lin`.
fn share(rig: &mut Rig, lin: u32) {
    let pde = (pte_at(DIR, lin) & !0xfff) as u32 | ALL;
    put32(&mut rig.mmu, OTHER + u64::from(lin >> 22) * 4, pde);
}

/// Loads CR3, and goes on in the kernel.
fn enter(rig: &mut Rig, dir: u64) {
    rig.mmu.paging_changed(&regs(dir), PagingChange::Cr3);
    rig.windows.on_cr3_load();
    rig.activate(false);
}

#[test]
fn address_spaces_that_agree_on_the_kernel_share_its_code() {
    let mut rig = rig();
    let window = rig.activate(false);
    let code = rig.code;
    assert_ne!(code, window);
    (0..16).for_each(|k| rig.note(page(KERNEL + k * 0x1000)));
    enter(&mut rig, OTHER);
    assert_eq!(rig.code, code);
    assert_ne!(rig.activate(false), window);
    rig.activate(true);
    assert_ne!(rig.code, code, "users have nothing in common");
    enter(&mut rig, DIR);
    assert_eq!((rig.code, &rig.sink.dropped[..], &rig.sink.gone[..]), (code, &[][..], &[][..]));
}

#[test]
fn a_page_of_the_kernel_that_changes_is_dropped_for_all() {
    let mut rig = rig();
    (0..16).for_each(|k| rig.note(page(KERNEL + k * 0x1000)));
    let code = rig.code.0;
    map(&mut rig.mmu, KERNEL + 0x3000, 0x60_0000, ALL);
    enter(&mut rig, OTHER);
    assert_eq!(rig.sink.dropped, [(code, (KERNEL >> 12) + 3, 1)]);
    // By INVLPG, and not for a page that is as it was.
    map(&mut rig.mmu, KERNEL + 0x5000, 0x60_0000, 0);
    for k in 4..6 {
        let (paging, memory) = (rig.mmu.paging(), &rig.mmu.memory);
        rig.windows.on_invlpg(paging, memory, Lin::from(KERNEL + k * 0x1000), &mut rig.sink);
    }
    assert_eq!(rig.sink.dropped[1..], [(code, (KERNEL >> 12) + 5, 1)]);
    // Entered again through a fresh entry before any flush: at once.
    map(&mut rig.mmu, KERNEL + 0x6000, 0x60_0000, ALL);
    rig.note(page(KERNEL + 0x6000));
    assert_eq!(rig.sink.dropped[2..], [(code, (KERNEL >> 12) + 6, 1)]);
    map(&mut rig.mmu, KERNEL + 0x6000, 0x60_1000, ALL & !(bit::A as u32));
    enter(&mut rig, OTHER);
    assert_eq!(rig.sink.dropped[3..], [(code, (KERNEL >> 12) + 6, 1)]);
}

#[test]
fn what_few_pages_differ_in_is_dropped_and_many_begin_another_view() {
    let mut rig = rig();
    (0..16).for_each(|k| rig.note(page(KERNEL + k * 0x1000)));
    rig.note(page(0x1000));
    let code = rig.code;
    enter(&mut rig, OTHER);
    assert_eq!((rig.code, &rig.sink.dropped[..]), (code, &[(code.0, 1, 1)][..]));
    // The other kernel half.
    put32(&mut rig.mmu, OTHER + u64::from(KERNEL >> 22) * 4, 0);
    enter(&mut rig, OTHER);
    assert_ne!(rig.code, code);
    rig.note(page(0x1000));
    let other = rig.code;
    enter(&mut rig, DIR);
    assert_eq!(rig.code, code);
    enter(&mut rig, OTHER);
    assert_eq!((rig.code, rig.sink.dropped.len(), &rig.sink.gone[..]), (other, 1, &[][..]));
}

#[test]
fn there_are_few_views_and_what_they_take_is_counted() {
    let mut rig = rig();
    for k in 0..6u32 {
        let dir = 0x40_0000 + u64::from(k) * 0x2_0000;
        map_in(&mut rig.mmu, dir, KERNEL, 0x50_0000 + k * 0x1000, ALL);
        enter(&mut rig, dir);
        assert!(rig.windows.code.held() < (MOST + 1) * (Table::BYTES + 4 * Chunk::BYTES));
        let before = rig.windows.held();
        rig.note(page(KERNEL));
        assert!(rig.windows.held() >= before + Table::BYTES);
    }
    let views = |sink: &mut TestSink| -> Vec<u32> {
        sink.gone.drain(..).filter(|name| *name > u32::MAX / 2).collect()
    };
    assert_eq!(views(&mut rig.sink), [name_of(0).0, name_of(1).0]);
    rig.windows.shed_to(0, &mut rig.sink);
    assert_eq!(rig.windows.held(), 0);
    assert_eq!(views(&mut rig.sink), [0, 1, 2, 3].map(|k| name_of(k).0));
}

#[test]
fn code_whose_entries_cannot_be_copied_lives_until_the_flush() {
    let mut rig = rig();
    put32(&mut rig.mmu, DIR, 0xa_0000 | ALL);
    rig.note(page(KERNEL));
    rig.note(page(0x1000));
    let code = rig.code.0;
    enter(&mut rig, DIR);
    rig.sink.dropped.sort_unstable();
    assert_eq!(rig.sink.dropped, [(code, 1, 1), (code, KERNEL >> 12, 1)]);
    enter(&mut rig, DIR);
    assert_eq!(rig.sink.dropped.len(), 2, "reported once");
}
