use super::*;
use crate::testing::{
    ALL, Bench, DIR, PWU, TABLES, TestIo, get32, guest, machine, map, put32, put64, regs,
};
use ringer_cpu::Access::{Fetch, Read, Write};
use ringer_cpu::PagingChange;
use ringer_cpu::Privilege::{Supervisor, SupervisorAc, User};
use ringer_cpu::state::efer;
use ringer_cpu::state::{cr0, cr4};

const A: u32 = bit::A as u32;
const D: u32 = bit::D as u32;
const P: u32 = bit::P as u32;
const PWUS: u32 = (bit::P | bit::RW) as u32;

fn walk(mmu: &mut Bench, lin: u32, access: Access, who: Privilege) -> Result<u64, u32> {
    mmu.walk(&mut TestIo::default(), Lin::from(lin), access, who).map(|t| t.pa.get()).map_err(|e| {
        assert_eq!((e.vector, e.address.low()), (ringer_cpu::Vector::Pf, lin));
        e.error.unwrap()
    })
}

#[test]
fn error_codes_of_absent_pages() {
    let mut mmu = guest();
    for (access, who, code) in [
        (Read, Supervisor, 0),
        (Write, Supervisor, 2),
        (Read, User, 4),
        (Write, User, 6),
        (Fetch, User, 4), // the I bit needs NX paging
    ] {
        assert_eq!(walk(&mut mmu, 0x40_0123, access, who), Err(code), "no directory entry");
    }
    map(&mut mmu, 0x40_0000, 0x5000, 0);
    assert_eq!(walk(&mut mmu, 0x40_0123, Write, User), Err(6), "no table entry");
}

#[test]
fn rights_are_those_of_both_levels() {
    let mut mmu = guest();
    for (pde, pte) in [(PWU, PWUS), (PWUS, PWU)] {
        map(&mut mmu, 0, 0x5000, pte);
        put32(&mut mmu, DIR, TABLES as u32 | pde);
        assert_eq!(walk(&mut mmu, 0x12, Read, User), Err(5));
        assert_eq!(walk(&mut mmu, 0x12, Write, User), Err(7));
        assert_eq!(walk(&mut mmu, 0x12, Write, Supervisor), Ok(0x5012));
    }
    let read_only = PWU & !(bit::RW as u32);
    for (pde, pte) in [(PWU, read_only), (read_only, PWU)] {
        map(&mut mmu, 0, 0x5000, pte);
        put32(&mut mmu, DIR, TABLES as u32 | pde);
        assert_eq!(walk(&mut mmu, 0x12, Read, User), Ok(0x5012));
        assert_eq!(walk(&mut mmu, 0x12, Write, User), Err(7));
        assert_eq!(walk(&mut mmu, 0x12, Write, Supervisor), Err(3), "CR0.WP");
    }
}

#[test]
fn without_wp_supervisors_write_everywhere() {
    let mut mmu = guest();
    let r = PagingRegs { cr0: cr0::PE | cr0::PG, ..regs(DIR) };
    mmu.paging_changed(&r, PagingChange::Mode);
    map(&mut mmu, 0, 0x5000, P);
    assert_eq!(walk(&mut mmu, 0x12, Write, Supervisor), Ok(0x5012));
    assert_eq!(get32(&mmu, TABLES), 0x5000 | P | A | D);
    map(&mut mmu, 0x1000, 0x5000, P | bit::US as u32);
    assert_eq!(walk(&mut mmu, 0x1000, Write, User), Err(7));
}

#[test]
fn accessed_and_dirty_flags_are_set_only_by_permitted_accesses() {
    let mut mmu = guest();
    map(&mut mmu, 0, 0x5000, P | bit::US as u32);
    put32(&mut mmu, DIR, TABLES as u32 | PWU);
    assert_eq!(walk(&mut mmu, 0, Write, User), Err(7));
    assert_eq!((get32(&mmu, DIR) & A, get32(&mmu, TABLES) & (A | D)), (0, 0));
    walk(&mut mmu, 0, Read, User).unwrap();
    assert_eq!((get32(&mmu, DIR) & (A | D), get32(&mmu, TABLES) & (A | D)), (A, A));
    put32(&mut mmu, TABLES, 0x5000 | PWU);
    walk(&mut mmu, 0, Write, User).unwrap();
    assert_eq!((get32(&mmu, DIR) & (A | D), get32(&mmu, TABLES) & (A | D)), (A, A | D));
    put32(&mut mmu, TABLES, 0x5000 | PWU);
    mmu.peek(Lin(0)).unwrap();
    assert_eq!(get32(&mmu, TABLES) & (A | D), 0, "peek sets nothing");
}

