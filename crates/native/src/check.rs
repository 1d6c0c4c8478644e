//! The run: prepares slots, has the helper process and both engines run them, compares.

use crate::compare::{Verdict, compare, describe, describe_input};
use crate::excuse;
use crate::fpu::pointers;
use crate::guest::{GuestError, Guests};
use crate::helper::NativeError;
use crate::layout::{ALL_SLOTS, LANDING, PAGE, READ_ONLY, WRITABLE, WRITABLE_LEN};
use crate::native::Native;
use crate::prepare::{Prepared, native_rows, pool};
use crate::wire::{COMPLETED, Input, MAX_SLOTS, MAX_STATES, Output, POOL, Slot};
use iced_x86::{Formatter, NasmFormatter};
use ringer_casegen::Row;
use ringer_cpu::CpuModel;
use ringer_monitor::MonitorError;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model whose instructions are run, as far as the host has them.
    pub model: CpuModel,
    /// The seed of everything.
    pub seed: u64,
    /// First slot.
    pub first: u64,
    /// One after the last slot.
    pub end: u64,
    /// 16-bit code, or 32-bit.
    pub bits: u32,
    /// Instructions of a case at most.
    pub length: u32,
    /// Use the pages under 64 KiB, if the host permits them.
    pub low: bool,
    /// Only rows whose form has this name.
    pub row: Option<String>,
    /// Stop after so many differences.
    pub most: usize,
}

/// The run could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The helper process.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// The engines.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// A name that is no row's.
    #[error("no row \"{0}\": names are iced-x86's, as in Add_rm32_r32; see --list")]
    NoRow(String),
    /// A slot over which the helper died.
    #[error("{0}\n{1}")]
    Slot(NativeError, String),
}

impl From<MonitorError> for CheckError {
    fn from(e: MonitorError) -> Self {
        Self::Guest(GuestError::Monitor(e))
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Cases compared.
    pub cases: u64,
    /// Of these, how many ran as translated code too.
    pub translated: u64,
    /// Cases that ended in an exception.
    pub faults: u64,
    /// Comparisons that differed in undefined flags only.
    pub undefined_only: u64,
    /// Comparisons that differed as the excuses say, by excuse.
    pub excused: BTreeMap<&'static str, u64>,
    /// Reports of differences.
    pub differences: Vec<String>,
    /// Cases by row, in the order of [`Check::rows`].
    pub by_row: Vec<u64>,
}

impl Summary {
    /// Adds another run's.
    pub fn merge(&mut self, other: Summary) {
        self.cases += other.cases;
        self.translated += other.translated;
        self.faults += other.faults;
        self.undefined_only += other.undefined_only;
        for (name, count) in other.excused {
            *self.excused.entry(name).or_insert(0) += count;
        }
        self.differences.extend(other.differences);
        self.by_row.resize(self.by_row.len().max(other.by_row.len()), 0);
        for (mine, theirs) in self.by_row.iter_mut().zip(other.by_row) {
            *mine += theirs;
        }
    }
}

/// States of each slot.
pub const STATES: u32 = MAX_STATES as u32;

/// States of one slot that run on the same memory, one after the other.
#[derive(Clone, Copy, Debug)]
struct Unit<'a> {
    slot: &'a Prepared,
    first: u32,
    count: u32,
}

impl<'a> Unit<'a> {
    /// All states of `slot`.
    fn of(slot: &'a Prepared) -> Vec<Self> {
        let size = if excuse::runs_alone(slot.instruction()) { 1 } else { STATES };
        (0..STATES / size).map(|k| Self { slot, first: k * size, count: size }).collect()
    }

    /// Indexes of its cases, as unit `k` of an exchange.
    fn range(&self, k: usize) -> Range<usize> {
        k * MAX_STATES..k * MAX_STATES + self.count as usize
    }
}

/// The linear address of byte `at` of the writable pages.
fn address_of(at: usize) -> u32 {
    WRITABLE[at / PAGE as usize] + at as u32 % PAGE
}

/// Everything that a run needs.
#[derive(Debug)]
pub struct Check {
    options: Options,
    rows: Vec<Row>,
    native: Native,
    guests: Guests,
    pool: Box<[u8; POOL]>,
    summary: Summary,
    /// Memory of both engines after each slot of the exchange.
    after: Vec<[Box<[u8; WRITABLE_LEN]>; 2]>,
    outcomes: Vec<[Output; 2]>,
}

