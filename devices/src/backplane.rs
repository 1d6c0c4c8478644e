//! The backplane: the wires that devices share, and the records of what went over them.
//!
//! What lies here is reached by every device through its [`crate::Ctx`]: time, interrupt lines, the PCI
//! configuration mechanism, ISA DMA, the A20 gate, events and host backends. Three rows are ports of it: the interrupt
//! controllers, the DMA controllers and the PCI host bridge.

use crate::fw_cfg::FwCfg;
use crate::given::Given;
use crate::host::{BoardEvent, Events, Output, PostLog};
use crate::irq::{Irqs, PIRQ_DRIVER};
use crate::isa_dma::IsaDma;
use crate::link::Link;
use crate::memory::Shadow;
use crate::msrs::Msrs;
use crate::pci::{Pci, WIRES};
use crate::row::Wire;

/// Counts of what happened on a board. They are the host's: no guest sees them and no saved state has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Port reads, of any size.
    pub port_reads: u64,
    /// Port writes, of any size.
    pub port_writes: u64,
    /// Bytes of port accesses that no device decodes.
    pub unclaimed_ports: u64,
    /// Bytes of memory-mapped accesses that no device decodes.
    pub unclaimed_mmio: u64,
    /// Interrupts acknowledged, by IRQ.
    pub interrupts: [u64; 16],
    /// Interrupts of the local APIC that no line asked for.
    pub local_interrupts: u64,
    /// Spurious interrupts acknowledged.
    pub spurious: u64,
    /// Rising edges of the 8254's channel 0.
    pub timer_edges: u64,
    /// Of those, edges merged with a later one because the board was told the time too late.
    pub timer_edges_merged: u64,
    /// Of those, edges that were made up for.
    pub timer_edges_made_up: u64,
    /// Bytes accepted for COM1.
    pub serial_in: u64,
    /// Bytes that COM1 sent.
    pub serial_out: u64,
    /// Frames that came in and that a network adapter had room for.
    pub frames_in: u64,
    /// Frames that went out.
    pub frames_out: u64,
}

/// The shared wires.
#[derive(Debug)]
pub(crate) struct Backplane {
    pub(crate) now: u64,
    /// What of it the guest had for itself.
    pub(crate) given: Given,
    pub(crate) irqs: Irqs,
    pub(crate) dma: IsaDma,
    pub(crate) pci: Pci,
    /// What firmware can ask for.
    pub(crate) fw_cfg: FwCfg,
    /// Registers of a processor that has them.
    pub(crate) msrs: Option<Box<Msrs>>,
    pub(crate) a20: bool,
    /// The keyboard's lights: Scroll Lock, Num Lock, Caps Lock from bit 0 on.
    pub(crate) leds: u8,
    /// The processor's IGNNE# input.
    pub(crate) ignne: bool,
    pub(crate) stats: Stats,
    pub(crate) events: Events,
    pub(crate) post: PostLog,
    /// Host backends by slot.
    pub(crate) outputs: Vec<Option<Output>>,
    /// Those that had no room when they were last asked, a bit for each slot.
    pub(crate) full: u64,
    /// What the network adapter in a slot is connected to.
    pub(crate) link: Option<(usize, Box<dyn Link>)>,
    /// What it sends was sent before.
    pub(crate) link_held: bool,
    /// Memory to switch before the next instruction: one entry for each place.
    pub(crate) shadows: Vec<Shadow>,
    /// Random numbers of the host's, if the guest may have them.
    pub(crate) entropy: Option<fn(&mut [u8]) -> bool>,
    /// Regions to move when the call into the device is over: slot, region, new base.
    pub(crate) remaps: Vec<(usize, usize, Option<u64>)>,
}

impl Backplane {
    /// Wires that nothing hangs on, at time 0.
    pub(crate) fn new(log_post: bool) -> Self {
        Backplane {
            now: 0,
            given: Given::default(),
            irqs: Irqs::new(),
            dma: IsaDma::new(),
            pci: Pci::default(),
            fw_cfg: FwCfg::new(),
            msrs: None,
            a20: true,
            leds: 0,
            ignne: false,
            stats: Stats::default(),
            events: Events::default(),
            post: PostLog::new(log_post),
            outputs: Vec::new(),
            full: 0,
            link: None,
            link_held: false,
            shadows: Vec::new(),
            entropy: None,
            remaps: Vec::new(),
        }
    }

    /// Opens or closes the A20 gate, and tells the machine if that moved it.
    pub(crate) fn set_a20(&mut self, open: bool) {
        if self.a20 != open {
            self.a20 = open;
            self.events.post(BoardEvent::A20(open));
        }
    }

    /// The IRQ that a line of the device in `slot` leads to, if it leads anywhere.
    pub(crate) fn irq(&self, slot: usize, wire: Wire) -> Option<u8> {
        match wire {
            Wire::Isa(irq) => Some(irq),
            Wire::Intx => self.pci.route(self.pci.wire(slot)?),
        }
    }

    /// Whether the device in `slot` drives a line of its row high.
    pub(crate) fn drives(&self, slot: usize, wire: Wire) -> bool {
        match wire {
            Wire::Isa(irq) => self.irqs.drives(slot, irq),
            Wire::Intx => self.pci.asserts(slot),
        }
    }

    /// The device in `slot` drives a line of its row.
    #[inline]
    pub(crate) fn drive(&mut self, slot: usize, wire: Wire, level: bool) {
        match wire {
            Wire::Isa(irq) => self.irqs.drive(slot, irq, level),
            Wire::Intx => {
                if let Some(wire) = self.pci.drive(slot, level) {
                    self.settle(wire);
                }
            }
        }
    }

    /// The IRQ that PIRQ wire `wire` is routed to follows its level.
    pub(crate) fn settle(&mut self, wire: usize) {
        if let Some(irq) = self.pci.route(wire) {
            self.irqs.drive(PIRQ_DRIVER + wire % WIRES, irq, self.pci.level(wire));
        }
    }

    /// Routes PIRQ wire `wire` (0..=3) to `irq` (0..=15), or nowhere.
    pub(crate) fn route(&mut self, wire: usize, irq: Option<u8>) {
        let before = self.pci.route(wire);
        if before != irq {
            if let Some(before) = before {
                self.irqs.drive(PIRQ_DRIVER + wire % WIRES, before, false);
            }
            self.pci.set_route(wire, irq);
            self.settle(wire);
        }
    }

    /// A state has been taken over: the IRQs have been seeing what the wires carry.
    pub(crate) fn restore_wires(&mut self) {
        for wire in 0..WIRES {
            if let Some(irq) = self.pci.route(wire) {
                self.irqs.restore(PIRQ_DRIVER + wire, irq, self.pci.level(wire));
            }
        }
    }

    /// Asks for memory to be switched; of one place the latest wish counts.
    pub(crate) fn shadow(&mut self, shadow: Shadow) {
        let place = |shadow: &Shadow| (shadow.pa, shadow.len);
        match self.shadows.iter_mut().find(|other| place(other) == place(&shadow)) {
            Some(other) => *other = shadow,
            None => self.shadows.push(shadow),
        }
    }

    /// The reset line: the wires as before power-on, but for the time; the A20 gate opens.
    pub(crate) fn reset(&mut self) {
        self.irqs.release();
        self.ignne = false;
        self.events.reset();
        self.remaps.clear();
        self.shadows.clear();
        self.set_a20(true);
    }
}
