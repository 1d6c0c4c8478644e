//! A sequence in the making: instructions are appended one by one, flags and registers followed,
//! and branches filled in at the end.

use crate::case::{Case, Kind};
use crate::layout::CODE_LEN;
use crate::model::{forms, model};
use crate::sequence::{Item, Sequence};
use crate::setting::{ORIGINS, Setting};
use iced_x86::{
    Code, Decoder, Instruction, InstructionInfoFactory, Mnemonic as M, OpAccess, OpKind,
};
use ringer_casegen::encode::{Shape, generate};
use ringer_casegen::rng::Rng;
use ringer_casegen::rows::Row;
use ringer_casegen::undefined::undefined;
use ringer_cpu::Eflags;
use ringer_cpu::interp::run_as;

mod allow;
mod operands;

/// ESP's number.
pub const ESP: usize = 4;

/// The forms, made once.
#[derive(Debug)]
pub struct Forms {
    narrow: Vec<Row>,
    wide: Vec<Row>,
    factory: InstructionInfoFactory,
}

impl Forms {
    /// All that the default processor has.
    pub fn new() -> Self {
        Self { narrow: forms(16), wide: forms(32), factory: InstructionInfoFactory::new() }
    }
}

/// A sequence in the making.
pub struct Composer<'a> {
    pub rng: &'a mut Rng,
    pub s: Setting,
    pub code_offset: u32,
    forms: &'a mut Forms,
    out: Vec<u8>,
    items: Vec<Item>,
    /// Initial registers.
    init: [u32; 8],
    /// Registers as far as they are known.
    cur: [u32; 8],
    known: u8,
    /// Not touched by any instruction yet: the initial value can still be chosen.
    free: u8,
    undefined: u32,
    undefined_value: bool,
    /// Branches to be filled in: item, offset of the displacement, its size, items to go ahead.
    branches: Vec<Branch>,
    /// Absolute offsets (EIP) to be filled in.
    labels: Vec<Label>,
    /// Segment registers that were loaded: where they lead is not known any more.
    reloaded: u8,
    /// Items that belong together and are entered at the first only.
    groups: Vec<std::ops::Range<usize>>,
}

struct Branch {
    item: usize,
    size: usize,
    ahead: usize,
    undefined: u32,
}

struct Label {
    at: usize,
    size: usize,
    item: usize,
    add: u32,
    undefined: u32,
}

impl<'a> Composer<'a> {
    /// A sequence of no instruction yet, with these registers.
    pub fn new(
        rng: &'a mut Rng,
        forms: &'a mut Forms,
        s: Setting,
        code_offset: u32,
        init: [u32; 8],
    ) -> Self {
        Self {
            rng,
            s,
            code_offset,
            forms,
            out: Vec::with_capacity(CODE_LEN),
            items: Vec::with_capacity(20),
            init,
            cur: init,
            known: 0xff,
            free: !(1 << ESP),
            undefined: 0,
            undefined_value: false,
            branches: Vec::new(),
            labels: Vec::new(),
            reloaded: 0,
            groups: Vec::new(),
        }
    }
}

