//! Counters and the time ledger. Both cost next to nothing when profiling is off.

use crate::signals::samples::Samples;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// What the monitor counts in any case (cold paths only).
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Counters {
    pub port_io: u64,
    pub mmio: u64,
    pub interpreted: u64,
    pub interrupts: u64,
    pub link_exits: u64,
    pub miss_exits: u64,
    pub callout_exits: u64,
    pub check_exits: u64,
    pub budget_exits: u64,
    pub hidden_faults: u64,
    /// Pages mapped before the access that a guest's page-fault handler returned to.
    pub prefills: u64,
    pub true_faults: u64,
    pub mmio_faults: u64,
    pub code_write_faults: u64,
    pub churn_faults: u64,
    pub other_faults: u64,
    pub kicks: u64,
    pub steps: u64,
}

macro_rules! rows {
    ($($name:ident => $text:literal,)*) => {
        /// Where wall time can go.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Row { $($name,)* }

        impl Row {
            /// Every row, in the order of printing.
            pub const ALL: &[Row] = &[$(Row::$name,)*];

            /// Its name in reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Row::$name => $text,)* }
            }
        }
    };
}

rows! {
    Translated => "translated code",
    Interpreter => "interpreter (cold code)",
    Translating => "translating",
    Dispatch => "dispatcher",
    CalloutIo => "callout: port I/O",
    CalloutFlags => "callout: flags (popf, sti, cli)",
    CalloutSegment => "callout: segment loads",
    CalloutTransfer => "callout: int, iret, far transfers",
    CalloutControl => "callout: control registers, invlpg",
    CalloutFpu => "callout: FPU state",
    CalloutOther => "callout: other",
    HiddenFaults => "hidden faults",
    TrueFaults => "true faults",
    Interrupts => "interrupts and exceptions",
    Devices => "devices",
    Idle => "idle (HLT)",
}

/// Splits the run's wall time over [`Row`]s: exactly one row is running at any time.
#[derive(Debug)]
pub struct Ledger {
    on: bool,
    /// A run goes on: what is done between two runs is nobody's time.
    running: bool,
    current: Row,
    since: Instant,
    /// Who is told of each row.
    samples: Option<Arc<Samples>>,
    spent: [u64; Row::ALL.len()],
    entered: [u64; Row::ALL.len()],
}

impl Ledger {
    /// A ledger that keeps time only when `on`.
    #[must_use]
    pub fn new(on: bool) -> Self {
        Self {
            on,
            running: false,
            current: Row::Dispatch,
            since: Instant::now(),
            samples: None,
            spent: [0; Row::ALL.len()],
            entered: [0; Row::ALL.len()],
        }
    }

    /// Samples are taken in the row at hand.
    pub fn tell(&mut self, samples: Option<Arc<Samples>>) {
        self.samples = samples;
    }

    /// A run begins: what went by since the last one is nobody's.
    pub fn begin(&mut self) {
        self.running = self.on;
        self.since = Instant::now();
    }

    /// The run ended.
    pub fn end(&mut self) {
        self.switch(Row::Dispatch);
        self.running = false;
    }

    /// Books the time since the last switch and starts `row`; returns the row that ran.
    #[inline]
    pub fn switch(&mut self, row: Row) -> Row {
        let before = self.current;
        if self.running {
            let now = Instant::now();
            self.spent[before as usize] += now.duration_since(self.since).as_nanos() as u64;
            self.entered[row as usize] += 1;
            self.since = now;
            self.current = row;
            if let Some(samples) = &self.samples {
                samples.enter(row as u8);
            }
        }
        before
    }

    /// Nanoseconds booked on `row`.
    #[must_use]
    pub fn spent(&self, row: Row) -> u64 {
        self.spent[row as usize]
    }

    /// Times `row` was entered.
    #[must_use]
    pub fn entered(&self, row: Row) -> u64 {
        self.entered[row as usize]
    }
}

/// One row of the printed ledger.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerRow {
    /// What the time went to.
    pub name: &'static str,
    /// Seconds.
    pub seconds: f64,
    /// How often it was entered.
    pub count: u64,
}

/// An instruction form that is often left to the interpreter.
#[derive(Clone, Debug, Serialize)]
pub struct HotCallout {
    /// The form, as the manual writes it.
    pub instruction: String,
    /// How often it ran.
    pub count: u64,
}