impl Check {
    /// Starts the helper process and the engines.
    ///
    /// # Errors
    /// When the host does not permit it, or `options` name no row.
    pub fn new(options: Options) -> Result<Self, CheckError> {
        let model = options.model;
        let mut rows = native_rows(model, options.bits);
        if let Some(name) = &options.row {
            rows.retain(|row| format!("{:?}", row.code).eq_ignore_ascii_case(name));
            if rows.is_empty() {
                return Err(CheckError::NoRow(name.clone()));
            }
        }
        let mut native = Native::start(options.low)?;
        let mut guests = Guests::new(model, native.low())?;
        let pool = pool(options.seed);
        let read_only = &pool[..READ_ONLY.len() * PAGE as usize];
        native.fill(&pool, read_only);
        for (page, bytes) in READ_ONLY.into_iter().zip(read_only.chunks(PAGE as usize)) {
            guests.write_code(page, bytes);
        }
        guests.write_code(LANDING, &native.landing());
        let memory = || Box::new([0; WRITABLE_LEN]);
        let summary = Summary { by_row: vec![0; rows.len()], ..Summary::default() };
        let after = (0..MAX_SLOTS).map(|_| [memory(), memory()]).collect();
        Ok(Self { options, rows, native, guests, pool, summary, after, outcomes: Vec::new() })
    }

    /// The rows that are run.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Runs every slot of the options; `progress` hears the number of cases now and then and says
    /// whether to go on.
    ///
    /// # Errors
    /// When the host fails us.
    pub fn run(mut self, mut progress: impl FnMut(u64) -> bool) -> Result<Summary, CheckError> {
        let all = u64::from(ALL_SLOTS);
        let Options { seed, bits, length, first, end, .. } = self.options;
        for generation in first / all..end.div_ceil(all) {
            let slots: Vec<Prepared> = (generation * all..(generation + 1) * all)
                .filter_map(|n| Prepared::new(seed, n, &self.rows, bits, length))
                .collect();
            self.guests.monitor.flush_cache();
            for slot in &slots {
                self.native.write_code(slot.at, &slot.code());
                self.guests.write_code(slot.at, &slot.code());
            }
            let wanted: Vec<&Prepared> =
                slots.iter().filter(|s| (first..end).contains(&s.number)).collect();
            let units: Vec<Unit<'_>> = wanted.iter().flat_map(|slot| Unit::of(slot)).collect();
            for chunk in units.chunks(MAX_SLOTS) {
                self.exchange(chunk)?;
                self.judge(chunk)?;
                let enough = self.summary.differences.len() >= self.options.most;
                if enough || !progress(self.summary.cases) {
                    return Ok(self.summary);
                }
            }
        }
        Ok(self.summary)
    }

