//! One processor: its registers, its interpreter, its address spaces on the host, and what is
//! remembered of it so that it comes back into translated code quickly.
//!
//! A second processor is a second value of this. The machine ([`Chassis`]) is handed to each method
//! that needs it. One thing of the processor's stands there: the running processor's MMU sits in the
//! system bus, where the interpreter finds it; processors that share a bus take turns in that seat.

use crate::code::Code;
use crate::config::{MonitorConfig, MonitorError};
use crate::gs::GsUse;
use crate::link::PendingLink;
use crate::prefill::Prefill;
use crate::schedule::Schedule;
use crate::segment_memo::SegmentMemo;
use crate::signals::Registration;
use crate::space_selection::Spaces;
use crate::system_bus::SystemBus;
use crate::transfer_memo::TransferMemo;
use ringer_cpu::{Activity, Eflags, Interp, Privilege};
use ringer_translator::Mode;
use ringer_translator::context::{ExecContext, SharedContext};
use std::sync::atomic::Ordering;

/// What belongs to the machine, whichever processor runs.
#[derive(Debug)]
pub(crate) struct Chassis {
    /// Memory, devices and time.
    pub bus: SystemBus,
    /// Translated code.
    pub code: Code,
}

/// The processor.
#[derive(Debug)]
pub(crate) struct Vcpu {
    /// The architectural state, and what translated code needs beside it.
    pub context: SharedContext,
    /// The interpreter.
    pub interp: Interp<SystemBus>,
    /// Windows and target tables.
    pub spaces: Spaces,
    /// Whether supervisor code uses the guest's GS.
    pub gs_use: GsUse,
    /// What the context's reloads were made from.
    pub segments: SegmentMemo,
    /// What the context's transfers were made from.
    pub transfers: TransferMemo,
    /// An access that the guest's handler of its page fault may have made possible.
    pub prefill: Prefill,
    /// A direct exit that wants to be linked to the next block.
    pub link: PendingLink,
    /// When the run loop must have the floor.
    pub schedule: Schedule,
    /// The thread's handlers and timer, while it runs this processor.
    pub signals: Option<Registration>,
    /// The board's INTR line as last seen.
    pub intr: bool,
    /// Whether an NMI waits, as last seen.
    pub nmi: bool,
    /// CS and EIP of the instruction that the interpreter ran last.
    pub last: (u16, u32),
    /// The instruction at CS:EIP waits for an interrupt: an x87 error was reported to the board (CR0.NE is 0).
    pub frozen: bool,
    /// Exceptions and interrupts delivered since `.0` instructions have retired.
    pub delivered: (u64, u32),
    /// Instructions retired by translated code.
    pub translated: u64,
    /// Blocks entered from the dispatcher.
    pub dispatched: u64,
    /// Whether it keeps counters for a profile.
    pub profile: bool,
}

impl Vcpu {
    /// A processor at reset.
    ///
    /// # Errors
    /// When the host refuses windows.
    pub fn new(cfg: &MonitorConfig, code: &Code) -> Result<Self, MonitorError> {
        let interp = Interp::new(cfg.model)
            .map_err(|source| MonitorError::Host { what: "the x87 unit", source })?;
        let context = ExecContext::new(interp.state(), code.cache.base());
        let context = SharedContext::new(context, cfg.profile);
        Ok(Self {
            context,
            interp,
            spaces: Spaces::new()?,
            gs_use: GsUse::default(),
            segments: SegmentMemo::default(),
            transfers: TransferMemo::default(),
            prefill: Prefill::default(),
            link: PendingLink::default(),
            schedule: Schedule::default(),
            signals: None,
            intr: false,
            nmi: false,
            last: (0, 0),
            frozen: false,
            delivered: (0, 0),
            translated: 0,
            dispatched: 0,
            profile: cfg.profile,
        })
    }

    /// The mode of translated code here and now; `None`: only the interpreter can go on.
    #[inline]
    pub fn mode(&self) -> Option<Mode> {
        let cpu = &self.context.cpu;
        let mode = if cpu.shadow_irq { None } else { Mode::of(cpu) };
        mode.map(|mode| self.gs_use.simplify(mode))
    }

    /// As [`Vcpu::forget`]; and memory is not what it was, so no window maps anything any more.
    pub fn forget_all(&mut self) {
        self.forget();
        self.spaces.empty();
    }

    /// What was remembered for translated code holds no more: the processor is another.
    pub fn forget(&mut self) {
        self.frozen = false;
        self.spaces.forget();
        self.segments = SegmentMemo::default();
        self.transfers = TransferMemo::default();
        self.prefill.forget();
        self.link.forget();
    }

    /// Whose rights instruction fetches have.
    pub fn privilege(&self) -> Privilege {
        Privilege::of_fetches(self.context.cpu.cpl)
    }

    /// Whether an interrupt would be taken before the next instruction.
    #[inline]
    pub fn interruptible(&self) -> bool {
        let cpu = &self.context.cpu;
        cpu.eflags & Eflags::IF.bits() != 0 && !cpu.shadow_irq
    }

    /// Whether an interrupt or an NMI is taken before the next instruction.
    #[inline]
    pub fn is_interrupted(&self) -> bool {
        (self.intr && self.interruptible()) || (self.nmi && self.takes_nmi())
    }

    /// Whether an NMI would be taken before the next instruction: none is being handled.
    #[inline]
    pub fn takes_nmi(&self) -> bool {
        let cpu = &self.context.cpu;
        !cpu.nmi_blocked && !cpu.shadow_irq
    }

    /// Whether nothing but an interrupt makes it go on.
    #[inline]
    pub fn waits(&self) -> bool {
        self.context.cpu.activity != Activity::Running || self.frozen
    }

    /// True when the run loop wants the floor back before more guest code runs.
    #[inline]
    pub fn must_service(&self, chassis: &Chassis) -> bool {
        chassis.bus.io.touched
            || self.context.doorbell().kick.load(Ordering::Relaxed) != 0
            || self.is_interrupted()
            || self.waits()
            || self.schedule.out_of_time(&chassis.bus.io.clock)
    }
}
