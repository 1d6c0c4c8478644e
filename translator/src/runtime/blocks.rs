//! The registry of translated blocks: who they are, which bytes they came from, who jumps to them.

use crate::mode::Mode;
use crate::thunk::ThunkGuard;
use crate::translation::{Counters, Fixup, LookupSite, MapEntry, StringSite};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use ringer_cpu::{Frame, Pa, Pc};
use std::hash::BuildHasher;

/// Number of a block since the last flush.
pub type BlockId = u32;

/// What makes two blocks the same: shared between address spaces, they are found by the physical
/// address of their bytes, the EIP they run at, and the mode facts baked into them. CS's base is not
/// among these: the place in the page is known, and nothing else in a block depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// Physical address of the first byte.
    pub pa: Pa,
    /// Offset of the first byte in CS.
    pub eip: Pc,
    /// Facts about segments, privilege and the FPU.
    pub mode: Mode,
    /// Physical page frame of the second page, for a block that crosses into one.
    pub second: Option<Frame>,
}

impl BlockKey {
    /// Where it is, if that is one page.
    fn place(&self) -> Option<Place> {
        let distance = self.pa.get().wrapping_sub(self.eip.get());
        self.second.is_none().then_some(Place { frame: self.pa.frame(), distance, mode: self.mode })
    }

    /// What the keys of copies for other EIPs share.
    fn bytes(&self) -> (Pa, Mode) {
        (self.pa, self.mode)
    }
}

/// What blocks have in common that lie in one page and whose EIPs differ as their addresses do: where one of them is mapped,
/// all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Place {
    frame: Frame,
    /// From EIP to physical address.
    distance: u64,
    mode: Mode,
}

/// A translated block.
#[derive(Debug)]
pub struct Block {
    /// Its identity.
    pub key: BlockKey,
    /// Guest bytes it covers.
    pub guest_len: u32,
    /// Guest instructions it runs as host code.
    pub instrs: u32,
    /// Offset of its host code in the cache.
    pub host_off: u32,
    /// Bytes of host code, cold exit stubs included.
    pub host_len: u32,
    /// Where each guest instruction's sequence begins.
    pub map: Box<[MapEntry]>,
    /// String instructions that hide guest registers while they run.
    pub strings: Box<[StringSite]>,
    /// KnownThunks that it takes for granted while the target table names them.
    pub guards: Box<[ThunkGuard]>,
    /// What a copy for another EIP changes; `None`: there can be none.
    pub fixups: Option<Box<[Fixup]>>,
    /// The numbers that it counts under, with the PROFILE option.
    pub counters: Counters,
    /// Its look-ups, with the PROFILE option.
    pub lookups: Box<[LookupSite]>,
    /// False once its guest bytes changed.
    pub valid: bool,
    /// Its direct exits, as site numbers.
    pub sites: std::ops::Range<u32>,
    /// Sites of other blocks (or its own) that were linked to it.
    pub incoming: Vec<u32>,
}

impl Block {
    /// The page frames its bytes lie in.
    pub fn frames(&self) -> impl Iterator<Item = Frame> {
        [Some(self.key.pa.frame()), self.key.second].into_iter().flatten()
    }

    /// True when it has bytes in `from..to` of page frame `frame`.
    #[must_use]
    pub fn overlaps(&self, frame: Frame, from: u32, to: u32) -> bool {
        let start = self.key.pa.in_frame() as u32;
        let end = start + self.guest_len.max(1);
        if frame == self.key.pa.frame() && from < end.min(0x1000) && start < to {
            return true;
        }
        self.key.second == Some(frame) && end > 0x1000 && from < end - 0x1000
    }

    /// The map entry whose host sequence holds block-relative offset `off`.
    #[must_use]
    pub fn entry_at(&self, off: u32) -> Option<(usize, MapEntry)> {
        let after = self.map.partition_point(|e| e.host_off <= off);
        let index = after.checked_sub(1)?;
        Some((index, self.map[index]))
    }
}