/// The numbers of one run. The JSON schema is this structure; fields are only ever added.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Profile {
    /// Engine name.
    pub engine: String,
    /// Wall seconds of the run.
    pub seconds: f64,
    /// Guest instructions retired by translated code.
    pub instructions_translated: u64,
    /// Guest instructions retired by the interpreter (cold code and callouts).
    pub instructions_interpreted: u64,
    /// Share of guest instructions executed translated, in per cent.
    pub translated_percent: f64,
    /// Blocks entered in translated code.
    pub block_entries: u64,
    /// Block transitions by a patched direct branch (or falling into the next block).
    pub direct_links: u64,
    /// Block transitions by the inline look-up.
    pub inline_lookups: u64,
    /// Block transitions that went through the dispatcher.
    pub dispatched: u64,
    /// Share of block transitions that needed no dispatcher, in per cent.
    pub undispatched_percent: f64,
    /// Blocks translated.
    pub blocks_translated: u64,
    /// Guest bytes translated.
    pub guest_bytes: u64,
    /// Host bytes they became.
    pub host_bytes: u64,
    /// Host bytes for each guest byte.
    pub expansion: f64,
    /// Bytes of the translation cache in use.
    pub cache_used: u64,
    /// Full evictions of the translation cache.
    pub evictions: u64,
    /// Blocks invalidated by writes to code.
    pub invalidations: u64,
    /// Interrupts delivered.
    pub interrupts: u64,
    /// Callouts, all kinds.
    pub callouts: u64,
    /// Shadow faults by cause: hidden (a window was filled).
    pub hidden_faults: u64,
    /// Pages mapped before the access that a guest's page-fault handler returned to.
    pub prefills: u64,
    /// Shadow faults by cause: true page faults of the guest.
    pub true_faults: u64,
    /// Shadow faults by cause: MMIO.
    pub mmio_faults: u64,
    /// Shadow faults by cause: writes to pages with translated code.
    pub code_write_faults: u64,
    /// Shadow faults by cause: pages that the guest takes away too often to be mapped; the access was interpreted.
    pub churn_faults: u64,
    /// Other host traps in translated code (divide errors, alignment …).
    pub other_faults: u64,
    /// Pages mapped into shadow windows.
    pub window_pages: u64,
    /// Shadow windows made.
    pub windows_created: u64,
    /// Shadow windows given up for others.
    pub windows_evicted: u64,
    /// Instructions whose accesses kept trapping and that go by the inline TLB now, or are left to the interpreter.
    pub set_aside: u64,
    /// Entries of inline TLBs for pages that the window maps.
    pub inline_mapped: u64,
    /// The same for pages that it does not.
    pub inline_aside: u64,
    /// Port accesses.
    pub port_io: u64,
    /// MMIO accesses.
    pub mmio: u64,
    /// The instruction forms that were callouts most often.
    pub hot_callouts: Vec<HotCallout>,
    /// Where the wall time went.
    pub ledger: Vec<LedgerRow>,
    /// Wall time that no row claims, in seconds.
    pub residual_seconds: f64,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.instructions_translated + self.instructions_interpreted;
        writeln!(f, "engine {}, {:.3} s, {total} guest instructions", self.engine, self.seconds)?;
        writeln!(
            f,
            "  translated {} ({:.3} %), interpreted {}",
            self.instructions_translated, self.translated_percent, self.instructions_interpreted
        )?;
        writeln!(
            f,
            "block transitions: {} entries, {} direct links, {} inline lookups, {} dispatched \
             ({:.3} % without dispatcher)",
            self.block_entries,
            self.direct_links,
            self.inline_lookups,
            self.dispatched,
            self.undispatched_percent
        )?;
        writeln!(
            f,
            "translation cache: {} blocks, {} guest bytes -> {} host bytes (x{:.2}), {} bytes used, \
             {} evictions, {} invalidations",
            self.blocks_translated,
            self.guest_bytes,
            self.host_bytes,
            self.expansion,
            self.cache_used,
            self.evictions,
            self.invalidations
        )?;
        writeln!(
            f,
            "shadow faults: {} hidden, {} true, {} MMIO, {} code writes, {} churn, {} other traps; {} pages \
             mapped, {} windows made, {} evicted",
            self.hidden_faults,
            self.true_faults,
            self.mmio_faults,
            self.code_write_faults,
            self.churn_faults,
            self.other_faults,
            self.window_pages,
            self.windows_created,
            self.windows_evicted
        )?;
        writeln!(
            f,
            "inline TLBs: {} instructions set aside now, {} entries for pages that windows map, {} for others",
            self.set_aside, self.inline_mapped, self.inline_aside
        )?;
        writeln!(
            f,
            "{} callouts, {} interrupts, {} port accesses, {} MMIO accesses",
            self.callouts, self.interrupts, self.port_io, self.mmio
        )?;
        if !self.hot_callouts.is_empty() {
            writeln!(f, "most frequent callouts:")?;
        }
        for c in &self.hot_callouts {
            writeln!(f, "  {:<34} {:>10}", c.instruction, c.count)?;
        }
        writeln!(f, "{:<36} {:>10} {:>7} {:>12}", "where the time went", "seconds", "%", "count")?;
        let percent = |s: f64| if self.seconds > 0.0 { 100.0 * s / self.seconds } else { 0.0 };
        for row in self.ledger.iter().filter(|r| r.count > 0 || r.seconds > 0.0) {
            let share = percent(row.seconds);
            writeln!(
                f,
                "  {:<34} {:>10.4} {:>7.2} {:>12}",
                row.name, row.seconds, share, row.count
            )?;
        }
        // Host code between two looks at the clock: the run's beginning and its end.
        let rest = self.residual_seconds;
        write!(f, "  {:<34} {:>10.4} {:>7.2}", "residual", rest, percent(rest))
    }
}
