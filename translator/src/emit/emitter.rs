//! The emitter's own: the buffers of a block in the making, and what every sequence needs of them.

use super::cold::Cold;
use crate::context::{TransferKind, counted_at};
use crate::mode::Mode;
use crate::options::TranslatorOptions;
use crate::placement::{Placement, StubAddresses};
use crate::slots as at;
use crate::source::Source;
use crate::thunk::PcThunk;
use crate::translation::{
    Counters, DirectExit, Fixup, FixupKind, LookupSite, MapEntry, StringSite, Terminator, X87,
};
use dynasmrt::{DynasmApi, SimpleAssembler, dynasm};
use iced_x86::{Encoder, FlowControl, Instruction, InstructionInfoFactory};

/// The instruction has no inline form here: it becomes a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// What one guest instruction became.
pub(crate) enum Step {
    /// A sequence that falls through to the next instruction.
    Next,
    /// STI: one more instruction, then a check.
    Shadow,
    /// The end of the block.
    End(Terminator),
}

/// EIP of the last non-control x87 instruction in `map`.
pub(crate) fn last_x87(map: &[MapEntry]) -> Option<u32> {
    map.iter().rev().find(|entry| entry.x87 == X87::Computes).map(|entry| entry.eip.low())
}

/// Emits one block at a time; the buffers live on.
pub(crate) struct Emitter {
    pub(super) asm: SimpleAssembler,
    pub(super) encoder: Encoder,
    pub(super) opts: TranslatorOptions,
    pub(super) mode: Mode,
    pub(super) base: u64,
    pub(super) stubs: StubAddresses,
    pub(super) eip: u32,
    pub(super) linear: u32,
    pub(super) first_site: u32,
    pub(super) links: bool,
    pub(super) cold: Vec<Cold>,
    pub(super) exits: Vec<DirectExit>,
    pub(super) strings: Vec<StringSite>,
    pub(super) lookups: Vec<LookupSite>,
    /// The numbers that the block counts under.
    pub counters: Counters,
    /// Where the prologue's instruction counts are, to be filled in at the end.
    pub(super) counts: Vec<usize>,
    /// Where the EIP of the block's last byte is to be filled in.
    pub(super) ends: Vec<usize>,
    /// What a copy of the block changes.
    pub(super) fixups: Vec<Fixup>,
    /// EIP went into the block in a way that `fixups` cannot say.
    pub(super) fixed: bool,
    pub(super) info: InstructionInfoFactory,
    /// Where the block's stores of FIP have their immediates.
    pub(super) x87: Vec<usize>,
    /// The last of them still holds: no FLDCW came after it.
    pub(super) x87_noted: bool,
    pub(super) prologue_len: usize,
    /// Guest instructions of the block before the one at hand.
    pub done: u32,
    /// EIP of the instruction at hand.
    pub here: u32,
    /// Where that leads.
    pub flow: FlowControl,
    /// What guest ESP is more than r12 at this point, modulo 2^32.
    pub esp: u32,
    /// The instruction at hand is in the interrupt shadow of an STI.
    pub shadow: bool,
    /// The block goes on behind the conditional branch at hand.
    pub goes_on: bool,
    /// The thunk that the CALL at hand goes to.
    pub thunk: Option<PcThunk>,
    /// The access of the instruction at hand goes by the inline TLB.
    pub aside: bool,
    /// The CALL at hand did this thunk's work; where that begins.
    pub inlined: Option<(PcThunk, usize)>,
}

impl std::fmt::Debug for Emitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emitter")
            .field("opts", &self.opts)
            .field("mode", &self.mode)
            .field("eip", &self.eip)
            .finish_non_exhaustive()
    }
}

