//! A run's counters and recording as a profile.
//!
//! Time of places: each row of the ledger has its seconds, measured; its samples share them. So the
//! seconds of all places of a row add up to the row's.

use super::blocks;
use super::names::{Names, cpl};
use super::weights::Weights;
use ringer::recording::{
    CalloutRecord, FaultRecord, InvalidationRecord, LookupRecord, MarkKind, Moment, Recording, Spot,
};
use ringer::{Profile, Row, Symbols};
use ringer_profile::{
    CalloutSite, FORMAT, FaultSite, IndirectSite, InvalidationSite, Mark, Meta, ProfileFile,
    Sampling, Stack, SymbolTime, Tick,
};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Sites of each kind that a profile lists.
const SITES: usize = 1000;
/// Functions and stacks that it lists.
const FUNCTIONS: usize = 5000;

/// The profile of a run.
pub fn convert(
    meta: Meta,
    profile: &Profile,
    recording: &Recording,
    symbols: &Symbols,
) -> serde_json::Result<ProfileFile> {
    let names = Names(symbols);
    let weights = Weights::new(profile, recording);
    // The fields of the counters are the summary's.
    let summary = serde_json::from_value(serde_json::to_value(profile)?)?;
    Ok(ProfileFile {
        format: FORMAT,
        meta,
        summary,
        sampling: recording.sampling.map(|s| Sampling {
            method: "timer".to_owned(),
            interval: s.period as f64 / 1e9,
            samples: s.samples,
            translated: s.in_blocks,
            lost: s.lost + s.missed,
            cost_seconds: (s.samples * s.cost) as f64 / 1e9,
        }),
        timeline: timeline(&recording.moments),
        marks: recording
            .marks
            .iter()
            .map(|mark| Mark {
                at: mark.at as f64 / 1e9,
                instructions: mark.instructions,
                kind: match mark.kind {
                    MarkKind::Text => "serial".to_owned(),
                    MarkKind::Port => "port".to_owned(),
                },
                text: mark.text.clone(),
            })
            .collect(),
        blocks: blocks::hottest(recording, &weights, &names),
        pages: blocks::pages(recording, &weights, &names),
        symbols: functions(recording, &weights, &names),
        stacks: stacks(recording, &weights, &names),
        indirect_sites: sites(&recording.lookups, |site| indirect(site, &names)),
        callout_sites: callouts(recording, &weights, &names),
        fault_sites: sites(&recording.faults, |site| fault(site, &names)),
        invalidation_sites: sites(&recording.invalidations, |site| invalidation(site, &names)),
        cache: blocks::cache_map(recording, &names),
    })
}

fn sites<R, S>(records: &[R], site: impl Fn(&R) -> S) -> Vec<S> {
    records.iter().take(SITES).map(site).collect()
}

fn indirect(record: &LookupRecord, names: &Names<'_>) -> IndirectSite {
    IndirectSite {
        place: names.place(record.spot.linear),
        instruction: record.text.clone(),
        kind: record.kind.name().to_owned(),
        hits: record.count - record.misses,
        misses: record.misses,
    }
}

fn fault(record: &FaultRecord, names: &Names<'_>) -> FaultSite {
    FaultSite {
        place: names.place(record.spot.linear),
        instruction: record.text.clone(),
        kind: record.kind.name().to_owned(),
        count: record.count,
    }
}

fn invalidation(record: &InvalidationRecord, names: &Names<'_>) -> InvalidationSite {
    InvalidationSite {
        page: record.page.into(),
        symbol: names.place(record.block.linear).symbol,
        writer: record.writer.map(|spot| names.place(spot.linear)),
        cause: if record.writer.is_some() { "guest" } else { "device" }.to_owned(),
        count: record.count,
        blocks: record.blocks,
    }
}

/// Callouts with the time of the samples that found the interpreter at their instructions.
fn callouts(recording: &Recording, weights: &Weights, names: &Names<'_>) -> Vec<CalloutSite> {
    let mut samples: HashMap<_, f64> = HashMap::new();
    for place in &recording.places {
        if let Some(spot) = place.spot {
            let seconds = weights.seconds(place.row, place.samples);
            *samples.entry((place.row, spot)).or_default() += seconds;
        }
    }
    let sampled = recording.sampling.is_some();
    sites(&recording.callouts, |record: &CalloutRecord| {
        let seconds = samples.get(&(record.row, record.spot)).copied().unwrap_or_default();
        CalloutSite {
            place: names.place(record.spot.linear),
            instruction: record.text.clone(),
            row: record.row.name().to_owned(),
            why: record.why.clone(),
            count: record.count,
            seconds: sampled.then_some(seconds),
        }
    })
}