impl Composer<'_> {
    /// EIP of the instruction at `offset` in the code.
    fn eip(&self, offset: usize) -> u32 {
        let linear = self.s.code_at.wrapping_add(self.code_offset).wrapping_add(offset as u32);
        linear.wrapping_sub(self.s.segs[1].base)
    }

    /// Appends a random instruction of a random form.
    pub fn one(&mut self) {
        for _ in 0..8 {
            let list = if self.s.bits == 32 { &self.forms.wide } else { &self.forms.narrow };
            let row = list[self.rng.below(list.len() as u32) as usize];
            if self.may(row) && self.try_form(row.code) {
                return;
            }
        }
    }

    /// Appends a random instruction of this form; false when it does not go.
    pub fn try_form(&mut self, code: Code) -> bool {
        let targets = self.s.segs[3].origins.iter().map(|o| *o..o.wrapping_add(0x4000).max(*o));
        let mut shape = Shape::new(self.s.bits, self.eip(self.out.len()), targets.collect());
        shape.branch = 0..1;
        if self.s.kind == Kind::Real {
            shape.other_address_size = false;
        }
        let Some(made) = generate(self.rng, code, &shape) else { return false };
        let mut i = made.instruction;
        if self.out.len() + made.bytes.len() + 24 > CODE_LEN || self.refuses(&i) {
            return false;
        }
        self.aim_at_data(&i);
        self.small_count(&i);
        let reads = self.undefined & flags_of(i.rflags_read()) != 0;
        let pushes = self.s.cpl() == 0 && is_software_interrupt(&i) && self.undefined != 0;
        if reads || pushes {
            let first = self.items.len();
            self.group(first, 2);
            self.define_flags();
        }
        let branch = is_relative(&i);
        i.set_ip(u64::from(self.eip(self.out.len())));
        if branch {
            let size = match i.op0_kind() {
                _ if i.len() >= made.bytes.len() && is_short(i.code()) => 1,
                OpKind::NearBranch16 => 2,
                _ => 4,
            };
            let ahead = self.rng.below(4) as usize;
            self.branches.push(Branch {
                item: self.items.len(),
                size,
                ahead: ahead + 1,
                undefined: self.undefined,
            });
        }
        self.push(&made.bytes, i, made.illegal_lock);
        true
    }

    /// Appends an instruction of which the bytes are known.
    pub fn raw(&mut self, bytes: &[u8]) {
        let ip = u64::from(self.eip(self.out.len()));
        let i = iced_x86::Decoder::with_ip(self.s.bits, bytes, ip, 0).decode();
        self.push(bytes, i, false);
    }

    fn push(&mut self, bytes: &[u8], i: Instruction, illegal_lock: bool) {
        let at = self.out.len();
        let item =
            Item { at, len: bytes.len(), instruction: i, illegal_lock, undefined: self.undefined };
        self.out.extend_from_slice(bytes);
        self.items.push(item);
        self.track(&i);
        // Branches that meet here bring their own undefined flags along.
        let here = self.items.len();
        for branch in &self.branches {
            if branch.item + branch.ahead == here {
                self.undefined |= branch.undefined;
            }
        }
        for label in self.labels.iter().filter(|l| l.item == here) {
            self.undefined |= label.undefined;
        }
    }

    /// Follows registers and flags over `i`.
    fn track(&mut self, i: &Instruction) {
        let info = self.forms.factory.info(i);
        for used in info.used_registers() {
            let full = used.register().full_register32();
            if full.is_gpr32() {
                self.free &= !(1 << full.number());
                if !matches!(used.access(), OpAccess::Read | OpAccess::CondRead) {
                    self.known &= !(1 << full.number());
                }
            }
            let segment = used.register();
            if segment.is_segment_register() && used.access() != OpAccess::Read {
                self.reloaded |= 1 << segment.number();
            }
        }
        let mut runs = *i;
        runs.set_code(run_as(i.code(), model().features()));
        let mut news = undefined(&runs, 1, true);
        for cl in [2, 9, 17, 31] {
            let more = undefined(&runs, cl, true);
            news.flags |= more.flags;
            news.destination |= more.destination;
        }
        // A zero source leaves BSF's and BSR's destination alone here as on the peer.
        let scan = matches!(runs.mnemonic(), M::Bsf | M::Bsr);
        self.undefined_value |= news.destination && !scan;
        if i.mnemonic() == M::Shld || i.mnemonic() == M::Shrd {
            let by_cl = i.op2_kind() == OpKind::Register;
            self.undefined_value |= i.op0_register().is_gpr16() && by_cl;
        }
        if !may_leave_flags(i) {
            self.undefined &= !flags_of(i.rflags_modified());
        }
        self.undefined |= news.flags;
    }

    /// CMP AL, imm8: all six flags are defined.
    pub fn define_flags(&mut self) {
        let imm = self.rng.byte();
        self.raw(&[0x3c, imm]);
    }

    /// Fills in what was left open.
    pub fn finish(mut self) -> Sequence {
        self.patch_branches();
        self.patch_labels();
        for item in self.items.iter_mut().filter(|i| !i.illegal_lock) {
            let bytes = &self.out[item.at..item.at + item.len];
            let ip = item.instruction.ip();
            item.instruction = Decoder::with_ip(self.s.bits, bytes, ip, 0).decode();
        }
        let case = Case {
            kind: self.s.kind,
            wipe: self.s.can_write_code(),
            code_offset: self.code_offset,
            cr0: self.s.cr0,
            cr4: self.s.cr4,
            ptes: self.s.ptes,
            frames: self.s.frames,
            pdes: self.s.pdes,
            ldt: 0,
            slots: self.s.slots,
            selectors: self.s.selectors,
            gpr: self.init,
            eflags: self.s.eflags,
            eip: self.eip(0),
            fpu: self.s.fpu,
            code: self.out,
        };
        Sequence {
            case,
            setting: self.s,
            items: self.items,
            undefined: self.undefined,
            undefined_value: self.undefined_value,
        }
    }

    fn offset_of(&self, item: usize) -> usize {
        let inside = self.groups.iter().find(|l| l.contains(&item));
        let item = inside.map_or(item, |l| l.start);
        self.items.get(item).map_or(self.out.len(), |i| i.at)
    }

    fn patch_branches(&mut self) {
        for b in std::mem::take(&mut self.branches) {
            let end = self.items[b.item].at + self.items[b.item].len;
            let target = self.offset_of(b.item + b.ahead).max(end);
            let target = if b.size == 1 && target - end > 127 { end } else { target };
            let distance = ((target - end) as u32).to_le_bytes();
            self.out[end - b.size..end].copy_from_slice(&distance[..b.size]);
        }
    }

    fn patch_labels(&mut self) {
        for l in std::mem::take(&mut self.labels) {
            let eip = self.eip(self.offset_of(l.item)).wrapping_add(l.add).to_le_bytes();
            self.out[l.at..l.at + l.size].copy_from_slice(&eip[..l.size]);
        }
    }

    /// Backward branch over the items from `first` on: LOOP. The item before them sets the count:
    /// branches that would lead into the loop lead there, or behind it, if they are part of it.
    pub fn loop_to(&mut self, first: usize) {
        self.group(first - 1, 1);
        let distance = self.items[first].at as i32 - (self.out.len() as i32 + 2);
        if (-128..0).contains(&distance) {
            self.raw(&[0xe2, distance as u8]);
        }
    }

    /// The items from `first` on, and `more` to come, are entered at the first only.
    pub fn group(&mut self, first: usize, more: usize) {
        self.groups.push(first..self.items.len() + more);
    }

    /// Whether arithmetic flags can be undefined here.
    pub fn has_undefined_flags(&self) -> bool {
        self.undefined != 0
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes that are left.
    pub fn room(&self) -> usize {
        CODE_LEN - self.out.len()
    }

    /// Flags that are undefined here get defined; also those that a branch to what comes brings along: it
    /// may turn out to lead to the first of the items that begin here.
    pub fn need_flags(&mut self) {
        let here = self.items.len();
        let branches = self.branches.iter().filter(|b| b.item + b.ahead >= here);
        let labels = self.labels.iter().filter(|l| l.item >= here);
        let coming = branches.map(|b| b.undefined).chain(labels.map(|l| l.undefined));
        if coming.fold(self.undefined, |all, flags| all | flags) != 0 {
            self.define_flags();
        }
    }

    /// Whether the linear addresses of data are offsets in DS.
    pub fn is_flat(&self) -> bool {
        self.s.segs[3].origins.as_slice() == ORIGINS && self.reloaded & 8 == 0
    }
}