impl Emitter {
    pub fn new(opts: TranslatorOptions) -> Self {
        let nowhere = StubAddresses {
            exit_link: 0,
            exit_miss: 0,
            exit_callout: 0,
            exit_check: 0,
            exit_budget: 0,
            transfer: [[0; 2]; TransferKind::COUNT],
        };
        Self {
            asm: SimpleAssembler::new(),
            encoder: Encoder::new(64),
            opts,
            mode: Mode::empty(),
            base: 0,
            stubs: nowhere,
            eip: 0,
            linear: 0,
            here: 0,
            flow: FlowControl::Next,
            first_site: 0,
            links: false,
            cold: Vec::new(),
            exits: Vec::new(),
            strings: Vec::new(),
            lookups: Vec::new(),
            counters: Counters::default(),
            counts: Vec::new(),
            ends: Vec::new(),
            fixups: Vec::new(),
            fixed: false,
            info: InstructionInfoFactory::new(),
            x87: Vec::new(),
            x87_noted: false,
            prologue_len: 0,
            done: 0,
            esp: 0,
            shadow: false,
            goes_on: false,
            thunk: None,
            aside: false,
            inlined: None,
        }
    }

    /// Starts the block at `src`.
    pub fn begin(&mut self, src: &Source<'_>, mode: Mode, target: &Placement, first_site: u32) {
        self.asm.ops = Vec::with_capacity(512);
        self.mode = mode;
        self.base = target.base;
        self.stubs = target.stubs;
        self.eip = src.eip.low();
        self.linear = src.linear.low();
        self.first_site = first_site;
        self.links = self.opts.contains(TranslatorOptions::LINK);
        self.cold.clear();
        self.exits.clear();
        self.strings.clear();
        self.lookups.clear();
        self.counts.clear();
        self.ends.clear();
        self.fixups.clear();
        self.fixed = mode.intersects(Mode::CODE16 | Mode::CS_64K | Mode::CS_LIMITED);
        self.x87.clear();
        self.x87_noted = false;
        self.esp = 0;
        self.done = 0;
        self.here = src.eip.low();
        self.prologue();
        self.check_block_end();
        self.prologue_len = self.offset();
    }

    /// The block crosses a page: its exits are looked up, never linked.
    pub fn forbid_links(&mut self) {
        self.links = false;
    }

    /// The string instructions that hide guest registers.
    pub fn strings(&mut self) -> Vec<StringSite> {
        std::mem::take(&mut self.strings)
    }

    /// Where the block looks up where it goes, if that is counted.
    pub fn lookups(&mut self) -> Vec<LookupSite> {
        std::mem::take(&mut self.lookups)
    }

    /// The last four bytes are an EIP.
    pub(super) fn ends_in_eip(&mut self) {
        self.fix_last(FixupKind::Eip);
    }

    /// The last four bytes change in a copy of the block, as `kind` says.
    pub(super) fn fix_last(&mut self, kind: FixupKind) {
        let at = self.offset() as u32 - 4;
        self.fixups.push(Fixup { at, kind });
    }

    /// Whether the block has noted a non-control x87 instruction.
    pub(super) fn has_x87(&self) -> bool {
        !self.x87.is_empty()
    }

    /// What a copy of the block changes; `None`: there can be none.
    pub fn fixups(&mut self) -> Option<Vec<Fixup>> {
        let fixups = std::mem::take(&mut self.fixups);
        (!self.fixed).then_some(fixups)
    }

    /// Behind the sequence of an x87 instruction: the first non-control one of a block, and the first
    /// behind an FLDCW, notes the block's last one as the place of FIP. Whoever leaves between them is
    /// set right by the block's map.
    pub fn note_x87(&mut self, kind: X87) {
        match kind {
            X87::Other => {}
            X87::ControlWord => {
                dynasm!(self.asm ; .arch x64 ; mov DWORD [r15 + at::X87_FLDCW], 1);
                self.x87_noted = false;
            }
            X87::Computes if self.x87_noted => {}
            X87::Computes => {
                dynasm!(self.asm ; .arch x64 ; mov QWORD [r15 + at::X87_EIP], 0);
                self.x87.push(self.offset() - 4);
                self.x87_noted = true;
            }
        }
    }

