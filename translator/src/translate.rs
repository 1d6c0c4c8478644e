//! Block discovery: from a guest EIP to the end of the basic block, one instruction at a time.
//!
//! # Where a block ends
//! At a control transfer (but a conditional branch may be a side exit only, where [`GoesOn`] says that
//! the way straight on is the likely one), at a callout (the interpreter runs that instruction), at the end of its
//! page, at `max_instrs`, after the instruction behind an STI (where interrupts are checked), and
//! before an instruction that crosses into the next page, unless that is the block's first: then it
//! is the whole block, and none of its exits is linked.
//!
//! # The map
//! `map[k]` is where the host sequence of the k-th guest instruction begins, for k < `instrs`. One
//! more entry may follow: the boundary at which the block is left, for a callout, a fall-through, or
//! a check. A host RIP belongs to the last entry at or before it; at an entry's exact address the
//! guest is at an instruction boundary. There r12 may lag behind guest ESP by a constant, which the
//! entry names: pushes and pops in a row move it once.

use crate::classify::{ExecutionUnit, Rewrite, Treatment, TreatmentTable};
use crate::decode::guest_decoder;
use crate::draft::BlockDraft;
use crate::emit::{Emitter, Refused, Step};
use crate::mode::Mode;
use crate::options::TranslatorOptions;
use crate::placement::Placement;
use crate::source::Source;
use crate::translation::{ClassCounts, Counters, Outline, Terminator, Translation, X87};
use iced_x86::{Code, DecoderError, FlowControl, Instruction, OpKind, Register};
use ringer_cpu::{Features, Pc};

/// Side exits of a block at most: what lies behind so many is rarely reached.
const MAX_SIDE_EXITS: u32 = 6;

/// Translates blocks; owns the table and the buffers.
#[derive(Debug)]
pub struct Translator {
    table: TreatmentTable,
    pub(crate) emitter: Emitter,
    /// EIPs of instructions that the interpreter is to run in any case.
    left_out: Vec<u32>,
    /// Those whose accesses go by the inline TLB, or are left out.
    aside: Vec<u32>,
    #[cfg(feature = "planted-fault")]
    pub(crate) planted: Option<crate::planted::PlantedFault>,
}

/// The state to go back to when STI turns out to need the interpreter.
struct Snapshot {
    host: usize,
    instrs: u32,
    classes: ClassCounts,
    sti: Instruction,
    sti_at: u32,
}

/// One translation with a [`Translator`] of its own: for tests and tools.
#[must_use]
pub fn translate(
    src: &Source<'_>,
    mode: Mode,
    opts: TranslatorOptions,
    features: Features,
    target: &Placement,
    first_site: u32,
) -> (Translation, Outline) {
    Translator::new(opts, features).outlined(src, mode, target, first_site)
}

impl Translator {
    /// A translator for a processor with `features`.
    #[must_use]
    pub fn new(opts: TranslatorOptions, features: Features) -> Self {
        Self {
            table: TreatmentTable::new(opts, features),
            emitter: Emitter::new(opts),
            left_out: Vec::new(),
            aside: Vec::new(),
            #[cfg(feature = "planted-fault")]
            planted: None,
        }
    }

    /// What this translator does with instructions of the form `code`, and the unit that they run on.
    #[must_use]
    pub fn treatment(&self, code: Code) -> (Treatment, ExecutionUnit) {
        self.table.get(code)
    }

    /// From now on the instructions at these EIPs are callouts.
    pub fn leave_out(&mut self, eips: impl Iterator<Item = Pc>) {
        self.left_out.clear();
        self.left_out.extend(eips.map(Pc::low));
    }

    /// From now on the accesses of the instructions at these EIPs go by the inline TLB; those that cannot are callouts.
    pub fn put_aside(&mut self, eips: impl Iterator<Item = Pc>) {
        self.aside.clear();
        self.aside.extend(eips.map(Pc::low));
    }

