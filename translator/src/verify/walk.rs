//! The one pass over a block: each instruction against the lists, each operand against what is known.

use super::lists::{BRANCHES, LOCKABLE, MODERN, PLAIN, REACHING, STRINGS, VECTORS, WIDE};
use super::question::Question;
use super::report::{Refusal, Rule, Subject, Verified};
use super::scheme::{Field, Scheme};
use super::state::{State, Value};
use iced_x86::{
    Code, CpuidFeature, Decoder, DecoderOptions, EncodingKind, FlowControl, Formatter, Instruction,
    InstructionInfo, InstructionInfoFactory, Mnemonic, NasmFormatter, OpAccess, OpKind, Register,
};
use std::sync::OnceLock;

/// Who an instruction code is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Refused,
    Plain { integer: bool },
    String,
    Branch(u8),
    Wide,
}

/// [`Kind`] by `Code`: the lists, made quick.
fn kinds() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| Code::values().map(kind_of).collect())
}

fn kind_of(code: Code) -> Kind {
    let form = code.op_code();
    let legacy = form.encoding() == EncodingKind::Legacy;
    if MODERN.contains(&code) {
        Kind::Plain { integer: true }
    } else if form.encoding() == EncodingKind::VEX && is_vector(code) {
        Kind::Plain { integer: false }
    } else if !legacy {
        Kind::Refused
    } else if WIDE.contains(&code) {
        Kind::Wide
    } else if STRINGS.contains(&code) {
        Kind::String
    } else if let Some((_, len)) = BRANCHES.iter().find(|(c, _)| *c == code) {
        Kind::Branch(*len as u8)
    } else if is_plain(code) {
        Kind::Plain { integer: is_integer(code) }
    } else {
        Kind::Refused
    }
}

/// A listed form with a VEX prefix, without general registers of 64 bits.
pub(super) fn is_vector(code: Code) -> bool {
    use iced_x86::OpCodeOperandKind as K;
    let form = code.op_code();
    let wide = |kind: &K| matches!(kind, K::r64_reg | K::r64_rm | K::r64_or_mem | K::r64_vvvv);
    VECTORS.contains(&code.mnemonic()) && form.mode64() && !form.op_kinds().iter().any(wide)
}

pub(super) fn is_plain(code: Code) -> bool {
    let form = code.op_code();
    let listed = PLAIN.contains(&code.mnemonic());
    let string = matches!(code.mnemonic(), Mnemonic::Movsd | Mnemonic::Cmpsd) && {
        form.op_count() > 0 && (0..form.op_count()).all(|k| is_string_operand(code, k))
    };
    let harmless = form.mode64() && !form.is_privileged() && form.operand_size() != 64;
    listed && harmless && !string && code.flow_control() == FlowControl::Next
}

pub(super) fn is_integer(code: Code) -> bool {
    use CpuidFeature as F;
    let mut fpu = vec![F::FPU, F::FPU287, F::FPU387, F::MMX, F::SSE, F::SSE2, F::SSE3];
    fpu.extend([F::SSSE3, F::SSE4_1, F::SSE4_2, F::AES, F::PCLMULQDQ, F::SHA]);
    // WAIT came with the 8086, and looks for pending exceptions.
    code != Code::Wait && !code.cpuid_features().iter().any(|feature| fpu.contains(feature))
}

fn is_string_operand(code: Code, k: u32) -> bool {
    use iced_x86::OpCodeOperandKind as K;
    matches!(code.op_code().op_kind(k), K::seg_rSI | K::es_rDI)
}

/// One verification.
pub(super) struct Walk<'a> {
    scheme: &'a Scheme,
    subject: &'a Subject<'a>,
    entry: &'a dyn Fn(u64) -> bool,
    info: &'a mut InstructionInfoFactory,
    /// What is known before the next instruction; `None`: nothing runs into it.
    state: Option<State>,
    /// Forward branches on their way: offset of the target, and what is known there.
    pending: Vec<(u32, State)>,
    /// Ends of the rel32 fields of branches.
    rel32: Vec<u32>,
    /// Entries of the map seen so far.
    mapped: usize,
    /// No instruction so far used the FPU's state.
    integer: bool,
}

