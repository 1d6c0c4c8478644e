//! Blocks come and go: guest bytes to host code in the cache, and what happens when the bytes change.
//!
//! Every page frame that a block has bytes of is protected: a write to it is noticed, and the blocks
//! that it hits are invalidated before the next instruction runs.

use crate::breakpoints::{Breakpoints, Outdated};
use crate::config::{Engine, MonitorConfig, MonitorError};
use crate::events::{At, Happening, TraceKinds};
use crate::heat::Heat;
use crate::jitdump::{self, SharedJitDump};
use crate::profile::Row;
use crate::recording::Spot;
use crate::retranslation::Retranslation;
use crate::space_selection::{Selected, Spaces};
use crate::stop::Breakpoint;
use crate::system_bus::SystemBus;
use crate::verification::Verification;
use crate::why::Facts;
use hashbrown::HashMap;
use iced_x86::Instruction;
use ringer_cpu::interp::offers;
use ringer_cpu::{CpuState, Features, Frame, Lin, Pa, Pc};
use ringer_mmu::GuestMemory;
use ringer_translator::context::SharedContext;
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::{Block, BlockId, BlockKey};
use ringer_translator::runtime::targets::{TableId, Targets};
use ringer_translator::{GoesOn, KnownThunks, Mode, PcThunk, Placement, Source, THUNK_LEN};
use ringer_translator::{Translation, Translator, TranslatorOptions};

/// Visits after which a block is translated.
const HOT: u8 = 2;
/// The longest instruction, in bytes.
const LONGEST: usize = 15;
/// Host bytes set aside for a block before it is translated.
const RESERVE: usize = 64 << 10;
/// Guest instructions in a block at most.
const MAX_INSTRS: u32 = 64;
/// Writes to a code page after which all its blocks are given up.
const MIXED_PAGE: u32 = 16;
/// Code pages whose writes are counted at once.
const MOST_WRITTEN: usize = 1 << 14;
/// Bytes kept of a block beside the cache's own: what the verifier said of it, and what is recorded for a profile.
const VERIFIED: usize = 1;
const RECORDED: usize = 256;

/// How far EIP `to` is from EIP `from`, which has 32 bits.
fn distance(from: Pc, to: Pc) -> i64 {
    i64::from(to.minus(from.get()).low() as i32)
}

/// The thunk at `eip`, if `table` has a block there that is one.
fn known_thunk(
    cache: &CodeCache,
    memory: &GuestMemory,
    targets: &Targets,
    table: TableId,
    eip: Pc,
) -> Option<PcThunk> {
    let offset = targets.known(table, eip);
    let block = cache.block(cache.at_offset(offset).filter(|_| offset != 0)?);
    let whole = block.instrs == 2 && block.guest_len == THUNK_LEN && block.key.second.is_none();
    let mut bytes = [0; THUNK_LEN as usize];
    if !whole || !memory.read(block.key.pa, &mut bytes) {
        return None;
    }
    PcThunk::register(bytes).map(|register| PcThunk { register, offset })
}

/// Bytes of a page of guest code, and of the one behind it as far as an instruction may reach into it.
type PageBytes = [u8; 0x1000 + 16];

/// A block that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Its key, if it does not cross a page.
    pub key: BlockKey,
    /// Linear address of its first byte.
    pub linear: Lin,
    /// The frame of the page behind its first one, if bytes of that may be read.
    pub second: Option<Frame>,
    /// The current selection.
    pub selected: Selected,
}

/// Translated code and those who make it.
#[derive(Debug)]
pub(crate) struct Code {
    /// The blocks.
    pub cache: CodeCache,
    /// What makes them.
    pub translator: Translator,
    options: TranslatorOptions,
    features: Features,
    /// How often cold code ran.
    pub heat: Heat,
    retranslation: Retranslation,
    /// The verifier and what it needs.
    pub verification: Verification,
    /// Writes to code pages by page frame: pages that hold data too are worth leaving alone.
    writes: HashMap<u64, u32>,
    flushes: u64,
    /// No block leads to another by itself: each is entered by the dispatcher.
    apart: bool,
    /// Where perf is told of new blocks.
    pub jitdump: Option<SharedJitDump>,
    /// Where blocks end for whoever embeds the machine.
    pub breakpoints: Breakpoints,
}

