//! Differences by place: functions, blocks, sites of callouts.

use super::estimate::{Change, Kind, Pair, Value, sort};
use crate::file::ProfileFile;
use crate::stacks;
use std::collections::{BTreeMap, BTreeSet};

/// Entries of each list that are kept.
const LISTED: usize = 50;

/// Places of one run: a name, and what it has.
type Places = BTreeMap<String, Value>;

/// Seconds of guest functions.
pub fn symbols(pair: &Pair<'_>) -> Vec<Change> {
    changes(pair, Kind::Time, |run| {
        let named = |s: &crate::SymbolTime| format!("{} ({})", s.name, stacks::ring(s.cpl));
        sum(run.symbols.iter().map(|s| (named(s), sampled(s.seconds, s.samples))))
    })
}

/// Seconds of blocks, by the guest address that they begin at.
pub fn blocks(pair: &Pair<'_>) -> Vec<Change> {
    changes(pair, Kind::Time, |run| {
        let named = |b: &crate::Block| match &b.place.symbol {
            Some(_) => format!("{} [{}]", b.place, b.place.eip),
            None => b.place.to_string(),
        };
        sum(run.blocks.iter().map(|b| (named(b), sampled(b.seconds, b.samples))))
    })
}

/// Counts of callouts: by site where sites are known, else by form.
pub fn callouts(pair: &Pair<'_>) -> Vec<Change> {
    let sites = pair.a.iter().chain(pair.b).all(|run| !run.callout_sites.is_empty());
    changes(pair, Kind::Count, |run| {
        if sites {
            let named = |s: &crate::CalloutSite| format!("{} at {}", s.instruction, s.place);
            sum(run.callout_sites.iter().map(|s| (named(s), (s.count as f64).into())))
        } else {
            let forms = run.summary.hot_callouts.iter();
            sum(forms.map(|c| (c.instruction.clone(), (c.count as f64).into())))
        }
    })
}

/// Sites of callouts that are booked on `row` of the ledger.
pub fn callouts_of_row(pair: &Pair<'_>, row: &str) -> Vec<Change> {
    let known = pair.a.iter().chain(pair.b).any(|run| !run.callout_sites.is_empty());
    if !known {
        return callouts(pair);
    }
    changes(pair, Kind::Count, |run| {
        let named = |s: &crate::CalloutSite| format!("{} at {}", s.instruction, s.place);
        let sites = run.callout_sites.iter().filter(|s| s.row == row);
        sum(sites.map(|s| (named(s), (s.count as f64).into())))
    })
}

/// Sites of faults that `row` of the ledger serves: hidden ones, or all others.
pub fn faults_of_row(pair: &Pair<'_>, row: &str) -> Vec<Change> {
    let hidden = row.starts_with("hidden");
    changes(pair, Kind::Count, |run| {
        let named = |s: &crate::FaultSite| format!("{} at {} ({})", s.instruction, s.place, s.kind);
        let sites = run.fault_sites.iter().filter(|s| (s.kind == "hidden") == hidden);
        sum(sites.map(|s| (named(s), (s.count as f64).into())))
    })
}

/// Time that was sampled varies as counts of samples do.
fn sampled(seconds: f64, samples: u64) -> Value {
    let variance = if samples == 0 { 0.0 } else { seconds * seconds / samples as f64 };
    Value { value: seconds, variance }
}

fn sum(entries: impl Iterator<Item = (String, Value)>) -> Places {
    let mut places = Places::new();
    for (name, value) in entries {
        let place = places.entry(name).or_default();
        place.value += value.value;
        place.variance += value.variance;
    }
    places
}

fn changes(pair: &Pair<'_>, kind: Kind, of: impl Fn(&ProfileFile) -> Places) -> Vec<Change> {
    let [a, b] = [pair.a, pair.b].map(|runs| runs.iter().map(&of).collect::<Vec<Places>>());
    let names: BTreeSet<&String> = a.iter().chain(&b).flat_map(BTreeMap::keys).collect();
    let change = |name: &String| {
        let values = [&a, &b].map(|side| side.iter().map(|run| find(run, name)).collect());
        pair.change_of(name, kind, values)
    };
    let mut changes: Vec<Change> = names.into_iter().map(change).collect();
    sort(&mut changes);
    changes.truncate(LISTED);
    changes
}

/// What a run has at a place. One that its list leaves out has no more than the last that is in it.
fn find(places: &Places, name: &str) -> Value {
    let least = || places.values().map(|place| place.value).fold(f64::INFINITY, f64::min);
    places.get(name).copied().unwrap_or_else(|| {
        let unknown = if places.is_empty() { 0.0 } else { (least() / 3.0).powi(2) };
        Value { value: 0.0, variance: unknown }
    })
}