type Verdict<T = ()> = Result<T, Rule>;

impl<'a> Walk<'a> {
    pub fn new(
        scheme: &'a Scheme,
        subject: &'a Subject<'a>,
        entry: &'a dyn Fn(u64) -> bool,
        info: &'a mut InstructionInfoFactory,
    ) -> Self {
        Self {
            scheme,
            subject,
            entry,
            info,
            state: Some(State::entry(scheme)),
            pending: Vec::new(),
            rel32: Vec::new(),
            mapped: 0,
            integer: true,
        }
    }

    /// Walks the block.
    pub fn run(mut self) -> Result<Verified, Refusal> {
        let subject = *self.subject;
        let options = DecoderOptions::NONE;
        let mut decoder = Decoder::with_ip(64, subject.host, subject.base, options);
        let mut i = Instruction::default();
        let mut instructions = 0;
        while decoder.can_decode() {
            let offset = decoder.position() as u32;
            decoder.decode_out(&mut i);
            let end = decoder.position() as u32;
            self.instruction(&i, offset, end).map_err(|rule| refusal(&i, offset, rule))?;
            instructions += 1;
        }
        let len = subject.host.len() as u32;
        let last = |rule| refusal(&i, len, rule);
        if self.state.is_some() || !self.pending.is_empty() {
            return Err(last(Rule::End));
        }
        let exits_right = subject
            .exits
            .iter()
            .all(|exit| self.rel32.binary_search(&exit.patch_off.wrapping_add(4)).is_ok());
        if self.mapped != subject.map.len() || !exits_right {
            return Err(last(Rule::Map));
        }
        Ok(Verified { instructions, integer: self.integer })
    }

    fn instruction(&mut self, i: &Instruction, offset: u32, end: u32) -> Verdict {
        if i.is_invalid() {
            return Err(Rule::Undecodable);
        }
        self.arrive(offset, end)?;
        // Code that nothing runs into (an exit that is linked past its tail) is held to what holds
        // at every boundary.
        let mut state = self.state.unwrap_or(State::entry(self.scheme));
        if self.boundaries(&state, offset, end)? {
            state.forget_aside();
        }
        state.question = state.question.after(i, state.get(Register::R11).is_narrow());
        let kind = kinds()[i.code() as usize];
        if kind == Kind::Refused {
            return Err(Rule::Instruction);
        }
        prefixes(self.scheme, i, self.subject.locks)?;
        self.integer &= !matches!(kind, Kind::Plain { integer: false });
        let next = match kind {
            Kind::Refused => false,
            Kind::Branch(len) => self.branch(i, &mut state, usize::from(len))?,
            Kind::Wide => self.wide(i, &mut state)?,
            Kind::String => string(self.scheme, i, &mut state).map(|()| true)?,
            Kind::Plain { .. } => self.plain(i, &mut state).map(|()| true)?,
        };
        self.state = next.then_some(state);
        Ok(())
    }

    /// Joins the branches that lead to `offset`; none may lead between there and `end`.
    fn arrive(&mut self, offset: u32, end: u32) -> Verdict {
        let mut k = 0;
        while k < self.pending.len() {
            let (target, state) = self.pending[k];
            if target == offset {
                self.state = Some(match self.state {
                    Some(here) => here.join(&state).ok_or(Rule::Stack)?,
                    None => state,
                });
                self.pending.swap_remove(k);
            } else if target > offset && target < end {
                return Err(Rule::Middle);
            } else {
                k += 1;
            }
        }
        Ok(())
    }

    /// The entries of the map that name this instruction; whether there are any.
    fn boundaries(&mut self, state: &State, offset: u32, end: u32) -> Verdict<bool> {
        let before = self.mapped;
        while let Some(entry) = self.subject.map.get(self.mapped) {
            if entry.host_off >= end {
                break;
            }
            if entry.host_off != offset {
                return Err(Rule::Map);
            }
            if !state.is_boundary(self.scheme) {
                return Err(Rule::Boundary);
            }
            self.mapped += 1;
        }
        Ok(self.mapped > before)
    }

