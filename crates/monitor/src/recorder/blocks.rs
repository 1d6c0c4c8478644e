//! What happened in which block.
//!
//! Blocks are numbered from each flush of the translation cache on. What is known by number is *live*;
//! at a flush it goes to the *totals*, which are kept by what makes blocks the same.

use super::modes::mode_in_words;
use crate::recording::{BlockRecord, CacheRecord, CachedRecord, Elsewhere, FaultKind, Spot};
use hashbrown::HashMap;
use ringer_cpu::{Frame, Pc};
use ringer_mmu::GuestMemory;
use ringer_translator::Mode;
use ringer_translator::context::{Counts, counted_at};
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::{Block, BlockId, BlockKey};
use ringer_translator::{LookupSite, MapEntry};

/// Places that are kept of blocks that went, while the guest runs and makes more of them.
const MOST_KEPT: usize = 1 << 15;
/// Places that are told of in the end.
const MOST: usize = 1 << 17;

/// What happened in a block that has a number.
#[derive(Clone, Debug, Default)]
struct Live {
    samples: u64,
    /// Samples by host offset, in any order.
    at: Vec<(u32, u64)>,
    /// The block's guest bytes, as they were at its first sample.
    guest: Vec<u8>,
    unlinked: u64,
    missed: u64,
    faults: [u64; FaultKind::ALL.len()],
}

/// The code of a block, as it was when it had samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Code {
    pub mode: Mode,
    pub eip: Pc,
    /// What linear addresses are more than EIPs.
    pub cs_base: u32,
    pub instrs: u32,
    pub guest: Vec<u8>,
    pub host: Vec<u8>,
    pub base: u64,
    pub map: Vec<MapEntry>,
    pub direct: Vec<(Pc, bool)>,
    /// Look-ups, and how often each ran.
    pub lookups: Vec<(LookupSite, u64)>,
    /// Samples by host offset.
    pub at: Vec<(u32, u64)>,
}

/// A block's record, and its code if it had samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Total {
    pub record: BlockRecord,
    pub code: Option<Box<Code>>,
    /// Samples in the block that `code` is of.
    of_code: u64,
}

/// All blocks.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// By number: the linear address of the first byte.
    linears: Vec<u32>,
    live: HashMap<BlockId, Live>,
    totals: HashMap<BlockKey, Total>,
    pub(super) elsewhere: Elsewhere,
}

/// The spot of a block's guest instruction at `eip`; the block begins at `linear`.
fn spot_at(block: &Block, linear: u32, eip: Pc) -> Spot {
    let by = eip.minus(block.key.eip.get()).low();
    Spot { linear: linear.wrapping_add(by), user: block.key.mode.contains(Mode::USER) }
}

/// The bytes of `block`, as memory has them now.
pub(super) fn guest_bytes(memory: &GuestMemory, block: &Block) -> Vec<u8> {
    let len = block.guest_len as usize;
    let here = len.min(0x1000 - block.key.pa.in_frame() as usize);
    let mut bytes = vec![0; len];
    let second = block.key.second.map(Frame::start);
    let read = memory.read(block.key.pa, &mut bytes[..here])
        && second.is_none_or(|pa| memory.read(pa, &mut bytes[here..]));
    if read { bytes } else { Vec::new() }
}

impl Blocks {
    /// The next block was placed; its code begins at `linear`.
    pub fn placed(&mut self, linear: u32) {
        self.linears.push(linear);
    }

    fn linear(&self, id: BlockId) -> u32 {
        self.linears.get(id as usize).copied().unwrap_or_default()
    }

    /// The guest instruction at `eip` of block `id`.
    pub fn spot(&self, cache: &CodeCache, id: BlockId, eip: Pc) -> Spot {
        spot_at(cache.block(id), self.linear(id), eip)
    }

    /// A sample at `off` of the translation cache; the guest instruction there. `None`: no block.
    pub fn sample(&mut self, cache: &CodeCache, memory: &GuestMemory, off: u32) -> Option<Spot> {
        let id = cache.at_offset(off)?;
        let block = cache.block(id);
        let off = off - block.host_off;
        let live = self.live.entry(id).or_default();
        if live.samples == 0 && block.valid {
            live.guest = guest_bytes(memory, block);
        }
        live.samples += 1;
        match live.at.iter_mut().find(|(at, _)| *at == off) {
            Some((_, count)) => *count += 1,
            None => live.at.push((off, 1)),
        }
        let eip = block.entry_at(off).map_or(block.key.eip, |(_, entry)| entry.eip);
        Some(self.spot(cache, id, eip))
    }

    /// Block `id` was left for the dispatcher by a direct exit.
    pub fn left_unlinked(&mut self, id: BlockId) {
        self.live.entry(id).or_default().unlinked += 1;
    }

    /// Block `id` was left for the dispatcher by a look-up.
    pub fn left_by_lookup(&mut self, id: BlockId) {
        self.live.entry(id).or_default().missed += 1;
    }

