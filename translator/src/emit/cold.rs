//! What stands behind a block's straight line: who leads there, and what has to be done.

/// Code out of the block's straight line. `patch` is the offset of the rel32 that leads there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cold {
    /// A direct exit that is not linked.
    Link { patch: usize, site: u32, target: u32 },
    /// The taken side of a conditional branch behind which the block goes on; `done` instructions ran.
    Side { patch: usize, target: u32, done: u32 },
    /// A CALL of a thunk that may be there no more: guest ECX waits in r8, and guest ESP is `esp` more
    /// than r12; `done` instructions ran.
    Thunk { patch: usize, target: u32, esp: u32, done: u32 },
    /// The taken side of a conditional branch out of the page.
    Lookup { patch: usize, target: u32 },
    /// POPF of a value for the interpreter.
    PopFlagsCallout { patch: usize, eip: u32, done: u32 },
    /// An access beyond its segment's limit, found before it: guest ECX waits in r9, and guest ESP
    /// is `esp` more than r12.
    Limit { patch: usize, eip: u32, esp: u32, done: u32 },
    /// A string instruction that would wrap or pass a limit: the flags wait in AX, EAX in r10.
    RunLimit { patch: usize, eip: u32, esp: u32, done: u32 },
    /// The budget is used up.
    Budget { patch: usize },
    /// POPF with an interrupt pending.
    PopFlagsCheck { patch: usize, next: u32, done: u32, size: u32 },
}

impl Cold {
    pub fn patch(&self) -> usize {
        match *self {
            Cold::Link { patch, .. }
            | Cold::Side { patch, .. }
            | Cold::Thunk { patch, .. }
            | Cold::Lookup { patch, .. }
            | Cold::PopFlagsCallout { patch, .. }
            | Cold::Limit { patch, .. }
            | Cold::RunLimit { patch, .. }
            | Cold::Budget { patch }
            | Cold::PopFlagsCheck { patch, .. } => patch,
        }
    }
}
