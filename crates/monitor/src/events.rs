//! What happens to a machine beside instructions that retire: the last thousand of it are always at hand, for whoever
//! asks why a guest died, and what is asked for is told to `tracing` as it happens.
//!
//! All of this is on cold paths: an event costs a few stores where an exception, a device or the translator costs
//! hundreds of cycles. What translated code does by itself (a write of an interrupt mask, a system call by
//! SYSENTER) is not seen, unless it is traced, and so left to the interpreter.

use crate::symbols::Symbols;
use bitflags::bitflags;
use ringer_cpu::{Exception, PagingRegs};
use std::fmt;
use std::sync::Arc;

/// Events that are kept: a thousand, and a power of two, by which a division is spared.
const KEPT: usize = 1024;
/// Exceptions that are kept beside them: a thousand port accesses are over soon. A power of two, too.
const KEPT_EXCEPTIONS: usize = 16;

bitflags! {
    /// Kinds of events.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TraceKinds: u16 {
        /// Exceptions, as they are delivered.
        const EXCEPTIONS = 1 << 0;
        /// External interrupts, INT n, halts.
        const INTERRUPTS = 1 << 1;
        /// Accesses to ports.
        const IO = 1 << 2;
        /// Accesses to devices in memory.
        const MMIO = 1 << 3;
        /// Changes of CR0, CR4 and EFER; resets.
        const MODES = 1 << 4;
        /// Loads of CR3, INVLPG, pages that are mapped for the guest on the host.
        const PAGING = 1 << 5;
        /// Blocks made, invalidated, evicted.
        const TRANSLATIONS = 1 << 6;
        /// Blocks entered; while this is traced no block leads to another by itself.
        const BLOCKS = 1 << 7;
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Happening {
    /// An exception is about to be delivered, or is the one that shut the processor down.
    Exception {
        /// Which.
        exception: Exception,
        /// It came up while another one was delivered.
        nested: bool,
    },
    /// An external interrupt is delivered.
    Interrupt {
        /// Its vector.
        vector: u8,
    },
    /// INT n, INT3 or INTO.
    Software {
        /// Its vector.
        vector: u8,
    },
    /// HLT.
    Halt,
    /// A port was read.
    PortIn {
        /// The port.
        port: u16,
        /// Bytes.
        size: u8,
        /// What was read.
        value: u32,
    },
    /// A port is written.
    PortOut {
        /// The port.
        port: u16,
        /// Bytes.
        size: u8,
        /// What is written.
        value: u32,
    },
    /// A device in memory was read.
    MmioRead {
        /// Physical address.
        address: u64,
        /// Bytes.
        size: u8,
        /// What was read.
        value: u64,
    },
    /// A device in memory is written.
    MmioWrite {
        /// Physical address.
        address: u64,
        /// Bytes.
        size: u8,
        /// What is written.
        value: u64,
    },
    /// CR0, CR4 or EFER changed.
    Mode(PagingRegs),
    /// CR3 was loaded.
    AddressSpace {
        /// Its value.
        cr3: u64,
    },
    /// INVLPG.
    PageInvalidated {
        /// Linear address.
        linear: u64,
    },
    /// The processor was reset.
    Reset,
    /// A page was mapped on the host, as the guest's page tables have it. Only traced.
    PageMapped {
        /// Linear address.
        linear: u64,
        /// For writing.
        write: bool,
    },
    /// A block was made. Only traced.
    Translated {
        /// EIP of its first instruction.
        eip: u64,
        /// Physical address of its first byte.
        address: u64,
        /// Guest instructions.
        instructions: u32,
        /// Guest bytes.
        guest_len: u32,
        /// Host bytes.
        host_len: u32,
    },
    /// A write hit blocks. Only traced.
    Invalidated {
        /// Physical address of what was written.
        address: u64,
        /// How many.
        blocks: u64,
    },
    /// All blocks were given up. Only traced.
    Evicted,
    /// A block is entered. Only traced.
    Block {
        /// Where its host code is in the cache.
        offset: u32,
    },
    /// The interpreter goes on where there is no block. Only traced.
    Interpreted,
}

impl Happening {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> TraceKinds {
        match self {
            Self::Exception { .. } => TraceKinds::EXCEPTIONS,
            Self::Interrupt { .. } | Self::Software { .. } | Self::Halt => TraceKinds::INTERRUPTS,
            Self::PortIn { .. } | Self::PortOut { .. } => TraceKinds::IO,
            Self::MmioRead { .. } | Self::MmioWrite { .. } => TraceKinds::MMIO,
            Self::Mode(_) | Self::Reset => TraceKinds::MODES,
            Self::AddressSpace { .. } | Self::PageInvalidated { .. } | Self::PageMapped { .. } => {
                TraceKinds::PAGING
            }
            Self::Translated { .. } | Self::Invalidated { .. } | Self::Evicted => {
                TraceKinds::TRANSLATIONS
            }
            Self::Block { .. } | Self::Interpreted => TraceKinds::BLOCKS,
        }
    }

    /// Whether `next`, at the same place, is the same again: an access to the same register.
    fn again(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::PortIn { port: a, .. }, Self::PortIn { port: b, .. })
            | (Self::PortOut { port: a, .. }, Self::PortOut { port: b, .. }) => a == b,
            (Self::MmioRead { address: a, .. }, Self::MmioRead { address: b, .. })
            | (Self::MmioWrite { address: a, .. }, Self::MmioWrite { address: b, .. }) => a == b,
            (a, b) => a == b,
        }
    }
}

