//! What a translation is made from: the guest's bytes, and what is known of the code around them.

use crate::thunk::KnownThunks;
use ringer_cpu::{Lin, Pc};

/// Where the guest's bytes are.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// EIP of the first byte.
    pub eip: Pc,
    /// Linear address of the first byte: CS's base plus `eip`. Only its place in the page counts.
    pub linear: Lin,
    /// From `eip` to the end of its page, then, if the caller has them, bytes of the next page.
    pub bytes: &'a [u8],
    /// How many of `bytes` are in the first page.
    pub page_left: u32,
    /// Instructions in a block at most; at least 1 is assumed.
    pub max_instrs: u32,
    /// Whether the block goes on behind a conditional branch.
    pub goes_on: GoesOn<'a>,
    /// KnownThunks whose work a CALL can do.
    pub thunks: KnownThunks<'a>,
}

/// Whether a block goes on behind a conditional branch, asked with the branch's target and the EIP
/// behind it: the branch is then a side exit. A block that goes on where the guest usually does not
/// is only wasteful.
#[derive(Clone, Copy)]
pub struct GoesOn<'a>(pub Option<&'a dyn Fn(Pc, Pc) -> bool>);

impl GoesOn<'_> {
    /// A conditional branch ends the block.
    pub const NEVER: Self = Self(None);

    pub(crate) fn ask(self, taken: Pc, fallthrough: Pc) -> bool {
        self.0.is_some_and(|f| f(taken, fallthrough))
    }
}

impl std::fmt::Debug for GoesOn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "GoesOn(..)" } else { "GoesOn::NEVER" })
    }
}
