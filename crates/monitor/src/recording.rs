//! What a profiled run was found to spend its time on, by place and by time: plain data, for whoever
//! makes a report of it.

use crate::marks::Marker;
use crate::profile::{Counters, Row};
use iced_x86::FlowControl;

/// What is to be recorded beside the counters.
#[derive(Clone, Debug, Default)]
pub struct RecordOptions {
    /// Samples a second, up to [`RecordOptions::MOST_SAMPLES`]; 0: none.
    pub samples_per_second: u32,
    /// Writes to this port mark moments.
    pub mark_port: Option<u16>,
    /// Whoever has a clone of it marks moments.
    pub marker: Marker,
}

impl RecordOptions {
    /// Samples a second, where nobody says how many: few enough to cost little, and no divisor of the
    /// rates that guests' own timers have.
    pub const DEFAULT_SAMPLES: u32 = 499;
    /// Samples a second at most.
    pub const MOST_SAMPLES: u32 = 20_000;
}

/// A guest address, and the privilege that code there ran with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Spot {
    /// The linear address.
    pub linear: u32,
    /// CPL was 3.
    pub user: bool,
}

/// A recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// How it was sampled, if it was.
    pub sampling: Option<SamplingRecord>,
    /// Samples by the ledger's rows.
    pub rows: Vec<u64>,
    /// Samples by row and guest instruction, most first.
    pub places: Vec<PlaceRecord>,
    /// Blocks with a sample or an entry, those with most samples first, then those with most entries.
    pub blocks: Vec<BlockRecord>,
    /// Look-ups of branch targets, most first.
    pub lookups: Vec<LookupRecord>,
    /// Callouts, most first.
    pub callouts: Vec<CalloutRecord>,
    /// Faults of translated code, most first.
    pub faults: Vec<FaultRecord>,
    /// Pages whose translated code was written to, most first.
    pub invalidations: Vec<InvalidationRecord>,
    /// The counters as they stood at moments of the run, by time.
    pub moments: Vec<Moment>,
    /// Moments that the guest or the user marked, by time.
    pub marks: Vec<MarkRecord>,
    /// Marks that found no room.
    pub marks_lost: u64,
    /// The translation cache.
    pub cache: CacheRecord,
    /// What of all this belongs to places that found no room.
    pub elsewhere: Elsewhere,
}

/// Counts of things at places that found no room: a guest can make up any number of places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// Samples.
    pub samples: u64,
    /// Entries of blocks.
    pub entries: u64,
    /// Look-ups.
    pub lookups: u64,
    /// Look-ups among them that found nothing.
    pub misses: u64,
    /// Callouts.
    pub callouts: u64,
    /// Faults.
    pub faults: u64,
    /// Invalidations.
    pub invalidations: u64,
}

/// How a run was sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SamplingRecord {
    /// Nanoseconds between two samples.
    pub period: u64,
    /// Samples taken.
    pub samples: u64,
    /// Those of them in blocks.
    pub in_blocks: u64,
    /// Times that the timer expired and the thread had not taken the last signal yet: the host ran others.
    pub missed: u64,
    /// Samples that found no room.
    pub lost: u64,
    /// Nanoseconds that a sample costs, as measured before the run.
    pub cost: u64,
}

/// Samples at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceRecord {
    /// What the engine did.
    pub row: Row,
    /// Where, if that is known: a guest instruction.
    pub spot: Option<Spot>,
    /// Samples.
    pub samples: u64,
}

/// A block, or several of the same guest code one after the other.
#[derive(Clone, Debug, Default)]
pub struct BlockRecord {
    /// Where it begins.
    pub spot: Spot,
    /// The physical address of its first byte.
    pub physical: u64,
    /// Guest bytes.
    pub guest_bytes: u32,
    /// Guest instructions that run as host code.
    pub instructions: u32,
    /// Host bytes.
    pub host_bytes: u32,
    /// The mode that it was translated for, in words.
    pub mode: String,
    /// Samples in it.
    pub samples: u64,
    /// How often it was entered.
    pub entries: u64,
    /// How often it was translated.
    pub translations: u64,
    /// Where its host code lies in the translation cache; `None`: it was evicted.
    pub cache_offset: Option<u32>,
    /// Its guest code is as it was when it was translated.
    pub valid: bool,
    /// How often a direct exit led to the dispatcher.
    pub unlinked_exits: u64,
    /// How often a look-up in it led to the dispatcher.
    pub missed_lookups: u64,
    /// Faults, by [`FaultKind`].
    pub faults: [u64; FaultKind::ALL.len()],
    /// Its code, for the hottest ones.
    pub listing: Option<ListingRecord>,
}

/// Code of a block.
#[derive(Clone, Debug, Default)]
pub struct ListingRecord {
    /// Its guest instructions.
    pub guest: Vec<GuestRecord>,
    /// Its host instructions.
    pub host: Vec<HostRecord>,
    /// Its direct exits: the linear address that each leads to, and whether it is linked.
    pub direct: Vec<(u32, bool)>,
    /// Its look-ups: what makes it, and how often it ran.
    pub lookups: Vec<(LookupKind, u64)>,
}

/// What happens to a guest instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestClass {
    /// It runs as itself.
    Innocuous,
    /// A short sequence stands for it.
    Rewritten,
    /// The interpreter does it.
    Callout,
}

/// A guest instruction.
#[derive(Clone, Debug)]
pub struct GuestRecord {
    /// Its linear address.
    pub linear: u32,
    /// Its bytes, in hexadecimal digits.
    pub bytes: String,
    /// Its text.
    pub text: String,
    /// What happens to it.
    pub class: GuestClass,
    /// Samples in its host code.
    pub samples: u64,
}