impl Code {
    /// No blocks yet.
    ///
    /// # Errors
    /// When the host refuses the cache.
    pub fn new(cfg: &MonitorConfig) -> Result<Self, MonitorError> {
        let options = cfg.translator_options();
        let features = cfg.model.features();
        let mut cache = CodeCache::new(cfg.tc_size)?;
        cache.charge_each(if cfg.profile { RECORDED } else { VERIFIED });
        Ok(Self {
            cache,
            translator: Translator::new(options, features),
            options,
            features,
            heat: heat_of(cfg),
            retranslation: Retranslation::default(),
            verification: Verification::new(options, cfg, features),
            writes: HashMap::new(),
            flushes: 0,
            apart: false,
            jitdump: None,
            breakpoints: Breakpoints::default(),
        })
    }

    /// From now on blocks are made for `cfg`'s engine; the cache was flushed.
    pub fn change_engine(&mut self, cfg: &MonitorConfig) {
        self.options = cfg.translator_options();
        if self.apart {
            self.options -= TranslatorOptions::LINK | TranslatorOptions::INDIRECT;
        }
        let features = cfg.model.features();
        self.translator = Translator::new(self.options, features);
        self.heat = heat_of(cfg);
        let checks = self.verification.checks;
        self.verification = Verification::new(self.options, cfg, features);
        self.verification.checks = checks;
    }

    /// From now on blocks lead to each other only through the dispatcher, or by themselves again; the cache was
    /// flushed.
    pub fn set_apart(&mut self, apart: bool, cfg: &MonitorConfig) {
        self.apart = apart;
        self.change_engine(cfg);
    }

    /// Whether blocks count the instructions that retire in them.
    pub fn counts(&self) -> bool {
        self.options.contains(TranslatorOptions::COUNT)
    }

    /// How often the cache was flushed: numbers of blocks and sites begin anew each time.
    #[inline]
    pub fn flushes(&self) -> u64 {
        self.flushes
    }

    /// Links `site` to block `id`, if that is sound; else makes the exit look its target up itself, if
    /// that helps.
    ///
    /// # Errors
    /// The verifier's report.
    pub fn link(&mut self, site: u32, id: BlockId) -> Result<(), String> {
        if !self.options.contains(TranslatorOptions::LINK) {
            return Ok(());
        }
        if !self.cache.link(site, id) {
            if !self.options.contains(TranslatorOptions::INDIRECT) {
                return Ok(());
            }
            self.cache.look_up_instead(site, id);
        }
        self.verification.pass_link(&self.cache, site)
    }

    /// Translates the block that is `wanted`. `None`: nothing there can run as host code.
    ///
    /// # Errors
    /// The verifier's report.
    pub fn translate(
        &mut self,
        bus: &mut SystemBus,
        spaces: &mut Spaces,
        context: &mut SharedContext,
        wanted: &Wanted,
    ) -> Result<Option<BlockId>, String> {
        let row = bus.io.ledger.switch(Row::Translating);
        let id = self.translate_block(bus, spaces, context, wanted);
        bus.io.ledger.switch(row);
        id
    }

    fn translate_block(
        &mut self,
        bus: &mut SystemBus,
        spaces: &mut Spaces,
        context: &mut SharedContext,
        wanted: &Wanted,
    ) -> Result<Option<BlockId>, String> {
        let mut bytes = [0u8; 0x1000 + 16];
        let Some(len) = read_page(&bus.memory, wanted, &mut bytes) else { return Ok(None) };
        if self.cache.next_place(RESERVE).is_none() {
            self.flush(bus, &mut spaces.targets, context);
        }
        let Some((base, first_site)) = self.cache.next_place(RESERVE) else { return Ok(None) };
        let source = Source {
            eip: wanted.key.eip,
            linear: wanted.linear,
            bytes: &bytes[..len],
            page_left: page_left(wanted.key.pa),
            max_instrs: MAX_INSTRS,
            goes_on: GoesOn::NEVER,
            thunks: KnownThunks::NONE,
        };
        let target = Placement { base, stubs: self.cache.stub_addresses() };
        let memory = &bus.memory;
        let t = self.translation(memory, &spaces.targets, wanted, source, &target, first_site);
        if t.host.is_empty() {
            return Ok(None);
        }
        // The verifier sees a block of the same shape.
        let followed = |_: Pc, next: Pc| t.map.iter().any(|entry| entry.eip == next);
        let same = |eip: Pc| t.guards.iter().find(|g| g.eip == eip).map(|g| g.thunk);
        let thunks = KnownThunks(Some(&same));
        let shaped = Source { goes_on: GoesOn(Some(&followed)), thunks, ..source };
        self.verification.pass(&shaped, wanted.key.mode, &target, &t)?;
        Ok(self.place(bus, spaces, wanted, base, t))
    }

