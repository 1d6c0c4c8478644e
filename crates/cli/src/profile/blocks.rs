//! Blocks and pages of a profile, and the translation cache as a map.

use super::names::{Names, cpl};
use super::weights::Weights;
use ringer::Row;
use ringer::recording::{
    BlockRecord, CachedRecord, FaultKind, GuestClass, ListingRecord, Recording, Spot,
};
use ringer_profile::{
    Block, ByExit, CacheMap, Class, Extent, ExtentState, Faults, GuestLine, HostLine, Page,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// Blocks that a profile lists, with their code where the recording has it.
const BLOCKS: usize = 200;
/// Pages that it lists.
const PAGES: usize = 2000;
/// Extents of the map at most, more or less: a picture has no more pixels.
const EXTENTS: u64 = 4096;

/// What happened at which instruction.
struct AtInstructions<'a> {
    callouts: BTreeMap<Spot, (u64, &'a str)>,
    faults: HashMap<Spot, u64>,
}

impl<'a> AtInstructions<'a> {
    fn new(recording: &'a Recording) -> Self {
        let mut callouts: BTreeMap<Spot, (u64, &str)> = BTreeMap::new();
        for record in &recording.callouts {
            callouts.entry(record.spot).or_insert((0, &record.why)).0 += record.count;
        }
        let mut faults: HashMap<Spot, u64> = HashMap::new();
        for record in &recording.faults {
            *faults.entry(record.spot).or_default() += record.count;
        }
        Self { callouts, faults }
    }

    fn callouts_in(&self, block: &BlockRecord) -> u64 {
        let Spot { linear, user } = block.spot;
        let end = linear.saturating_add(block.guest_bytes);
        let range = Spot { linear, user: false }..Spot { linear: end, user: false };
        let inside = self.callouts.range(range).filter(|(spot, _)| spot.user == user);
        inside.map(|(_, (count, _))| count).sum()
    }
}

/// The hottest blocks.
pub fn hottest(recording: &Recording, weights: &Weights, names: &Names<'_>) -> Vec<Block> {
    let at = AtInstructions::new(recording);
    let block = |record: &BlockRecord| block(record, &at, weights, names);
    recording.blocks.iter().take(BLOCKS).map(block).collect()
}

fn block(
    record: &BlockRecord,
    at: &AtInstructions<'_>,
    weights: &Weights,
    names: &Names<'_>,
) -> Block {
    let fault = |kind: FaultKind| record.faults[kind as usize];
    let (guest, host, mut exits) = match &record.listing {
        Some(listing) => {
            let (guest, host) = code(listing, record.spot.user, at);
            (guest, host, exits(listing))
        }
        None => <_>::default(),
    };
    let callouts = at.callouts_in(record);
    let left = [
        ("callout", callouts),
        ("direct, to the dispatcher", record.unlinked_exits),
        ("look-up, to the dispatcher", record.missed_lookups),
    ];
    exits.extend(left.into_iter().filter(|(_, count)| *count > 0).map(|(kind, count)| ByExit {
        kind: kind.to_owned(),
        target: None,
        linked: false,
        count: Some(count),
    }));
    Block {
        place: names.place(record.spot.linear),
        physical: record.physical.into(),
        guest_bytes: u64::from(record.guest_bytes),
        instructions: u64::from(record.instructions),
        host_bytes: u64::from(record.host_bytes),
        expansion: f64::from(record.host_bytes) / f64::from(record.guest_bytes.max(1)),
        mode: record.mode.clone(),
        cpl: cpl(record.spot),
        samples: record.samples,
        seconds: weights.seconds(Row::Translated, record.samples),
        entries: Some(record.entries),
        translations: record.translations,
        state: state(record.valid && record.cache_offset.is_some(), record.samples),
        cache_offset: u64::from(record.cache_offset.unwrap_or_default()),
        exits,
        callouts,
        faults: Faults {
            hidden: fault(FaultKind::Hidden),
            real: fault(FaultKind::True),
            mmio: fault(FaultKind::Mmio),
            code_write: fault(FaultKind::CodeWrite),
            churn: fault(FaultKind::Churn),
            other: fault(FaultKind::Other),
        },
        guest,
        host,
    }
}

fn state(valid: bool, samples: u64) -> ExtentState {
    match (valid, samples) {
        (false, _) => ExtentState::Invalidated,
        (true, 0) => ExtentState::Cold,
        (true, _) => ExtentState::Hot,
    }
}

fn code(
    listing: &ListingRecord,
    user: bool,
    at: &AtInstructions<'_>,
) -> (Vec<GuestLine>, Vec<HostLine>) {
    let guest = listing.guest.iter().map(|line| {
        let spot = Spot { linear: line.linear, user };
        GuestLine {
            address: line.linear.into(),
            bytes: line.bytes.clone(),
            text: line.text.clone(),
            class: match line.class {
                GuestClass::Innocuous => Class::Innocuous,
                GuestClass::Rewritten => Class::Rewritten,
                GuestClass::Callout => Class::Callout,
            },
            why: at.callouts.get(&spot).map(|(_, why)| (*why).to_owned()),
            samples: line.samples,
            faults: at.faults.get(&spot).copied().unwrap_or_default(),
        }
    });
    let host = listing.host.iter().map(|line| HostLine {
        offset: u64::from(line.offset),
        bytes: line.bytes.clone(),
        text: line.text.clone(),
        guest: line.guest,
        samples: line.samples,
    });
    (guest.collect(), host.collect())
}

fn exits(listing: &ListingRecord) -> Vec<ByExit> {
    let direct = listing.direct.iter().map(|(target, linked)| ByExit {
        kind: "direct".to_owned(),
        target: Some((*target).into()),
        linked: *linked,
        count: None,
    });
    let lookups = listing.lookups.iter().map(|(kind, count)| ByExit {
        kind: kind.name().to_owned(),
        target: None,
        linked: false,
        count: Some(*count),
    });
    direct.chain(lookups).collect()
}

/// The hottest pages.
pub fn pages(recording: &Recording, weights: &Weights, names: &Names<'_>) -> Vec<Page> {
    let mut all: HashMap<u32, Page> = HashMap::new();
    let mut at = |linear: u32, add: &dyn Fn(&mut Page)| {
        let page = linear & !0xfff;
        add(all.entry(page).or_insert_with(|| Page {
            linear: page.into(),
            symbol: names.page(page),
            ..Page::default()
        }));
    };
    for block in &recording.blocks {
        at(block.spot.linear, &|page| {
            page.physical = (block.physical & !0xfff).into();
            page.samples += block.samples;
            page.seconds += weights.seconds(Row::Translated, block.samples);
            page.blocks += 1;
            page.host_bytes += u64::from(block.host_bytes);
        });
    }
    for record in &recording.callouts {
        at(record.spot.linear, &|page| page.callouts += record.count);
    }
    for record in &recording.faults {
        at(record.spot.linear, &|page| page.faults += record.count);
    }
    for record in &recording.invalidations {
        at(record.block.linear, &|page| page.invalidations += record.blocks);
    }
    let mut all: Vec<_> = all.into_values().collect();
    all.sort_by_key(|page| (Reverse((page.samples, page.blocks)), page.linear));
    all.truncate(PAGES);
    all
}

/// The translation cache at the end of the run.
pub fn cache_map(recording: &Recording, names: &Names<'_>) -> CacheMap {
    let cache = &recording.cache;
    let stubs = Extent { len: cache.stubs, state: ExtentState::Stub, ..Extent::default() };
    let mut extents = vec![stubs];
    let short = cache.used / EXTENTS;
    let mut hottest = 0;
    for block in &cache.blocks {
        let end = u64::from(block.offset) + u64::from(block.len);
        let last = extents.last_mut().filter(|last| goes_on(last, block, short));
        let Some(last) = last else {
            hottest = block.samples;
            extents.push(Extent {
                start: u64::from(block.offset),
                len: u64::from(block.len),
                state: state(block.valid, block.samples),
                place: names.place(block.spot.linear),
                samples: block.samples,
            });
            continue;
        };
        last.len = end - last.start;
        last.samples += block.samples;
        if block.samples > hottest {
            // The extent is named after its hottest block, and is hot if one is.
            (hottest, last.state) = (block.samples, ExtentState::Hot);
            last.place = names.place(block.spot.linear);
        }
    }
    CacheMap { size: cache.size, used: cache.used, extents }
}

/// Whether `block` belongs to the extent before it: they are alike, or it is too short to be seen.
fn goes_on(last: &Extent, block: &CachedRecord, short: u64) -> bool {
    let alike = last.state == state(block.valid, block.samples) && last.state != ExtentState::Hot;
    last.state != ExtentState::Stub && (alike && last.len < 16 * short || last.len < short)
}
