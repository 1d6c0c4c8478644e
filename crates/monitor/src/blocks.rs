//! Blocks come and go: guest bytes to host code in the cache, and what happens when the bytes change.
//!
//! Every page frame that a block has bytes of is protected: a write to it is noticed, and the blocks
//! that it hits are invalidated before the next instruction runs.

use crate::config::MonitorError;
use crate::jitdump;
use crate::profile::Row;
use crate::run::Monitor;
use ringer_cpu::addr::{Frame, Pa};
use ringer_mmu::GuestMemory;
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::{BlockId, BlockKey};
use ringer_translator::runtime::targets::{TableId, Targets};
use ringer_translator::{GoesOn, KnownThunks, PcThunk, Placement, Source, THUNK_LEN};

/// Host bytes set aside for a block before it is translated.
const RESERVE: usize = 64 << 10;
/// Guest instructions in a block at most.
const MAX_INSTRS: u32 = 64;
/// Writes to a code page after which all its blocks are given up.
const MIXED_PAGE: u32 = 16;

/// How far EIP `to` is from EIP `from`.
fn distance(from: u32, to: u32) -> i64 {
    i64::from(to.wrapping_sub(from) as i32)
}

/// The thunk at `eip`, if `table` has a block there that is one.
fn known_thunk(
    cache: &CodeCache,
    memory: &GuestMemory,
    targets: &Targets,
    table: TableId,
    eip: u32,
) -> Option<PcThunk> {
    let offset = targets.get(table, eip);
    let block = cache.block(cache.at_offset(offset).filter(|_| offset != 0)?);
    let whole = block.instrs == 2 && block.guest_len == THUNK_LEN && block.key.second.is_none();
    let mut bytes = [0; THUNK_LEN as usize];
    if !whole || !memory.read(Pa(block.key.pa), &mut bytes) {
        return None;
    }
    PcThunk::register(bytes).map(|register| PcThunk { register, offset })
}

impl Monitor {
    /// Translates the block at `key`. `None`: nothing here can run as host code.
    pub(crate) fn translate(
        &mut self,
        key: BlockKey,
        linear: u32,
        second: Option<u64>,
    ) -> Result<Option<BlockId>, MonitorError> {
        let row = self.bus.io.ledger.switch(Row::Translating);
        let id = self.translate_block(key, linear, second);
        self.bus.io.ledger.switch(row);
        Ok(id)
    }