    /// The translation of `plain`, which says where and what the bytes are.
    fn translation(
        &mut self,
        memory: &GuestMemory,
        targets: &Targets,
        wanted: &Wanted,
        plain: Source<'_>,
        target: &Placement,
        first_site: u32,
    ) -> Translation {
        let key = wanted.key;
        let (heat, cache) = (&self.heat, &self.cache);
        let at = |eip: Pc| BlockKey {
            pa: Pa(key.pa.get().wrapping_add_signed(distance(key.eip, eip))),
            eip,
            ..key
        };
        // Not where the branch is usually taken, nor into what has a block already.
        let goes_on = |taken: Pc, next: Pc| {
            !heat.is_warm(at(taken).pa.get())
                && cache.find(&BlockKey { second: None, ..at(next) }).is_none()
        };
        let table = wanted.selected.table;
        let thunk = |eip: Pc| known_thunk(cache, memory, targets, table, eip);
        let source =
            Source { goes_on: GoesOn(Some(&goes_on)), thunks: KnownThunks(Some(&thunk)), ..plain };
        // What is left out is left out where it is: another EIP finds that out for itself.
        let page_end = key.pa.plus(u64::from(page_left(key.pa))).get();
        let trapping = || self.retranslation.left_between(key.pa.get(), page_end);
        let stops = self.stops_in(wanted);
        let plain_page = stops.is_empty() && trapping().next().is_none();
        if plain_page && let Some(copy) = cache.copied(&key, &thunk) {
            return copy;
        }
        self.translator.leave_out(stops.into_iter().map(Pc::from));
        self.translator.put_aside(trapping().map(Pc::from));
        self.translator.count_under(self.cache.next_counters());
        self.translator.translate(&source, key.mode, target, first_site)
    }

    /// EIPs of breakpoints that the block which is wanted could come to.
    fn stops_in(&self, wanted: &Wanted) -> Vec<u32> {
        let from = wanted.key.eip.low();
        let cs_base = wanted.linear.minus(wanted.key.eip.get()).low();
        let most = page_left(wanted.key.pa);
        let within = |eip: &u32| eip.wrapping_sub(from) < most;
        self.breakpoints.eips(cs_base).filter(within).collect()
    }

    /// From now on there are breakpoints at `places`, for a run that begins at `cpu`. Blocks that were made
    /// for others go. False: it is not known which, and all must.
    pub fn set_breakpoints(
        &mut self,
        bus: &mut SystemBus,
        targets: &mut Targets,
        places: &[Breakpoint],
        cpu: &CpuState,
    ) -> bool {
        let offsets = match self.breakpoints.set(places, cpu) {
            Outdated::All => return false,
            Outdated::At(offsets) if offsets.is_empty() => return true,
            Outdated::At(offsets) => offsets,
        };
        let reaches = |block: &Block| {
            let start = block.key.pa.in_frame() as u32;
            offsets.iter().any(|at| at.wrapping_sub(start) & 0xfff <= block.guest_len)
        };
        let outdated = self.cache.valid_blocks().filter(|(_, block)| reaches(block));
        let outdated: Vec<Pa> = outdated.map(|(_, block)| block.key.pa).collect();
        for pa in outdated {
            self.remake(bus, targets, pa.get());
        }
        true
    }

    /// Places `t` at host address `base`, and minds its pages.
    fn place(
        &mut self,
        bus: &mut SystemBus,
        spaces: &mut Spaces,
        wanted: &Wanted,
        base: u64,
        t: Translation,
    ) -> Option<BlockId> {
        let second = if t.crosses_page { wanted.second } else { None };
        let key = BlockKey { second, ..wanted.key };
        if let Some(dump) = &self.jitdump {
            jitdump::note(dump, base, &t.host, wanted.linear.low());
        }
        let host_len = t.host.len() as u32;
        let id = self.cache.insert(key, t)?;
        self.verification.placed(id);
        self.trace_new(bus, id, host_len, wanted.linear);
        if let Some(recorder) = &mut bus.io.recorder {
            recorder.blocks.placed(wanted.linear.low());
        }
        protect(bus, spaces, key.pa.frame());
        if let Some(frame) = key.second {
            protect(bus, spaces, frame);
        }
        Some(id)
    }

