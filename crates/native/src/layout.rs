//! Where things lie under 4 GiB, in the guests and in the helper process alike.
//!
//! Invariant: a page is mapped here with some rights exactly when it is so in all three: the child's
//! address space below 4 GiB holds nothing else, and the guests' page tables map nothing else.

use std::ops::Range;

/// Bytes in a page.
pub const PAGE: u32 = 0x1000;
/// A page that 16-bit addresses reach. Where vm.mmap_min_addr forbids it, it and the read-only page
/// behind it are absent everywhere.
pub const LOW: u32 = 0x8000;
/// The landing page: 64-bit code that saves the result of a case; read-only data to the guests.
pub const LANDING: u32 = 0x1f_f000;
/// The pages of instruction slots, contiguous.
pub const CODE: u32 = LANDING + PAGE;
/// How many there are.
pub const CODE_PAGES: u32 = 16;
/// Bytes of a slot: an instruction and the far jump behind it.
pub const SLOT: u32 = 32;
/// Where the first slot starts, so that the last slot of a page crosses into the next.
pub const SKEW: u32 = 20;
/// Slots in the contiguous pages; the last one would reach past them.
pub const SLOTS: u32 = CODE_PAGES * PAGE / SLOT - 1;
/// Lone code pages, each followed by nothing.
pub const LONE: u32 = 0x30_0000;
/// How many there are, at every second page.
pub const LONE_PAGES: u32 = 32;
/// Two writable data pages, between nothing and a read-only page.
pub const DATA: u32 = 0x40_0000;
/// The stack's two pages, between nothing and nothing.
pub const STACK: u32 = 0x60_0000;
/// Read-only pages: behind the low page and behind the data pages.
pub const READ_ONLY: [u32; 2] = [LOW + PAGE, DATA + 2 * PAGE];
/// Writable pages.
pub const WRITABLE: [u32; 5] = [LOW, DATA, DATA + PAGE, STACK, STACK + PAGE];
/// Bytes in the writable pages.
pub const WRITABLE_LEN: usize = WRITABLE.len() * PAGE as usize;

/// The 64-bit code segment, the compatibility-mode code segment and the data segment of Linux.
pub const CS64: u16 = 0x33;
/// See [`CS64`].
pub const CS32: u16 = 0x23;
/// A 16-bit code segment in the local descriptor table: its first byte is [`CODE`]'s.
pub const CS16: u16 = 0x07;
/// Its last offset: all contiguous code pages.
pub const CS16_LIMIT: u32 = CODE_PAGES * PAGE - 1;
/// See [`CS64`].
pub const DATA_SELECTOR: u16 = 0x2b;

/// The offset of slot `n`: the contiguous ones first, then those on lone pages, whose instruction
/// of `len` bytes ends `past` bytes behind the page.
#[must_use]
pub fn slot_at(n: u32, len: u32, past: u32) -> u32 {
    if n < SLOTS {
        CODE + SKEW + n * SLOT
    } else {
        LONE + (n - SLOTS) * 2 * PAGE + PAGE - len + past
    }
}

/// All slots, those on lone pages included.
pub const ALL_SLOTS: u32 = SLOTS + LONE_PAGES;

/// Every page that holds code.
pub fn code_pages() -> impl Iterator<Item = u32> {
    let contiguous = (0..CODE_PAGES + 1).map(|k| LANDING + k * PAGE);
    contiguous.chain((0..LONE_PAGES).map(|k| LONE + k * 2 * PAGE))
}

/// Whether `page` is one of the two under 64 KiB, which a host may forbid.
#[must_use]
pub fn is_low(page: u32) -> bool {
    page < 0x1_0000
}

/// What follows an instruction of `bits`-bit code: a far jump to the landing page's 64-bit code.
#[must_use]
pub fn tail(bits: u32) -> Vec<u8> {
    let mut out = if bits == 16 { vec![0x66, 0xea] } else { vec![0xea] };
    out.extend(LANDING.to_le_bytes());
    out.extend(CS64.to_le_bytes());
    out
}

/// Ranges in which memory operands mostly lie: within the pages, and across their borders.
pub const TARGETS: [Range<u32>; 8] = [
    LOW - 24..LOW + 40,
    LOW + 64..LOW + PAGE - 64,
    LOW + PAGE - 40..LOW + PAGE + 8,
    DATA - 24..DATA + 40,
    DATA + 256..DATA + 1280,
    DATA + PAGE - 40..DATA + PAGE + 40,
    DATA + PAGE + 512..DATA + PAGE + 1536,
    DATA + 2 * PAGE - 40..DATA + 2 * PAGE + 24,
];