/// An exception as manuals write it: `#PF, error 0002, address 00001000`.
struct Told<'a>(&'a Exception);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = self.0;
        write!(f, "#{}", format!("{:?}", e.vector).to_uppercase())?;
        if let Some(error) = e.error {
            write!(f, ", error {error:04x}")?;
        }
        if e.vector == ringer_cpu::Vector::Pf {
            write!(f, ", address {:08x}", e.address.get())?;
        }
        Ok(())
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Exception { ref exception, nested } => {
                let when = if nested { ", while delivering that" } else { "" };
                write!(f, "{}{when}", Told(exception))
            }
            Self::Interrupt { vector } => write!(f, "interrupt {vector:02x}h"),
            Self::Software { vector } => write!(f, "int {vector:02x}h"),
            Self::Halt => f.write_str("hlt"),
            Self::PortIn { port, size, value } => {
                write!(f, "in {port:04x}h -> {value:0width$x}", width = 2 * usize::from(size))
            }
            Self::PortOut { port, size, value } => {
                write!(f, "out {port:04x}h <- {value:0width$x}", width = 2 * usize::from(size))
            }
            Self::MmioRead { address, size, value } => {
                write!(f, "read [{address:08x}] -> {value:0width$x}", width = 2 * usize::from(size))
            }
            Self::MmioWrite { address, size, value } => {
                write!(
                    f,
                    "write [{address:08x}] <- {value:0width$x}",
                    width = 2 * usize::from(size)
                )
            }
            Self::Mode(r) => write!(f, "cr0 {:08x} cr4 {:08x} efer {:x}", r.cr0, r.cr4, r.efer),
            Self::AddressSpace { cr3 } => write!(f, "cr3 {cr3:08x}"),
            Self::PageInvalidated { linear } => write!(f, "invlpg {linear:08x}"),
            Self::Reset => f.write_str("reset"),
            Self::PageMapped { linear, write } => {
                let access = if write { "writing" } else { "reading" };
                write!(f, "page {linear:08x} mapped for {access}")
            }
            Self::Translated { eip, address, instructions, guest_len, host_len } => write!(
                f,
                "block {eip:08x} at [{address:08x}]: {instructions} instructions, {guest_len} bytes -> {host_len}"
            ),
            Self::Invalidated { address, blocks } => {
                write!(f, "write to [{address:08x}] invalidates {blocks} blocks")
            }
            Self::Evicted => f.write_str("all blocks evicted"),
            Self::Block { offset } => write!(f, "block at cache offset {offset:x}"),
            Self::Interpreted => f.write_str("interpreted"),
        }
    }
}

/// Where the processor is: at the instruction that it runs, or before the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// CS selector.
    pub cs: u16,
    /// Offset in CS.
    pub eip: u64,
    /// CS's base.
    pub base: u64,
}

impl At {
    /// The linear address.
    #[must_use]
    pub fn linear(&self) -> u64 {
        self.base.wrapping_add(self.eip) & u64::from(u32::MAX)
    }
}