    /// A direct branch; true when the next instruction may run.
    fn branch(&mut self, i: &Instruction, state: &mut State, len: usize) -> Verdict<bool> {
        if i.len() != len {
            return Err(Rule::Prefix);
        }
        if matches!(i.op0_kind(), OpKind::NearBranch64) && len > 4 {
            self.rel32.push((i.next_ip() - self.subject.base) as u32);
        }
        let counts = i.is_jcx_short() || i.is_loop() || i.is_loopcc();
        if counts && !state.get(Register::RCX).is_narrow() {
            return Err(Rule::WideAddress);
        }
        self.go(i, i.near_branch64(), state)?;
        state.question = Question::default();
        Ok(i.flow_control() == FlowControl::ConditionalBranch)
    }

    fn go(&mut self, i: &Instruction, target: u64, state: &State) -> Verdict {
        let offset = target.wrapping_sub(self.subject.base);
        if target >= i.next_ip() && offset < self.subject.host.len() as u64 {
            self.pending.push((offset as u32, *state));
            return Ok(());
        }
        let s = self.subject.stubs;
        let stubs = [s.exit_link, s.exit_miss, s.exit_callout, s.exit_check, s.exit_budget];
        let transfers = s.transfer.as_flattened();
        let known = stubs.contains(&target) || transfers.contains(&target);
        if !known && offset != 0 && !(self.entry)(target) {
            return Err(Rule::Target);
        }
        if state.is_boundary(self.scheme) { Ok(()) } else { Err(Rule::Boundary) }
    }

    /// The approved patterns with 64-bit operands; true when the next instruction may run.
    fn wide(&mut self, i: &Instruction, state: &mut State) -> Verdict<bool> {
        match i.code() {
            Code::Pushfq if !state.flags_pushed => state.flags_pushed = true,
            Code::Popfq if state.flags_pushed => state.flags_pushed = false,
            Code::Pop_r64 if state.flags_pushed && self.scheme.is_scratch(i.op0_register()) => {
                state.flags_pushed = false;
                state.set(i.op0_register(), Value::Any);
            }
            Code::Pushfq | Code::Popfq | Code::Pop_r64 => return Err(Rule::Stack),
            Code::Jmp_rm64 => {
                let from_table = i.op0_kind() == OpKind::Register
                    && state.get(i.op0_register()) == Value::BlockEntry;
                if !from_table {
                    return Err(Rule::Indirect);
                }
                if !state.is_boundary(self.scheme) {
                    return Err(Rule::Boundary);
                }
                return Ok(false);
            }
            Code::Lea_r64_m => lea(self.scheme, i, state)?,
            Code::Bswap_r64 if self.scheme.is_scratch(i.op0_register()) => {
                state.set(i.op0_register(), Value::Any);
            }
            Code::Mov_r64_rm64 => {
                let to = i.op0_register();
                if state.question.reads() {
                    state.set(to, Value::Any);
                    return Ok(true);
                }
                if i.op1_kind() != OpKind::Memory || !self.scheme.is_scratch(to) {
                    return Err(Rule::Wide);
                }
                let at = context(self.scheme, i, false)?;
                state.set(
                    to,
                    if at == self.scheme.window_base { Value::WindowBase } else { Value::Any },
                );
            }
            Code::Mov_rm64_r64 => {
                if i.op0_kind() != OpKind::Memory || !self.scheme.is_scratch(i.op1_register()) {
                    return Err(Rule::Wide);
                }
                context(self.scheme, i, true)?;
            }
            _ => {
                if i.op0_kind() != OpKind::Memory {
                    return Err(Rule::Wide);
                }
                context(self.scheme, i, true)?;
            }
        }
        Ok(true)
    }

