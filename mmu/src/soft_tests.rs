use super::*;
use crate::format::bit;
use crate::map::Shadow;
use crate::ram::Flush;
use crate::testing::{
    ALL, Bench, DIR, PWU, TestIo, get32, guest, machine, map, offset, pte_at, put32, put64, regs,
};
use ringer_cpu::Privilege::{Supervisor, User};
use ringer_cpu::addr::Pa;
use ringer_cpu::state::cr4;

fn read32(mmu: &mut Bench, lin: u32) -> Result<u32, u32> {
    let mut b = [0; 4];
    mmu.read(&mut TestIo::default(), Lin::from(lin), &mut b, User).map_err(|e| e.error.unwrap())?;
    Ok(u32::from_le_bytes(b))
}

fn write(mmu: &mut Bench, lin: u32, data: &[u8]) -> Result<(), (u32, u32)> {
    let result = mmu.write(&mut TestIo::default(), Lin::from(lin), data, User);
    result.map_err(|e| (e.error.unwrap(), e.address.low()))
}

#[test]
fn t44_a_write_across_pages_writes_all_or_nothing() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, PWU);
    map(&mut mmu, 0x2000, 0x7000, PWU & !(bit::RW as u32));
    assert_eq!(write(&mut mmu, 0x1ffe, &[1, 2, 3, 4]), Err((7, 0x2000)));
    assert_eq!(get32(&mmu, 0x5ffc), 0);
    map(&mut mmu, 0x2000, 0x7000, PWU);
    assert_eq!(write(&mut mmu, 0x1ffe, &[1, 2, 3, 4]), Ok(()));
    assert_eq!((get32(&mmu, 0x5ffc), get32(&mmu, 0x7000)), (0x0201_0000, 0x0403));
    assert_eq!(read32(&mut mmu, 0x1ffe), Ok(0x0403_0201));
    map(&mut mmu, 0x2000, 0, 0);
    mmu.mmu.invlpg(Lin(0x2000));
    assert_eq!(read32(&mut mmu, 0x1ffe), Err(4));
}

#[test]
fn t44_accesses_wrap_at_4_gib() {
    let mut mmu = guest();
    map(&mut mmu, 0xffff_f000, 0x5000, PWU);
    map(&mut mmu, 0, 0x7000, PWU);
    write(&mut mmu, 0xffff_fffe, &[1, 2, 3, 4]).unwrap();
    assert_eq!((get32(&mmu, 0x5ffc), get32(&mmu, 0x7000)), (0x0201_0000, 0x0403));
    assert_eq!(read32(&mut mmu, 0xffff_fffe), Ok(0x0403_0201));
    map(&mut mmu, 0, 0x7000, 0);
    mmu.mmu.flush_tlb();
    assert_eq!(write(&mut mmu, 0xffff_fffe, &[9; 4]), Err((6, 0)));
    assert_eq!(get32(&mmu, 0x5ffc), 0x0201_0000);
}

/// What one by one would have made of it.
fn copied(memory: &mut [u8], from: usize, to: usize, len: usize) {
    (0..len).for_each(|at| memory[to + at] = memory[from + at]);
}