/// When something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Guest instructions retired, as far as they are counted.
    pub retired: u64,
    /// Nanoseconds of machine time.
    pub ns: u64,
}

/// Something that happened, when and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub what: Happening,
    /// Where the processor was.
    pub at: At,
    /// When it was for the last time. Real time is as of the last look at the devices.
    pub when: When,
    /// How often it was so in a row: a poll of a port is one event.
    pub times: u32,
}

/// The latest of what was pushed.
#[derive(Debug)]
struct Ring<const MOST: usize> {
    events: Box<[Event]>,
    /// How many were pushed, those apart that repeated the one before.
    pushed: usize,
}

impl<const MOST: usize> Ring<MOST> {
    fn new() -> Self {
        let none =
            Event { what: Happening::Reset, at: At::default(), when: When::default(), times: 0 };
        Self { events: vec![none; MOST].into_boxed_slice(), pushed: 0 }
    }

    /// Field by field into its place: an event that is put together first and copied then costs several times that.
    #[inline(always)]
    fn push(&mut self, what: Happening, at: At, when: When, times: u32) {
        let last = &mut self.events[self.pushed.wrapping_sub(1) % MOST];
        if last.times != 0 && last.at == at && last.what.again(&what) {
            last.times = last.times.saturating_add(times);
            last.what = what;
            last.when = when;
            return;
        }
        let place = &mut self.events[self.pushed % MOST];
        self.pushed = self.pushed.wrapping_add(1);
        place.what = what;
        place.at = at;
        place.when = when;
        place.times = times;
    }

    /// The oldest first.
    fn iter(&self) -> impl Iterator<Item = &Event> {
        let (newer, older) = self.events.split_at(self.pushed % MOST);
        older.iter().chain(newer).filter(|event| event.times != 0)
    }
}

/// The machine's events.
#[derive(Debug)]
pub(crate) struct Events {
    /// Where the running processor is.
    pub at: At,
    all: Ring<KEPT>,
    exceptions: Ring<KEPT_EXCEPTIONS>,
    traced: TraceKinds,
    /// Instructions are counted.
    counted: bool,
    symbols: Arc<Symbols>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            at: At::default(),
            all: Ring::new(),
            exceptions: Ring::new(),
            traced: TraceKinds::empty(),
            counted: false,
            symbols: Arc::default(),
        }
    }
}

impl Events {
    /// Tells `tracing` of `kinds` from now on, and of no others.
    pub fn set_traced(&mut self, kinds: TraceKinds, counted: bool, symbols: Arc<Symbols>) {
        (self.traced, self.counted, self.symbols) = (kinds, counted, symbols);
    }

    /// What is traced.
    pub fn traced(&self) -> TraceKinds {
        self.traced
    }

    /// Whether `kind` is traced.
    #[inline]
    pub fn traces(&self, kind: TraceKinds) -> bool {
        self.traced.intersects(kind)
    }

    /// Keeps `what`, and tells of it if it is traced.
    #[inline(always)]
    pub fn note(&mut self, what: Happening, when: When) {
        if !self.traced.is_empty() && self.traces(what.kind()) {
            self.tell(&Event { what, at: self.at, when, times: 1 });
        }
        if matches!(what, Happening::Exception { .. }) {
            self.exceptions.push(what, self.at, when, 1);
        }
        self.all.push(what, self.at, when, 1);
    }

    /// Keeps `what`, which is not traced, and was so many times.
    pub fn note_often(&mut self, what: Happening, when: When, times: u32) {
        self.all.push(what, self.at, when, times);
    }

    /// Tells of `what`, which is traced and not kept, at `at`.
    #[cold]
    pub fn trace(&self, what: Happening, when: When, at: At) {
        self.tell(&Event { what, at, when, times: 1 });
    }

    #[cold]
    fn tell(&self, event: &Event) {
        tell(event, self.counted, &self.symbols);
    }

    /// The last thousand events, the oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Event> {
        self.all.iter()
    }

    /// The last exceptions, the oldest first.
    pub fn exceptions(&self) -> impl Iterator<Item = &Event> {
        self.exceptions.iter()
    }
}

