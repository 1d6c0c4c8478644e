//! REP MOVS whose operands overlap in a page frame that they reach by two linear addresses: the one instruction that
//! translated code may carry out otherwise than the interpreter does (docs/departures.md). Who compares the two asks here.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};
use ringer_cpu::{CpuState, Eflags, Gpr, Lin, Pa};

/// Pieces of an operand, each within one page, that are looked at.
const PIECES: usize = 128;
const PAGE: u32 = 0x1000;

/// What of an operand lies in one page.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Bytes of the operand that are moved before it.
    before: u64,
    /// The linear page.
    page: u32,
    /// Its frame.
    frame: u64,
    /// Its first and its last byte in the page.
    bytes: (u32, u32),
}

impl Piece {
    /// Whether both have a byte of memory in common that they name differently.
    fn meets(&self, other: &Self) -> bool {
        self.frame == other.frame
            && self.page != other.page
            && self.bytes.0 <= other.bytes.1
            && other.bytes.0 <= self.bytes.1
    }
}

/// Whether the instruction at CS:EIP of `cpu`, with these `bytes`, is such a move; `translate` has the physical address
/// of a linear one, if there is any.
pub(crate) fn is_aliased_move(
    cpu: &CpuState,
    bytes: &[u8],
    translate: impl Fn(Lin) -> Option<Pa>,
) -> bool {
    let bitness = if cpu.cs().is_32() && !cpu.v86() { 32 } else { 16 };
    let i = Decoder::new(bitness, bytes, DecoderOptions::NONE).decode();
    let Some((source, destination, len)) = operands(cpu, &i) else { return false };
    let down = cpu.eflags & Eflags::DF.bits() != 0;
    let (source, there) = pieces(source, down, len, &translate);
    let (destination, here) = pieces(destination, down, len, &translate);
    // Behind the first page that is missing nothing is moved.
    let moved = there.min(here);
    let reached = |piece: &&Piece| piece.before < moved;
    source.iter().filter(reached).any(|a| destination.iter().filter(reached).any(|b| a.meets(b)))
}

/// Where a repeated MOVS begins to read and to write (at the end of the first element, if it goes down), and how
/// many bytes it moves. None for one whose offsets wrap: that is the interpreter's under either engine.
fn operands(cpu: &CpuState, i: &Instruction) -> Option<(u32, u32, u64)> {
    // MOVSD of SSE has no prefix that is a REP.
    let moves = matches!(i.mnemonic(), Mnemonic::Movsb | Mnemonic::Movsw | Mnemonic::Movsd);
    if !moves || !i.is_string_instruction() || !(i.has_rep_prefix() || i.has_repne_prefix()) {
        return None;
    }
    let short = i.op_kind(1) == OpKind::MemorySegSI;
    let mask = if short { 0xffff } else { u32::MAX };
    let width = i.memory_size().size() as u32;
    let len = u64::from(cpu.reg32(Gpr::Ecx) & mask) * u64::from(width);
    let down = cpu.eflags & Eflags::DF.bits() != 0;
    let start = |segment: Register, reg: Gpr| {
        let offset = cpu.reg32(reg) & mask;
        let base = cpu.seg.get((segment as usize).wrapping_sub(Register::ES as usize))?.base.low();
        let room = if down { offset + width.min(mask - offset) } else { mask - offset };
        let fits = !short || len <= u64::from(room) + 1;
        let first = base.wrapping_add(offset);
        fits.then(|| if down { first.wrapping_add(width - 1) } else { first })
    };
    let source = start(i.memory_segment(), Gpr::Esi)?;
    Some((source, start(Register::ES, Gpr::Edi)?, len))
}

