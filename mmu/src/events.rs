//! What windows tell: names, what came of a fault, what they no longer map, and counters.

use ringer_cpu::addr::Page;

/// Names a window. The name of a window that is gone is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId(pub u32);

/// Is told what a window no longer maps as it did, so that nobody enters code through it.
pub trait DropSink {
    /// `pages` pages of `window` ([`Active::code`]) from linear page `first` on. Only pages that
    /// [`Windows::note_fetch`](crate::Windows::note_fetch) named are certain to be reported.
    fn dropped(&mut self, window: WindowId, first: Page, pages: u32);

    /// The window is given up; its name may come back for another address space.
    fn window_gone(&mut self, window: WindowId);
}

/// The running window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// Its name.
    pub id: WindowId,
    /// What is told of when its code is not what it was: the window itself, or a name that supervisor code has in all
    /// address spaces that agree on it.
    pub code: WindowId,
    /// Host address of guest linear address 0; a multiple of 4 GiB.
    pub base: u64,
}

/// What came of a fault in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// A hidden fault: the page is mapped now, run the instruction again.
    Mapped,
    /// The instruction must be interpreted.
    Interpret(Reason),
}

/// Why an access cannot be made through the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The guest's tables forbid it: a #PF.
    TrueFault,
    /// Its walk of the guest's tables can be noticed: it sets a flag in them, or asks a device for an entry. So it is made if the
    /// instruction comes to it, by the interpreter.
    NoticedWalk,
    /// No memory is there, or memory that cannot be written.
    Mmio,
    /// A write to a page that translated code was made from.
    CodeWrite,
    /// A page with watched bytes, whose accesses are to be seen.
    Watched,
    /// A page that the guest takes away so often that mapping it is not worth it.
    Churn,
    /// The host cannot map it.
    NoHostMapping,
}

/// Counters, from the creation of the [`Windows`](crate::Windows) on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowStats {
    /// Faults that ended in [`Fill::Mapped`].
    pub hidden_fills: u64,
    /// Pages mapped, neighbours included.
    pub pages_mapped: u64,
    /// Host calls that mapped them.
    pub map_calls: u64,
    /// Validations after a flush.
    pub validations: u64,
    /// Pages unmapped because the guest changed their entries.
    pub pages_dropped: u64,
    /// Pages that lost the right to write.
    pub pages_protected: u64,
    /// Windows made.
    pub windows_created: u64,
    /// Windows given up for room.
    pub windows_evicted: u64,
    /// Calls of [`Windows::protect_frame`](crate::Windows::protect_frame) that changed a mapping.
    pub protects: u64,
    /// Windows emptied because the host had no mapping left.
    pub resets: u64,
    /// Entries of inline TLBs for pages that their windows map.
    pub entered_mapped: u64,
    /// Entries of inline TLBs for pages that they do not.
    pub entered_aside: u64,
}