/// Tells `tracing` of `event`. Each kind is a target of its own, so that a subscriber can choose.
fn tell(event: &Event, counted: bool, symbols: &Symbols) {
    let instruction = counted.then_some(event.when.retired);
    let place = symbols.find(event.at.linear()).map(tracing::field::display);
    macro_rules! tell {
        ($target:literal, $($fields:tt)*) => {
            tracing::trace!(
                target: $target,
                instruction,
                ns = event.when.ns,
                cs = event.at.cs,
                eip = event.at.eip,
                symbol = place,
                $($fields)*,
                "{}",
                event.what
            )
        };
    }
    match event.what {
        Happening::Exception { exception: e, nested } => {
            let address = (e.vector == ringer_cpu::Vector::Pf).then(|| e.address.get());
            tell!("ringer::exceptions", vector = e.vector as u8, error = e.error, address, nested);
        }
        Happening::Interrupt { vector } => {
            tell!("ringer::interrupts", vector, source = "external");
        }
        Happening::Software { vector } => tell!("ringer::interrupts", vector, source = "software"),
        Happening::Halt => tell!("ringer::interrupts", source = "halt"),
        Happening::PortIn { port, size, value } => {
            tell!("ringer::io", port, size, value, write = false);
        }
        Happening::PortOut { port, size, value } => {
            tell!("ringer::io", port, size, value, write = true);
        }
        Happening::MmioRead { address, size, value } => {
            tell!("ringer::mmio", address, size, value, write = false);
        }
        Happening::MmioWrite { address, size, value } => {
            tell!("ringer::mmio", address, size, value, write = true);
        }
        Happening::Mode(r) => tell!("ringer::modes", cr0 = r.cr0, cr4 = r.cr4, efer = r.efer),
        Happening::Reset => tell!("ringer::modes", reset = true),
        Happening::AddressSpace { cr3 } => tell!("ringer::paging", cr3),
        Happening::PageInvalidated { linear } => tell!("ringer::paging", invlpg = linear),
        Happening::PageMapped { linear, write } => tell!("ringer::paging", mapped = linear, write),
        Happening::Translated { eip, address, instructions, guest_len, host_len } => {
            tell!("ringer::translations", block = eip, address, instructions, guest_len, host_len)
        }
        Happening::Invalidated { address, blocks } => {
            tell!("ringer::translations", address, invalidated = blocks);
        }
        Happening::Evicted => tell!("ringer::translations", evicted = true),
        Happening::Block { offset } => tell!("ringer::blocks", offset),
        Happening::Interpreted => tell!("ringer::blocks", interpreted = true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(events: &mut Events, port: u16, eip: u64) {
        events.at = At { cs: 8, eip, base: 0 };
        let what = Happening::PortOut { port, size: 1, value: 0x20 };
        events.note(what, When { retired: eip, ns: 0 });
    }

    #[test]
    fn the_latest_are_kept_oldest_first() {
        let mut events = Events::default();
        for n in 0..2500 {
            out(&mut events, n as u16, n);
        }
        let kept: Vec<u64> = events.all().map(|e| e.at.eip).collect();
        assert_eq!(kept, (2500 - KEPT as u64..2500).collect::<Vec<_>>());
    }

    #[test]
    fn a_poll_is_one_event_and_leaves_exceptions_in_sight() {
        let mut events = Events::default();
        let raised = |exception| Happening::Exception { exception, nested: false };
        events.note(raised(Exception::gp(0x10)), When::default());
        for _ in 0..5000 {
            out(&mut events, 0x3fd, 0x1000);
        }
        out(&mut events, 0x3f8, 0x1000);
        let kept: Vec<(String, u32)> =
            events.all().map(|e| (e.what.to_string(), e.times)).collect();
        let polled = ("out 03fdh <- 20".to_owned(), 5000);
        let sent = ("out 03f8h <- 20".to_owned(), 1);
        assert_eq!(kept, [("#GP, error 0010".to_owned(), 1), polled, sent]);
        for n in 0..3000 {
            out(&mut events, n as u16, n);
        }
        assert_eq!(events.exceptions().count(), 1);
        let fault = Exception::page_fault(ringer_cpu::Lin(0x1000), 2);
        let told = raised(fault).to_string();
        assert_eq!(told, "#PF, error 0002, address 00001000");
    }

    #[test]
    fn an_event_has_a_few_words() {
        assert!(size_of::<Event>() <= 96, "{}", size_of::<Event>());
    }
}
