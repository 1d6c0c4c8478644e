//! The host's limit of mappings, really reached. In a process of its own, since at the limit every
//! other mapping of the process fails too.

use ringer_cpu::addr::{Pa, Page};
use ringer_cpu::{PagingChange, PagingRegs, Privilege};
use ringer_mmu::{DropSink, Fill, GuestMemory, Mmu, Reason, WindowId, Windows};

struct Nothing;

impl DropSink for Nothing {
    fn dropped(&mut self, _: WindowId, _: Page, _: u32) {}
    fn window_gone(&mut self, _: WindowId) {}
}

/// A budget beyond what the host grants: the fills run into ENOMEM, give mappings up and go on.
#[test]
fn a_host_that_refuses_mappings_never_stops_the_guest() {
    const PAGES: u32 = 40_000;
    let (mut mmu, mut memory) = (Mmu::new(), GuestMemory::new(512 << 20).unwrap());
    let mut put = |pa: u32, value: u32| {
        assert!(memory.dma_write(Pa::from(pa), &value.to_le_bytes()));
    };
    for k in 0..PAGES {
        let table = 0x20_0000 + (k >> 10) * 0x1000;
        put(0x10_0000 + (k >> 10) * 4, table | 0x67);
        // Only every other page is present, so that there are gaps between the mappings.
        if k % 2 == 0 {
            put(table + (k & 1023) * 4, (0x1_8000 - k * 2 % 0x1_0000) << 12 | 0x67);
        }
    }
    let regs = PagingRegs { cr0: 0x8000_0001, cr3: 0x10_0000, cr4: 0, efer: 0 };
    mmu.paging_changed(&regs, PagingChange::Mode);
    let mut windows = Windows::new(8, usize::MAX).unwrap();
    let (mut mapped, mut refused) = (0, 0);
    for who in [Privilege::User, Privilege::Supervisor] {
        windows.activate(mmu.paging(), &memory, who, &mut Nothing);
        for k in (0..PAGES).step_by(2) {
            match windows.fault(
                mmu.paging(),
                &mut memory,
                Page::from(k).start(),
                false,
                &mut Nothing,
            ) {
                Fill::Mapped => mapped += 1,
                Fill::Interpret(reason) => {
                    assert_eq!(reason, Reason::NoHostMapping);
                    refused += 1;
                }
            }
        }
    }
    let stats = windows.stats();
    assert!(mapped > PAGES / 2, "{mapped} mapped, {refused} refused, {stats:?}");
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    if limit.trim().parse::<u32>().unwrap() < 2 * PAGES {
        assert!(stats.windows_evicted + stats.resets > 0, "the limit was not reached: {stats:?}");
    } else {
        assert_eq!(refused, 0, "{stats:?}");
    }
}