    /// A trap in block `id`.
    pub fn faulted(&mut self, id: BlockId, kind: FaultKind) {
        self.live.entry(id).or_default().faults[kind as usize] += 1;
    }

    /// Where block `id` begins.
    pub fn beginning(&self, cache: &CodeCache, id: BlockId) -> Spot {
        self.spot(cache, id, cache.block(id).key.eip)
    }

    /// What is live becomes totals; numbers begin anew.
    pub fn fold(&mut self, cache: &CodeCache, counts: (&Counts, &Counts)) {
        let mut totals = std::mem::take(&mut self.totals);
        let mut elsewhere = self.elsewhere;
        self.gather(cache, counts, MOST_KEPT, &mut totals, &mut elsewhere);
        for total in totals.values_mut() {
            total.record.cache_offset = None;
        }
        (self.totals, self.elsewhere) = (totals, elsewhere);
        (self.linears, self.live) = (Vec::new(), HashMap::new());
    }

    /// The totals with what is live.
    pub(super) fn all(
        &self,
        cache: &CodeCache,
        counts: (&Counts, &Counts),
    ) -> (Vec<Total>, Elsewhere) {
        let (mut totals, mut elsewhere) = (self.totals.clone(), self.elsewhere);
        self.gather(cache, counts, MOST, &mut totals, &mut elsewhere);
        (totals.into_values().collect(), elsewhere)
    }

    fn gather(
        &self,
        cache: &CodeCache,
        counts: (&Counts, &Counts),
        most: usize,
        totals: &mut HashMap<BlockKey, Total>,
        elsewhere: &mut Elsewhere,
    ) {
        let none = Live::default();
        for id in 0..cache.blocks() {
            let block = cache.block(id);
            let entries = own_count(counts.0, block.counters.entry);
            let live = self.live.get(&id).unwrap_or(&none);
            if entries == 0 && live.samples == 0 && !live.faults.iter().any(|n| *n > 0) {
                continue;
            }
            if totals.len() >= most && !totals.contains_key(&block.key) {
                elsewhere.entries += entries;
                elsewhere.samples += live.samples;
                continue;
            }
            let total = totals.entry(block.key).or_default();
            total.add(block, self.linear(id), entries, live);
            if live.samples > total.of_code {
                total.of_code = live.samples;
                let code = code_of(cache, id, self.linear(id), counts.1, live);
                total.code = Some(Box::new(code));
            }
        }
        // What had no place of its own.
        if cache.blocks() > 0 && counted_at(cache.blocks() - 1) == counts.0.len() - 1 {
            elsewhere.entries += counts.0[counts.0.len() - 1];
        }
    }

    /// What lies in the cache.
    pub(super) fn cached(&self, cache: &CodeCache) -> CacheRecord {
        let block = |id| {
            let block = cache.block(id);
            CachedRecord {
                offset: block.host_off,
                len: block.host_len,
                spot: self.beginning(cache, id),
                valid: block.valid,
                samples: self.live.get(&id).map_or(0, |live| live.samples),
            }
        };
        let (all, stubs) = (cache.range(), cache.stub_range());
        CacheRecord {
            size: all.end - all.start,
            used: cache.used() as u64,
            stubs: stubs.end - stubs.start,
            blocks: (0..cache.blocks()).map(block).collect(),
        }
    }
}

/// The count of number `number`, if it has a place of its own.
pub(super) fn own_count(counts: &Counts, number: u32) -> u64 {
    let at = counted_at(number);
    if at + 1 < counts.len() { counts[at] } else { 0 }
}

impl Total {
    fn add(&mut self, block: &Block, linear: u32, entries: u64, live: &Live) {
        let record = &mut self.record;
        record.spot = spot_at(block, linear, block.key.eip);
        record.physical = block.key.pa.get();
        record.guest_bytes = block.guest_len;
        record.instructions = block.instrs;
        record.host_bytes = block.host_len;
        if record.mode.is_empty() {
            record.mode = mode_in_words(block.key.mode);
        }
        record.cache_offset = Some(block.host_off);
        record.valid = block.valid;
        record.translations += 1;
        record.entries += entries;
        record.samples += live.samples;
        record.unlinked_exits += live.unlinked;
        record.missed_lookups += live.missed;
        for (sum, more) in record.faults.iter_mut().zip(live.faults) {
            *sum += more;
        }
    }
}

fn code_of(cache: &CodeCache, id: BlockId, linear: u32, lookups: &Counts, live: &Live) -> Code {
    let block = cache.block(id);
    let numbers = block.counters.first_lookup..;
    let looked = block.lookups.iter().zip(numbers);
    Code {
        mode: block.key.mode,
        eip: block.key.eip,
        cs_base: linear.wrapping_sub(block.key.eip.low()),
        instrs: block.instrs,
        guest: live.guest.clone(),
        host: cache.host_code(id),
        base: cache.host_pc(id),
        map: block.map.to_vec(),
        direct: cache.exits(id).collect(),
        lookups: looked.map(|(site, number)| (*site, own_count(lookups, number))).collect(),
        at: live.at.clone(),
    }
}
