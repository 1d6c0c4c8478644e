//! What the time differs by, put together: a row of the ledger, and the rates and places that explain it.
//!
//! What leaves translated code comes back through the dispatcher, so a row that is entered more often
//! makes the dispatcher's row grow, too: that part is told with the row that causes it.

use super::estimate::{Change, Pair};
use super::places;
use super::rates::{self, is_idle, relative};
use crate::stacks;
use serde::Serialize;

/// Explanations of one kind that are told.
const TOLD: usize = 3;
/// A rate that changed by less than this factor's logarithm explains nothing.
const LITTLE: f64 = 0.02;
/// The row that everything passes that leaves translated code.
pub const DISPATCHER: &str = "dispatcher";
const CALLOUT: &str = "callout";

/// A difference in time with its causes.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The row of the ledger.
    pub name: String,
    /// The row's seconds.
    pub seconds: Change,
    /// What this row makes the dispatcher's row differ by, in seconds.
    pub dispatcher_seconds: f64,
    /// Both together: what findings are sorted by.
    pub total_seconds: f64,
    /// How often it was entered.
    pub entered: Change,
    /// What goes with it, the most telling first.
    pub causes: Vec<Cause>,
}

/// Something that changed with a row.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    /// `rate`, `site`, or `function`.
    pub kind: &'static str,
    /// What changed.
    pub change: Change,
}

/// The findings, biggest first. Rows that are idle or residual are nobody's work and are not among them.
pub fn findings(
    pair: &Pair<'_>,
    ledger: &[Change],
    rates: &[Change],
    symbols: &[Change],
) -> Vec<Finding> {
    let shares = dispatcher_shares(pair, ledger);
    let finding = |row: &Change| {
        let (_, dispatcher) = *shares.iter().find(|(name, _)| *name == row.name)?;
        let total = row.delta + dispatcher;
        // What is taken from the dispatcher's row and given to others leaves it as uncertain as it was.
        let worth_telling = total.abs() > row.noise;
        worth_telling.then(|| Finding {
            name: row.name.clone(),
            seconds: row.clone(),
            dispatcher_seconds: dispatcher,
            total_seconds: total,
            entered: rates::entered(pair, &row.name),
            causes: causes(pair, &row.name, rates, symbols),
        })
    };
    let mut findings: Vec<Finding> = ledger.iter().filter_map(finding).collect();
    findings.sort_by(|a, b| b.total_seconds.abs().total_cmp(&a.total_seconds.abs()));
    findings
}

/// What of the dispatcher's difference each row has caused; what no row has stays the dispatcher's, from
/// which the others' parts are taken.
fn dispatcher_shares<'a>(pair: &Pair<'_>, ledger: &'a [Change]) -> Vec<(&'a str, f64)> {
    let work = ledger.iter().map(|row| row.name.as_str());
    let work = work.filter(|row| !is_idle(row) && *row != "residual");
    let dispatcher = ledger.iter().find(|row| row.name == DISPATCHER);
    let delta = dispatcher.filter(|row| row.significant).map_or(0.0, |row| row.delta);
    let passes = rates::entered(pair, DISPATCHER).delta;
    let causing = |row: &str| row.starts_with(CALLOUT) || row.ends_with("faults");
    let part = |row: &str| {
        let entered = if causing(row) { rates::entered(pair, row) } else { return 0.0 };
        let same_way = entered.significant && entered.delta * passes > 0.0;
        if same_way { (entered.delta / passes).min(1.0) } else { 0.0 }
    };
    let mut parts: Vec<(&str, f64)> = work.map(|row| (row, part(row))).collect();
    let all = parts.iter().map(|(_, part)| part).sum::<f64>().max(1.0);
    for (_, part) in &mut parts {
        *part *= delta / all;
    }
    let given: f64 = parts.iter().map(|(_, part)| part).sum();
    if let Some((_, part)) = parts.iter_mut().find(|(row, _)| *row == DISPATCHER) {
        *part = -given;
    }
    parts
}

fn causes(pair: &Pair<'_>, row: &str, rates: &[Change], symbols: &[Change]) -> Vec<Cause> {
    let mut causes = Vec::new();
    let telling = |change: &&Change| change.significant && relative(change) > LITTLE;
    if row.starts_with(CALLOUT) {
        let sites = places::callouts_of_row(pair, row);
        add(&mut causes, "site", sites.iter().filter(|change| change.significant));
    }
    if row.ends_with("faults") {
        let sites = places::faults_of_row(pair, row);
        add(&mut causes, "site", sites.iter().filter(|change| change.significant));
    }
    let of_row = rates_of(row);
    let rates = rates.iter().filter(|rate| of_row.contains(&rate.name.as_str()));
    add(&mut causes, "rate", rates.filter(telling));
    if row == stacks::TRANSLATED {
        add(&mut causes, "function", symbols.iter().filter(|change| change.significant));
    }
    causes
}

fn add<'a>(causes: &mut Vec<Cause>, kind: &'static str, changes: impl Iterator<Item = &'a Change>) {
    causes.extend(changes.take(TOLD).map(|change| Cause { kind, change: change.clone() }));
}

/// The rates that say why a row takes its time.
fn rates_of(row: &str) -> &'static [&'static str] {
    use rates::*;
    match row {
        // The host's delivery of a fault is time of the code that faults.
        stacks::TRANSLATED => &[
            DIRECT,
            LOOKUP,
            EXPANSION,
            ENTRIES,
            TRANSLATED,
            HIDDEN,
            TRUE,
            MMIO_FAULTS,
            CODE_WRITES,
            OTHER_FAULTS,
        ],
        "translating" => &[BLOCKS, EVICTIONS, INVALIDATIONS, CODE_WRITES, EXPANSION],
        DISPATCHER => &[DISPATCHED, WITHOUT, DIRECT, LOOKUP, CALLOUTS],
        "hidden faults" => &[HIDDEN, PREFILLS, WINDOW_PAGES, WINDOWS, WINDOWS_EVICTED],
        "true faults" => &[TRUE, CODE_WRITES, CHURN, OTHER_FAULTS],
        "devices" => &[MMIO_FAULTS, PORT_IO, MMIO],
        "interrupts and exceptions" => &[INTERRUPTS, TRUE],
        "callout: port I/O" => &[PORT_IO, CALLOUTS],
        row if row.starts_with("interpreter") => &[INTERPRETED, INVALIDATIONS, EVICTIONS],
        row if row.starts_with(CALLOUT) => &[CALLOUTS],
        _ => &[],
    }
}