    /// Emits the cold tails and hands the block over; it has `instrs` guest instructions in `len`
    /// bytes.
    pub fn finish(
        &mut self,
        instrs: u32,
        len: u32,
        map: &[MapEntry],
    ) -> (Vec<u8>, Vec<DirectExit>) {
        self.emit_cold(instrs, map);
        if let Some(eip) = last_x87(map) {
            for at in std::mem::take(&mut self.x87) {
                self.asm.ops[at..at + 4].copy_from_slice(&eip.to_le_bytes());
                self.fixups.push(Fixup { at: at as u32, kind: FixupKind::Eip });
            }
        }
        for k in 0..self.counts.len() {
            let at = self.counts[k];
            self.asm.ops[at..at + 4].copy_from_slice(&instrs.to_le_bytes());
        }
        let last = self.eip.wrapping_add(len.max(1) - 1);
        for at in std::mem::take(&mut self.ends) {
            self.asm.ops[at..at + 4].copy_from_slice(&last.to_le_bytes());
        }
        (std::mem::take(&mut self.asm.ops), std::mem::take(&mut self.exits))
    }

    pub fn superblocks(&self) -> bool {
        self.opts.contains(TranslatorOptions::SUPERBLOCK)
    }

    pub fn leaves_strings_alone(&self) -> bool {
        self.opts.contains(TranslatorOptions::LONE_STRINGS)
    }

    pub fn inlines_thunks(&self) -> bool {
        self.opts.contains(TranslatorOptions::INLINE_THUNKS)
    }

    /// Whether an instruction that is `listed` for it, or is not, goes by the inline TLB if it can. The host must have SHRX,
    /// which shifts without a flag.
    pub fn puts_aside(&self, listed: bool) -> bool {
        let wanted =
            if listed { TranslatorOptions::INLINE_TLB } else { TranslatorOptions::ALL_INLINE_TLB };
        self.opts.contains(wanted) && std::arch::is_x86_feature_detected!("bmi2")
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Bytes emitted so far.
    pub fn offset(&self) -> usize {
        self.asm.ops.len()
    }

    /// Takes back everything from `offset` on: host bytes, exits and cold tails.
    pub fn truncate(&mut self, offset: usize) {
        self.asm.ops.truncate(offset);
        self.x87.retain(|at| *at < offset);
        // At worst one note too many.
        self.x87_noted = false;
        self.exits.retain(|exit| (exit.patch_off as usize) < offset);
        self.fixups.retain(|fixup| (fixup.at as usize) < offset);
        self.strings.retain(|site| (site.host_off as usize) < offset);
        self.lookups.retain(|site| (site.host_off as usize) < offset);
        self.cold.retain(|cold| cold.patch() < offset);
    }

    /// Encodes `i` as it is.
    pub(super) fn encode(&mut self, i: &Instruction) -> Result<(), Refused> {
        self.encoder.set_buffer(std::mem::take(&mut self.asm.ops));
        let result = self.encoder.encode(i, self.base);
        self.asm.ops = self.encoder.take_buffer();
        result.map(drop).map_err(|_| Refused)
    }

    /// CMC, for a planted fault.
    #[cfg(feature = "planted-fault")]
    pub(crate) fn complement_carry(&mut self) {
        dynasm!(self.asm ; .arch x64 ; cmc);
    }

    /// Host code as it is, for a planted fault.
    #[cfg(feature = "planted-fault")]
    pub(crate) fn host_code(&mut self, bytes: &[u8]) {
        self.asm.ops.extend_from_slice(bytes);
    }

    /// The counters that the options ask for. A fault or an interrupt inside belongs to the block's
    /// first instruction.
    pub(super) fn prologue(&mut self) {
        if self.opts.contains(TranslatorOptions::BUDGET) {
            self.budget_check();
        }
        if self.opts.contains(TranslatorOptions::COUNT) {
            dynasm!(self.asm ; .arch x64
                ; mov r8, [r15 + at::RETIRED]
                ; lea r8, [r8 + i32::MAX]
            );
            self.counts.push(self.offset() - 4);
            dynasm!(self.asm ; .arch x64 ; mov [r15 + at::RETIRED], r8);
        }
        if self.opts.contains(TranslatorOptions::PROFILE) {
            let at = at::ENTRIES + 8 * counted_at(self.counters.entry) as i32;
            dynasm!(self.asm ; .arch x64 ; mov r8, [r15 + at]);
            self.fix_last(FixupKind::Entry);
            dynasm!(self.asm ; .arch x64 ; lea r8, [r8 + 1] ; mov [r15 + at], r8);
            self.fix_last(FixupKind::Entry);
        }
    }
}
