//! The translation cache: memory, blocks and links. The machine's: what a processor keeps of it is not here.

use super::blocks::{Block, BlockId, BlockKey, Registry, Site};
use super::enter::Entry;
use super::memory::{CacheMemory, CacheMemoryError, trim_heap};
use super::relocate::{CopyAt, relocated};
use super::sink::BlockSink;
use super::stubs::{STUB_AREA, Stubs, WaysOut, assemble};
use super::transfer::TransferStubs;
use crate::mode::Mode;
use crate::placement::StubAddresses;
use crate::tail::lookup_of;
use crate::thunk::PcThunk;
use crate::translation::{Counters, DirectExit, Translation};
use crate::verify::{Refusal, Subject, Verified, Verifier};
use ringer_cpu::{Frame, Pa, Pc};

/// What the cache did so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheStats {
    /// Blocks translated.
    pub translated: u64,
    /// Guest bytes in them.
    pub guest_bytes: u64,
    /// Host bytes in them.
    pub host_bytes: u64,
    /// Blocks invalidated because their bytes changed.
    pub invalidated: u64,
    /// Times the whole cache was evicted.
    pub flushes: u64,
}

/// The translation cache: the machine's. Entries of its blocks that a processor keeps are not its own ([`BlockSink`]).
#[derive(Debug)]
pub struct CodeCache {
    memory: CacheMemory,
    stubs: Stubs,
    /// Next free byte.
    top: usize,
    registry: Registry,
    /// What others keep of each block, in bytes.
    kept_elsewhere: usize,
    stats: CacheStats,
}

impl CodeCache {
    /// A cache of `budget` bytes (at least 256 KiB, at most 1 GiB are used), for blocks and what is known of them.
    ///
    /// # Errors
    /// When the host refuses the memory.
    pub fn new(budget: u64) -> Result<Self, CacheMemoryError> {
        let len = budget.clamp(256 << 10, 1 << 30) as usize & !0xfff;
        let mut memory = CacheMemory::new(len)?;
        let stubs = assemble(memory.base());
        memory.write(0, &stubs.code);
        Ok(Self {
            memory,
            stubs,
            top: STUB_AREA,
            registry: Registry::default(),
            kept_elsewhere: 0,
            stats: CacheStats::default(),
        })
    }

    /// Somebody keeps `bytes` bytes of each block, until [`CodeCache::flush`].
    pub fn charge_each(&mut self, bytes: usize) {
        self.kept_elsewhere = bytes;
    }

    /// Bytes of host memory that are taken beside host code.
    #[must_use]
    pub fn metadata(&self) -> usize {
        self.registry.held() + self.registry.blocks.len() * self.kept_elsewhere
    }

    /// Takes the host code that was written out of the process's resident set, as far as it is there for having been
    /// written; what runs stays.
    pub fn release(&mut self) {
        self.memory.release();
    }

    /// Host address of offset 0.
    #[must_use]
    pub fn base(&self) -> u64 {
        self.memory.base()
    }

    /// Host addresses of the whole cache, stubs included.
    #[must_use]
    pub fn range(&self) -> std::ops::Range<u64> {
        self.base()..self.base() + self.memory.len() as u64
    }

    /// Host addresses of the stubs.
    #[must_use]
    pub fn stub_range(&self) -> std::ops::Range<u64> {
        self.base()..self.base() + STUB_AREA as u64
    }

    /// The stubs that lead to Rust.
    #[must_use]
    pub fn ways_out(&self) -> WaysOut {
        self.stubs.ways_out.clone()
    }

    /// The stubs for what changes the mode.
    #[must_use]
    pub fn transfer_stubs(&self) -> &TransferStubs {
        &self.stubs.transfers
    }

    /// The exits that blocks are emitted with.
    #[must_use]
    pub fn stub_addresses(&self) -> StubAddresses {
        self.stubs.exits
    }