    fn translate_block(
        &mut self,
        key: BlockKey,
        linear: u32,
        second: Option<u64>,
    ) -> Option<BlockId> {
        let page_left = 0x1000 - (key.pa & 0xfff) as u32;
        let mut bytes = [0u8; 0x1000 + 16];
        if !self.bus.memory.read(Pa(key.pa), &mut bytes[..page_left as usize]) {
            return None;
        }
        let mut len = page_left as usize;
        if let Some(frame) = second
            && self.bus.memory.read(Frame(frame).start(), &mut bytes[len..len + 16])
        {
            len += 16;
        }
        if self.bt.cache.next_place(RESERVE).is_none() {
            self.flush_cache();
        }
        let (base, first_site) = self.bt.cache.next_place(RESERVE)?;
        let (heat, cache) = (&self.bt.heat, &self.bt.cache);
        let at = |eip: u32| BlockKey {
            pa: key.pa.wrapping_add_signed(distance(key.eip, eip)),
            eip,
            ..key
        };
        // Not where the branch is usually taken, nor into what has a block already.
        let goes_on = |taken: u32, next: u32| {
            !heat.is_warm(at(taken).pa)
                && cache.find(&BlockKey { second: None, ..at(next) }).is_none()
        };
        let plain = Source {
            eip: key.eip,
            linear,
            bytes: &bytes[..len],
            page_left,
            max_instrs: MAX_INSTRS,
            goes_on: GoesOn::NEVER,
            thunks: KnownThunks::NONE,
        };
        let table = self.bt.selections.current().map(|selected| selected.table);
        let memory = &self.bus.memory;
        let targets = &self.bt.targets;
        let thunk = |eip: u32| known_thunk(cache, memory, targets, table?, eip);
        let thunks = KnownThunks(Some(&thunk));
        let source = Source { goes_on: GoesOn(Some(&goes_on)), thunks, ..plain };
        let target = Placement { base, stubs: self.bt.cache.stub_addresses() };
        let page_end = key.pa + u64::from(page_left);
        // What traps is left out where it traps: another EIP finds that out for itself.
        let plain_page = self.bt.retranslation.left_between(key.pa, page_end).next().is_none();
        let copied = if plain_page { cache.copied(&key, &thunk) } else { None };
        let t = copied.unwrap_or_else(|| {
            self.bt.translator.leave_out(self.bt.retranslation.left_between(key.pa, page_end));
            self.bt.translator.translate(&source, key.mode, &target, first_site)
        });
        // The verifier sees a block of the same shape.
        let followed = |_: u32, next: u32| t.map.iter().any(|entry| entry.eip == next);
        let same = |eip: u32| t.guards.iter().find(|g| g.eip == eip).map(|g| g.thunk);
        let thunks = KnownThunks(Some(&same));
        let source = Source { goes_on: GoesOn(Some(&followed)), thunks, ..plain };
        if t.host.is_empty() || !self.verified(&source, key.mode, &target, &t) {
            return None;
        }
        let key = BlockKey { second: if t.crosses_page { second } else { None }, ..key };
        if let Some(dump) = &self.bt.jitdump {
            jitdump::note(dump, base, &t.host, linear);
        }
        let id = self.bt.cache.insert(key, t)?;
        self.bt.verification.placed(id);
        self.protect(key.pa >> 12);
        if let Some(frame) = key.second {
            self.protect(frame);
        }
        Some(id)
    }

    /// From now on a write to `frame` is noticed.
    fn protect(&mut self, frame: u64) {
        if self.bus.memory.is_code_page(Frame(frame)) {
            return;
        }
        self.bus.mmu.set_code_page(&mut self.bus.memory, Frame(frame), true);
        self.bt.windows.protect_frame(&self.bus.memory, Frame(frame));
    }

    /// Evicts the whole translation cache.
    pub fn flush_cache(&mut self) {
        self.bt.pending_link = None;
        self.bt.verification.flushed();
        for frame in self.bt.cache.flush(&mut self.bt.targets) {
            self.bus.mmu.set_code_page(&mut self.bus.memory, Frame(frame), false);
        }
    }

    /// Handles the writes to code pages that the last instruction made.
    pub(crate) fn flush_code_writes(&mut self) {
        let writes = std::mem::take(&mut self.bus.io.code_writes);
        for &(pa, len) in &writes {
            let in_page = (0x1000 - (pa & 0xfff) as u32).min(len);
            self.invalidate(pa, in_page);
            if in_page < len {
                self.invalidate(pa + u64::from(in_page), len - in_page);
            }
        }
        self.bus.io.code_writes = writes;
        self.bus.io.code_writes.clear();
    }

    fn invalidate(&mut self, pa: u64, len: u32) {
        let (gone, empty) = self.bt.cache.invalidate(pa, len, &mut self.bt.targets);
        if gone > 0 {
            self.bt.pending_link = None;
            self.bt.heat.cool(pa);
        }
        let frame = pa >> 12;
        let writes = self.bt.code_writes.entry(frame).or_insert(0);
        *writes += 1;
        if !empty && *writes % MIXED_PAGE == 0 {
            // Data and code share the page: each write costs a trap. Let the code go; it comes back
            // when it is hot again.
            self.bt.cache.invalidate(frame << 12, 0x1000, &mut self.bt.targets);
            self.bt.pending_link = None;
        }
        if !self.bt.cache.has_code(frame) {
            self.bt.retranslation.forget(frame);
            self.bus.mmu.set_code_page(&mut self.bus.memory, Frame(frame), false);
        }
    }
}
