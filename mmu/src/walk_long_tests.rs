//! Long mode's four levels (SDM volume 3A, 4.5).

use super::*;
use crate::testing::{Bench, TestIo, get64, machine, put64, regs};
use ringer_cpu::Access::{Fetch, Read, Write};
use ringer_cpu::PagingChange;
use ringer_cpu::Privilege::{Supervisor, User};
use ringer_cpu::state::{cr4, efer};

/// The linear address that the tables below translate by a page of 4 KiB.
const KERNEL: u64 = 0xffff_8000_0000_0000;
const PML4: u64 = 0x10_0000;
const PDPT: u64 = 0x10_1000;
const DIRECTORY: u64 = 0x10_2000;
const TABLE: u64 = 0x10_3000;
const RIGHTS: u64 = bit::P | bit::RW | bit::US;
/// Where the entry for [`KERNEL`] is in the PML4.
const PML4E: u64 = PML4 + 256 * 8;
const SMALL: u64 = TABLE + 3 * 8;

fn long(nx: bool) -> Bench {
    let mut mmu = machine();
    let efer = efer::LMA | if nx { efer::NXE } else { 0 };
    put64(&mut mmu, PML4E, PDPT | RIGHTS);
    put64(&mut mmu, PDPT, DIRECTORY | RIGHTS);
    put64(&mut mmu, PDPT + 8, 0x4000_0000 | RIGHTS | bit::PS);
    put64(&mut mmu, DIRECTORY, TABLE | RIGHTS);
    put64(&mut mmu, DIRECTORY + 8, 0x60_0000 | RIGHTS | bit::PS);
    put64(&mut mmu, SMALL, 0x7000 | RIGHTS);
    mmu.paging_changed(&PagingRegs { cr4: cr4::PAE, efer, ..regs(PML4) }, PagingChange::Mode);
    mmu
}

fn walk(mmu: &mut Bench, lin: u64, access: Access, who: Privilege) -> Result<u64, u32> {
    mmu.walk(&mut TestIo::default(), Lin(lin), access, who).map(|t| t.pa.get()).map_err(|e| {
        assert_eq!((e.vector, e.address), (ringer_cpu::Vector::Pf, Lin(lin)));
        e.error.unwrap()
    })
}

#[test]
fn pages_of_each_size_are_found() {
    let mut mmu = long(true);
    assert_eq!(walk(&mut mmu, KERNEL + 0x3456, Read, User), Ok(0x7456));
    assert_eq!(walk(&mut mmu, KERNEL + 0x20_1234, Write, User), Ok(0x60_1234));
    assert_eq!(walk(&mut mmu, KERNEL + 0x7fed_cba9, Read, User), Ok(0x7fed_cba9));
    assert_eq!(walk(&mut mmu, KERNEL + 0x8000_0000, Read, User), Err(4), "no PDPTE");
    assert_eq!(walk(&mut mmu, 0x3456, Write, User), Err(6), "the other half");
}

#[test]
fn every_level_gets_its_accessed_flag_and_the_leaf_its_dirty_flag() {
    let mut mmu = long(true);
    walk(&mut mmu, KERNEL + 0x3000, Write, User).unwrap();
    let set = |mmu: &Bench, at| get64(mmu, at) & (bit::A | bit::D);
    for at in [PML4E, PDPT, DIRECTORY] {
        assert_eq!(set(&mmu, at), bit::A, "{at:x}");
    }
    assert_eq!(set(&mmu, SMALL), bit::A | bit::D);
    walk(&mut mmu, KERNEL + 0x4000_0000, Write, User).unwrap();
    assert_eq!(set(&mmu, PDPT + 8), bit::A | bit::D);
    put64(&mut mmu, PML4E, PDPT | RIGHTS);
    let path = mmu.peek(Lin(KERNEL + 0x3000)).unwrap();
    assert!(!path.accessed() && path.dirty(), "one of four is enough");
}

#[test]
fn rights_are_those_of_all_four_levels() {
    for at in [PML4E, PDPT, DIRECTORY, SMALL] {
        let mut mmu = long(true);
        let entry = get64(&mmu, at);
        put64(&mut mmu, at, entry & !bit::US);
        assert_eq!(walk(&mut mmu, KERNEL + 0x3000, Read, User), Err(5), "{at:x}");
        put64(&mut mmu, at, entry & !bit::RW);
        assert_eq!(walk(&mut mmu, KERNEL + 0x3000, Write, Supervisor), Err(3), "{at:x}");
        put64(&mut mmu, at, entry | bit::NX);
        assert_eq!(walk(&mut mmu, KERNEL + 0x3000, Fetch, User), Err(0x15), "{at:x}");
        assert_eq!(walk(&mut mmu, KERNEL + 0x3000, Read, User), Ok(0x7000), "{at:x}");
        put64(&mut mmu, at, entry & !bit::P);
        assert_eq!(walk(&mut mmu, KERNEL + 0x3000, Fetch, Supervisor), Err(0x10), "{at:x}");
    }
}

#[test]
fn reserved_bits_of_each_level() {
    let beyond = 1 << 40;
    for (at, bits) in [
        (PML4E, bit::PS),
        (PML4E, beyond),
        (PDPT, beyond),
        (DIRECTORY, beyond),
        (SMALL, beyond),
        (PDPT, bit::NX),
        (SMALL, bit::NX),
    ] {
        let mut mmu = long(false);
        let entry = get64(&mmu, at);
        put64(&mut mmu, at, entry | bits);
        assert_eq!(walk(&mut mmu, KERNEL + 0x3000, Read, User), Err(0xd), "{at:x} {bits:x}");
        put64(&mut mmu, at, entry | 0x7ff << 52);
        assert_eq!(walk(&mut mmu, KERNEL + 0x3000, Read, User), Ok(0x7000), "software's bits");
    }
    let mut mmu = long(false);
    put64(&mut mmu, PDPT + 8, 0x4020_0000 | RIGHTS | bit::PS);
    assert_eq!(walk(&mut mmu, KERNEL + 0x4000_0000, Read, User), Err(0xd), "a page of 1 GiB");
}

#[test]
fn an_access_goes_on_over_the_end_of_4_gib() {
    let mut mmu = long(true);
    put64(&mut mmu, PML4, PDPT | RIGHTS);
    for k in 0..4 {
        put64(&mut mmu, PDPT + 8 * k, DIRECTORY | RIGHTS);
    }
    // The last page below 4 GiB, and the first one above.
    put64(&mut mmu, DIRECTORY + 511 * 8, TABLE | RIGHTS);
    put64(&mut mmu, TABLE + 511 * 8, 0x8000 | RIGHTS);
    put64(&mut mmu, PDPT + 4 * 8, DIRECTORY | RIGHTS);
    put64(&mut mmu, TABLE, 0x9000 | RIGHTS);
    let mut io = TestIo::default();
    mmu.write(&mut io, Lin(0xffff_fffe), &[1, 2, 3, 4], User).unwrap();
    assert_eq!(get64(&mmu, 0x8ff8) >> 48, 0x0201);
    assert_eq!(get64(&mmu, 0x9000) & 0xffff, 0x0403);
}