    /// An instruction that computes: its operands, and what becomes of the registers it writes.
    fn plain(&mut self, i: &Instruction, state: &mut State) -> Verdict {
        let info = self.info.info(i);
        let mut loaded = None;
        for k in 0..i.op_count() {
            match i.op_kind(k) {
                OpKind::Register => register(self.scheme, i.op_register(k))?,
                OpKind::Memory if is_lea(i.code()) => {
                    if matches!(i.memory_base(), Register::RIP | Register::EIP) {
                        return Err(Rule::Memory);
                    }
                }
                OpKind::Memory => loaded = memory(self.scheme, i, info.op_access(k), state)?,
                OpKind::Immediate8
                | OpKind::Immediate8_2nd
                | OpKind::Immediate16
                | OpKind::Immediate32
                | OpKind::Immediate8to16
                | OpKind::Immediate8to32 => {}
                // Far pointers, string operands, immediates of 64-bit operations.
                _ => return Err(Rule::Instruction),
            }
        }
        write_registers(self.scheme, info, state)?;
        if let Some(value) = loaded {
            // `mov r32, [table]` is the one load whose result is worth knowing.
            let to = i.op0_register();
            if i.code() != Code::Mov_r32_rm32 || !self.scheme.is_scratch(to) {
                return Err(Rule::Memory);
            }
            state.set(to, value);
        }
        Ok(())
    }
}

/// Blocks lock the guest's memory only, and that only where they may, and repeat string instructions only.
fn prefixes(s: &Scheme, i: &Instruction, locks: bool) -> Verdict {
    let repeated = i.has_rep_prefix() || i.has_repne_prefix();
    let locked = i.has_lock_prefix();
    let lockable = LOCKABLE.contains(&i.mnemonic())
        && i.op0_kind() == OpKind::Memory
        && i.segment_prefix() == s.memory;
    if (locked && !(locks && lockable)) || (repeated && !STRINGS.contains(&i.code())) {
        return Err(Rule::Prefix);
    }
    Ok(())
}

fn is_lea(code: Code) -> bool {
    matches!(code, Code::Lea_r16_m | Code::Lea_r32_m)
}

/// Registers that operands may name: those of the guest and the scratch ones, at most 32 bits wide.
fn register(s: &Scheme, reg: Register) -> Verdict {
    if reg.is_gpr() && reg.size() == 8 {
        return Err(Rule::Wide);
    }
    let integer = reg.is_gpr() && !s.is_anchor(reg);
    let known = integer
        || reg.is_st()
        || reg.is_mm()
        || ((reg.is_xmm() || reg.is_ymm()) && reg.number() < 8);
    if known { Ok(()) } else { Err(Rule::Register) }
}

/// What an instruction without 64-bit operands leaves in the general registers.
fn write_registers(s: &Scheme, info: &InstructionInfo, state: &mut State) -> Verdict {
    for used in info.used_registers() {
        let reg = used.register();
        let access = used.access();
        if !reg.is_gpr() || matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::None) {
            continue;
        }
        let full = reg.full_register();
        if s.is_anchor(full) {
            return Err(Rule::Anchor);
        }
        let before = state.get(full);
        let always = matches!(access, OpAccess::Write | OpAccess::ReadWrite);
        // A write to 32 bits is reported as one of the 64 that it clears or sets.
        let after = match (reg.size(), always) {
            (4 | 8, true) => Value::Narrow,
            (4 | 8, false) => before.perhaps_narrow(),
            _ => before.partly_written(),
        };
        state.set(full, after);
    }
    Ok(())
}

/// An explicit memory operand; what a load from it yields when that is worth knowing.
fn memory(s: &Scheme, i: &Instruction, access: OpAccess, state: &State) -> Verdict<Option<Value>> {
    let write = matches!(
        access,
        OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite | OpAccess::ReadCondWrite
    );
    match i.segment_prefix() {
        prefix if prefix == s.memory && state.question.reads() => Ok(None),
        prefix if prefix == s.memory => guest(s, i, write, state).map(|()| None),
        Register::None if i.memory_base() == s.table => {
            table(s, i, write, state).map(|()| Some(Value::TableEntry))
        }
        Register::None => context(s, i, write).map(|_| None),
        _ => Err(Rule::Memory),
    }
}

