//! Records where a profiled run spends its time: samples and counts by place ([`blocks`], [`sites`]), and
//! the counters over time ([`timeline`]). There is none unless a profile is asked for, and it never
//! changes what the guest sees.

pub(crate) mod blocks;
mod listing;
mod modes;
pub(crate) mod sites;
mod timeline;

use crate::profile::{HotCallout, Row};
use crate::recording::{
    BlockRecord, Elsewhere, MarkKind, MarkRecord, Moment, PlaceRecord, RecordOptions, Recording,
    SamplingRecord, Spot,
};
use crate::signals::samples::{Sample, Samples, Sampling, Whereabouts};
use blocks::{Blocks, Total};
use hashbrown::HashMap;
use ringer_mmu::GuestMemory;
use ringer_translator::Translator;
use ringer_translator::context::SharedContext;
use ringer_translator::runtime::CodeCache;
use sites::Sites;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;
use timeline::Timeline;

/// Places of samples outside blocks that are kept.
const MOST_PLACES: usize = 1 << 16;
/// Marks that are kept.
const MOST_MARKS: usize = 4096;
/// Instruction forms that a profile lists.
const LISTED_FORMS: usize = 12;

/// What is recorded of a run.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    /// By block.
    pub blocks: Blocks,
    /// By instruction.
    pub sites: Sites,
    timeline: Timeline,
    marks: Vec<MarkRecord>,
    marks_lost: u64,
    options: RecordOptions,
    samples: Option<Arc<Samples>>,
    sampling: SamplingRecord,
    rows: [u64; Row::ALL.len()],
    places: HashMap<(Row, Option<Spot>), u64>,
    elsewhere: Elsewhere,
    /// Entries and look-ups that were counted before the last flush of the cache.
    counted: (u64, u64),
    /// When the run at hand began.
    began: Option<Instant>,
    /// Nanoseconds of the runs before it.
    before: u64,
}

impl Recorder {
    /// From now on this is recorded; the ring of samples, if there are to be any.
    pub fn set(&mut self, options: RecordOptions) -> Option<Arc<Samples>> {
        let rate = options.samples_per_second.min(RecordOptions::MOST_SAMPLES);
        self.samples = (rate > 0).then(|| Arc::new(Samples::new()));
        self.sampling.period = 1_000_000_000 / u64::from(rate.max(1));
        self.options = options;
        self.samples.clone()
    }

    /// How the thread that runs the machine is to be sampled.
    pub fn sampling(&self, may_kick: bool) -> Option<Sampling> {
        let samples = self.samples.clone()?;
        Some(Sampling { samples, period: self.sampling.period, may_kick })
    }

    /// Whether it is not known yet what a sample costs.
    pub fn wants_cost(&self) -> bool {
        self.samples.is_some() && self.sampling.cost == 0
    }

    /// A sample costs so many nanoseconds; those taken until now were for finding that out.
    pub fn set_cost(&mut self, cost: u64) {
        self.sampling.cost = cost.max(1);
        self.forget_samples();
    }

    /// What waits in the ring is of no run.
    fn forget_samples(&self) {
        if let Some(samples) = &self.samples {
            while samples.next().is_some() {}
        }
    }

    /// A run begins.
    pub fn begin(&mut self, now: Instant) {
        self.forget_samples();
        self.began = Some(now);
    }

    /// It ended after so many nanoseconds.
    pub fn end(&mut self, ran: u64) {
        self.began = None;
        self.before += ran;
    }

    /// Nanoseconds of the run.
    fn now(&self) -> u64 {
        self.before + self.began.map_or(0, |began| began.elapsed().as_nanos() as u64)
    }

    /// When it is now, if the counters are to be noted.
    pub fn due(&self) -> Option<u64> {
        let now = self.now();
        self.timeline.is_due(now).then_some(now)
    }

    /// Notes the counters.
    pub fn note(&mut self, moment: Moment) {
        self.timeline.add(moment);
    }

    /// Takes the samples that wait.
    pub fn drain(&mut self, cache: &CodeCache, memory: &GuestMemory) {
        let Some(samples) = self.samples.clone() else { return };
        while let Some(sample) = samples.next() {
            self.take(sample, cache, memory);
        }
        self.sampling.lost = u64::from(samples.lost());
    }

    fn take(&mut self, sample: Sample, cache: &CodeCache, memory: &GuestMemory) {
        let row = Row::ALL.get(usize::from(sample.row)).copied().unwrap_or(Row::Dispatch);
        let spot = match sample.at {
            Whereabouts::Block(off) => {
                let spot = self.blocks.sample(cache, memory, off);
                self.sampling.in_blocks += u64::from(spot.is_some());
                spot
            }
            Whereabouts::Stub => None,
            Whereabouts::Rust(linear) => Some(Spot { linear, user: sample.user }),
        };
        self.sampling.samples += 1;
        self.sampling.missed += u64::from(sample.missed);
        self.rows[row as usize] += 1;
        if self.places.len() >= MOST_PLACES && !self.places.contains_key(&(row, spot)) {
            self.elsewhere.samples += 1;
        } else {
            *self.places.entry((row, spot)).or_default() += 1;
        }
    }

