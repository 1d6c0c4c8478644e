//! What a debugger needs of the run loop: single steps, watchpoints, places in a run that is gone through
//! again, and a look at address translation and at translated code.

use super::Monitor;
use crate::aliased_move::is_aliased_move;
use crate::config::{Engine, MonitorError};
use crate::moment::{BlockView, Moment};
use crate::stop::{RunEnd, Until};
use ringer_cpu::{Activity, Lin, Pa};
use ringer_mmu::Paging;
use ringer_translator::runtime::blocks::{Block, BlockId};

impl Monitor {
    /// Whether the instruction at CS:EIP is a REP MOVS whose operands overlap in a page frame under two linear addresses:
    /// translated code moves there as the host's processor does, not byte by byte.
    #[must_use]
    pub fn at_aliased_move(&self) -> bool {
        let cpu = self.state();
        let mut bytes = [0; 15];
        let n = self.peek_linear(cpu.code_linear(), &mut bytes);
        let bus = &self.chassis.bus;
        is_aliased_move(cpu, &bytes[..n], |lin| bus.mmu.paging().peek_pa(&bus.memory, lin))
    }

    /// Goes on in lockstep, when the clock is virtual and so does not care.
    pub(super) fn start_lockstep(&mut self) {
        if self.chassis.bus.io.clock.is_virtual() {
            self.cfg.engine = Engine::Lockstep;
            self.flush_cache();
            self.chassis.code.change_engine(&self.cfg);
        }
    }