fn is_software_interrupt(i: &Instruction) -> bool {
    matches!(i.mnemonic(), M::Int | M::Into | M::Int3 | M::Int1 | M::Bound)
}

fn is_relative(i: &Instruction) -> bool {
    matches!(i.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32)
        && i.op_count() > 0
        && i.mnemonic() != M::Xbegin
}

/// The branch has one byte of displacement.
fn is_short(code: Code) -> bool {
    let op = code.op_code();
    op.op_count() > 0
        && matches!(
            op.op0_kind(),
            iced_x86::OpCodeOperandKind::br16_1 | iced_x86::OpCodeOperandKind::br32_1
        )
}

/// Flags that `i` modifies can also stay as they were: a count can be zero.
fn may_leave_flags(i: &Instruction) -> bool {
    use M::{Rcl, Rcr, Rol, Ror, Sal, Sar, Shl, Shld, Shr, Shrd};
    let shift = matches!(i.mnemonic(), Shl | Sal | Shr | Sar | Rol | Ror | Rcl | Rcr | Shld | Shrd);
    let repeats = i.has_rep_prefix() || i.has_repne_prefix();
    shift || repeats
}

/// The decoder's flag bits as bits of EFLAGS.
pub fn flags_of(bits: u32) -> u32 {
    use iced_x86::RflagsBits as B;
    [
        (B::CF, Eflags::CF),
        (B::PF, Eflags::PF),
        (B::AF, Eflags::AF),
        (B::ZF, Eflags::ZF),
        (B::SF, Eflags::SF),
        (B::OF, Eflags::OF),
    ]
    .iter()
    .filter(|(theirs, _)| bits & theirs != 0)
    .fold(0, |all, (_, ours)| all | ours.bits())
}

/// A place in the data pages: near the end of a page as often as not.
pub fn spot(rng: &mut Rng) -> u32 {
    match rng.below(8) {
        0..=3 => 0x800 + rng.below(0x3000 / 8) * 8,
        4 | 5 => (rng.below(5) * 0x1000).wrapping_add(rng.below(24)).wrapping_sub(12),
        6 => (1 + rng.below(3)) * 0x1000 - rng.pick(&[1, 2, 3, 4, 6, 7, 8, 10, 12, 15, 16]),
        _ => rng.below(0x4000),
    }
}
