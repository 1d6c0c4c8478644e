//! What happened at which guest instruction: callouts, traps, look-ups, writes to code.

use super::blocks::{Blocks, own_count};
use crate::profile::Row;
use crate::recording::{
    CalloutRecord, Elsewhere, FaultKind, FaultRecord, InvalidationRecord, LookupKind, LookupRecord,
    Spot,
};
use hashbrown::HashMap;
use iced_x86::{Code, Instruction};
use ringer_cpu::{Pa, Pc};
use ringer_mmu::GuestMemory;
use ringer_translator::Mode;
use ringer_translator::context::{Counts, counted_at};
use ringer_translator::listing::guest_lines;
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::Block;
use std::cmp::Reverse;

/// The longest instruction, in bytes.
const LONGEST: usize = 15;
/// Places that are kept of each kind.
const MOST: usize = 1 << 14;

/// The value of `key` in `map`, if it has one or there is room.
fn entry<K: std::hash::Hash + Eq, V: Default>(map: &mut HashMap<K, V>, key: K) -> Option<&mut V> {
    if map.len() >= MOST && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}

/// Where an instruction comes from, so that it can be read again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin {
    pa: Pa,
    eip: Pc,
    mode: Mode,
}

impl Origin {
    /// The instruction at `eip` of `block`.
    pub fn of(block: &Block, eip: Pc) -> Self {
        let by = eip.minus(block.key.eip.get()).masked(block.key.mode.address_mask());
        Self { pa: block.key.pa.plus(by.get()), eip, mode: block.key.mode }
    }

    /// Its text, if there still is an instruction. (One that reaches into the next page is not read.)
    fn text(&self, memory: &GuestMemory) -> String {
        let here = (0x1000 - self.pa.in_frame() as usize).min(LONGEST);
        let mut bytes = [0; LONGEST];
        if !memory.read(self.pa, &mut bytes[..here]) {
            return String::new();
        }
        let lines = guest_lines(&bytes[..here], self.eip, self.mode, 1);
        lines
            .into_iter()
            .next()
            .filter(|line| line.code != Code::INVALID)
            .map_or_else(String::new, |line| line.text)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Looked {
    count: u64,
    misses: u64,
    origin: Origin,
}

/// A callout's instruction.
#[derive(Clone, Debug)]
pub(crate) struct CalloutInfo {
    /// Its text.
    pub text: String,
    /// The row that it is booked on.
    pub row: Row,
    /// Why it is a callout.
    pub why: String,
}

/// What happened at which instruction.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    callouts: HashMap<(Spot, Code), (Option<CalloutInfo>, u64)>,
    faults: HashMap<(Spot, FaultKind), (u64, Origin)>,
    lookups: HashMap<(Spot, LookupKind), Looked>,
    /// By number, since the last flush.
    misses: HashMap<u32, u64>,
    invalidations: HashMap<u64, InvalidationRecord>,
    /// The instruction whose writes are being looked at.
    pub writer: Option<Spot>,
    elsewhere: Elsewhere,
}

impl Sites {
    /// Counts a callout of `i` at `spot`, and tells its row; `info` is asked for once for each place.
    pub fn callout(
        &mut self,
        spot: Spot,
        i: &Instruction,
        info: impl FnOnce() -> CalloutInfo,
    ) -> Row {
        let Some((known, count)) = entry(&mut self.callouts, (spot, i.code())) else {
            self.elsewhere.callouts += 1;
            return info().row;
        };
        *count += 1;
        known.get_or_insert_with(info).row
    }

    /// A callout of an instruction that could not even be read.
    pub fn unreadable_callout(&mut self) {
        self.elsewhere.callouts += 1;
    }

    /// Counts a trap at `spot`, of the instruction from `origin`.
    pub fn fault(&mut self, spot: Spot, kind: FaultKind, origin: Origin) {
        match entry(&mut self.faults, (spot, kind)) {
            Some((count, from)) => {
                *count += 1;
                *from = origin;
            }
            None => self.elsewhere.faults += 1,
        }
    }

    /// Look-up number `number` found nothing; `None`: nobody knows which it was.
    pub fn missed(&mut self, number: Option<u32>) {
        match number {
            Some(number) => *self.misses.entry(number).or_default() += 1,
            None => self.elsewhere.misses += 1,
        }
    }