#[test]
fn four_mib_pages_and_their_reserved_bits() {
    let mut mmu = guest();
    put32(&mut mmu, DIR + 4, 0x80_0000 | PWU | bit::PS as u32 | bit::G as u32);
    let t = mmu.walk(&mut TestIo::default(), Lin(0x7f_f123), Write, User).unwrap();
    assert_eq!((t.pa.get(), t.large, t.global, t.dirty), (0xbf_f123, true, true, true));
    assert_eq!(get32(&mmu, DIR + 4) & (A | D), A | D);
    put32(&mut mmu, DIR + 4, 0x80_2000 | PWU | bit::PS as u32);
    assert_eq!(walk(&mut mmu, 0x40_0000, Write, User), Err(0xf));
    assert_eq!(walk(&mut mmu, 0x40_0000, Read, Supervisor), Err(9));
    // Without CR4.PSE the PS bit means nothing: the entry names a table.
    put32(&mut mmu, DIR + 4, (TABLES as u32 + 0x1000) | PWU | bit::PS as u32);
    put32(&mut mmu, TABLES + 0x1000, 0x7000 | PWU);
    mmu.paging_changed(&PagingRegs { cr4: 0, ..regs(DIR) }, PagingChange::Mode);
    assert_eq!(walk(&mut mmu, 0x40_0004, Read, User), Ok(0x7004));
}

fn pae(nx: bool) -> Bench {
    let mut mmu = machine();
    let efer = if nx { efer::NXE } else { 0 };
    let r = PagingRegs { cr4: cr4::PAE, efer, ..regs(0x10_0020) };
    put64(&mut mmu, 0x10_0020, 0x10_1001); // PDPTE 0
    put64(&mut mmu, 0x10_1000, 0x10_2067); // PDE 0: a table
    put64(&mut mmu, 0x10_2000 + 8 * 3, 0x7067);
    put64(&mut mmu, 0x10_1008, 0x60_0087); // PDE 1: 2 MiB
    mmu.load_pdptes(&mut TestIo::default(), &r).unwrap();
    mmu.paging_changed(&r, PagingChange::Mode);
    mmu
}

#[test]
fn pae_walks_and_two_mib_pages() {
    let mut mmu = pae(false);
    assert_eq!(walk(&mut mmu, 0x3456, Read, User), Ok(0x7456));
    assert_eq!(walk(&mut mmu, 0x20_1234, Write, User), Ok(0x60_1234));
    assert_eq!(get32(&mmu, 0x10_1008) & (A | D), A | D);
    assert_eq!(walk(&mut mmu, 0x4000_0000, Read, User), Err(4), "absent PDPTE");
    put64(&mut mmu, 0x10_1008, 0x60_2087);
    assert_eq!(walk(&mut mmu, 0x20_0000, Read, User), Err(0xd), "reserved bit of a 2 MiB page");
    put64(&mut mmu, 0x10_2018, 1 << 40 | 0x7067);
    assert_eq!(walk(&mut mmu, 0x3000, Write, Supervisor), Err(0xb), "beyond 36 address bits");
    put64(&mut mmu, 0x10_2018, bit::NX | 0x7067);
    assert_eq!(walk(&mut mmu, 0x3000, Read, Supervisor), Err(9), "NX is reserved without NXE");
}