    /// The way in.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry { enter: self.stubs.enter, resume: self.stubs.resume }
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.stats
    }

    /// Host address at which the next block will be placed, and the number of its first site; with
    /// `reserve` bytes of room guaranteed. `None`: full, [`CodeCache::flush`] first.
    #[must_use]
    pub fn next_place(&self, reserve: usize) -> Option<(u64, u32)> {
        let start = self.top.next_multiple_of(16);
        (start + reserve + self.metadata() <= self.memory.len())
            .then(|| (self.base() + start as u64, self.registry.sites.len() as u32))
    }

    /// The numbers that the next block and its look-ups count under.
    #[must_use]
    pub fn next_counters(&self) -> Counters {
        let entry = self.registry.blocks.len() as u32;
        Counters { entry, first_lookup: self.registry.lookups }
    }

    /// How many blocks there are since the last flush, gone ones among them.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.registry.blocks.len() as u32
    }

    /// A block's direct exits: where each goes, and whether it is linked.
    pub fn exits(&self, id: BlockId) -> impl Iterator<Item = (Pc, bool)> {
        let sites = self.block(id).sites.clone();
        let sites = &self.registry.sites[sites.start as usize..sites.end as usize];
        sites.iter().map(|site| (site.target, site.linked.is_some()))
    }

    /// The block that look-up number `number` belongs to, and the guest instruction that makes it.
    #[must_use]
    pub fn lookup(&self, number: u32) -> Option<(BlockId, Pc)> {
        let blocks = &self.registry.blocks;
        let after = blocks.partition_point(|block| block.counters.first_lookup <= number);
        let block = blocks.get(after.checked_sub(1)?)?;
        let site = block.lookups.get((number - block.counters.first_lookup) as usize)?;
        Some((after as BlockId - 1, site.eip))
    }

    /// Places a translation made for [`CodeCache::next_place`]. `None` when it does not fit.
    pub fn insert(&mut self, key: BlockKey, t: Translation) -> Option<BlockId> {
        let start = self.top.next_multiple_of(16);
        if start + t.host.len() > self.memory.len() {
            return None;
        }
        self.memory.write(start, &t.host);
        self.top = start + t.host.len();
        let id = self.registry.blocks.len() as BlockId;
        let first = self.registry.sites.len() as u32;
        self.registry.lookups += t.lookups.len() as u32;
        for exit in &t.exits {
            let at = exit.patch_off as usize;
            let field = t.host[at..at + 4].try_into().expect("four bytes");
            self.registry.sites.push(Site {
                patch_off: (start + at) as u32,
                unlinked: i32::from_le_bytes(field),
                target: exit.target,
                block: id,
                linked: None,
            });
        }
        self.stats.translated += 1;
        self.stats.guest_bytes += u64::from(t.guest_len);
        self.stats.host_bytes += t.host.len() as u64;
        Some(self.registry.add(Block {
            key,
            guest_len: t.guest_len,
            instrs: t.instrs,
            host_off: start as u32,
            host_len: t.host.len() as u32,
            map: t.map.into_boxed_slice(),
            strings: t.strings.into_boxed_slice(),
            guards: t.guards.into_boxed_slice(),
            fixups: t.fixups.map(Vec::into_boxed_slice),
            counters: t.counters,
            lookups: t.lookups.into_boxed_slice(),
            valid: true,
            sites: first..first + t.exits.len() as u32,
            incoming: Vec::new(),
        }))
    }

    /// The translation of `key` that a copy of a block of the same bytes at another EIP makes, for
    /// [`CodeCache::next_place`] with its `first_site`. `thunk` says which thunk is known at an EIP. `None`: there is no
    /// such block, or it cannot be copied.
    #[must_use]
    pub fn copied(
        &self,
        key: &BlockKey,
        thunk: &dyn Fn(Pc) -> Option<PcThunk>,
    ) -> Option<Translation> {
        let block = self.block(self.registry.sibling(key)?);
        let sites = &self.registry.sites[block.sites.start as usize..block.sites.end as usize];
        let mut host = vec![0; block.host_len as usize];
        self.memory.read(block.host_off as usize, &mut host);
        let place = CopyAt {
            eip: key.eip,
            host_off: self.top.next_multiple_of(16) as u32,
            first_site: self.registry.sites.len() as u32,
            exit_link: (self.stubs.exits.exit_link - self.base()) as u32,
            counters: self.next_counters(),
        };
        relocated(block, host, sites, place, thunk)
    }

    /// The valid block of `key`.
    #[must_use]
    pub fn find(&self, key: &BlockKey) -> Option<BlockId> {
        self.registry.find(key)
    }

    /// EIP and host code of the valid blocks that are mapped wherever the block of `key` is, for tables of its mode and CS
    /// base: the blocks of its page.
    #[must_use]
    pub fn beside(&self, key: &BlockKey) -> &[(Pc, u32)] {
        self.registry.beside(key)
    }

    /// A block by number.
    #[must_use]
    pub fn block(&self, id: BlockId) -> &Block {
        &self.registry.blocks[id as usize]
    }

    /// All valid blocks.
    pub fn valid_blocks(&self) -> impl Iterator<Item = (BlockId, &Block)> {
        (0..).zip(&self.registry.blocks).filter(|(_, block)| block.valid)
    }

    /// The block that link site `site` belongs to.
    #[must_use]
    pub fn block_of(&self, site: u32) -> Option<BlockId> {
        self.registry.sites.get(site as usize).map(|s| s.block)
    }

    /// Host address of a block's entry.
    #[must_use]
    pub fn host_pc(&self, id: BlockId) -> u64 {
        self.base() + u64::from(self.block(id).host_off)
    }

    /// The block that starts at cache offset `off` (a target-table entry).
    #[must_use]
    pub fn at_offset(&self, off: u32) -> Option<BlockId> {
        self.registry.at_host(off)
    }

    /// The block and the block-relative offset of host address `rip`.
    #[must_use]
    pub fn locate(&self, rip: u64) -> Option<(BlockId, u32)> {
        let off = u32::try_from(rip.checked_sub(self.base())?).ok()?;
        let id = self.registry.at_host(off)?;
        Some((id, off - self.block(id).host_off))
    }

    /// Links site `site` to block `id`, when both lie in one page (invariant 5) and nothing changed meanwhile.
    pub fn link(&mut self, site: u32, id: BlockId) -> bool {
        let Some(s) = self.registry.sites.get(site as usize).copied() else { return false };
        let (from, to) = (self.block(s.block), self.block(id));
        let mask = from.key.mode.address_mask();
        let sound = from.valid
            && to.valid
            && s.target == to.key.eip
            && from.key.mode == to.key.mode
            && from.key.pa.frame() == to.key.pa.frame()
            && to.key.pa.minus(from.key.pa.get()).get() & mask
                == to.key.eip.minus(from.key.eip.get()).get() & mask
            && from.key.second.is_none()
            && to.key.second.is_none();
        if !sound {
            return false;
        }
        let rel = i64::from(to.host_off) - (i64::from(s.patch_off) + 4);
        self.memory.write(s.patch_off as usize, &(rel as i32).to_le_bytes());
        self.registry.sites[site as usize].linked = Some(id);
        self.registry.blocks[id as usize].incoming.push(site);
        true
    }

    /// Turns the cold tail of site `site` into an inline lookup when its target, block `id`, crosses a
    /// page: such a block is never linked, and the dispatcher would be asked each time.
    pub fn look_up_instead(&mut self, site: u32, id: BlockId) {
        let Some(s) = self.registry.sites.get(site as usize).copied() else { return };
        let (from, to) = (self.block(s.block), self.block(id));
        let same = from.valid && s.target == to.key.eip && from.key.mode == to.key.mode;
        if !same || to.key.second.is_none() || s.linked.is_some() {
            return;
        }
        let tail = (i64::from(s.patch_off) + 4 + i64::from(s.unlinked)) as usize;
        self.memory.write(tail, &lookup_of(s.target.low()));
    }

    fn unlink(&mut self, site: u32) {
        let s = &mut self.registry.sites[site as usize];
        s.linked = None;
        let (at, rel) = (s.patch_off as usize, s.unlinked);
        self.memory.write(at, &rel.to_le_bytes());
    }

    /// Invalidates every block with bytes in `pa..pa+len` (within one page), and tells `entries` of each. Returns how
    /// many went and whether the page holds no code any more.
    pub fn invalidate(
        &mut self,
        pa: Pa,
        len: u32,
        entries: &mut (impl BlockSink + ?Sized),
    ) -> (usize, bool) {
        let from = pa.in_frame() as u32;
        let (gone, empty) = self.registry.take_overlapping(pa.frame(), from, from + len);
        for id in &gone {
            let incoming = std::mem::take(&mut self.registry.blocks[*id as usize].incoming);
            for site in incoming {
                if self.registry.sites[site as usize].linked == Some(*id) {
                    self.unlink(site);
                }
            }
            let key = self.block(*id).key;
            entries.block_gone(key.mode, key.eip);
        }
        self.stats.invalidated += gone.len() as u64;
        (gone.len(), empty)
    }

    /// A block with bytes in `pa..pa+len` (within one page).
    #[must_use]
    pub fn first_in(&self, pa: Pa, len: u32) -> Option<BlockId> {
        let from = pa.in_frame() as u32;
        self.registry.first_overlapping(pa.frame(), from, from + len)
    }

    /// Whether page frame `frame` holds code.
    #[must_use]
    pub fn has_code(&self, frame: Frame) -> bool {
        self.registry.has_code(frame)
    }

    /// Evicts everything, and tells `entries`; returns the frames that held code.
    pub fn flush(&mut self, entries: &mut (impl BlockSink + ?Sized)) -> Vec<Frame> {
        let frames = self.registry.frames().collect();
        self.registry.clear();
        entries.all_gone();
        self.memory.discard(STUB_AREA..self.top);
        trim_heap();
        self.top = STUB_AREA;
        self.stats.flushes += 1;
        // The bytes were executed at another linear address than they will be written at: only a
        // serializing instruction makes that safe (SDM volume 3A, 8.1.3).
        let _ = std::arch::x86_64::__cpuid(0);
        frames
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.top
    }

    /// Reads host bytes at cache offset `off`; returns how many there were.
    pub fn read_host(&self, off: u32, out: &mut [u8]) -> usize {
        self.memory.read(off as usize, out)
    }

    /// Verifies block `id` as it lies in the cache, links included.
    ///
    /// # Errors
    /// What it breaks.
    pub fn verify(&self, id: BlockId, verifier: &mut Verifier) -> Result<Verified, Refusal> {
        let block = self.block(id);
        let sites = &self.registry.sites[block.sites.start as usize..block.sites.end as usize];
        let numbers = block.sites.clone();
        let exits: Vec<_> = sites
            .iter()
            .zip(numbers)
            .map(|(s, site)| DirectExit {
                site,
                patch_off: s.patch_off - block.host_off,
                target: s.target,
            })
            .collect();
        let subject = Subject {
            host: &self.host_code(id),
            base: self.host_pc(id),
            stubs: &self.stubs.exits,
            map: &block.map,
            exits: &exits,
            locks: block.key.mode.contains(Mode::SHARED),
        };
        verifier.check(&subject, &|address| {
            let found = self.locate(address);
            found.is_some_and(|(id, off)| off == 0 && self.block(id).valid)
        })
    }

    /// A block's host bytes, for reports.
    #[must_use]
    pub fn host_code(&self, id: BlockId) -> Vec<u8> {
        let block = self.block(id);
        let mut bytes = vec![0; block.host_len as usize];
        let n = self.memory.read(block.host_off as usize, &mut bytes);
        bytes.truncate(n);
        bytes
    }
}