/// The pieces of `len` bytes from `start` on, up or down, as far as pages are there, and how many bytes these have.
fn pieces(
    start: u32,
    down: bool,
    len: u64,
    translate: &impl Fn(Lin) -> Option<Pa>,
) -> (Vec<Piece>, u64) {
    let mut list = Vec::new();
    let mut before = 0;
    while before < len && list.len() < PIECES {
        let step = before as u32;
        let at = if down { start.wrapping_sub(step) } else { start.wrapping_add(step) };
        let Some(pa) = translate(Lin::from(at)) else { break };
        let offset = at % PAGE;
        let room = if down { offset + 1 } else { PAGE - offset };
        let n = u64::from(room).min(len - before) as u32;
        let bytes = if down { (offset + 1 - n, offset) } else { (offset, offset + n - 1) };
        list.push(Piece { before, page: at / PAGE, frame: pa.0 / u64::from(PAGE), bytes });
        before += u64::from(n);
    }
    (list, before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer_cpu::{SegAttr, SegReg};

    const REP_MOVSB: &[u8] = &[0xf3, 0xa4];

    fn state(esi: u32, edi: u32, ecx: u32) -> CpuState {
        let mut cpu = CpuState::reset(0);
        cpu.seg[SegReg::Cs as usize].attr |= SegAttr::DB;
        for (reg, value) in [(Gpr::Esi, esi), (Gpr::Edi, edi), (Gpr::Ecx, ecx)] {
            cpu.set_reg32(reg, value);
        }
        cpu
    }

    /// 10000h and 20000h are one frame, 30000h is missing.
    fn translate(lin: Lin) -> Option<Pa> {
        match lin.low() >> 12 {
            0x20 => Some(Pa(0x1_0000 + (lin.get() & 0xfff))),
            0x30 => None,
            _ => Some(Pa(lin.get())),
        }
    }

    #[test]
    fn an_overlap_under_two_names_is_one_and_under_one_name_is_none() {
        let is = |cpu: &CpuState| is_aliased_move(cpu, REP_MOVSB, translate);
        assert!(is(&state(0x1_0000, 0x2_0004, 8)));
        assert!(!is(&state(0x1_0000, 0x2_0004, 4)));
        assert!(!is(&state(0x1_0000, 0x1_0004, 8)));
        assert!(!is(&state(0x1_0000, 0x4_0004, 8)));
        assert!(!is(&state(0x1_0000, 0x2_0004, 0)));
        // The second page of either.
        assert!(is(&state(0x0_fff0, 0x1_fff8, 0x20)));
    }

    #[test]
    fn a_move_down_ends_below_where_it_begins() {
        let mut cpu = state(0x1_0100, 0x2_00f0, 0x10);
        cpu.eflags |= Eflags::DF.bits();
        assert!(!is_aliased_move(&cpu, REP_MOVSB, translate));
        cpu.set_reg32(Gpr::Ecx, 0x12);
        assert!(is_aliased_move(&cpu, REP_MOVSB, translate));
    }

    #[test]
    fn what_lies_behind_a_missing_page_is_not_moved() {
        // The source is at an end after 16 bytes, the overlap comes later.
        let cpu = state(0x2_fff0, 0x0_ff00, 0x2000);
        assert!(!is_aliased_move(&cpu, REP_MOVSB, translate));
    }

    #[test]
    fn other_instructions_are_none() {
        let cpu = state(0x1_0000, 0x2_0004, 8);
        // movsb; rep stosb; rep lodsb; movsd xmm0, xmm1; repe cmpsb
        for bytes in
            [&[0xa4_u8][..], &[0xf3, 0xaa], &[0xf3, 0xac], &[0xf2, 0x0f, 0x10, 0xc1], &[0xf3, 0xa6]]
        {
            assert!(!is_aliased_move(&cpu, bytes, translate), "{bytes:02x?}");
        }
    }

    #[test]
    fn words_with_16_bit_offsets_do_not_wrap() {
        let rep_movsw = [0x67, 0xf3, 0x66, 0xa5];
        let mut cpu = state(0, 4, 0x100);
        cpu.seg[SegReg::Ds as usize].base = Lin(0x1_0000);
        cpu.seg[SegReg::Es as usize].base = Lin(0x2_0000);
        assert!(is_aliased_move(&cpu, &rep_movsw, translate));
        cpu.set_reg32(Gpr::Edi, 0xff00);
        assert!(!is_aliased_move(&cpu, &rep_movsw, translate));
    }
}