    fn trace_new(&self, bus: &SystemBus, id: BlockId, host_len: u32, linear: Lin) {
        if !bus.io.events.traces(TraceKinds::TRANSLATIONS) {
            return;
        }
        let block = self.cache.block(id);
        let what = Happening::Translated {
            eip: block.key.eip.get(),
            address: block.key.pa.get(),
            instructions: block.instrs,
            guest_len: block.guest_len,
            host_len,
        };
        let base = linear.minus(block.key.eip.get()).get() & u64::from(u32::MAX);
        bus.io.trace(what, At { eip: block.key.eip.get(), base, ..bus.io.events.at });
    }

    /// Evicts the whole translation cache.
    pub fn flush(
        &mut self,
        bus: &mut SystemBus,
        targets: &mut Targets,
        context: &mut SharedContext,
    ) {
        if let Some(recorder) = &mut bus.io.recorder {
            recorder.fold(&self.cache, &bus.memory, context);
        }
        self.flushes += 1;
        bus.io.trace(Happening::Evicted, bus.io.events.at);
        self.verification.flushed();
        for frame in self.cache.flush(targets) {
            bus.mmu.set_code_page(&mut bus.memory, frame, false);
        }
    }

    /// Handles the writes to code pages that a device or the host made.
    pub fn take_writes(&mut self, bus: &mut SystemBus, targets: &mut Targets) {
        self.take_writes_of(None, bus, targets);
    }

    /// Handles the writes to code pages that the instruction at `writer` made.
    pub fn take_writes_of(
        &mut self,
        writer: Option<Spot>,
        bus: &mut SystemBus,
        targets: &mut Targets,
    ) {
        if let Some(recorder) = &mut bus.io.recorder {
            recorder.sites.writer = writer;
        }
        let mut writes = std::mem::take(&mut bus.io.code_writes);
        for (pa, len) in writes.drain(..) {
            let in_page = page_left(Pa(pa)).min(len);
            self.invalidate(bus, targets, pa, in_page);
            if in_page < len {
                self.invalidate(bus, targets, pa + u64::from(in_page), len - in_page);
            }
        }
        bus.io.code_writes = writes;
    }

    fn invalidate(&mut self, bus: &mut SystemBus, targets: &mut Targets, pa: u64, len: u32) {
        let first = bus.io.recorder.as_ref().and_then(|_| self.cache.first_in(Pa(pa), len));
        let (gone, empty) = self.cache.invalidate(Pa(pa), len, targets);
        if gone > 0 {
            self.heat.cool(pa);
            let what = Happening::Invalidated { address: pa, blocks: gone as u64 };
            bus.io.trace(what, bus.io.events.at);
        }
        if let (Some(recorder), Some(first)) = (&mut bus.io.recorder, first) {
            let block = recorder.blocks.beginning(&self.cache, first);
            recorder.sites.invalidated(pa & !0xfff, gone as u64, block);
        }
        let frame = pa >> 12;
        if self.writes.len() >= MOST_WRITTEN {
            self.writes.clear();
        }
        let writes = self.writes.entry(frame).or_insert(0);
        *writes += 1;
        if !empty && writes.is_multiple_of(MIXED_PAGE) {
            // Data and code share the page: each write costs a trap. Let the code go; it comes back
            // when it is hot again.
            self.cache.invalidate(Frame(frame).start(), 0x1000, targets);
        }
        if !self.cache.has_code(Frame(frame)) {
            self.retranslation.forget(frame);
            bus.mmu.set_code_page(&mut bus.memory, Frame(frame), false);
        }
    }

    /// Instructions that are set aside for their traps now.
    pub fn set_aside(&self) -> u64 {
        self.retranslation.len() as u64
    }

    /// Whether all accesses that can go by the inline TLB.
    pub fn prefers_inline_tlb(&self) -> bool {
        self.options.contains(TranslatorOptions::ALL_INLINE_TLB)
    }

    /// What is at these whole pages is about to be something else: all code made from them goes.
    pub fn forget(&mut self, bus: &mut SystemBus, targets: &mut Targets, pa: Pa, len: u64) {
        for at in (0..len).step_by(0x1000) {
            let page = pa.plus(at);
            if self.cache.has_code(page.frame()) {
                self.invalidate(bus, targets, page.get(), 0x1000);
            }
        }
    }

    /// The instruction at host code `off` of block `id` trapped, and the interpreter ran it.
    pub fn note_trap(&mut self, bus: &mut SystemBus, targets: &mut Targets, id: BlockId, off: u32) {
        let block = self.cache.block(id);
        let Some((_, entry)) = block.entry_at(off) else { return };
        let pa = place_of(block.key, entry.eip).get();
        if self.retranslation.trapped(pa, entry.eip.low()) {
            self.remake(bus, targets, pa);
        }
    }

