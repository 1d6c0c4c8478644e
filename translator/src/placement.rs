//! Where host code goes: its own address, and those that it leaves to.

use crate::context::TransferKind;

/// Where the host code will run.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// Executable host address of the block's first byte.
    pub base: u64,
    /// The exits.
    pub stubs: StubAddresses,
}

/// Absolute host addresses of the exit stubs, within 2 GiB of every block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StubAddresses {
    /// Direct exit not linked yet: the target is in r8d, the site in r9d.
    pub exit_link: u64,
    /// Indirect exit to the EIP in r8d.
    pub exit_miss: u64,
    /// Callout; `cpu.eip` is set.
    pub exit_callout: u64,
    /// An interrupt is pending; `cpu.eip` is set.
    pub exit_check: u64,
    /// The instruction budget is used up; `cpu.eip` is set.
    pub exit_budget: u64,
    /// By [`crate::context::TransferKind`]: the stubs that come back to the dispatcher, and those that go on. `cpu.eip` is
    /// set; r11d is 1 when the block counted the instruction; see [`crate::runtime::transfer`] for r8 to r10.
    pub transfer: [[u64; 2]; TransferKind::COUNT],
}