#[test]
fn nx_forbids_fetches_at_any_level_and_sets_the_i_bit() {
    let mut mmu = pae(true);
    assert_eq!(walk(&mut mmu, 0x3000, Fetch, User), Ok(0x7000));
    put64(&mut mmu, 0x10_2018, bit::NX | 0x7067);
    assert_eq!(walk(&mut mmu, 0x3000, Fetch, User), Err(0x15));
    assert_eq!(walk(&mut mmu, 0x3000, Fetch, Supervisor), Err(0x11));
    assert_eq!(walk(&mut mmu, 0x3000, Read, User), Ok(0x7000));
    put64(&mut mmu, 0x10_2018, 0x7067);
    put64(&mut mmu, 0x10_1000, bit::NX | 0x10_2067);
    assert_eq!(walk(&mut mmu, 0x3000, Fetch, User), Err(0x15));
    assert_eq!(walk(&mut mmu, 0x5000, Fetch, User), Err(0x14), "absent: I without P");
}

#[test]
fn smep_keeps_the_supervisor_out_of_user_pages_and_sets_the_i_bit() {
    let mut mmu = machine();
    put32(&mut mmu, DIR, TABLES as u32 | PWU);
    put32(&mut mmu, TABLES + 4 * 5, 0x7000 | PWU);
    put32(&mut mmu, TABLES + 4 * 6, 0x8000 | 3);
    mmu.paging_changed(&PagingRegs { cr4: cr4::SMEP, ..regs(DIR) }, PagingChange::Mode);
    assert_eq!(walk(&mut mmu, 0x5000, Fetch, Supervisor), Err(0x11));
    assert_eq!(walk(&mut mmu, 0x5000, Fetch, User), Ok(0x7000));
    assert_eq!(walk(&mut mmu, 0x5000, Write, Supervisor), Ok(0x7000), "data is SMAP's business");
    assert_eq!(walk(&mut mmu, 0x6000, Fetch, Supervisor), Ok(0x8000));
    assert_eq!(walk(&mut mmu, 0x6000, Fetch, User), Err(0x15));
    assert_eq!(walk(&mut mmu, 0x9000, Fetch, User), Err(0x14), "absent: I without P");
}

#[test]
fn smap_keeps_the_supervisor_off_data_in_user_pages_unless_ac_is_set() {
    let mut mmu = machine();
    put32(&mut mmu, DIR, TABLES as u32 | PWU);
    put32(&mut mmu, TABLES + 4 * 5, 0x7000 | PWU);
    put32(&mut mmu, TABLES + 4 * 6, 0x8000 | PWUS);
    put32(&mut mmu, TABLES + 4 * 7, 0x9000 | PWU & !(bit::RW as u32));
    let smap = PagingRegs { cr4: cr4::SMAP, ..regs(DIR) };
    mmu.paging_changed(&smap, PagingChange::Mode);
    assert_eq!(walk(&mut mmu, 0x5000, Read, Supervisor), Err(1));
    assert_eq!(walk(&mut mmu, 0x5000, Write, Supervisor), Err(3));
    assert_eq!(get32(&mmu, TABLES + 4 * 5) & (A | D), 0, "no flag is set");
    assert_eq!(walk(&mut mmu, 0x5000, Read, SupervisorAc), Ok(0x7000));
    assert_eq!(walk(&mut mmu, 0x5000, Write, SupervisorAc), Ok(0x7000));
    assert_eq!(walk(&mut mmu, 0x5000, Write, User), Ok(0x7000));
    assert_eq!(
        walk(&mut mmu, 0x5000, Fetch, Supervisor),
        Ok(0x7000),
        "fetches are SMEP's business"
    );
    assert_eq!(walk(&mut mmu, 0x7000, Write, SupervisorAc), Err(3), "CR0.WP");
    for who in [Supervisor, SupervisorAc] {
        assert_eq!(walk(&mut mmu, 0x6000, Write, who), Ok(0x8000));
    }
    assert_eq!(walk(&mut mmu, 0x6000, Read, User), Err(5));
    let permits = |write, who| mmu.paging().permits_as_it_is(&mmu.memory, Lin(0x5000), write, who);
    assert!(permits(true, SupervisorAc) && permits(true, User));
    assert!(!permits(false, Supervisor) && !permits(true, Supervisor));
    mmu.paging_changed(&PagingRegs { cr0: smap.cr0 & !cr0::WP, ..smap }, PagingChange::Mode);
    assert_eq!(walk(&mut mmu, 0x5000, Write, Supervisor), Err(3), "whatever CR0.WP is");
    assert_eq!(walk(&mut mmu, 0x7000, Write, SupervisorAc), Ok(0x9000));
}