    /// The translation cache is about to be flushed.
    pub fn fold(&mut self, cache: &CodeCache, memory: &GuestMemory, context: &mut SharedContext) {
        self.drain(cache, memory);
        if let (Some(entries), Some(lookups)) = (context.entries(), context.lookups()) {
            self.counted.0 += entries.iter().sum::<u64>();
            self.counted.1 += lookups.iter().sum::<u64>();
            self.sites.fold(cache, &self.blocks, lookups);
            self.blocks.fold(cache, (entries, lookups));
        }
        let counters = cache.next_counters();
        context.clear_counts(counters.entry, counters.first_lookup);
    }

    /// Entries of blocks and look-ups that the counts of translated code do not have any more.
    pub fn counted(&self) -> (u64, u64) {
        self.counted
    }

    /// Whether [`Recorder::port_written`] is to be told of each write of `port`.
    pub fn marks(&self, port: u16) -> bool {
        self.options.mark_port == Some(port)
    }

    /// The guest writes `value` to `port`, after so many instructions.
    pub fn port_written(&mut self, port: u16, value: u32, instructions: u64) {
        if self.options.mark_port == Some(port) {
            self.mark(MarkKind::Port, format!("{value:#x}"), instructions);
        }
    }

    /// Takes over what was marked from outside.
    pub fn take_marks(&mut self, instructions: u64) {
        for text in self.options.marker.take() {
            self.mark(MarkKind::Text, text, instructions);
        }
    }

    fn mark(&mut self, kind: MarkKind, text: String, instructions: u64) {
        if self.marks.len() >= MOST_MARKS {
            self.marks_lost += 1;
        } else {
            self.marks.push(MarkRecord { at: self.now(), instructions, kind, text });
        }
    }

    /// The forms of instructions that were callouts most often.
    pub fn hottest_forms(&self) -> Vec<HotCallout> {
        let mut forms: HashMap<&str, u64> = HashMap::new();
        let callouts = self.sites.callouts();
        for site in &callouts {
            *forms.entry(site.form).or_default() += site.count;
        }
        let mut forms: Vec<_> = forms.into_iter().collect();
        forms.sort_by_key(|(form, count)| (Reverse(*count), *form));
        forms.truncate(LISTED_FORMS);
        let hot = |(form, count): (&str, u64)| HotCallout { instruction: form.to_owned(), count };
        forms.into_iter().map(hot).collect()
    }

    /// All that was recorded, `end` being the counters as they are now; the code of the `listed` hottest
    /// blocks with it.
    pub fn recording(
        &self,
        (cache, translator, memory): (&CodeCache, &Translator, &GuestMemory),
        context: &SharedContext,
        end: Moment,
        listed: usize,
    ) -> Recording {
        let (Some(entries), Some(lookups)) = (context.entries(), context.lookups()) else {
            return Recording::default();
        };
        let (mut blocks, more) = self.blocks.all(cache, (entries, lookups));
        blocks.sort_by_key(|t| (Reverse((t.record.samples, t.record.entries)), t.record.spot));
        let mut elsewhere = sum(sum(self.elsewhere, more), self.sites.elsewhere());
        let lookups = self.sites.lookups(memory, cache, &self.blocks, lookups, &mut elsewhere);
        let stubs = cache.stub_addresses();
        let finish = |(rank, total): (usize, Total)| {
            let code = total.code.filter(|_| rank < listed);
            let listing = code.map(|code| listing::listing(&code, translator, &stubs));
            BlockRecord { listing, ..total.record }
        };
        Recording {
            sampling: self.samples.is_some().then_some(self.sampling),
            rows: self.rows.to_vec(),
            places: self.places(),
            blocks: blocks.into_iter().enumerate().map(finish).collect(),
            lookups,
            callouts: self.sites.callouts(),
            faults: self.sites.faults(memory),
            invalidations: self.sites.invalidations(),
            moments: self.timeline.until(end),
            marks: self.marks.clone(),
            marks_lost: self.marks_lost,
            cache: self.blocks.cached(cache),
            elsewhere,
        }
    }

    fn places(&self) -> Vec<PlaceRecord> {
        let record = |((row, spot), samples): (&(Row, Option<Spot>), &u64)| PlaceRecord {
            row: *row,
            spot: *spot,
            samples: *samples,
        };
        let mut all: Vec<_> = self.places.iter().map(record).collect();
        all.sort_by_key(|p| (Reverse(p.samples), p.row as u8, p.spot));
        all
    }
}

fn sum(a: Elsewhere, b: Elsewhere) -> Elsewhere {
    Elsewhere {
        samples: a.samples + b.samples,
        entries: a.entries + b.entries,
        lookups: a.lookups + b.lookups,
        misses: a.misses + b.misses,
        callouts: a.callouts + b.callouts,
        faults: a.faults + b.faults,
        invalidations: a.invalidations + b.invalidations,
    }
}