/// The guest's memory: 32-bit addressing truncates in hardware; a 64-bit register alone must be narrow, or what the inline TLB
/// answered.
fn guest(s: &Scheme, i: &Instruction, write: bool, state: &State) -> Verdict {
    let (base, index) = (i.memory_base(), i.memory_index());
    if matches!(base, Register::RIP | Register::EIP) {
        return Err(Rule::Memory);
    }
    let size = if base != Register::None {
        base.size()
    } else if index != Register::None {
        index.size()
    } else {
        i.memory_displ_size() as usize
    };
    if size == 4 {
        return Ok(());
    }
    let alone = base != Register::None
        && index == Register::None
        && i.memory_displacement64() == 0
        && !REACHING.contains(&i.code());
    if !alone || s.is_anchor(base) {
        return Err(Rule::Memory);
    }
    let inside = match state.get(base) {
        Value::Aside { len, write: may } => {
            i.memory_size().size() <= usize::from(len) && (may || !write)
        }
        value => value.is_narrow(),
    };
    if inside { Ok(()) } else { Err(Rule::WideAddress) }
}

/// `[table + scratch*4]`, read as 4 bytes.
fn table(s: &Scheme, i: &Instruction, write: bool, state: &State) -> Verdict {
    let index = i.memory_index();
    let form = !write
        && s.is_scratch(index)
        && index.size() == 8
        && i.memory_index_scale() == 4
        && i.memory_displacement64() == 0
        && i.memory_size().size() == 4;
    if !form {
        return Err(Rule::Memory);
    }
    if state.get(index).is_narrow() { Ok(()) } else { Err(Rule::WideAddress) }
}

/// `[context + field]`; the offset.
fn context(s: &Scheme, i: &Instruction, write: bool) -> Verdict<usize> {
    let form = i.segment_prefix() == Register::None
        && i.memory_base() == s.context
        && i.memory_index() == Register::None;
    if !form {
        return Err(Rule::Memory);
    }
    let at = usize::try_from(i.memory_displacement64() as i64).map_err(|_| Rule::Context)?;
    let len = i.memory_size().size();
    let allows = |f: &Field| at >= f.at && at + len <= f.at + f.len && (f.write || !write);
    let inside = s.fields.iter().chain(s.counts).any(allows);
    if inside && len > 0 { Ok(at) } else { Err(Rule::Context) }
}

/// LEA with a 64-bit result: a pointer into the window, a block's address, or a scratch sum.
fn lea(s: &Scheme, i: &Instruction, state: &mut State) -> Verdict {
    let (to, base, index) = (i.op0_register(), i.memory_base(), i.memory_index());
    if matches!(base, Register::RIP | Register::EIP) {
        return Err(Rule::Memory);
    }
    let sum = index != Register::None
        && i.memory_index_scale() == 1
        && i.memory_displacement64() == 0
        && base.size() == 8;
    let known = |reg| if reg == Register::None { Value::Any } else { state.get(reg) };
    let of_window = sum && known(index) == Value::WindowBase && known(base).is_narrow();
    let of_cache = sum && index == s.cache && known(base) == Value::TableEntry;
    let value = if s.pointers.contains(&to) {
        if !of_window {
            return Err(Rule::Wide);
        }
        Value::InWindow
    } else if !s.is_scratch(to) {
        return Err(Rule::Wide);
    } else if let Some((len, write)) = state.question.answer() {
        Value::Aside { len, write }
    } else if of_cache {
        Value::BlockEntry
    } else {
        Value::Any
    };
    state.set(to, value);
    Ok(())
}

/// A string instruction: its pointers lie in the window, its count is 32 bits. It stops in the guard
/// at the latest, where it faults; so afterwards nothing is known of the pointers.
fn string(s: &Scheme, i: &Instruction, state: &mut State) -> Verdict {
    if i.segment_prefix() != Register::None {
        return Err(Rule::Memory);
    }
    let repeated = i.has_rep_prefix() || i.has_repne_prefix();
    if repeated && !state.get(Register::RCX).is_narrow() {
        return Err(Rule::String);
    }
    for k in 0..i.op_count() {
        let pointer = match i.op_kind(k) {
            OpKind::MemorySegRSI => s.pointers[0],
            OpKind::MemoryESRDI => s.pointers[1],
            OpKind::Register => continue,
            _ => return Err(Rule::Memory),
        };
        if state.get(pointer) != Value::InWindow {
            return Err(Rule::String);
        }
        state.set(pointer, Value::Any);
    }
    Ok(())
}

fn refusal(i: &Instruction, offset: u32, rule: Rule) -> Refusal {
    let mut text = String::new();
    NasmFormatter::new().format(i, &mut text);
    Refusal { offset, rule, text }
}
