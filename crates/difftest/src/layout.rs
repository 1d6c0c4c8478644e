//! Where everything is in the guest's memory, as `guest/runner.s` has it too.
//!
//! Invariant: a constant that both sides know has one value; the test below reads the runner's
//! source.

/// Bytes of guest memory.
pub const RAM: u64 = 48 << 20;
/// Cases that a batch holds at most.
pub const BATCH: usize = 2048;

/// Selector of the runner's code.
pub const CODE0: u16 = 0x08;
/// Selector of the runner's data.
pub const DATA0: u16 = 0x10;
/// Selector of the TSS that every case runs under.
pub const TSS0: u16 = 0x28;
/// Selector of the TSS that #DF switches to.
pub const TSS_DF: u16 = 0x30;
/// Selector of 16-bit code with base 0.
pub const CODE16: u16 = 0x38;
/// Selector of 16-bit data with base 0.
pub const DATA16: u16 = 0x40;
/// First of the eight selectors whose descriptors a case brings.
pub const CASE_SLOTS: u16 = 0x100;

/// Linear address of [`IMAGE`].
pub const HIGH: u32 = 0xb700_0000;
/// Physical address of the runner.
pub const IMAGE: u32 = 0x20_0000;
/// Linear address of the page where exceptions save the registers.
pub const SAVE: u32 = 0xb710_0000;
/// Linear end of the runner's stack.
pub const STACK_TOP: u32 = 0xb710_2000;
/// Linear address of the GDT.
pub const GDT: u32 = 0xb710_2000;
/// Linear address of the IDT.
pub const IDT: u32 = 0xb710_3000;
/// Linear address of the TSS of every case.
pub const TSS_MAIN: u32 = 0xb710_4000;
/// Linear address of the TSS of #DF.
pub const TSS_FAULT: u32 = 0xb710_4800;
/// Physical address of the page directory while the runner runs.
pub const PD_RUN: u32 = 0x31_0000;
/// Physical address of the page directory of cases.
pub const PD_CASE: u32 = 0x31_1000;
/// Physical address of the page table of the cases' own pages.
pub const PT_ARENA: u32 = 0x31_2000;
/// Physical address of the page table of the runner at [`HIGH`].
pub const PT_RUNNER: u32 = 0x31_3000;
/// Physical address of the mailbox.
pub const MAIL: u32 = 0x38_0000;
/// Physical address of the first case.
pub const CASES: u32 = 0x40_0000;
/// Physical address of the first result.
pub const RESULTS: u32 = 0x60_0000;
/// Bytes of a case, and of a result.
pub const SLOT: usize = 1024;
/// Physical address of the two pages that code is copied to.
pub const CODE_PAGES: u32 = 0x2_0000;
/// Physical address of the first case's data pages.
pub const DATA: u32 = 0x80_0000;
/// Bytes of data pages that a case has.
pub const DATA_LEN: usize = 0x4000;
/// Physical address of 4 MiB of zeros, for a large page that cases can read.
pub const LARGE: u32 = 0x280_0000;
/// Real-mode vectors.
pub const REAL_VECTORS: u32 = 0x7000;
/// Real-mode stubs, 16 bytes each.
pub const REAL_STUBS: u32 = 0x8000;
/// Stubs, 16 bytes each.
pub const STUBS: u32 = HIGH + 0x1000;
/// An IRETD.
pub const IRETD: u32 = HIGH + 0x2000;
/// The timer's handler.
pub const TIMER: u32 = HIGH + 0x2010;
/// A RETF.
pub const RETF: u32 = HIGH + 0x2020;
/// A RETF 8.
pub const RETF_8: u32 = HIGH + 0x2030;
/// Where the task of #DF begins.
pub const DOUBLE_FAULT: u32 = HIGH + 0x2040;
/// CR0 of the runner, and of most cases.
pub const CR0_DEFAULT: u32 = 0x8001_0033;
/// CR4 of the runner, and of most cases.
pub const CR4_DEFAULT: u32 = 0x610;
/// Bytes of code that a case brings.
pub const CODE_LEN: usize = 192;

/// Offsets in the mailbox.
pub mod mail {
    /// The tables are there.
    pub const READY: u32 = 0;
    /// Number of the batch to run.
    pub const GO: u32 = 4;
    /// Case to stop before.
    pub const END: u32 = 12;
    /// Case at hand.
    pub const CURRENT: u32 = 16;
    /// Number of the last batch done.
    pub const DONE: u32 = 20;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_has_the_same_numbers() {
        let source = include_str!("../guest/runner.s");
        let value = |name: &str| {
            let line = source.lines().find_map(|l| {
                let (n, v) = l.trim().strip_prefix(".set ")?.split_once(',')?;
                (n == name).then(|| v.split('#').next().unwrap_or("").trim().to_owned())
            });
            let text = line.unwrap_or_else(|| panic!("the runner lacks {name}"));
            match text.strip_prefix("0x") {
                Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
                None => text.parse().unwrap(),
            }
        };
        let same = [
            ("CODE0", u32::from(CODE0)),
            ("DATA0", u32::from(DATA0)),
            ("TSS0", u32::from(TSS0)),
            ("TSS_DF", u32::from(TSS_DF)),
            ("CODE16", u32::from(CODE16)),
            ("DATA16", u32::from(DATA16)),
            ("CASE_SLOTS", u32::from(CASE_SLOTS)),
            ("HIGH", HIGH),
            ("SAVE", SAVE),
            ("STACK_TOP", STACK_TOP),
            ("GDT", GDT),
            ("IDT", IDT),
            ("TSS_MAIN", TSS_MAIN),
            ("PD_RUN", PD_RUN),
            ("PD_CASE", PD_CASE),
            ("PT_ARENA", PT_ARENA),
            ("MAIL", MAIL),
            ("CASES", CASES),
            ("RESULTS", RESULTS),
            ("CODE_PAGES", CODE_PAGES),
            ("CR0_DEFAULT", CR0_DEFAULT),
            ("CR4_DEFAULT", CR4_DEFAULT),
            ("CODE_DWORDS", CODE_LEN as u32 / 4),
        ];
        for (name, ours) in same {
            assert_eq!(value(name), ours, "{name}");
        }
    }
}
