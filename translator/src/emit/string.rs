//! String instructions: the host's own, on 64-bit addresses.
//!
//! The ES side takes no segment prefix, so the window's base is added to RSI and RDI themselves and
//! taken off by zero-extension afterwards. The window is 4 GiB aligned: at a fault or an interrupt in
//! the middle, the low halves of RSI, RDI and RCX are the guest's ESI, EDI and ECX.

use super::emitter::{Emitter, Refused};
use super::scheme::{Memory, MemoryWay};
use crate::mode::SegmentClass;
use dynasmrt::{DynasmApi, dynasm};
use iced_x86::{Code, Instruction, OpKind, Register};

/// Which pointers an instruction uses, its opcode, and whether REPE and REPNE differ.
pub(super) struct Form {
    pub esi: bool,
    pub edi: bool,
    pub opcode: u8,
    pub word: bool,
    pub compares: bool,
}

fn form(code: Code) -> Result<Form, Refused> {
    let (esi, edi, opcode, word) = match code {
        Code::Movsb_m8_m8 => (true, true, 0xa4, false),
        Code::Movsw_m16_m16 => (true, true, 0xa5, true),
        Code::Movsd_m32_m32 => (true, true, 0xa5, false),
        Code::Cmpsb_m8_m8 => (true, true, 0xa6, false),
        Code::Cmpsw_m16_m16 => (true, true, 0xa7, true),
        Code::Cmpsd_m32_m32 => (true, true, 0xa7, false),
        Code::Stosb_m8_AL => (false, true, 0xaa, false),
        Code::Stosw_m16_AX => (false, true, 0xab, true),
        Code::Stosd_m32_EAX => (false, true, 0xab, false),
        Code::Lodsb_AL_m8 => (true, false, 0xac, false),
        Code::Lodsw_AX_m16 => (true, false, 0xad, true),
        Code::Lodsd_EAX_m32 => (true, false, 0xad, false),
        Code::Scasb_AL_m8 => (false, true, 0xae, false),
        Code::Scasw_AX_m16 => (false, true, 0xaf, true),
        Code::Scasd_EAX_m32 => (false, true, 0xaf, false),
        _ => return Err(Refused),
    };
    let compares = matches!(opcode, 0xa6 | 0xa7 | 0xae | 0xaf);
    Ok(Form { esi, edi, opcode, word, compares })
}

impl Emitter {
    pub(super) fn string(&mut self, i: &Instruction) -> Result<(), Refused> {
        let f = form(i.code())?;
        if !self.is_plain_string(i, &f) {
            return self.segmented_string(i, &f);
        }
        Memory::to_pointers(&mut self.asm, f.esi, f.edi);
        let repeated = i.has_repe_prefix() || i.has_repne_prefix();
        if f.compares && repeated {
            // A fault in the middle leaves the flags of before (SDM volume 2, REP), but some hosts
            // have those of the last iteration then: the monitor takes them from r10.
            dynasm!(self.asm ; .arch x64 ; pushfq ; pop r10);
        }
        self.host_string(i, &f);
        Memory::to_addresses(&mut self.asm, f.esi, f.edi);
        Ok(())
    }

    /// The host's instruction. Where REPE and REPNE are the same, both are REP.
    pub(super) fn host_string(&mut self, i: &Instruction, f: &Form) {
        if i.has_repne_prefix() && f.compares {
            self.asm.push(0xf2);
        } else if i.has_repe_prefix() || i.has_repne_prefix() {
            self.asm.push(0xf3);
        }
        if f.word {
            self.asm.push(0x66);
        }
        self.asm.push(f.opcode);
    }

    /// Both sides are flat, and the addresses 32 bits wide.
    fn is_plain_string(&self, i: &Instruction, f: &Form) -> bool {
        let short = (0..i.op_count())
            .any(|k| matches!(i.op_kind(k), OpKind::MemorySegSI | OpKind::MemoryESDI));
        let source = match i.segment_prefix() {
            Register::None => Register::DS,
            other => other,
        };
        let flat = |reg| self.mode.class(reg) == SegmentClass::Flat;
        !short && (!f.esi || flat(source)) && (!f.edi || flat(Register::ES))
    }
}