    /// A callout at `eip` was needed (it faulted, or came to a device), or was not.
    #[inline]
    pub fn note_callout(
        &mut self,
        bus: &mut SystemBus,
        targets: &mut Targets,
        eip: u32,
        needed: bool,
    ) {
        if !self.retranslation.is_empty()
            && let Some(pa) = self.retranslation.ran(eip, needed)
        {
            self.remake(bus, targets, pa);
        }
    }

    /// At time `now`: looks which instructions that are set aside for their traps need be no more.
    pub fn review(&mut self, bus: &mut SystemBus, targets: &mut Targets, now: u64) {
        for pa in self.retranslation.review(now) {
            self.remake(bus, targets, pa);
        }
    }

    /// Whether the instruction at `eip` is set aside for its traps.
    #[inline]
    pub fn leaves(&self, eip: u32) -> bool {
        !self.retranslation.is_empty() && self.retranslation.leaves(eip)
    }

    /// The blocks with the instruction at `pa` are made anew at their next visit.
    fn remake(&mut self, bus: &mut SystemBus, targets: &mut Targets, pa: u64) {
        let pa = Pa(pa);
        self.cache.invalidate(pa, 1, targets);
        if !self.cache.has_code(pa.frame()) {
            bus.mmu.set_code_page(&mut bus.memory, pa.frame(), false);
        }
    }

    /// What there is to know of instruction `i`, `bytes` at `linear`, which translated code in `mode`
    /// left to the interpreter.
    pub fn facts(
        &mut self,
        i: &Instruction,
        bytes: &[u8],
        linear: Lin,
        mode: Option<Mode>,
    ) -> Facts {
        let (treatment, unit) = self.translator.treatment(i.code());
        let has_code = mode.is_some_and(|mode| {
            let source = Source {
                eip: Pc(i.ip()),
                linear,
                bytes,
                page_left: 0x1000 - (linear.low() & 0xfff),
                max_instrs: 1,
                goes_on: GoesOn::NEVER,
                thunks: KnownThunks::NONE,
            };
            let base = self.cache.stub_range().end;
            let target = Placement { base, stubs: self.cache.stub_addresses() };
            self.translator.leave_out(std::iter::empty());
            self.translator.translate(&source, mode, &target, 0).instrs > 0
        });
        Facts {
            treatment,
            unit,
            options: self.options,
            offered: offers(i.code(), self.features),
            mode,
            trapping: self.retranslation.leaves(i.ip32()),
            breakpoint: self.breakpoints.is_armed(),
            has_code,
        }
    }

    /// The bytes of the instruction at `eip` in block `id`.
    pub fn guest_bytes(&self, memory: &GuestMemory, id: BlockId, eip: Pc) -> [u8; LONGEST] {
        let key = self.cache.block(id).key;
        let at = place_of(key, eip);
        let here = (page_left(at) as usize).min(LONGEST);
        let mut bytes = [0; LONGEST];
        memory.read(at, &mut bytes[..here]);
        if let (Some(frame), true) = (key.second, here < LONGEST) {
            memory.read(frame.start(), &mut bytes[here..]);
        }
        bytes
    }
}

/// Where the instruction at `eip` of the block of `key` is, if it is in the block's first page.
fn place_of(key: BlockKey, eip: Pc) -> Pa {
    key.pa.plus(eip.minus(key.eip.get()).masked(key.mode.address_mask()).get())
}

/// Bytes from `pa` to the end of its page.
fn page_left(pa: Pa) -> u32 {
    0x1000 - pa.in_frame() as u32
}

/// Reads the guest bytes that a block may be made of; how many there are. `None`: none.
fn read_page(memory: &GuestMemory, wanted: &Wanted, bytes: &mut PageBytes) -> Option<usize> {
    let mut len = page_left(wanted.key.pa) as usize;
    if !memory.read(wanted.key.pa, &mut bytes[..len]) {
        return None;
    }
    if let Some(frame) = wanted.second
        && memory.read(frame.start(), &mut bytes[len..len + 16])
    {
        len += 16;
    }
    Some(len)
}

/// From now on a write to `frame` is noticed.
fn protect(bus: &mut SystemBus, spaces: &mut Spaces, frame: Frame) {
    if bus.memory.is_code_page(frame) {
        return;
    }
    bus.mmu.set_code_page(&mut bus.memory, frame, true);
    spaces.protect_code(bus, frame.get());
}

fn heat_of(cfg: &MonitorConfig) -> Heat {
    Heat::new(if cfg.engine == Engine::Lockstep { 1 } else { HOT })
}
