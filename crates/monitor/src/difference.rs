//! What lockstep compares after a block, and the report of a difference.

use crate::journal::{Bytes, FlagsSet, Journal};
use ringer_cpu::{CpuState, Eflags};
use ringer_mmu::GuestMemory;
use ringer_translator::runtime::CodeCache;
use ringer_translator::runtime::blocks::BlockId;
use std::fmt::Write as _;

/// The general registers, in the hardware's order.
const NAMES: [&str; 8] = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];

/// What the interpreter's dry run of a block came to.
pub(crate) struct DryRun {
    /// The registers at its end.
    pub state: CpuState,
    /// What it overwrote.
    pub journal: Journal,
    /// Final bytes of each journal entry.
    pub written: Vec<Bytes>,
    /// Instructions that retired.
    pub ran: u32,
    /// A conditional branch in the middle of the block was taken behind the last of them.
    pub left: bool,
}

impl DryRun {
    /// The first thing in which the translated code's end, `cpu` and `memory`, differs.
    /// Walks of that side set the flags `others`.
    pub fn difference(
        &self,
        cpu: &CpuState,
        memory: &GuestMemory,
        others: &[(FlagsSet, u32)],
    ) -> Option<String> {
        self.state_difference(cpu).or_else(|| self.memory_difference(memory, others))
    }

    /// The same, of the processor alone.
    pub fn state_difference(&self, cpu: &CpuState) -> Option<String> {
        let (a, b) = (&self.state, cpu);
        for (k, name) in NAMES.iter().enumerate() {
            if a.gpr[k] != b.gpr[k] {
                return Some(format!("{name}: interp {:08x}, bt {:08x}", a.gpr[k], b.gpr[k]));
            }
        }
        if a.eip() != b.eip() {
            return Some(format!("eip: interp {:08x}, bt {:08x}", a.eip(), b.eip()));
        }
        // RF is set between the passes of a REP, for what may interrupt it there; a fault pushes it
        // set in any case (SDM volume 3, "Instruction-Breakpoint Exception Condition"), nothing else sees it.
        if (a.eflags ^ b.eflags) & !Eflags::RF.bits() != 0 {
            return Some(format!("eflags: interp {:08x}, bt {:08x}", a.eflags, b.eflags));
        }
        if a.seg != b.seg || a.cr0 != b.cr0 || a.xcr0 != b.xcr0 || a.cpl != b.cpl {
            return Some("segment or system registers".to_owned());
        }
        // The whole first: it is equal nearly always.
        if a.fpu.0 != b.fpu.0 {
            let k = (0..a.fpu.0.len()).find(|k| a.fpu.0[*k] != b.fpu.0[*k])?;
            let (x, y) = (a.fpu.0[k], b.fpu.0[k]);
            return Some(format!("fpu image byte {k}: interp {x:02x}, bt {y:02x}"));
        }
        if a.ymm_high != b.ymm_high {
            let k = (0..8).find(|k| a.ymm_high[*k] != b.ymm_high[*k])?;
            let (x, y) = (a.ymm_high[k], b.ymm_high[k]);
            return Some(format!("upper half of ymm{k}: interp {x:02x?}, bt {y:02x?}"));
        }
        None
    }

    /// Memory that the dry run wrote must be as it left it, but for accessed and dirty flags: a
    /// window may hold a translation for longer than the software TLB.
    fn memory_difference(
        &self,
        memory: &GuestMemory,
        others: &[(FlagsSet, u32)],
    ) -> Option<String> {
        self.journal.writes.iter().zip(&self.written).find_map(|(w, expected)| {
            let now = Bytes::of(memory, w.offset, expected.as_slice().len());
            if now.as_slice() == expected.as_slice() {
                return None;
            }
            let bytes = expected.as_slice().iter().zip(now.as_slice()).zip(w.offset..);
            let mut data = bytes.map(|((a, b), at)| (a ^ b) & self.journal.data_bits(at, others));
            data.any(|d| d != 0).then(|| {
                let (a, b) = (expected.as_slice(), now.as_slice());
                format!("memory at {:#x}: interp {a:02x?}, bt {b:02x?}", w.offset)
            })
        })
    }

    /// The report of difference `what` in block `id`, which was entered at `before`.
    pub fn report(
        &self,
        cache: &CodeCache,
        memory: &GuestMemory,
        id: BlockId,
        before: &CpuState,
        cpu: &CpuState,
        what: &str,
    ) -> String {
        let block = cache.block(id);
        let mut bytes = vec![0; block.guest_len as usize];
        memory.read(block.key.pa, &mut bytes);
        let (eip, mode) = (block.key.eip, block.key.mode);
        let mut out = format!("engines differ after {} instructions: {what}\n", self.ran);
        let _ = writeln!(out, "guest block at {eip:08x}:");
        out += &ringer_translator::disasm_guest(&bytes, eip, mode, block.map.len());
        for (name, s) in [("before", before), ("interp", &self.state), ("bt", cpu)] {
            let _ = write!(out, "{name:>7}: eip {:08x} eflags {:08x}", s.eip(), s.eflags);
            for (name, value) in NAMES.iter().zip(s.gpr) {
                let _ = write!(out, " {name} {value:08x}");
            }
            out += "\n";
        }
        out += "host code:\n";
        out += &ringer_translator::listing(&cache.host_code(id), cache.host_pc(id));
        out
    }
}