impl Block {
    /// Bytes of host memory that it takes beside its host code, its `sites` among them, with what the allocator adds and
    /// its places in the registry's lists.
    fn metadata(&self) -> usize {
        let boxes = [
            size_of_val(&*self.map),
            size_of_val(&*self.strings),
            size_of_val(&*self.guards),
            self.fixups.as_deref().map_or(0, size_of_val),
            size_of_val(&*self.lookups),
            INCOMING,
        ];
        let sites = self.sites.len() * (size_of::<Site>() + 2 * size_of::<u32>());
        let lists = self.frames().count() * 2 * size_of::<BlockId>()
            + 2 * size_of::<(Pc, u32)>()
            + size_of::<u32>();
        size_of::<Self>() + boxes.map(allocated).iter().sum::<usize>() + sites + lists
    }
}

/// Bytes of the first allocation for the links into a block.
const INCOMING: usize = 4 * size_of::<u32>();
/// A frame's list of blocks, about.
const FRAME: usize = 32;

/// What an allocation of `len` bytes takes, about.
fn allocated(len: usize) -> usize {
    if len == 0 { 0 } else { (len + 8).next_multiple_of(16).max(32) }
}

/// A direct exit: a `jmp`/`jcc rel32` that can be patched.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Cache offset of the rel32 field.
    pub patch_off: u32,
    /// Its original rel32, which leads to the exit's cold stub.
    pub unlinked: i32,
    /// The guest EIP it goes to.
    pub target: Pc,
    /// The block it belongs to.
    pub block: BlockId,
    /// The block it is linked to now.
    pub linked: Option<BlockId>,
}

/// All blocks since the last flush.
#[derive(Debug, Default)]
pub struct Registry {
    /// In order of allocation, so also in order of `host_off`.
    pub blocks: Vec<Block>,
    /// Where each begins, by itself: a search in it touches few lines of the host's caches.
    offsets: Vec<u32>,
    /// By site number.
    pub sites: Vec<Site>,
    /// How many look-ups the blocks have.
    pub lookups: u32,
    /// By the hash of its key, which is in the block.
    by_key: HashTable<BlockId>,
    /// By the hash of where its bytes are and its mode, whatever its EIP: the last one of each.
    by_bytes: HashTable<BlockId>,
    hasher: DefaultHashBuilder,
    /// Blocks with bytes in a page frame.
    by_frame: HashMap<Frame, Vec<BlockId>>,
    /// EIP and host code of the valid blocks that a page has for one mode.
    by_place: HashMap<Place, Vec<(Pc, u32)>>,
    /// What the blocks take.
    taken: usize,
}

impl Registry {
    /// The valid block of `key`.
    #[must_use]
    pub fn find(&self, key: &BlockKey) -> Option<BlockId> {
        let hash = self.hasher.hash_one(key);
        self.by_key.find(hash, |id| self.blocks[*id as usize].key == *key).copied()
    }

    /// A valid block of the bytes that `key` names, in its mode, at another EIP.
    #[must_use]
    pub fn sibling(&self, key: &BlockKey) -> Option<BlockId> {
        let same = |id: &BlockId| self.blocks[*id as usize].key.bytes() == key.bytes();
        let id = *self.by_bytes.find(self.hasher.hash_one(key.bytes()), same)?;
        self.blocks[id as usize].valid.then_some(id)
    }

    /// Bytes of host memory that blocks and indices take, host code apart.
    #[must_use]
    pub fn held(&self) -> usize {
        let lists = (self.by_frame.len() + self.by_place.len()) * FRAME;
        let frames = self.by_frame.allocation_size() + self.by_place.allocation_size() + lists;
        self.taken + self.by_key.allocation_size() + self.by_bytes.allocation_size() + frames
    }