#[test]
fn copies_and_fills_at_once_are_those_one_by_one_or_none() {
    let mut mmu = guest();
    // Two addresses of one frame, and one of another.
    for (page, frame) in [(1, 5), (2, 5), (3, 6)] {
        map(&mut mmu, page << 12, frame << 12, ALL);
        write(&mut mmu, page << 12, &[0]).unwrap();
    }
    let mut seed = 7u32;
    let mut below = |most: u32| {
        seed = seed.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        (seed >> 8) % most
    };
    let (mut moved, mut left) = (0, 0);
    for round in 0..400 {
        let mut frames = vec![0; 0x2000];
        frames.iter_mut().for_each(|byte| *byte = below(256) as u8);
        mmu.memory.write_offset(0x5000, &frames);
        let place = |page: u32| if page == 3 { 0x1000 } else { 0 };
        let (source, target) = (1 + below(3), 1 + below(3));
        let (from, to) = (below(0x1000), below(0x1000));
        let len = (1 + below(0x200)).min(0x1000 - from).min(0x1000 - to);
        let (at, end) = (Lin::from(source << 12 | from), Lin::from(target << 12 | to));
        if round % 2 == 0 {
            if mmu.mmu.copy(&mut mmu.memory, at, end, len as usize, User) {
                let (from, to) = (place(source) + from, place(target) + to);
                copied(&mut frames, from as usize, to as usize, len as usize);
                moved += 1;
            } else {
                left += 1;
            }
        } else {
            let size = [1, 2, 4][below(3) as usize];
            let count = len / u32::from(size);
            let item = (0x8765_4321, size);
            assert_eq!(mmu.mmu.fill(&mut mmu.memory, end, item, count, User), count);
            for at in 0..count * u32::from(size) {
                let byte = item.0.to_le_bytes()[at as usize % usize::from(size)];
                frames[(place(target) + to + at) as usize] = byte;
            }
        }
        let mut now = vec![0; 0x2000];
        mmu.memory.read_offset(0x5000, &mut now);
        assert!(now == frames, "round {round}");
    }
    assert!(moved > 150 && left > 0, "{moved} moved, {left} not");
    assert!(!mmu.mmu.copy(&mut mmu.memory, Lin(0x1ff0), Lin(0x3000), 0x20, User), "two pages");
    assert_eq!(mmu.mmu.fill(&mut mmu.memory, Lin(0x4000), (0, 1), 8, User), 0, "not present");
    mmu.mmu.set_journal(true);
    assert_eq!(mmu.mmu.fill(&mut mmu.memory, Lin(0x1000), (0, 1), 8, User), 0, "journalled");
}

#[test]
fn stale_until_flushed() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, PWU);
    put32(&mut mmu, 0x5000, 55);
    put32(&mut mmu, 0x7000, 77);
    assert_eq!(read32(&mut mmu, 0x1000), Ok(55));
    map(&mut mmu, 0x1000, 0x7000, PWU);
    assert_eq!(read32(&mut mmu, 0x1000), Ok(55), "the old translation may live on");
    mmu.mmu.invlpg(Lin(0x1fff));
    assert_eq!(read32(&mut mmu, 0x1000), Ok(77));
    map(&mut mmu, 0x1000, 0x5000, PWU);
    mmu.paging_changed(&regs(DIR), PagingChange::Cr3);
    assert_eq!(read32(&mut mmu, 0x1000), Ok(55));
}

#[test]
fn granted_rights_are_seen_without_a_flush() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, PWU & !(bit::RW as u32));
    assert_eq!(read32(&mut mmu, 0x1000), Ok(0));
    assert_eq!(write(&mut mmu, 0x1000, &[1]), Err((7, 0x1000)));
    map(&mut mmu, 0x1000, 0x5000, PWU);
    assert_eq!(write(&mut mmu, 0x1000, &[1]), Ok(()));
    map(&mut mmu, 0x2000, 0x6000, 0);
    assert_eq!(read32(&mut mmu, 0x2000), Err(4));
    map(&mut mmu, 0x2000, 0x6000, PWU);
    assert_eq!(read32(&mut mmu, 0x2000), Ok(0));
}

#[test]
fn the_first_write_after_a_read_sets_the_dirty_flag() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, PWU);
    read32(&mut mmu, 0x1000).unwrap();
    assert_eq!(get32(&mmu, pte_at(DIR, 0x1000)) & bit::D as u32, 0);
    write(&mut mmu, 0x1000, &[1]).unwrap();
    assert_ne!(get32(&mmu, pte_at(DIR, 0x1000)) & bit::D as u32, 0);
}

#[test]
fn users_and_supervisors_do_not_share_entries() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, PWU & !(bit::US as u32));
    let mut b = [0; 4];
    mmu.read(&mut TestIo::default(), Lin(0x1000), &mut b, Supervisor).unwrap();
    assert_eq!(read32(&mut mmu, 0x1000), Err(5));
}

