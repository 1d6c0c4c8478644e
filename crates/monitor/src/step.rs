//! One step of the interpreter within the machine, and what follows from it; interrupts.

use crate::clock::Clock;
use crate::events::{At, Happening};
use crate::profile::Row;
use crate::stop::{Next, RunEnd};
use crate::system_bus::{Io, SystemBus};
use crate::transfer_memo::Before;
use crate::vcpu::{Chassis, Vcpu};
use ringer_cpu::{CpuState, Gpr, Lin, Outcome, Vector};

/// Instructions the interpreter engine runs between looks at the inbox.
const INTERP_SLICE: u32 = 4096;

/// Deliveries in a row, with no instruction between them, after which the run loop gets the floor.
const DELIVERIES: u32 = 1 << 16;
/// Deliveries in a row after which a run that is to end after so many instructions ends: there will be none. (A fifth
/// of a second or so.)
const HOPELESS: u32 = 1 << 20;

/// Where the processor is.
pub(crate) fn at(cpu: &CpuState) -> At {
    let cs = cpu.cs();
    let base = if cpu.in_64_bit_mode() { 0 } else { cs.base.get() };
    At { cs: cs.selector, eip: cpu.rip.get(), base }
}

impl Vcpu {
    /// Runs guest code by the interpreter alone until the run loop wants the floor.
    pub fn interp_slice(&mut self, chassis: &mut Chassis) -> Next {
        chassis.bus.io.ledger.switch(Row::Interpreter);
        let mut last = Next::Service;
        for _ in 0..INTERP_SLICE {
            if let stop @ Next::Stop(_) = self.step_or_stop(chassis) {
                last = stop;
                break;
            }
            if self.must_service(chassis) {
                break;
            }
        }
        chassis.bus.paging.clear();
        chassis.bus.io.ledger.switch(Row::Dispatch);
        last
    }

    /// One instruction by the interpreter, unless a breakpoint is there.
    #[inline]
    pub fn step_or_stop(&mut self, chassis: &mut Chassis) -> Next {
        match self.stops_here(chassis) {
            Some(end) => Next::stop(end),
            None => {
                self.step(chassis);
                Next::Dispatch
            }
        }
    }

    /// One instruction by the interpreter, with everything that follows from it.
    pub fn step(&mut self, chassis: &mut Chassis) -> Outcome {
        let cpu = &self.context.cpu;
        let at = at(cpu);
        self.last = (at.cs, cpu.eip());
        chassis.bus.io.events.at = at;
        let count = cpu.reg32(Gpr::Ecx);
        let outcome = self.interp.step(&mut self.context.cpu, &mut chassis.bus);
        self.frozen = false;
        if outcome == Outcome::Partial {
            // A string instruction would have counted.
            self.frozen = self.context.cpu.reg32(Gpr::Ecx) == count;
            chassis.code.breakpoints.pass(&self.context.cpu);
        }
        self.follow_up(chassis, outcome);
        outcome
    }

    fn follow_up(&mut self, chassis: &mut Chassis, outcome: Outcome) {
        let bus = &mut chassis.bus;
        match outcome {
            Outcome::Retired | Outcome::Halted => {
                if outcome == Outcome::Halted {
                    bus.io.note(Happening::Halt);
                }
                bus.io.clock.retired += 1;
                bus.io.counters.interpreted += 1;
            }
            Outcome::Delivered(_) => self.note_delivery(&mut bus.io),
            Outcome::Partial | Outcome::Shutdown => {}
        }
        if bus.io.touched {
            self.look_at_pins(&bus.io);
            bus.serve_firmware(&mut self.context.cpu);
        }
        if bus.memory.is_stale() {
            self.settle_memory(bus);
        }
        if !bus.io.code_writes.is_empty() {
            let writer = self.spot_of(self.last.1);
            chassis.code.take_writes_of(Some(writer), bus, &mut self.spaces.targets);
        }
    }

    /// A device has moved its memory about, or asks to be told of writes anew: what is known of it is forgotten.
    #[cold]
    pub fn settle_memory(&mut self, bus: &mut SystemBus) {
        let stale = bus.memory.take_stale();
        bus.mmu.flush_tlb();
        bus.note_host_writes();
        if !stale.gone.is_empty() {
            self.forget();
        }
        self.spaces.forget_backing(&stale);
    }

    /// The guest's handler comes next. Handlers that fault at their first instruction, one after the other, take their
    /// time too: the run loop gets the floor now and then, and virtual time goes on.
    fn note_delivery(&mut self, io: &mut Io) {
        let retired = io.clock.retired;
        let before = if self.delivered.0 == retired { self.delivered.1 } else { 0 };
        let now = before.saturating_add(1);
        self.delivered = (retired, now);
        if now.is_multiple_of(DELIVERIES) {
            io.touched = true;
            if io.clock.is_virtual() {
                io.clock.skip_to(io.clock.now().saturating_add(u64::from(DELIVERIES)));
            }
        }
    }

