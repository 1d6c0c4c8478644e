//! The cold tail of a direct exit: the emitter writes it, a copy of the block gets one of its own, and a look-up of the target may
//! replace it.

use dynasm::dynasm;
use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, VecAssembler};

/// Bytes of the cold tail of a direct exit: as many as the look-up that may replace it has.
pub(crate) const LINK_TAIL: usize = 18;

/// The cold tail of direct exit `site` to `target`; `rel` leads from its end to the stub.
pub(crate) fn link_tail(target: u32, site: u32, rel: u32) -> [u8; LINK_TAIL] {
    // nop (room for what may replace the tail); mov r8d, target; mov r9d, site; jmp rel
    let mut tail = *b"\x90\x41\xb8....\x41\xb9....\xe9....";
    for (at, value) in [(3, target), (9, site), (14, rel)] {
        tail[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    tail
}

/// What an exit to guest address `target` becomes when it can never be linked: the inline lookup.
#[must_use]
pub(crate) fn lookup_of(target: u32) -> Vec<u8> {
    let mut a = VecAssembler::<X64Relocation>::new(0);
    dynasm!(a ; .arch x64
        ; mov r8d, target as i32
        ; mov r9d, [r13 + r8 * 4]
        ; lea r9, [r9 + r14]
        ; jmp r9
    );
    let code = a.finalize().expect("no labels");
    debug_assert_eq!(code.len(), LINK_TAIL, "the tail that it replaces");
    code
}
