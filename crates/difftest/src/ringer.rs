//! Ringer as a machine of the comparison, under one of its engines.

use crate::layout::RAM;
use crate::peer::{Peer, PeerError, Stop, TOO_LONG, install};
use ringer_cpu::addr::Pa;
use ringer_devices::{Board, BoardConfig, SerialSink};
use ringer_machine::boot::Image;
use ringer_machine::{BootSource, ClockKind, Engine, MachineError, TranslatorOptions};
use ringer_mmu::GuestMemory;
use ringer_monitor::{Monitor, MonitorConfig, RunEnd};
use std::time::Duration;

/// A batch that takes longer hangs.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of the translation cache: small enough that evictions happen in every run.
const CACHE: u64 = 8 << 20;

/// The runner, assembled when this crate was built.
pub const RUNNER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/runner.elf"));

/// One Ringer.
#[derive(Debug)]
pub struct Ringer {
    engine: Engine,
    monitor: Monitor,
    options: TranslatorOptions,
    before: (u64, u64),
    #[cfg(feature = "planted-fault")]
    fault: Option<ringer_translator::PlantedFault>,
}

const OPTIONS: TranslatorOptions = TranslatorOptions::REWRITES
    .union(TranslatorOptions::LINK)
    .union(TranslatorOptions::INDIRECT)
    .union(TranslatorOptions::COUNT);

struct Nowhere;

impl SerialSink for Nowhere {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

impl Ringer {
    /// A machine that waits at its mailbox.
    pub fn new(engine: Engine) -> Result<Self, PeerError> {
        let mut ringer = Self {
            engine,
            monitor: build(engine, OPTIONS)?,
            options: OPTIONS,
            before: (0, 0),
            #[cfg(feature = "planted-fault")]
            fault: None,
        };
        install(&mut ringer)?;
        Ok(ringer)
    }

    /// One whose translated code goes by the inline TLB wherever it can.
    pub fn by_inline_tlb() -> Result<Self, PeerError> {
        let mut ringer = Self::new(Engine::Bt)?;
        ringer.options |= TranslatorOptions::ALL_INLINE_TLB;
        ringer.restart()?;
        Ok(ringer)
    }

    /// A machine whose translator has `fault`.
    #[cfg(feature = "planted-fault")]
    pub fn with_fault(fault: ringer_translator::PlantedFault) -> Result<Self, PeerError> {
        let mut ringer = Self::new(Engine::Bt)?;
        ringer.fault = Some(fault);
        ringer.restart()?;
        Ok(ringer)
    }

    fn counts(&self) -> (u64, u64) {
        let p = self.monitor.profile();
        (p.instructions_translated, p.instructions_interpreted)
    }
}

fn build(engine: Engine, options: TranslatorOptions) -> Result<Monitor, MachineError> {
    let memory = GuestMemory::new(RAM)?;
    let board = BoardConfig {
        ram_size: RAM,
        debug_exit: true,
        apic: false,
        test_device: false,
        rtc_epoch_s: 0,
        log_post: false,
        ide: [None; 4],
        ahci: [None; 6],
        floppies: [None; 2],
        vga: false,
        nics: Default::default(),
        virtio: ringer_devices::VirtioConfig::NONE,
        serials: [false; 3],
        parallel: false,
    };
    let board = Board::new(board, Box::new(Nowhere), Box::new(Nowhere));
    let cfg = MonitorConfig {
        kick_signal: ringer_monitor::KickSignal::default(),
        model: crate::model::model(),
        engine,
        tc_size: CACHE,
        clock: ClockKind::Real,
        max_instructions: None,
        timeout: Some(TIMEOUT),
        profile: false,
        options,
    };
    let mut monitor = Monitor::new(cfg, memory, board)?;
    monitor.testing().translate_at_visit(1);
    let source = BootSource::MultibootBytes { name: "the runner", image: RUNNER };
    let image = Image::read(&source, RAM)?;
    image.power_on(monitor.memory_mut())?;
    monitor.firmware(|m| image.boot(m.memory, m.cpu))?;
    Ok(monitor)
}

impl Peer for Ringer {
    fn name(&self) -> &'static str {
        match self.engine {
            Engine::Bt if self.options.contains(TranslatorOptions::ALL_INLINE_TLB) => {
                "bt --access inline"
            }
            Engine::Bt => "bt",
            Engine::Interp => "interp",
            Engine::Lockstep => "lockstep",
        }
    }

    fn write(&mut self, pa: u32, bytes: &[u8]) -> Result<(), PeerError> {
        let memory = self.monitor.memory_mut();
        memory.load(Pa::from(pa), bytes).map_err(MachineError::from)?;
        if !memory.take_code_writes().is_empty() {
            self.monitor.flush_cache();
        }
        Ok(())
    }

    fn read(&mut self, pa: u32, bytes: &mut [u8]) -> Result<(), PeerError> {
        self.monitor.memory().read(Pa::from(pa), bytes);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), PeerError> {
        let (t, i) = self.counts();
        self.before = (self.before.0 + t, self.before.1 + i);
        self.monitor = build(self.engine, self.options)?;
        #[cfg(feature = "planted-fault")]
        if let Some(fault) = self.fault {
            self.monitor.plant(fault);
        }
        install(self)
    }

    fn wait(&mut self, _: u32) -> Result<Stop, PeerError> {
        Ok(match self.monitor.run().map_err(MachineError::from)? {
            RunEnd::DebugExit(_) => Stop::Done,
            RunEnd::TripleFault { cs, eip } => {
                Stop::Died(format!("triple fault at {cs:04x}:{eip:08x}"))
            }
            RunEnd::Timeout => Stop::Died(TOO_LONG.to_owned()),
            other => Stop::Died(format!("{other:?}")),
        })
    }

    fn instructions(&self) -> Option<(u64, u64)> {
        let (t, i) = self.counts();
        Some((self.before.0 + t, self.before.1 + i))
    }
}