/// A host instruction.
#[derive(Clone, Debug)]
pub struct HostRecord {
    /// Its offset in the block.
    pub offset: u32,
    /// Its bytes, in hexadecimal digits.
    pub bytes: String,
    /// Its text.
    pub text: String,
    /// The guest instruction that it stands for; `None`: the block's own.
    pub guest: Option<usize>,
    /// Samples on it.
    pub samples: u64,
}

/// An instruction that looks up where it goes.
#[derive(Clone, Debug)]
pub struct LookupRecord {
    /// The instruction.
    pub spot: Spot,
    /// Its text, where its code is still there.
    pub text: String,
    /// What it is.
    pub kind: LookupKind,
    /// How often it looked.
    pub count: u64,
    /// How often there was nothing, and the dispatcher was asked.
    pub misses: u64,
}

/// What looks up where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LookupKind {
    /// An indirect JMP.
    Jump,
    /// An indirect CALL.
    Call,
    /// A RET.
    Return,
    /// A JMP into another page.
    DirectJump,
    /// A CALL into another page.
    DirectCall,
    /// A conditional branch into another page.
    Conditional,
    /// The end of a page: the block goes on in the next one.
    PageEnd,
}

impl LookupKind {
    /// Of an instruction that leads where `flow` says.
    pub(crate) fn of(flow: FlowControl) -> Self {
        match flow {
            FlowControl::IndirectBranch => Self::Jump,
            FlowControl::IndirectCall => Self::Call,
            FlowControl::Return => Self::Return,
            FlowControl::UnconditionalBranch => Self::DirectJump,
            FlowControl::Call => Self::DirectCall,
            FlowControl::ConditionalBranch => Self::Conditional,
            _ => Self::PageEnd,
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Jump => "jump",
            Self::Call => "call",
            Self::Return => "return",
            Self::DirectJump => "direct jump",
            Self::DirectCall => "direct call",
            Self::Conditional => "conditional",
            Self::PageEnd => "page end",
        }
    }
}

/// An instruction that the interpreter runs.
#[derive(Clone, Debug)]
pub struct CalloutRecord {
    /// The instruction.
    pub spot: Spot,
    /// Its text.
    pub text: String,
    /// Its form, as the manual writes it.
    pub form: &'static str,
    /// The row of the ledger that it is booked on.
    pub row: Row,
    /// Why it is a callout.
    pub why: String,
    /// How often it ran.
    pub count: u64,
}

/// Kinds of host traps in translated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// A window was filled.
    Hidden,
    /// The guest's page fault.
    True,
    /// An access to a device.
    Mmio,
    /// A write to translated code.
    CodeWrite,
    /// A page that is taken away too often to be mapped.
    Churn,
    /// Anything else.
    Other,
}

impl FaultKind {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] =
        [Self::Hidden, Self::True, Self::Mmio, Self::CodeWrite, Self::Churn, Self::Other];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::True => "true",
            Self::Mmio => "mmio",
            Self::CodeWrite => "code write",
            Self::Churn => "churn",
            Self::Other => "other",
        }
    }
}

/// An instruction whose host code traps.
#[derive(Clone, Debug)]
pub struct FaultRecord {
    /// The instruction.
    pub spot: Spot,
    /// Its text, where its code is still there.
    pub text: String,
    /// How.
    pub kind: FaultKind,
    /// How often.
    pub count: u64,
}

/// Code that was written to.
#[derive(Clone, Copy, Debug)]
pub struct InvalidationRecord {
    /// The physical address of the page.
    pub page: u64,
    /// A block that went: where it began.
    pub block: Spot,
    /// The instruction that wrote last; `None`: a device or the host did.
    pub writer: Option<Spot>,
    /// Writes.
    pub count: u64,
    /// Blocks that went.
    pub blocks: u64,
}

/// The run's counters at a moment: all since the run began.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// Nanoseconds of the run.
    pub at: u64,
    /// What the monitor counts.
    pub counters: Counters,
    /// Nanoseconds by the ledger's rows.
    pub ledger: Vec<u64>,
    /// Guest instructions retired by translated code.
    pub translated: u64,
    /// Blocks entered.
    pub entries: u64,
    /// Look-ups.
    pub lookups: u64,
    /// Entries by the dispatcher.
    pub dispatched: u64,
    /// Blocks translated.
    pub blocks_translated: u64,
    /// Blocks invalidated.
    pub invalidations: u64,
    /// Bytes of the translation cache in use.
    pub cache_used: u64,
}

/// What marked a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkKind {
    /// A text that the guest sent.
    Text,
    /// A write to a port.
    Port,
}

/// A marked moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkRecord {
    /// Nanoseconds of the run.
    pub at: u64,
    /// Guest instructions retired by then, the one that marks not among them.
    pub instructions: u64,
    /// What marked it.
    pub kind: MarkKind,
    /// The text, or the value.
    pub text: String,
}

/// The translation cache.
#[derive(Clone, Debug, Default)]
pub struct CacheRecord {
    /// Its bytes.
    pub size: u64,
    /// Those in use.
    pub used: u64,
    /// Those of stubs, at its beginning.
    pub stubs: u64,
    /// The blocks in it, in their order.
    pub blocks: Vec<CachedRecord>,
}

/// A block in the translation cache.
#[derive(Clone, Copy, Debug)]
pub struct CachedRecord {
    /// Its offset.
    pub offset: u32,
    /// Its bytes.
    pub len: u32,
    /// Where its guest code begins.
    pub spot: Spot,
    /// Nothing wrote to its guest code since.
    pub valid: bool,
    /// Samples in it.
    pub samples: u64,
}