    /// Whether deliveries have come in a row for so long that no instruction is going to retire.
    pub fn retires_nothing(&self, clock: &Clock) -> bool {
        self.delivered.0 == clock.retired && self.delivered.1 >= HOPELESS
    }

    /// How the run ends before the instruction at CS:EIP, which the interpreter is to run.
    #[inline]
    pub fn stops_here(&self, chassis: &mut Chassis) -> Option<RunEnd> {
        chassis.code.breakpoints.before(&self.context.cpu)
    }

    /// What the board asks of the processor.
    fn look_at_pins(&mut self, io: &Io) {
        (self.intr, self.nmi) = (io.board.intr(), io.board.nmi());
    }

    /// Takes the NMI or the interrupt that the board asks for, if it can be taken.
    pub fn deliver_interrupt(&mut self, chassis: &mut Chassis) {
        let io = &mut chassis.bus.io;
        self.look_at_pins(io);
        if !self.is_interrupted() {
            return;
        }
        let now = io.clock.now();
        let nmi = self.nmi && self.takes_nmi() && io.board.take_nmi();
        let vector = if nmi { Vector::Nmi as u8 } else { io.board.ack(now) };
        io.counters.interrupts += 1;
        io.events.at = at(&self.context.cpu);
        // Should the processor shut down, it is here.
        self.last = (io.events.at.cs, self.context.cpu.eip());
        io.note(Happening::Interrupt { vector });
        chassis.code.breakpoints.left();
        self.frozen = false;
        self.note_delivery(io);
        let (cpu, bus) = (&mut self.context.cpu, &mut chassis.bus);
        let outcome = match nmi {
            true => self.interp.nmi(cpu, bus),
            false => self.interp.interrupt(cpu, bus, vector),
        };
        // The interrupt came between two instructions: none retired.
        let none = if outcome == Outcome::Retired { Outcome::Partial } else { outcome };
        self.follow_up(chassis, none);
        self.look_at_pins(&chassis.bus.io);
    }

    /// Runs the instruction that translated code left to the interpreter, and notes what can be learnt
    /// from that.
    pub fn callout(&mut self, chassis: &mut Chassis) -> Next {
        if let Some(end) = self.stops_here(chassis) {
            return Next::stop(end);
        }
        chassis.bus.io.counters.callout_exits += 1;
        let row = if self.profile { self.callout_row(chassis) } else { Row::CalloutOther };
        let before = chassis.bus.io.ledger.switch(row);
        self.sample_gs(chassis);
        let eip = self.context.cpu.eip();
        let accesses = chassis.bus.io.accesses;
        chassis.bus.mmu.forget_seen();
        let cpl = self.context.cpu.cpl;
        let outcome = self.step_left(chassis);
        let Chassis { bus, code } = chassis;
        let left = code.leaves(eip);
        let device = bus.io.accesses != accesses;
        let needed = matches!(outcome, Outcome::Delivered(_))
            || device
            || (left && self.spaces.stay_unmapped(bus.mmu.seen()));
        if left && outcome == Outcome::Delivered(Vector::Pf) {
            self.prefill.expect_inline(eip, cpl, self.context.cpu.cr2 as u32);
        }
        if (left || code.prefers_inline_tlb())
            && !device
            && outcome == Outcome::Retired
            && bus.paging.is_empty()
        {
            self.note_places(bus);
        }
        code.note_callout(bus, &mut self.spaces.targets, eip, needed);
        bus.io.ledger.switch(before);
        Next::Dispatch
    }

    /// What the interpreter accessed may be found by the inline TLB the next time.
    fn note_places(&mut self, bus: &mut SystemBus) {
        let [last, before] = bus.mmu.seen();
        for lin in [before, last] {
            if lin != Lin(0) {
                self.spaces.enter_inline(bus, lin);
            }
        }
    }

    /// Looks at the instruction of a callout, now and then.
    fn sample_gs(&mut self, chassis: &mut Chassis) {
        if self.gs_use.wants(self.context.cpu.cpl == 0)
            && let Ok(i) = self.interp.decode(&self.context.cpu, &mut chassis.bus)
            && self.gs_use.look_at(&i)
        {
            self.spaces.forget();
        }
    }

    /// The instruction that translated code left, and perhaps what a stub can learn from that.
    pub fn step_left(&mut self, chassis: &mut Chassis) -> Outcome {
        let before = Before::take(&mut self.context, &self.spaces);
        let outcome = self.step(chassis);
        if let (Some(before), Outcome::Retired) = (before, outcome)
            && before.can_be_learnt(&chassis.bus)
            && let Some(mode) = self.mode()
            && let Ok(after) = self.spaces.select(&mut self.context, &chassis.bus, mode)
        {
            let (context, spaces) = (&mut self.context, &self.spaces);
            self.transfers.learn(context, spaces, &chassis.bus, &before, after);
        }
        outcome
    }
}