/// Functions by name and privilege.
#[derive(Default)]
struct Functions(HashMap<(String, u8), SymbolTime>);

impl Functions {
    fn at(&mut self, names: &Names<'_>, spot: Spot) -> &mut SymbolTime {
        let (name, cpl) = (names.place(spot.linear).function(), cpl(spot));
        let new = || SymbolTime { name: name.clone(), cpl, ..SymbolTime::default() };
        self.0.entry((name.clone(), cpl)).or_insert_with(new)
    }
}

/// Translated code's time, callouts and faults by guest function and privilege.
fn functions(recording: &Recording, weights: &Weights, names: &Names<'_>) -> Vec<SymbolTime> {
    let mut all = Functions::default();
    for place in recording.places.iter().filter(|place| place.row == Row::Translated) {
        if let Some(spot) = place.spot {
            let function = all.at(names, spot);
            function.samples += place.samples;
            function.seconds += weights.seconds(place.row, place.samples);
        }
    }
    for block in &recording.blocks {
        all.at(names, block.spot).blocks += 1;
    }
    for callout in &recording.callouts {
        all.at(names, callout.spot).callouts += callout.count;
    }
    for fault in &recording.faults {
        all.at(names, fault.spot).faults += fault.count;
    }
    let mut all: Vec<_> = all.0.into_values().collect();
    all.sort_by(|a, b| {
        let key = |s: &SymbolTime| Reverse((s.samples, s.callouts + s.faults, s.blocks));
        (key(a), &a.name, a.cpl).cmp(&(key(b), &b.name, b.cpl))
    });
    all.truncate(FUNCTIONS);
    all
}

/// Samples by what the engine did, privilege and guest function.
fn stacks(recording: &Recording, weights: &Weights, names: &Names<'_>) -> Vec<Stack> {
    let mut all: HashMap<(Row, u8, Option<u32>), Stack> = HashMap::new();
    for place in &recording.places {
        let function = place.spot.map(|spot| names.function(spot.linear));
        let level = place.spot.map_or(0, cpl);
        let key = (place.row, level, function.as_ref().map(|f| f.eip.0 as u32));
        let stack = all.entry(key).or_insert_with(|| Stack {
            activity: place.row.name().to_owned(),
            cpl: level,
            frames: function.into_iter().collect(),
            ..Stack::default()
        });
        stack.samples += place.samples;
        stack.seconds += weights.seconds(place.row, place.samples);
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by(|a, b| {
        (b.samples, &a.activity, &a.frames).cmp(&(a.samples, &b.activity, &b.frames))
    });
    all.truncate(FUNCTIONS);
    all
}

/// The intervals between `moments`.
fn timeline(moments: &[Moment]) -> Vec<Tick> {
    let begin = Moment::default();
    let before = [&begin].into_iter().chain(moments);
    before.zip(moments).map(|(from, to)| tick(from, to)).collect()
}

fn tick(from: &Moment, to: &Moment) -> Tick {
    let (a, b) = (&from.counters, &to.counters);
    let entries = to.entries - from.entries;
    let missed = b.miss_exits - a.miss_exits;
    let inline = (to.lookups - from.lookups).saturating_sub(missed);
    let dispatched = to.dispatched - from.dispatched;
    let spent = |row: usize| {
        let at = |moment: &Moment| moment.ledger.get(row).copied().unwrap_or_default();
        at(to).saturating_sub(at(from)) as f64 / 1e9
    };
    Tick {
        start: from.at as f64 / 1e9,
        seconds: to.at.saturating_sub(from.at) as f64 / 1e9,
        instructions_translated: to.translated - from.translated,
        instructions_interpreted: b.interpreted - a.interpreted,
        block_entries: entries,
        direct_links: entries.saturating_sub(inline).saturating_sub(dispatched),
        inline_lookups: inline,
        dispatched,
        blocks_translated: to.blocks_translated - from.blocks_translated,
        invalidations: to.invalidations - from.invalidations,
        callouts: b.callout_exits - a.callout_exits,
        interrupts: b.interrupts - a.interrupts,
        hidden_faults: b.hidden_faults - a.hidden_faults,
        true_faults: b.true_faults - a.true_faults,
        mmio_faults: b.mmio_faults - a.mmio_faults,
        code_write_faults: b.code_write_faults - a.code_write_faults,
        churn_faults: b.churn_faults - a.churn_faults,
        other_faults: b.other_faults - a.other_faults,
        port_io: b.port_io - a.port_io,
        mmio: b.mmio - a.mmio,
        cache_used: to.cache_used,
        ledger: (0..to.ledger.len()).map(spent).collect(),
    }
}
