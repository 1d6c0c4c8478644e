//! The run's time as stacks: the one view that flame graphs, folded stacks, pprof and speedscope share.
//!
//! A stack begins with what the engine did (a row of the ledger), then the privilege level, then the
//! guest's frames. All stacks together have the time of the run: what the ledger has and no stack
//! explains stands under its row alone.

use crate::file::ProfileFile;
use crate::model::place::Place;
use std::collections::BTreeMap;

/// The row of the ledger that guest code itself runs in.
pub const TRANSLATED: &str = "translated code";
/// The frame of time that no row claims.
const RESIDUAL: &str = "residual";

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// What people call it.
    pub name: String,
    /// Where in the guest it is, for a frame of guest code.
    pub place: Option<Place>,
}

impl Frame {
    fn plain(name: &str) -> Self {
        Self { name: name.to_owned(), place: None }
    }

    fn of(place: &Place) -> Self {
        Self { name: place.function(), place: Some(place.clone()) }
    }
}

/// Time in one stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weighted {
    /// The frames, outermost first; there is at least one.
    pub frames: Vec<Frame>,
    /// Samples, where it was sampled.
    pub samples: u64,
    /// Nanoseconds.
    pub nanoseconds: u64,
}

/// The run as stacks, in the order of their frames.
pub fn of(profile: &ProfileFile) -> Vec<Weighted> {
    let mut stacks = guest_stacks(profile);
    let mut explained: BTreeMap<&str, u64> = BTreeMap::new();
    let rows = &profile.summary.ledger;
    for stack in &stacks {
        if let Some(row) = rows.iter().find(|row| row.name == stack.frames[0].name) {
            *explained.entry(&row.name).or_default() += stack.nanoseconds;
        }
    }
    let rest = rows.iter().map(|row| {
        let known = explained.get(row.name.as_str()).copied().unwrap_or_default();
        (row.name.as_str(), nanoseconds(row.seconds).saturating_sub(known))
    });
    let residual = (RESIDUAL, nanoseconds(profile.summary.residual_seconds));
    let rest = rest.chain([residual]).filter(|(_, nanoseconds)| *nanoseconds > 0);
    let rest: Vec<Weighted> = rest
        .map(|(name, nanoseconds)| Weighted {
            frames: vec![Frame::plain(name)],
            samples: 0,
            nanoseconds,
        })
        .collect();
    stacks.extend(rest);
    stacks.sort_by(|a, b| a.frames.cmp(&b.frames));
    stacks
}

/// Those with frames of the guest: the stacks that were sampled, else the symbols, else the blocks.
fn guest_stacks(profile: &ProfileFile) -> Vec<Weighted> {
    let mut gathered: BTreeMap<Vec<Frame>, (u64, u64)> = BTreeMap::new();
    let mut add = |activity: &str, cpl: u8, guest: Vec<Frame>, samples: u64, seconds: f64| {
        let head = [Frame::plain(activity), Frame::plain(ring(cpl))];
        let sum = gathered.entry([head.to_vec(), guest].concat()).or_default();
        sum.0 = sum.0.saturating_add(samples);
        sum.1 = sum.1.saturating_add(nanoseconds(seconds));
    };
    if !profile.stacks.is_empty() {
        for s in &profile.stacks {
            let guest = s.frames.iter().map(Frame::of).collect();
            add(&s.activity, s.cpl, guest, s.samples, s.seconds);
        }
    } else if !profile.symbols.is_empty() {
        for s in &profile.symbols {
            add(TRANSLATED, s.cpl, vec![Frame::plain(&s.name)], s.samples, s.seconds);
        }
    } else {
        for b in &profile.blocks {
            add(TRANSLATED, b.cpl, vec![Frame::of(&b.place)], b.samples, b.seconds);
        }
    }
    let timed = gathered.into_iter().filter(|(_, (_, nanoseconds))| *nanoseconds > 0);
    timed
        .map(|(frames, (samples, nanoseconds))| Weighted { frames, samples, nanoseconds })
        .collect()
}

/// What a privilege level is called.
pub fn ring(cpl: u8) -> &'static str {
    match cpl {
        0 => "guest kernel",
        1 => "guest CPL 1",
        2 => "guest CPL 2",
        _ => "guest user",
    }
}

/// Seconds as whole nanoseconds; what is negative or no number is none.
pub fn nanoseconds(seconds: f64) -> u64 {
    // The conversion saturates, and makes 0 of what is no number.
    (seconds * 1e9).round() as u64
}
