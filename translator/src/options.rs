//! Which optimisations and counters the translator applies: one option each, so that a bug can be
//! bisected. With none set, translated code still runs everything right, through callouts.

use bitflags::bitflags;

bitflags! {
    /// TransferStubs of the translator.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct TranslatorOptions: u32 {
        /// Direct branches within a page get a patchable jump.
        const LINK = 1 << 0;
        /// Branches look their target up inline instead of leaving for the dispatcher.
        const INDIRECT = 1 << 1;
        /// Innocuous instructions run as themselves.
        const IDENTITY = 1 << 2;
        /// PUSH, POP, LEAVE, PUSHA, POPA run inline.
        const INLINE_STACK = 1 << 3;
        /// Branches, calls and returns run inline.
        const INLINE_BRANCH = 1 << 4;
        /// String instructions run inline.
        const INLINE_STRINGS = 1 << 5;
        /// CLI, STI, PUSHF and POPF run inline.
        const INLINE_FLAGS = 1 << 6;
        /// Reading segment registers runs inline.
        const INLINE_SEGREAD = 1 << 7;
        /// XCHG with memory runs inline (without the implied lock).
        const INLINE_XCHG = 1 << 8;
        /// Accesses through segments with a base run inline.
        const INLINE_BASED = 1 << 9;
        /// 16-bit addresses, and accesses through segments with a limit, run inline.
        const INLINE_LIMITED = 1 << 12;
        /// In real and V86 mode, loads of segment registers run inline.
        const INLINE_SEGLOAD = 1 << 13;
        /// Pushes and pops of a block move ESP together, at its end or where ESP is asked for.
        const FOLD_ESP = 1 << 11;
        /// A block goes on behind a conditional branch where its source says so.
        const SUPERBLOCK = 1 << 14;
        /// A CALL of a known thunk does the thunk's work and the block goes on.
        const INLINE_THUNKS = 1 << 15;
        /// SYSENTER, SYSEXIT, RDTSC, writes of interrupt masks and supervisor code's loads of FS go on without the dispatcher.
        const INLINE_TRANSFER = 1 << 20;
        /// `[reg]` operands without displacement or index use the 64-bit register: one byte less.
        const SHORT_ADDRESS = 1 << 10;

        /// Count retired instructions, per block.
        const COUNT = 1 << 16;
        /// Count blocks entered and inline lookups.
        const PROFILE = 1 << 17;
        /// Leave before the block that would exceed the instruction budget.
        const BUDGET = 1 << 18;
        /// Every block passes the verifier before it runs, in the form that the engine runs and in
        /// the form that the default options give. Always on in debug builds.
        const VERIFY = 1 << 19;
        /// The accesses of instructions that kept trapping go by the inline TLB where they can.
        const INLINE_TLB = 1 << 22;
        /// So do those of all others.
        const ALL_INLINE_TLB = 1 << 23;
        /// A string instruction that repeats is a block of its own, for an engine that runs it piece by piece.
        const LONE_STRINGS = 1 << 21;

        /// Every rewriting optimisation, and IDENTITY.
        const REWRITES = Self::IDENTITY.bits() | Self::INLINE_STACK.bits()
            | Self::INLINE_BRANCH.bits() | Self::INLINE_STRINGS.bits() | Self::INLINE_FLAGS.bits()
            | Self::INLINE_SEGREAD.bits() | Self::INLINE_XCHG.bits() | Self::INLINE_BASED.bits()
            | Self::INLINE_LIMITED.bits() | Self::INLINE_SEGLOAD.bits()
            | Self::SHORT_ADDRESS.bits() | Self::FOLD_ESP.bits()
            | Self::SUPERBLOCK.bits() | Self::INLINE_THUNKS.bits()
            | Self::INLINE_TRANSFER.bits() | Self::INLINE_TLB.bits();
    }
}

impl Default for TranslatorOptions {
    fn default() -> Self {
        Self::LINK | Self::INDIRECT | Self::REWRITES
    }
}