    /// From now on a block counts under these numbers, with the PROFILE option.
    pub fn count_under(&mut self, counters: Counters) {
        self.emitter.counters = counters;
    }

    /// Translates the block at `src` for `mode`, to run at `target`; its direct exits are numbered
    /// from `first_site`.
    pub fn translate(
        &mut self,
        src: &Source<'_>,
        mode: Mode,
        target: &Placement,
        first_site: u32,
    ) -> Translation {
        self.outlined(src, mode, target, first_site).0
    }

    fn outlined(
        &mut self,
        src: &Source<'_>,
        mode: Mode,
        target: &Placement,
        first_site: u32,
    ) -> (Translation, Outline) {
        self.emitter.begin(src, mode, target, first_site);
        let mut draft = BlockDraft {
            instrs: 0,
            guest_len: 0,
            classes: ClassCounts::default(),
            map: Vec::with_capacity(16),
            crosses_page: false,
            side_exits: 0,
            guards: Vec::new(),
            in_mmx: false,
        };
        let terminator = self.body(src, &mut draft);
        let (host, exits) = self.emitter.finish(draft.instrs, draft.guest_len, &draft.map);
        if let Some(first) = draft.map.first_mut() {
            first.host_off = 0;
        }
        let translation = Translation {
            host,
            guest_len: draft.guest_len,
            instrs: draft.instrs,
            map: draft.map,
            exits,
            strings: self.emitter.strings(),
            fixups: self.emitter.fixups(),
            guards: draft.guards,
            crosses_page: draft.crosses_page,
            counters: self.emitter.counters,
            lookups: self.emitter.lookups(),
        };
        (translation, Outline { terminator, classes: draft.classes })
    }

    fn body(&mut self, src: &Source<'_>, draft: &mut BlockDraft) -> Terminator {
        let page_left = (src.page_left as usize).min(src.bytes.len()) as u32;
        let mut decoder = guest_decoder(src.bytes, src.eip.low(), self.emitter.mode());
        let mut instruction = Instruction::default();
        let mut shadow = None;
        loop {
            let at = decoder.position() as u32;
            let eip = src.eip.low().wrapping_add(at);
            let full = draft.instrs >= src.max_instrs.max(1) && shadow.is_none();
            if full || (at >= page_left && at > 0) {
                return self.boundary(draft, eip, shadow);
            }
            decoder.decode_out(&mut instruction);
            let alone = self.emitter.leaves_strings_alone() && repeats(&instruction);
            if alone && at > 0 {
                return self.boundary(draft, eip, shadow);
            }
            let cut = decoder.last_error() == DecoderError::NoMoreBytes;
            let end = decoder.position() as u32;
            if cut || end > page_left {
                if at > 0 {
                    return self.boundary(draft, eip, shadow);
                }
                draft.crosses_page = !cut;
                self.emitter.forbid_links();
            }
            draft.guest_len = end;
            // An instruction that wraps round the end of the code segment is not ours to judge.
            let last = u64::from(self.emitter.mode().last_eip());
            let wraps = src.eip.get() + u64::from(end) > last + 1;
            self.emitter.shadow = shadow.is_some();
            let may = draft.side_exits < MAX_SIDE_EXITS && shadow.is_none() && end < page_left;
            self.look_ahead(&instruction, src, may);
            let refused = cut || wraps || self.left_out.contains(&eip);
            let step = if refused { Err(Refused) } else { self.one(&instruction, draft) };
            self.emitter.shadow = false;
            draft.side_exits += u32::from(self.emitter.goes_on);
            match (step, shadow.take()) {
                (Ok(Step::Next), None) if draft.crosses_page || alone => {
                    return self.boundary(draft, instruction.next_ip32(), None);
                }
                (Ok(Step::Next), None) => {}
                (Ok(Step::Next), Some(_)) => {
                    if let Some(entry) = draft.map.last_mut() {
                        entry.shadow = true;
                    }
                    let next = instruction.next_ip32();
                    self.emitter.settle_esp();
                    draft.mark(self.emitter.offset(), next, 0);
                    self.emitter.check(next);
                    return Terminator::FallThrough { next };
                }
                (Ok(Step::Shadow), None) if !draft.crosses_page => {
                    shadow = Some(self.snapshot(draft, instruction, at));
                    self.emitter.sti();
                    draft.instrs += 1;
                    draft.classes.rewritten += 1;
                }
                (Ok(Step::End(terminator)), None) => return terminator,
                (Ok(Step::End(terminator)), Some(_)) => {
                    if let Some(entry) = draft.map.last_mut() {
                        entry.shadow = true;
                    }
                    return terminator;
                }
                (Err(Refused) | Ok(Step::Shadow), None) => return self.callout(draft, eip),
                (Err(Refused), Some(s)) if !cut && !wraps => {
                    return self.shadowed_callout(draft, &s, eip);
                }
                (_, Some(s)) => return self.give_up(draft, s),
            }
        }
    }