    /// Adds a block; its `host_off` is beyond all others.
    pub fn add(&mut self, block: Block) -> BlockId {
        let id = self.blocks.len() as BlockId;
        self.taken += block.metadata();
        for frame in block.frames() {
            self.by_frame.entry(frame).or_default().push(id);
        }
        let key = block.key;
        self.unname(&key, |_| true);
        if let Some(place) = key.place() {
            let list = self.by_place.entry(place).or_default();
            list.retain(|(eip, _)| *eip != key.eip);
            list.push((key.eip, block.host_off));
        }
        self.offsets.push(block.host_off);
        self.blocks.push(block);
        let (blocks, hasher) = (&self.blocks, &self.hasher);
        let hash_of = |id: &BlockId| hasher.hash_one(blocks[*id as usize].key);
        self.by_key.insert_unique(hasher.hash_one(key), id, hash_of);
        if blocks[id as usize].fixups.is_some() {
            let bytes_of = |id: &BlockId| blocks[*id as usize].key.bytes();
            let same = |id: &BlockId| bytes_of(id) == key.bytes();
            let hash_of = |id: &BlockId| hasher.hash_one(bytes_of(id));
            let entry = self.by_bytes.entry(hasher.hash_one(key.bytes()), same, hash_of);
            *entry.or_insert(id).get_mut() = id;
        }
        id
    }

    /// Takes the block that is found by `key`, if it is one that `wanted` picks, out of the index.
    fn unname(&mut self, key: &BlockKey, wanted: impl Fn(BlockId) -> bool) {
        let blocks = &self.blocks;
        let same = |id: &BlockId| blocks[*id as usize].key == *key && wanted(*id);
        if let Ok(entry) = self.by_key.find_entry(self.hasher.hash_one(key), same) {
            entry.remove();
        }
    }

    /// The block whose host code holds cache offset `off`.
    #[must_use]
    pub fn at_host(&self, off: u32) -> Option<BlockId> {
        let index = self.offsets.partition_point(|begin| *begin <= off).checked_sub(1)?;
        let block = &self.blocks[index];
        (off < block.host_off + block.host_len).then_some(index as BlockId)
    }

    /// Takes the blocks that overlap `from..to` of `frame` out of the look-up structures; returns
    /// them, and whether the frame has no block left.
    pub fn take_overlapping(&mut self, frame: Frame, from: u32, to: u32) -> (Vec<BlockId>, bool) {
        let Some(list) = self.by_frame.get_mut(&frame) else { return (Vec::new(), true) };
        let blocks = &self.blocks;
        let mut taken = Vec::new();
        list.retain(|id| {
            let hit = blocks[*id as usize].overlaps(frame, from, to);
            if hit {
                taken.push(*id);
            }
            !hit
        });
        let empty = list.is_empty();
        if empty {
            self.by_frame.remove(&frame);
        }
        for id in &taken {
            self.unlist(*id, frame);
        }
        (taken, empty)
    }

    /// A block that overlaps `from..to` of `frame`.
    #[must_use]
    pub fn first_overlapping(&self, frame: Frame, from: u32, to: u32) -> Option<BlockId> {
        let list = self.by_frame.get(&frame)?;
        list.iter().copied().find(|id| self.blocks[*id as usize].overlaps(frame, from, to))
    }

    fn unlist(&mut self, id: BlockId, done: Frame) {
        let block = &mut self.blocks[id as usize];
        block.valid = false;
        let key = block.key;
        let host_off = block.host_off;
        if let Some(place) = key.place()
            && let Some(list) = self.by_place.get_mut(&place)
        {
            list.retain(|(_, off)| *off != host_off);
            if list.is_empty() {
                self.by_place.remove(&place);
            }
        }
        self.unname(&key, |found| found == id);
        for frame in self.blocks[id as usize].frames().filter(|f| *f != done) {
            if let Some(list) = self.by_frame.get_mut(&frame) {
                list.retain(|other| *other != id);
            }
        }
    }

    /// EIP and host code of the valid blocks that are mapped wherever the block of `key` is, itself among them, if they too
    /// lie in one page.
    #[must_use]
    pub fn beside(&self, key: &BlockKey) -> &[(Pc, u32)] {
        let list = key.place().and_then(|place| self.by_place.get(&place));
        list.map_or(&[], Vec::as_slice)
    }

    /// Whether any valid block has bytes in `frame`.
    #[must_use]
    pub fn has_code(&self, frame: Frame) -> bool {
        self.by_frame.get(&frame).is_some_and(|l| !l.is_empty())
    }

    /// The frames that hold code.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + '_ {
        self.by_frame.keys().copied()
    }

    /// Forgets everything, and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