#[test]
fn mmio_is_split_into_aligned_cycles_after_all_checks() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0xa_0000, PWU);
    let mut io = TestIo::default();
    mmu.write(&mut io, Lin(0x1001), &[1, 2, 3, 4, 5, 6, 7, 8], User).unwrap();
    let expected =
        [(0xa_0001, 1, 1), (0xa_0002, 2, 0x0302), (0xa_0004, 4, 0x0706_0504), (0xa_0008, 1, 8)];
    assert_eq!(io.writes, expected);
    let mut b = [0; 2];
    mmu.read(&mut io, Lin(0x1004), &mut b, User).unwrap();
    assert_eq!((io.reads, u16::from_le_bytes(b)), (vec![(0xa_0004, 2)], 4));
    // The second page is absent: the device is not asked.
    let mut io = TestIo::default();
    assert!(mmu.read(&mut io, Lin(0x1ffe), &mut [0; 4], User).is_err());
    assert!(io.reads.is_empty());
}

#[test]
fn writes_to_rom_do_nothing() {
    let mut mmu = machine();
    mmu.memory.install_rom(&[0x5a; 8192]).unwrap();
    let mut io = TestIo::default();
    mmu.write(&mut io, Lin(0xffff_fff0), &[1; 4], Supervisor).unwrap();
    assert_eq!(get32(&mmu, 0xffff_fff0), 0x5a5a_5a5a);
    assert_eq!(get32(&mmu, 0xf_fff0), 0x5a5a_5a5a);
    assert!(io.writes.is_empty());
}

#[test]
fn writes_reach_shadow_ram_behind_a_rom() {
    let mut mmu = machine();
    mmu.memory.install_rom(&[0x5a; 8192]).unwrap();
    let _ = mmu.memory.switch_shadow(Pa(0xf_f000), 0x1000, Shadow::WriteOnly).unwrap();
    let mut io = TestIo::default();
    for _ in 0..2 {
        mmu.write(&mut io, Lin(0xf_fff0), &[1; 4], Supervisor).unwrap();
        assert_eq!(get32(&mmu, 0xf_fff0), 0x5a5a_5a5a);
    }
    let _ = mmu.memory.switch_shadow(Pa(0xf_f000), 0x1000, Shadow::ReadWrite).unwrap();
    mmu.mmu.flush_tlb();
    assert_eq!(get32(&mmu, 0xf_fff0), 0x0101_0101);
    assert!(io.writes.is_empty());
}

#[test]
fn every_write_to_a_code_page_is_announced_first() {
    let mut mmu = machine();
    let mut io = TestIo::default();
    mmu.write(&mut io, Lin(0x5000), &[1], Supervisor).unwrap();
    mmu.set_code_page(Frame(5), true);
    assert!(
        mmu.memory.is_code_page(Frame(5))
            && !mmu.memory.is_code_page(Frame(6))
            && !mmu.memory.is_code_page(Frame(u64::MAX))
    );
    for _ in 0..2 {
        mmu.write(&mut io, Lin(0x5ffe), &[1; 4], Supervisor).unwrap();
    }
    assert_eq!(io.code, vec![(0x5ffe, 2), (0x5ffe, 2)]);
    mmu.set_code_page(Frame(5), false);
    mmu.write(&mut io, Lin(0x5000), &[1], Supervisor).unwrap();
    assert_eq!(io.code.len(), 2);
}

#[test]
fn the_journal_reports_old_bytes_even_where_the_tlb_hits() {
    let mut mmu = machine();
    let mut io = TestIo::default();
    mmu.write(&mut io, Lin(0x5000), &[1, 2], Supervisor).unwrap();
    mmu.mmu.set_journal(true);
    mmu.write(&mut io, Lin(0x5000), &[3, 4], Supervisor).unwrap();
    mmu.write(&mut io, Lin(0x5fff), &[5, 6], Supervisor).unwrap();
    mmu.mmu.set_journal(false);
    mmu.write(&mut io, Lin(0x5000), &[7], Supervisor).unwrap();
    assert_eq!(io.journal, vec![(0x5000, vec![1, 2]), (0x5fff, vec![0]), (0x6000, vec![0])]);
    for (offset, old) in io.journal.iter().rev() {
        mmu.memory.write_offset(*offset, old);
    }
    assert_eq!(get32(&mmu, 0x5000), 0x0201);
}