    /// Decides whether the block goes on behind branch or CALL `i`; only if it `may`.
    fn look_ahead(&mut self, i: &Instruction, src: &Source<'_>, may: bool) {
        let (target, next) = (i.near_branch_target() as u32, i.next_ip32());
        let emitter = &mut self.emitter;
        emitter.goes_on = may
            && emitter.superblocks()
            && i.flow_control() == FlowControl::ConditionalBranch
            && next != target
            && src.goes_on.ask(Pc::from(target), Pc::from(next));
        let thunk = if may && emitter.inlines_thunks() { src.thunks.called_by(i) } else { None };
        emitter.thunk = thunk;
    }

    /// Emits one instruction. On [`Refused`] nothing is left of it.
    fn one(&mut self, i: &Instruction, draft: &mut BlockDraft) -> Result<Step, Refused> {
        #[cfg(feature = "planted-fault")]
        if let Some(fault) = self.planted.filter(|f| f.code == i.code()) {
            return self.spoilt(i, draft, fault.kind);
        }
        self.emit_one(i, draft)
    }

    pub(crate) fn emit_one(
        &mut self,
        i: &Instruction,
        draft: &mut BlockDraft,
    ) -> Result<Step, Refused> {
        let (treatment, unit) = self.table.get(i.code());
        let missing = match unit {
            ExecutionUnit::Integer => Mode::empty(),
            ExecutionUnit::Fpu => Mode::FPU_OFF,
            ExecutionUnit::Sse => Mode::SSE_OFF,
            ExecutionUnit::Avx if !self.emitter.mode().contains(Mode::AVX) => return Err(Refused),
            ExecutionUnit::Avx => Mode::empty(),
        };
        if self.emitter.mode().intersects(missing) || draft.faults_in_mmx(i) {
            return Err(Refused);
        }
        if !folds(treatment, i) {
            self.emitter.settle_esp();
        }
        let (start, esp) = (self.emitter.offset(), self.emitter.esp);
        let listed = self.aside.contains(&i.ip32());
        self.emitter.aside =
            self.emitter.puts_aside(listed) && self.emitter.can_go_aside(treatment, unit, i);
        if listed && !self.emitter.aside {
            return Err(Refused);
        }
        self.emitter.done = draft.instrs;
        (self.emitter.here, self.emitter.flow) = (i.ip32(), i.flow_control());
        let step = match treatment {
            Treatment::Callout => Err(Refused),
            Treatment::Innocuous => self.emitter.identity(i).map(|()| Step::Next),
            Treatment::Rewritten(rewrite) => self.emitter.rewrite(rewrite, i),
        };
        self.emitter.aside = false;
        match step {
            Ok(Step::Shadow) => {}
            Ok(_) => {
                draft.mark(start, i.ip32(), esp);
                draft.instrs += 1;
                draft.note_unit(i, unit);
                let x87 = X87::of(i.code(), unit);
                self.emitter.note_x87(x87);
                if let Some(entry) = draft.map.last_mut() {
                    entry.x87 = x87;
                }
                match treatment {
                    Treatment::Innocuous => draft.classes.innocuous += 1,
                    _ => draft.classes.rewritten += 1,
                }
                draft.thunk(i, &mut self.emitter);
            }
            Err(Refused) => {
                self.emitter.truncate(start);
                self.emitter.esp = esp;
            }
        }
        step
    }