    /// A write to the page at `page` ended `gone` blocks, of which one began at `block`.
    pub fn invalidated(&mut self, page: u64, gone: u64, block: Spot) {
        if self.invalidations.len() >= MOST && !self.invalidations.contains_key(&page) {
            self.elsewhere.invalidations += gone;
            return;
        }
        let writer = self.writer;
        let new = InvalidationRecord { page, block, writer, count: 0, blocks: 0 };
        let record = self.invalidations.entry(page).or_insert(new);
        record.count += 1;
        record.blocks += gone;
        record.writer = writer;
    }

    /// Numbers of look-ups begin anew.
    pub fn fold(&mut self, cache: &CodeCache, blocks: &Blocks, lookups: &Counts) {
        let mut all = std::mem::take(&mut self.lookups);
        let mut elsewhere = self.elsewhere;
        self.gather(cache, blocks, lookups, &mut all, &mut elsewhere);
        (self.lookups, self.elsewhere) = (all, elsewhere);
        self.misses = HashMap::new();
    }

    fn gather(
        &self,
        cache: &CodeCache,
        blocks: &Blocks,
        lookups: &Counts,
        all: &mut HashMap<(Spot, LookupKind), Looked>,
        elsewhere: &mut Elsewhere,
    ) {
        let mut last = 0;
        for id in 0..cache.blocks() {
            let block = cache.block(id);
            for (site, number) in block.lookups.iter().zip(block.counters.first_lookup..) {
                last = number;
                let count = own_count(lookups, number);
                let misses = self.misses.get(&number).copied().unwrap_or_default();
                if count == 0 && misses == 0 {
                    continue;
                }
                match entry(all, (blocks.spot(cache, id, site.eip), LookupKind::of(site.flow))) {
                    Some(looked) => {
                        looked.count += count;
                        looked.misses += misses;
                        looked.origin = Origin::of(block, site.eip);
                    }
                    None => {
                        elsewhere.lookups += count;
                        elsewhere.misses += misses;
                    }
                }
            }
        }
        if counted_at(last) == lookups.len() - 1 {
            elsewhere.lookups += lookups[lookups.len() - 1];
        }
    }

    /// All look-ups, most first.
    pub fn lookups(
        &self,
        memory: &GuestMemory,
        cache: &CodeCache,
        blocks: &Blocks,
        lookups: &Counts,
        elsewhere: &mut Elsewhere,
    ) -> Vec<LookupRecord> {
        let mut all = self.lookups.clone();
        self.gather(cache, blocks, lookups, &mut all, elsewhere);
        let record = |((spot, kind), looked): ((Spot, LookupKind), Looked)| LookupRecord {
            spot,
            text: looked.origin.text(memory),
            kind,
            // A miss of a look-up that is not counted may have been taken for this one's.
            count: looked.count.max(looked.misses),
            misses: looked.misses,
        };
        let mut all: Vec<_> = all.into_iter().map(record).collect();
        all.sort_by_key(|r| (Reverse(r.count), r.spot));
        all
    }

    /// All callouts, most first.
    pub fn callouts(&self) -> Vec<CalloutRecord> {
        let record =
            |((spot, code), (info, count)): (&(Spot, Code), &(Option<CalloutInfo>, u64))| {
                let info = info.as_ref()?;
                Some(CalloutRecord {
                    spot: *spot,
                    text: info.text.clone(),
                    form: code.op_code().instruction_string(),
                    row: info.row,
                    why: info.why.clone(),
                    count: *count,
                })
            };
        let mut all: Vec<_> = self.callouts.iter().filter_map(record).collect();
        all.sort_by_key(|r| (Reverse(r.count), r.spot));
        all
    }

    /// All traps, most first.
    pub fn faults(&self, memory: &GuestMemory) -> Vec<FaultRecord> {
        let record = |((spot, kind), (count, from)): (&(Spot, FaultKind), &(u64, Origin))| {
            FaultRecord { spot: *spot, text: from.text(memory), kind: *kind, count: *count }
        };
        let mut all: Vec<_> = self.faults.iter().map(record).collect();
        all.sort_by_key(|r| (Reverse(r.count), r.spot, r.kind));
        all
    }

    /// All pages that were written to, most first.
    pub fn invalidations(&self) -> Vec<InvalidationRecord> {
        let mut all: Vec<_> = self.invalidations.values().copied().collect();
        all.sort_by_key(|r| (Reverse(r.blocks), r.page));
        all
    }

    /// What found no room.
    pub fn elsewhere(&self) -> Elsewhere {
        self.elsewhere
    }
}