#[test]
fn fetches_stop_at_the_end_of_the_page() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, PWU);
    put32(&mut mmu, 0x5ffc, 0x4433_2211);
    let mut io = TestIo::default();
    let mut b = [0; 16];
    assert_eq!(mmu.fetch(&mut io, Lin(0x1ffc), &mut b, User), Ok(4));
    assert_eq!(b[..4], [0x11, 0x22, 0x33, 0x44]);
    for _ in 0..2 {
        assert_eq!(mmu.fetch(&mut io, Lin(0x1ff0), &mut b, User), Ok(16));
        assert_eq!(b[12..], [0x11, 0x22, 0x33, 0x44]);
    }
    assert_eq!(mmu.fetch(&mut io, Lin(0x2000), &mut b, User).unwrap_err().error, Some(4));
    assert_eq!(mmu.paging().fetch_pa(&mmu.memory, Lin(0x1ffc), User), Some(Pa(0x5ffc)));
}

#[test]
fn fetch_pa_sees_changes_at_once() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, ALL);
    let mut io = TestIo::default();
    mmu.fetch(&mut io, Lin(0x1000), &mut [0; 16], User).unwrap();
    map(&mut mmu, 0x1000, 0x7000, ALL);
    let fetch_pa = |mmu: &Bench| mmu.paging().fetch_pa(&mmu.memory, Lin(0x1000), User);
    assert_eq!(fetch_pa(&mmu), Some(Pa(0x7000)));
    // (What was not accessed yet is the fetch's to find.)
    map(&mut mmu, 0x1000, 0x7000, PWU);
    assert_eq!(fetch_pa(&mmu), None);
    mmu.mmu.flush_tlb();
    mmu.fetch(&mut io, Lin(0x1000), &mut [0; 16], User).unwrap();
    assert_eq!(fetch_pa(&mmu), Some(Pa(0x7000)));
}

#[test]
fn probes_set_flags_and_report_the_page_that_fails() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, PWU);
    let mut io = TestIo::default();
    mmu.probe(&mut io, Lin(0x1ffe), 2, Access::Write, User).unwrap();
    assert_ne!(get32(&mmu, pte_at(DIR, 0x1000)) & bit::D as u32, 0);
    let error = mmu.probe(&mut io, Lin(0x1ffe), 3, Access::Write, User).unwrap_err();
    assert_eq!((error.address.get(), error.error), (0x2000, Some(6)));
}

#[test]
fn a_large_page_can_be_invalidated_through_any_of_its_addresses() {
    let mut mmu = guest();
    let large = ALL | bit::PS as u32;
    put32(&mut mmu, DIR + 4, 0x40_0000 | large);
    put32(&mut mmu, 0x40_3000, 1);
    put32(&mut mmu, 0x80_3000, 2);
    assert_eq!(read32(&mut mmu, 0x40_3000), Ok(1));
    put32(&mut mmu, DIR + 4, 0x80_0000 | large);
    assert_eq!(read32(&mut mmu, 0x40_3000), Ok(1));
    mmu.mmu.invlpg(Lin(0x7f_f000));
    assert_eq!(read32(&mut mmu, 0x40_3000), Ok(2));
}

#[test]
fn closing_a20_wraps_at_1_mib_for_data_already_cached() {
    let mut mmu = machine();
    put32(&mut mmu, 0, 1);
    put32(&mut mmu, 0x10_0000, 2);
    assert_eq!(offset(&mmu, 0x10_0000), 0x10_0000);
    assert_eq!(read32(&mut mmu, 0x10_0000), Ok(2));
    mmu.mmu.set_a20(false);
    assert_eq!(read32(&mut mmu, 0x10_0000), Ok(1));
}