    fn snapshot(&mut self, draft: &mut BlockDraft, sti: Instruction, at: u32) -> Snapshot {
        let s = Snapshot {
            host: self.emitter.offset(),
            instrs: draft.instrs,
            classes: draft.classes,
            sti,
            sti_at: at,
        };
        draft.mark(s.host, sti.ip32(), 0);
        s
    }

    /// The interpreter runs the instruction behind an STI, which hands its shadow on.
    fn shadowed_callout(&mut self, draft: &mut BlockDraft, s: &Snapshot, eip: u32) -> Terminator {
        self.emitter.truncate(s.host);
        self.emitter.esp = 0;
        let taken = self.emitter.sti_with_shadow();
        let terminator = self.callout(draft, eip);
        if let Some(entry) = draft.map.last_mut() {
            entry.shadow = true;
        }
        self.emitter.patch_short(taken);
        self.emitter.take_shadow();
        self.emitter.callout(eip);
        terminator
    }

    /// The instruction behind an STI lies beyond the block: the STI is a callout.
    fn give_up(&mut self, draft: &mut BlockDraft, s: Snapshot) -> Terminator {
        self.emitter.truncate(s.host);
        self.emitter.esp = 0;
        draft.map.truncate(s.instrs as usize);
        draft.instrs = s.instrs;
        draft.classes = s.classes;
        draft.guest_len = s.sti_at + s.sti.len() as u32;
        self.callout(draft, s.sti.ip32())
    }

    fn callout(&mut self, draft: &mut BlockDraft, eip: u32) -> Terminator {
        self.emitter.settle_esp();
        draft.mark(self.emitter.offset(), eip, 0);
        draft.classes.callout += 1;
        self.emitter.callout(eip);
        Terminator::Callout { eip }
    }

    fn boundary(
        &mut self,
        draft: &mut BlockDraft,
        next: u32,
        shadow: Option<Snapshot>,
    ) -> Terminator {
        if let Some(s) = shadow {
            return self.give_up(draft, s);
        }
        self.emitter.settle_esp();
        draft.mark(self.emitter.offset(), next, 0);
        self.emitter.flow = FlowControl::Next;
        self.emitter.jump(next);
        Terminator::FallThrough { next }
    }
}

/// Whether `i` is a string instruction with a repeat prefix.
fn repeats(i: &Instruction) -> bool {
    i.is_string_instruction() && (i.has_rep_prefix() || i.has_repne_prefix())
}

/// Whether the sequence of `i` can run while r12 is not yet guest ESP: it moves ESP by a constant, or
/// uses it as the base of an address only, or not at all.
fn folds(treatment: Treatment, i: &Instruction) -> bool {
    use Rewrite as R;
    let known = match treatment {
        Treatment::Innocuous => true,
        Treatment::Rewritten(R::Pop) => i.op0_kind() == OpKind::Register,
        Treatment::Rewritten(rewrite) => matches!(
            rewrite,
            R::Nothing
                | R::Lea
                | R::OtherForm
                | R::Exchange
                | R::Push
                | R::PushSegment
                | R::String
                | R::ReadSegment
                | R::Jump
                | R::JumpIndirect
                | R::JumpIf
                | R::Loop
                | R::Call
                | R::CallIndirect
                | R::Return
        ),
        Treatment::Callout => false,
    };
    let names_esp = (0..i.op_count()).any(|k| {
        i.op_kind(k) == OpKind::Register && i.op_register(k).full_register() == Register::RSP
    });
    known && !names_esp
}
