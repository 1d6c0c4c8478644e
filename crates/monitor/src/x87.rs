//! The x87 instruction and data pointers after translated code.
//!
//! A block leaves the EIP of its last non-control x87 instruction in the context: that is FIP, and CS as it is now is
//! FCS. (What makes another CS in translated code puts both aside: `translator/src/runtime/transfer.rs`.) The other pointers change only with an unmasked exception (see `ringer_cpu::interp::fpu`); one that
//! waits in the host's unit names the host instruction, and with it the guest's, and its operand.

use crate::code::Code;
use iced_x86::{Decoder, DecoderOptions, OpKind};
use ringer_cpu::interp::fpu;
use ringer_cpu::state::SegReg;
use ringer_mmu::GuestMemory;
use ringer_translator::context::{ExecContext, NO_X87};

/// Brings the pointers in the image up to date, on leaving translated code.
pub(crate) fn settle(context: &mut ExecContext, code: &Code, memory: &GuestMemory) {
    let before = std::mem::replace(&mut context.x87_before, NO_X87);
    if before != NO_X87 {
        fpu::point_at(&mut context.cpu, before, context.x87_before_cs as u16);
    }
    let eip = std::mem::replace(&mut context.x87_eip, NO_X87);
    let unmasked_later = std::mem::replace(&mut context.x87_fldcw, 0) == 1;
    if eip == NO_X87 {
        return;
    }
    let cs = context.cpu.cs().selector;
    fpu::point_at(&mut context.cpu, eip, cs);
    if unmasked_later {
        // Had an exception waited already, FLDCW would have trapped.
        return;
    }
    let Some(host) = fpu::host_pointers(&context.cpu) else { return };
    let Some((id, off)) = code.cache.locate(host.instruction) else { return };
    let Some((_, entry)) = code.cache.block(id).entry_at(off) else { return };
    let bytes = code.guest_bytes(memory, id, entry.eip);
    let mode = code.cache.block(id).key.mode;
    let Some((fop, segment)) = decode(&bytes, mode.bitness()) else { return };
    let operand = segment.map(|segment| {
        let segment = context.cpu.seg[segment as usize];
        // The window lies at a multiple of 4 GiB: the low half is the guest's linear address.
        ((host.operand as u32).wrapping_sub(segment.base.low()), segment.selector)
    });
    fpu::point_operand(&mut context.cpu, fop, operand);
}

/// FOP of the x87 instruction in `bytes`, and the segment register of its memory operand.
fn decode(bytes: &[u8], bits: u32) -> Option<(u16, Option<SegReg>)> {
    let i = Decoder::new(bits, bytes, DecoderOptions::NONE).decode();
    let escape = bytes.iter().position(|b| b & 0xf8 == 0xd8)?;
    let modrm = *bytes.get(escape + 1)?;
    let fop = u16::from(bytes[escape] & 7) << 8 | u16::from(modrm);
    let in_memory = (0..i.op_count()).any(|n| i.op_kind(n) == OpKind::Memory);
    let segment = if in_memory { SegReg::named(i.memory_segment()) } else { None };
    Some((fop, segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fop_is_the_opcode_behind_the_prefixes() {
        assert_eq!(decode(&[0xd9, 0xfa], 32), Some((0x1fa, None))); // fsqrt
        assert_eq!(decode(&[0x26, 0xdc, 0x30], 32), Some((0x430, Some(SegReg::Es)))); // fdiv es:[eax]
        assert_eq!(decode(&[0xd8, 0x75, 0xf8], 32), Some((0x075, Some(SegReg::Ss)))); // fdiv [ebp-8]
        assert_eq!(decode(&[0xd8, 0x72, 0x08], 16), Some((0x072, Some(SegReg::Ss)))); // fdiv [bp+si+8]
        assert_eq!(decode(&[0x90; 15], 32), None);
    }
}