    /// Has everyone run `units`.
    fn exchange(&mut self, units: &[Unit<'_>]) -> Result<(), CheckError> {
        let wire = self.native.wire();
        wire.slots_used = units.len() as u32;
        for (k, unit) in units.iter().enumerate() {
            let first = k as u32 * STATES;
            wire.slots[k] = Slot { memory: unit.slot.memory, first, count: unit.count };
            for n in 0..unit.count {
                let state = unit.slot.state(self.options.seed, unit.first + n);
                wire.inputs[(first + n) as usize] = state;
            }
        }
        let inputs: Vec<Input> = wire.inputs[..units.len() * MAX_STATES].to_vec();
        self.native.request()?;
        self.run_guests(units, &inputs)?;
        self.native.answer().map_err(|e| {
            let at = if let NativeError::Died { at } = e { at as usize } else { 0 };
            let text = units.get(at / MAX_STATES).map_or(String::new(), |unit| {
                let before = describe_input(&inputs[at]);
                format!("{}\n  before: {before}", self.title(unit.slot))
            });
            CheckError::Slot(e, text)
        })
    }

    fn run_guests(&mut self, units: &[Unit<'_>], inputs: &[Input]) -> Result<(), CheckError> {
        let blank = self.native.wire().outputs[0];
        self.outcomes.resize(MAX_SLOTS * MAX_STATES, [blank; 2]);
        for (k, unit) in units.iter().enumerate() {
            self.guests.fill(&self.pool[unit.slot.memory as usize..][..WRITABLE_LEN]);
            for n in unit.range(k) {
                self.outcomes[n][0] = self.guests.interpret(&inputs[n]);
            }
            self.guests.writable(&mut self.after[k][0]);
        }
        let Self { guests, pool, after, outcomes, summary, .. } = self;
        guests.as_vcpu(|guests| {
            for (k, unit) in units.iter().enumerate() {
                guests.fill(&pool[unit.slot.memory as usize..][..WRITABLE_LEN]);
                for n in unit.range(k) {
                    let (outcome, translated) = guests.translated(&inputs[n])?;
                    outcomes[n][1] = outcome;
                    summary.translated += u64::from(translated);
                }
                guests.writable(&mut after[k][1]);
            }
            Ok::<(), MonitorError>(())
        })??;
        Ok(())
    }

    /// Compares what the exchange of `units` came to.
    fn judge(&mut self, units: &[Unit<'_>]) -> Result<(), CheckError> {
        let mut differ = Vec::new();
        for (k, unit) in units.iter().enumerate() {
            let memory_counts = self.judge_outcomes(k, unit);
            self.summary.by_row[unit.slot.row] += u64::from(unit.count);
            self.summary.cases += u64::from(unit.count);
            if memory_counts && [0, 1].iter().any(|&e| self.memory_differs(k, e, unit).is_some()) {
                differ.push(*unit);
            }
        }
        for unit in differ {
            match self.narrow(unit)? {
                Some(report) => self.summary.differences.push(report),
                // Selectors that the kernel lost (see `pointers`) are there when it is run again.
                None if excuse::is_long(unit.slot.instruction()) => {
                    *self.summary.excused.entry("x87 selectors lost").or_insert(0) += 1;
                }
                None => {
                    let title = self.title(unit.slot);
                    let report = format!("{title}: memory differed once, and not again");
                    self.summary.differences.push(report);
                }
            }
        }
        Ok(())
    }

    /// Compares the outcomes of unit `k` of the exchange; the first difference makes a report.
    /// Whether its memory is to be compared too.
    fn judge_outcomes(&mut self, k: usize, unit: &Unit<'_>) -> bool {
        let mut memory_counts = true;
        for n in unit.range(k) {
            let wire = self.native.wire();
            let (input, host) = (wire.inputs[n], wire.outputs[n]);
            let i = &unit.slot.ended_by(host.eip, host.trap == COMPLETED);
            self.summary.faults += u64::from(host.trap != COMPLETED);
            for (name, guest) in ["interp", "bt"].into_iter().zip(self.outcomes[n]) {
                let pointers = pointers(&host, &guest, input.count == 1);
                let verdict = match compare(i, &input, &host, &guest) {
                    Verdict::Same => pointers.map_or(Verdict::Same, Verdict::Differ),
                    other => other,
                };
                match verdict {
                    Verdict::Same => {}
                    Verdict::UndefinedOnly => self.summary.undefined_only += 1,
                    Verdict::Excused(excuse) => {
                        *self.summary.excused.entry(excuse.name).or_insert(0) += 1;
                        memory_counts &= !excuse.memory;
                    }
                    Verdict::Differ(what) => {
                        let state = unit.first + (n - k * MAX_STATES) as u32;
                        let report = self.report(unit.slot, state, name, &what, n);
                        self.summary.differences.push(report);
                        return false;
                    }
                }
            }
        }
        // What PUSHA, ENTER and their like stored before they faulted is not compared.
        let lone = unit.count == 1 && excuse::may_fault_behind(unit.slot.instruction());
        memory_counts && !(lone && self.native.wire().outputs[k * MAX_STATES].trap != COMPLETED)
    }

    /// Where the memory of `engine` differs from the host's after unit `k` of the exchange.
    fn memory_differs(&mut self, k: usize, engine: usize, unit: &Unit<'_>) -> Option<usize> {
        let (guest, wire) = (&self.after[k][engine], self.native.wire());
        if **guest == wire.after[k] {
            return None;
        }
        let input = &wire.inputs[k * MAX_STATES];
        let i = unit.slot.instruction();
        (0..WRITABLE_LEN).find(|&at| {
            guest[at] != wire.after[k][at] && !excuse::own_memory(i, input, address_of(at))
        })
    }

    /// Finds the state after which the memories of `unit` differ.
    fn narrow(&mut self, unit: Unit<'_>) -> Result<Option<String>, CheckError> {
        for count in 1..=unit.count {
            self.exchange(&[Unit { count, ..unit }])?;
            for (engine, name) in ["interp", "bt"].into_iter().enumerate() {
                if let Some(at) = self.memory_differs(0, engine, &unit) {
                    let guest = &self.after[0][engine];
                    let after = &self.native.wire().after[0];
                    let address = address_of(at);
                    let what = format!(
                        "memory at {address:08x}: host {:02x?}, guest {:02x?}",
                        &after[at..(at + 16).min(WRITABLE_LEN)],
                        &guest[at..(at + 16).min(WRITABLE_LEN)]
                    );
                    let state = unit.first + count - 1;
                    let report = self.report(unit.slot, state, name, &what, count as usize - 1);
                    return Ok(Some(report));
                }
            }
        }
        Ok(None)
    }

    fn title(&self, slot: &Prepared) -> String {
        let Options { seed, bits, length, .. } = self.options;
        let mut out = format!(
            "--seed {seed} --bits {bits} --length {length}{} --slot {}, row {:?}:",
            self.options.row.as_ref().map_or(String::new(), |row| format!(" --row {row}")),
            slot.number,
            slot.code_of()
        );
        for case in std::iter::once(&slot.case).chain(&slot.rest) {
            let mut text = String::new();
            NasmFormatter::new().format(&case.instruction, &mut text);
            let lock = if case.illegal_lock { " (illegal LOCK)" } else { "" };
            let _ = write!(out, " {:02x?} = {text}{lock};", case.bytes);
        }
        out
    }

    fn report(&mut self, slot: &Prepared, state: u32, name: &str, what: &str, n: usize) -> String {
        let [interp, bt] = self.outcomes[n];
        let mut out = format!("{}\n  state {state}, {name}: {what}", self.title(slot));
        let wire = self.native.wire();
        let _ = write!(out, "\n  before: {}", describe_input(&wire.inputs[n]));
        let outcomes = [("host", wire.outputs[n]), ("interp", interp), ("bt", bt)];
        for (name, outcome) in outcomes {
            let _ = write!(out, "\n  {name:>6}: {}", describe(&outcome));
        }
        out
    }
}