#[test]
fn pdptes_are_registers_and_their_reserved_bits_raise_gp() {
    let mut mmu = pae(false);
    let r = *mmu.paging().regs();
    put64(&mut mmu, 0x10_0020, 0);
    assert_eq!(walk(&mut mmu, 0x3000, Read, User), Ok(0x7000), "loaded by MOV to CR3 only");
    for bad in [0x10_1003u64, 0x10_1021, 1 << 36 | 1, bit::NX | 1] {
        put64(&mut mmu, 0x10_0028, bad);
        let error = mmu.load_pdptes(&mut TestIo::default(), &r).unwrap_err();
        assert_eq!(error, Exception::gp(0));
        assert_eq!(walk(&mut mmu, 0x3000, Read, User), Ok(0x7000), "nothing changed");
    }
    put64(&mut mmu, 0x10_0028, 0x1e6);
    mmu.load_pdptes(&mut TestIo::default(), &r).unwrap();
    assert_eq!(walk(&mut mmu, 0x3000, Read, User), Err(4), "an absent PDPTE may hold anything");
}

#[test]
fn a20_closed_masks_addresses_and_tables() {
    let mut mmu = machine();
    mmu.mmu.set_a20(false);
    assert_eq!(walk(&mut mmu, 0x10_0123, Read, Supervisor), Ok(0x123));
    assert_eq!(walk(&mut mmu, 0x30_0123, Read, Supervisor), Ok(0x20_0123));
    // With the directory at 1 MiB, the entries come from address 0.
    mmu.paging_changed(&regs(DIR), PagingChange::Mode);
    put32(&mut mmu, 0, TABLES as u32 | ALL);
    put32(&mut mmu, 0x1000, 0x10_5000 | ALL);
    assert_eq!(walk(&mut mmu, 0x678, Read, User), Ok(0x5678));
    mmu.mmu.set_a20(true);
    assert_eq!(walk(&mut mmu, 0x678, Read, User), Err(4));
}

#[test]
fn t42_tables_in_mmio_in_rom_in_nothing_and_in_themselves() {
    let mut mmu = guest();
    // MMIO: the device answers the entry; nothing is written back.
    put32(&mut mmu, DIR, 0xa_0000 | PWU);
    let mut io = TestIo { answer: Some(0x5000 | u64::from(PWU)), ..TestIo::default() };
    assert_eq!(mmu.walk(&mut io, Lin(0x2044), Write, User).unwrap().pa, Pa(0x5044));
    assert_eq!((io.reads, io.writes), (vec![(0xa_0008, 4)], vec![]));
    assert!(mmu.peek(Lin(0x2044)).is_none());
    // ROM: flags cannot be set.
    mmu.memory.install_rom(&[0x67; 4096]).unwrap();
    put32(&mut mmu, DIR, 0xffff_f000 | PWU);
    assert_eq!(walk(&mut mmu, 0x2044, Read, User), Ok(0x6767_6044));
    // A directory whose last entry names itself.
    put32(&mut mmu, DIR + 0xffc, DIR as u32 | PWU);
    assert_eq!(walk(&mut mmu, 0xffff_f123, Write, User), Ok(DIR + 0x123));
    assert_eq!(get32(&mmu, DIR + 0xffc) & (A | D), A | D);
    // CR3 beyond memory: nothing answers with all ones, whose reserved bits are set.
    mmu.paging_changed(&regs(0xf000_0000), PagingChange::Mode);
    let mut io = TestIo { answer: Some(u64::MAX), ..TestIo::default() };
    let error = mmu.walk(&mut io, Lin(0), Read, Supervisor).unwrap_err();
    assert_eq!(error.error, Some(9));
}

#[test]
fn accessed_flags_in_a_page_of_code_are_reported() {
    let mut mmu = guest();
    map(&mut mmu, 0, 0x5000, PWU);
    mmu.set_code_page(Pa(TABLES).frame(), true);
    let mut io = TestIo::default();
    mmu.walk(&mut io, Lin(0), Read, User).unwrap();
    assert_eq!(io.code, vec![(TABLES, 4)]);
}
