//! Differences of whole runs: time, and rates.

use super::estimate::{Change, Kind, Pair, sort};
use crate::file::ProfileFile;
use crate::model::summary::Summary;
use std::collections::BTreeSet;

/// Wall seconds.
pub fn seconds(pair: &Pair<'_>) -> Change {
    pair.change("wall time", Kind::Time, |run| run.summary.seconds.into())
}

/// Wall seconds without those that the guest waited.
pub fn busy(pair: &Pair<'_>) -> Change {
    let busy = |run: &ProfileFile| {
        let idle = run.summary.ledger.iter().filter(|row| is_idle(&row.name));
        run.summary.seconds - idle.map(|row| row.seconds).sum::<f64>()
    };
    pair.change("wall time without idle", Kind::Time, |run| busy(run).into())
}

/// A row in which nothing is to be done.
pub fn is_idle(row: &str) -> bool {
    row.starts_with("idle")
}

/// The rows of the ledger, and the residual.
pub fn ledger(pair: &Pair<'_>) -> Vec<Change> {
    let names = pair.a.iter().chain(pair.b).flat_map(|run| &run.summary.ledger);
    let names: BTreeSet<&str> = names.map(|row| row.name.as_str()).collect();
    let mut rows: Vec<Change> = names
        .into_iter()
        .map(|name| {
            pair.change(name, Kind::Time, |run| {
                run.summary.row(name).map_or(0.0, |row| row.seconds).into()
            })
        })
        .collect();
    rows.push(pair.change("residual", Kind::Time, |run| run.summary.residual_seconds.into()));
    rows.retain(|row| row.a != 0.0 || row.b != 0.0);
    sort(&mut rows);
    rows
}

/// How often a row of the ledger was entered.
pub fn entered(pair: &Pair<'_>, row: &str) -> Change {
    pair.change(row, Kind::Count, |run| {
        run.summary.row(row).map_or(0.0, |row| row.count as f64).into()
    })
}

/// A rate: its name, what it is, and its value.
type Rate = (&'static str, Kind, fn(&Summary) -> f64);

/// A count for a million guest instructions.
fn per_million(count: u64, s: &Summary) -> f64 {
    let instructions = s.instructions();
    if instructions == 0 { 0.0 } else { 1e6 * count as f64 / instructions as f64 }
}

fn of_transitions(count: u64, s: &Summary) -> f64 {
    let all = s.direct_links.saturating_add(s.inline_lookups).saturating_add(s.dispatched);
    if all == 0 { 0.0 } else { 100.0 * count as f64 / all as f64 }
}

pub const DIRECT: &str = "transitions by direct link, %";
pub const LOOKUP: &str = "transitions by inline look-up, %";
pub const WITHOUT: &str = "transitions without dispatcher, %";
pub const TRANSLATED: &str = "instructions run as translated code, %";
pub const EXPANSION: &str = "host bytes for a guest byte";
pub const ENTRIES: &str = "blocks entered";
pub const DISPATCHED: &str = "dispatched";
pub const INTERPRETED: &str = "instructions interpreted";
pub const BLOCKS: &str = "blocks translated";
pub const EVICTIONS: &str = "evictions of the whole cache";
pub const INVALIDATIONS: &str = "blocks invalidated";
pub const CALLOUTS: &str = "callouts";
pub const HIDDEN: &str = "hidden faults";
pub const PREFILLS: &str = "pages prefilled";
pub const TRUE: &str = "true faults";
pub const MMIO_FAULTS: &str = "MMIO faults";
pub const CODE_WRITES: &str = "code write faults";
pub const CHURN: &str = "churn faults";
pub const OTHER_FAULTS: &str = "other host traps";
pub const WINDOW_PAGES: &str = "pages mapped into windows";
pub const WINDOWS: &str = "windows made";
pub const WINDOWS_EVICTED: &str = "windows given up";
pub const INTERRUPTS: &str = "interrupts";
pub const PORT_IO: &str = "port accesses";
pub const MMIO: &str = "MMIO accesses";

const RATES: [Rate; 25] = [
    (DIRECT, Kind::Share, |s| of_transitions(s.direct_links, s)),
    (LOOKUP, Kind::Share, |s| of_transitions(s.inline_lookups, s)),
    (WITHOUT, Kind::Share, |s| s.undispatched_percent),
    (TRANSLATED, Kind::Share, |s| s.translated_percent),
    (EXPANSION, Kind::Share, |s| s.expansion),
    (ENTRIES, Kind::Count, |s| per_million(s.block_entries, s)),
    (DISPATCHED, Kind::Count, |s| per_million(s.dispatched, s)),
    (INTERPRETED, Kind::Count, |s| per_million(s.instructions_interpreted, s)),
    (BLOCKS, Kind::Count, |s| per_million(s.blocks_translated, s)),
    (EVICTIONS, Kind::Count, |s| per_million(s.evictions, s)),
    (INVALIDATIONS, Kind::Count, |s| per_million(s.invalidations, s)),
    (CALLOUTS, Kind::Count, |s| per_million(s.callouts, s)),
    (HIDDEN, Kind::Count, |s| per_million(s.hidden_faults, s)),
    (PREFILLS, Kind::Count, |s| per_million(s.prefills, s)),
    (TRUE, Kind::Count, |s| per_million(s.true_faults, s)),
    (MMIO_FAULTS, Kind::Count, |s| per_million(s.mmio_faults, s)),
    (CODE_WRITES, Kind::Count, |s| per_million(s.code_write_faults, s)),
    (CHURN, Kind::Count, |s| per_million(s.churn_faults, s)),
    (OTHER_FAULTS, Kind::Count, |s| per_million(s.other_faults, s)),
    (WINDOW_PAGES, Kind::Count, |s| per_million(s.window_pages, s)),
    (WINDOWS, Kind::Count, |s| per_million(s.windows_created, s)),
    (WINDOWS_EVICTED, Kind::Count, |s| per_million(s.windows_evicted, s)),
    (INTERRUPTS, Kind::Count, |s| per_million(s.interrupts, s)),
    (PORT_IO, Kind::Count, |s| per_million(s.port_io, s)),
    (MMIO, Kind::Count, |s| per_million(s.mmio, s)),
];

/// All rates, the biggest relative difference first. They are rates already: no scale applies.
pub fn rates(pair: &Pair<'_>) -> Vec<Change> {
    let plain = Pair { scale: 1.0, ..*pair };
    let rate = |(name, kind, of): &Rate| plain.change(name, *kind, |run| of(&run.summary).into());
    let mut rates: Vec<Change> = RATES.iter().map(rate).collect();
    rates.retain(|rate| rate.a != 0.0 || rate.b != 0.0);
    rates.sort_by(|a, b| {
        b.significant.cmp(&a.significant).then(relative(b).total_cmp(&relative(a)))
    });
    rates
}

/// How big a change of a rate is, whatever its unit: the logarithm of its factor. A share is looked at
/// from the side that has less of it, since 99.9 and 99.0 % are ten times the misses.
pub fn relative(change: &Change) -> f64 {
    let (mut a, mut b) = (change.a, change.b);
    if change.name.ends_with('%') && a > 50.0 && b > 50.0 {
        (a, b) = (100.0 - a, 100.0 - b);
    }
    let least = change.noise.max(1e-9);
    (b.max(least) / a.max(least)).ln().abs()
}
