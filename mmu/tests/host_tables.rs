//! What windows say of the host's page tables is what the host's kernel counts. In a process of its own, since the kernel
//! counts for the whole process.

use ringer_cpu::addr::{Lin, Pa};
use ringer_cpu::{PagingChange, PagingRegs, Privilege};
use ringer_mmu::{DropSink, Fill, GuestMemory, Mmu, WindowId, Windows};

struct Nothing;

impl DropSink for Nothing {
    fn dropped(&mut self, _: WindowId, _: ringer_cpu::addr::Page, _: u32) {}
    fn window_gone(&mut self, _: WindowId) {}
}

/// Bytes of page tables that this process has.
fn page_tables() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process has a status");
    let line = status.lines().find(|line| line.starts_with("VmPTE:")).expect("VmPTE is told");
    let number = line.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<usize>().ok());
    number.expect("a number of KiB") << 10
}

const PAGES: u32 = 2048;
const TOLERANCE: usize = 256 << 10;

#[test]
fn the_hosts_page_tables_are_counted_and_given_back() {
    let (mut mmu, mut memory) = (Mmu::new(), GuestMemory::new(16 << 20).unwrap());
    let mut put =
        |pa: u32, value: u32| assert!(memory.dma_write(Pa::from(pa), &value.to_le_bytes()));
    // One page in each 2 MiB of 4 GiB.
    for k in 0..PAGES / 2 {
        let table = 0x40_0000 + k * 0x1000;
        put(0x10_0000 + k * 4, table | 0x67);
        put(table, 0x5067);
        put(table + 0x800, 0x6067);
    }
    let regs = PagingRegs { cr0: 0x8000_0001, cr3: 0x10_0000, cr4: 0, efer: 0 };
    mmu.paging_changed(&regs, PagingChange::Mode);
    let mut windows = Windows::new(8, 30_000).unwrap();
    windows.activate(mmu.paging(), &memory, Privilege::User, &mut Nothing);
    let before = page_tables();
    for k in 0..PAGES {
        let lin = Lin::from(k << 21);
        let fill = windows.fault(mmu.paging(), &mut memory, lin, false, &mut Nothing);
        assert_eq!(fill, Fill::Mapped);
    }
    let taken = page_tables() - before;
    let said = windows.held();
    assert!(taken > 7 << 20, "a page table for each page: {taken}");
    assert!(said + TOLERANCE > taken, "{said} charged, {taken} taken");
    // The guest takes every page away; each alone in its 2 MiB, it takes its page table along.
    for k in 0..PAGES {
        let table = 0x40_0000 + k / 2 * 0x1000 + k % 2 * 0x800;
        assert!(memory.dma_write(Pa::from(table), &[0; 4]));
    }
    windows.on_cr3_load();
    windows.activate(mmu.paging(), &memory, Privilege::User, &mut Nothing);
    assert!(!windows.maps(Lin::from(2u32 << 21), false));
    windows.shed_to(0, &mut Nothing);
    let left = page_tables().saturating_sub(before);
    assert!(left < TOLERANCE, "{left} bytes of page tables are left");
    assert_eq!(windows.held(), 0);
}