#[test]
fn pdptes_and_the_gate_are_saved_and_the_tlb_is_not() {
    let mut mmu = machine();
    let pae = PagingRegs { cr4: ringer_cpu::state::cr4::PAE, ..regs(0x10_0000) };
    put64(&mut mmu, 0x10_0000, 0x20_1001);
    put64(&mut mmu, 0x20_1000, 0x20_2067);
    put64(&mut mmu, 0x20_2000 + 8 * 3, 0x7067);
    put32(&mut mmu, 0x7000, 77);
    mmu.load_pdptes(&mut TestIo::default(), &pae).unwrap();
    mmu.paging_changed(&pae, PagingChange::Mode);
    mmu.mmu.set_a20(false);
    assert_eq!(read32(&mut mmu, 0x3000), Ok(77));
    let state = mmu.paging().state();
    assert_eq!(state, PagingState { pdptes: [0x20_1001, 0, 0, 0], a20: false });
    // The PDPTE in memory is another one by now.
    put64(&mut mmu, 0x10_0000, 0);
    mmu.paging_changed(&regs(DIR), PagingChange::Mode);
    mmu.mmu.set_a20(true);
    mmu.mmu.load_state(&state, &pae);
    assert_eq!(mmu.paging().state(), state);
    assert_eq!(read32(&mut mmu, 0x3000), Ok(77));
    put64(&mut mmu, 0x20_2000 + 8 * 3, 0x8067);
    mmu.mmu.load_state(&state, &pae);
    assert_eq!(read32(&mut mmu, 0x3000), Ok(0), "what the TLB held is gone");
    // What no processor would have loaded is not present.
    mmu.mmu.load_state(&PagingState { pdptes: [0x20_1003; 4], ..state }, &pae);
    assert_eq!(read32(&mut mmu, 0x3000), Err(4));
}

#[test]
fn writes_of_the_interpreter_and_of_walks_are_logged() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, PWU);
    write(&mut mmu, 0x1000, &[1]).unwrap();
    assert_eq!(mmu.memory.log_writes(true), Flush::Writes);
    mmu.mmu.flush_tlb();
    read32(&mut mmu, 0x1000).unwrap();
    assert_eq!(mmu.memory.take_dirty(Pa(0), 16 << 20), []);
    for _ in 0..2 {
        write(&mut mmu, 0x1000, &[1]).unwrap();
        write(&mut mmu, 0x1004, &[1]).unwrap();
        assert_eq!(mmu.memory.take_dirty(Pa(0), 16 << 20), [Frame(5)]);
        mmu.mmu.flush_tlb();
    }
    // The flags that a walk sets are a write to the table.
    map(&mut mmu, 0x2000, 0x6000, PWU);
    let _ = mmu.memory.take_dirty(Pa(0), 16 << 20);
    mmu.mmu.flush_tlb();
    read32(&mut mmu, 0x2000).unwrap();
    assert_eq!(mmu.memory.take_dirty(Pa(0), 16 << 20), [Pa(pte_at(DIR, 0x2000)).frame()]);
}

#[test]
fn what_was_fetched_or_read_with_ac_is_no_data_of_the_supervisors_without() {
    let mut mmu = guest();
    map(&mut mmu, 0x1000, 0x5000, ALL);
    let smap = PagingRegs { cr4: cr4::SMAP, ..regs(DIR) };
    mmu.paging_changed(&smap, PagingChange::Mode);
    let read = |mmu: &mut Bench, who| {
        let mut buf = [0; 4];
        mmu.read(&mut TestIo::default(), Lin(0x1000), &mut buf, who).map_err(|e| e.error.unwrap())
    };
    for _ in 0..2 {
        let fetched =
            mmu.fetch(&mut TestIo::default(), Lin(0x1000), &mut [0; 16], Privilege::Supervisor);
        assert_eq!(fetched, Ok(16));
        assert_eq!(read(&mut mmu, Privilege::Supervisor), Err(1));
        assert_eq!(read(&mut mmu, Privilege::SupervisorAc), Ok(()));
        assert_eq!(read(&mut mmu, Privilege::User), Ok(()));
        let plain = |access, who| mmu.mmu.plain(Lin(0x1000), 4, access, who).is_some();
        assert!(plain(Access::Read, Privilege::SupervisorAc));
        assert!(!plain(Access::Read, Privilege::Supervisor));
        assert!(plain(Access::Fetch, Privilege::Supervisor));
        let written = mmu.write(&mut TestIo::default(), Lin(0x1000), &[1], Privilege::Supervisor);
        assert_eq!(written.map_err(|e| e.error), Err(Some(3)));
    }
}