    /// Where the run is.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let cpu = &self.vcpu.context.cpu;
        let (since, delivered) = self.vcpu.delivered;
        let retired = self.retired();
        let delivered = if since == retired { delivered } else { 0 };
        Moment { retired, delivered, count: cpu.gpr32()[1] }
    }

    /// Where the run was before the last step of the last run by steps ([`Until::step`]).
    #[must_use]
    pub fn previous_moment(&self) -> Option<Moment> {
        self.previous
    }

    /// Keeps serial input and keys that the guest gets from now on, and when it gets them, for
    /// [`Monitor::rewound`]. With the virtual clock only, under which that says all.
    pub fn keep_inputs(&mut self) {
        if self.chassis.bus.io.clock.is_virtual() {
            self.inputs.keep();
        }
    }

    /// How many pieces of input the guest has had since [`Monitor::keep_inputs`].
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs.position()
    }

    /// An earlier state of this machine was taken over, of when it was at `place` and the guest had had so
    /// many pieces of input: it gets the others when it got them.
    pub fn rewound(&mut self, place: Moment, inputs: usize) {
        self.vcpu.delivered = (place.retired, place.delivered);
        self.inputs.go_to(inputs);
    }

    /// Whether the run is where it has been before: input that is kept comes again, and new input waits.
    pub fn hold_input(&mut self, held: bool) {
        self.inputs.hold(held);
        self.chassis.bus.io.board.hold_link(held);
    }

    /// What the guest does from here on is not what it did the last time: kept input that it has not had yet
    /// is forgotten.
    pub fn forget_inputs(&mut self) {
        self.inputs.cut();
    }

    /// Guest memory was changed from outside, page tables perhaps: nothing that was remembered of address
    /// translation holds.
    pub fn memory_changed(&mut self) {
        self.chassis.bus.mmu.flush_tlb();
        self.vcpu.forget_all();
    }

    /// Brings the devices' time up to the machine's, between two runs: what they show is what the guest would
    /// read now. It would be done when the next run begins.
    pub fn catch_up(&mut self) {
        let now = self.chassis.bus.io.clock.corrected_now();
        self.chassis.bus.advance(now);
    }

    /// Machine time, in nanoseconds.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.chassis.bus.io.clock.now()
    }

    /// Lets real time go on at `now`, as if the machine had been frozen since. Virtual time is frozen
    /// between runs anyway.
    pub fn thaw(&mut self, now: u64) {
        self.chassis.bus.io.clock.go_on_at(now);
    }

    /// How linear addresses translate.
    #[must_use]
    pub fn paging(&self) -> &Paging {
        self.chassis.bus.mmu.paging()
    }

    /// The blocks that have the byte at linear address `linear`, as it translates now.
    #[must_use]
    pub fn blocks_at(&self, linear: Lin) -> Vec<BlockView> {
        let Some(pa) = self.paging().peek_pa(&self.chassis.bus.memory, linear) else {
            return Vec::new();
        };
        let at = pa.in_frame() as u32;
        let blocks = self.chassis.code.cache.valid_blocks();
        let here = blocks.filter(|(_, block)| block.overlaps(pa.frame(), at, at + 1));
        here.map(|(id, block)| self.view(id, block, linear, pa)).collect()
    }

    fn view(&self, id: BlockId, block: &Block, linear: Lin, pa: Pa) -> BlockView {
        let cache = &self.chassis.code.cache;
        let mut guest = vec![0; block.guest_len as usize];
        let here = guest.len().min(0x1000 - block.key.pa.in_frame() as usize);
        self.chassis.bus.memory.read(block.key.pa, &mut guest[..here]);
        if let Some(frame) = block.key.second {
            self.chassis.bus.memory.read(frame.start(), &mut guest[here..]);
        }
        let back = pa.minus(block.key.pa.get()).get() & 0xfff;
        BlockView {
            pa: block.key.pa,
            eip: block.key.eip,
            mode: format!("{:?}", block.key.mode),
            bitness: block.key.mode.bitness(),
            guest,
            instructions: block.instrs,
            host_pc: cache.host_pc(id),
            host: cache.host_code(id),
            map: block.map.iter().map(|entry| (entry.host_off, entry.eip)).collect(),
            linear: linear.minus(back).masked(0xffff_ffff),
        }
    }

    /// Sets breakpoints and watchpoints for a run until `until`.
    pub(super) fn arm(&mut self, until: &Until) {
        let (bus, code) = (&mut self.chassis.bus, &mut self.chassis.code);
        let cpu = &self.vcpu.context.cpu;
        bus.io.watch_hit = None;
        bus.io.pause_strings = until.step;
        self.heeds = !until.unheeded;
        if until.unheeded {
            code.breakpoints.rest(cpu);
            return;
        }
        self.vcpu.link.forget();
        let targets = &mut self.vcpu.spaces.targets;
        if !code.set_breakpoints(bus, targets, &until.breakpoints, cpu) {
            self.flush_cache();
        }
        let bus = &mut self.chassis.bus;
        if bus.mmu.paging().watchpoints() != until.watchpoints {
            bus.mmu.watch(&until.watchpoints);
            self.vcpu.forget_all();
        }
    }

    /// Runs one step, or as many as it takes to come to `moment`.
    pub(super) fn run_steps(&mut self, moment: Option<Moment>) -> Result<RunEnd, MonitorError> {
        self.stops_at_halt = false;
        loop {
            let before = self.moment();
            let end = self.run_step()?;
            if end == RunEnd::Stepped && moment.is_some_and(|moment| self.moment() < moment) {
                continue;
            }
            self.previous = Some(before);
            return Ok(end);
        }
    }

    fn run_step(&mut self) -> Result<RunEnd, MonitorError> {
        loop {
            let before = self.vcpu.delivered;
            if let Some(end) = self.service()? {
                return Ok(end);
            }
            if self.vcpu.delivered == before {
                if self.vcpu.context.cpu.activity != Activity::Running {
                    match self.idle()? {
                        Some(end) => return Ok(end),
                        None => continue,
                    }
                }
                self.vcpu.link.forget();
                self.vcpu.step(&mut self.chassis);
                if self.cfg.engine == Engine::Interp {
                    self.chassis.bus.paging.clear();
                }
            }
            return Ok(self.attend()?.unwrap_or(RunEnd::Stepped));
        }
    }

    /// How the run ends by what the board says or, else, by an access to watched bytes.
    pub(super) fn take_hit(&mut self, event: Option<RunEnd>) -> Option<RunEnd> {
        let io = &mut self.chassis.bus.io;
        let Some(hit) = io.watch_hit.take() else { return event };
        if self.heeds {
            return event.or(Some(RunEnd::Watchpoint(hit)));
        }
        io.pause_strings = false;
        event
    }
}
