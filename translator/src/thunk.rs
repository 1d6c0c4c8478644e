//! Position-independent code for IA-32 asks for its own address by calling a thunk: two instructions,
//! `mov reg, [esp]; ret`. Where the translation of such a thunk is known, its caller does the thunk's
//! work itself and goes on behind the CALL.
//!
//! Nothing says that the thunk is still there when the caller runs: it lies in another page as a rule.
//! So the caller asks the target table whether it still names the block that was looked at: an entry
//! is cleared before anything else can be at its EIP. If it names another, the CALL is an ordinary one.
//!
//! The loads of the thunk need not happen: the CALL has just stored what they would read. A store that
//! did not go to memory never ends inline.

use iced_x86::{Instruction, OpKind};
use ringer_cpu::Pc;

/// A thunk that was translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcThunk {
    /// Encoding number of the register that it loads; not ESP's.
    pub register: u8,
    /// Offset of its block in the translation cache: what the target table says at its EIP.
    pub offset: u32,
}

/// Bytes of a thunk.
pub const LEN: u32 = 4;

impl PcThunk {
    /// The register that a thunk of 32-bit code with these bytes loads. `None`: it is no thunk.
    #[must_use]
    pub fn register(bytes: [u8; LEN as usize]) -> Option<u8> {
        const MOV: u8 = 0x8b;
        const SIB: u8 = 0b100;
        const ESP: u8 = 0x24;
        const RET: u8 = 0xc3;
        let [opcode, modrm, sib, ret] = bytes;
        let register = modrm >> 3;
        let is = (opcode, modrm & 0b1100_0111, sib, ret) == (MOV, SIB, ESP, RET);
        (is && register != SIB).then_some(register)
    }
}

/// Which thunks are known, asked with an EIP in the running mode.
#[derive(Clone, Copy)]
pub struct KnownThunks<'a>(pub Option<&'a dyn Fn(Pc) -> Option<PcThunk>>);

impl KnownThunks<'_> {
    /// None is.
    pub const NONE: Self = Self(None);
}

impl std::fmt::Debug for KnownThunks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "KnownThunks(..)" } else { "KnownThunks::NONE" })
    }
}

/// Where a block takes a thunk for granted, if the target table does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThunkGuard {
    /// Instructions of the block up to the CALL, that one included.
    pub done: u32,
    /// The thunk's EIP.
    pub eip: Pc,
    /// What has to be there.
    pub thunk: PcThunk,
}

impl KnownThunks<'_> {
    /// The thunk that `i` calls.
    pub(crate) fn called_by(&self, i: &Instruction) -> Option<PcThunk> {
        let near = i.is_call_near() && i.op0_kind() == OpKind::NearBranch32;
        self.0.filter(|_| near).and_then(|known| known(Pc::from(i.near_branch32())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_thunks() {
        assert_eq!(PcThunk::register([0x8b, 0x1c, 0x24, 0xc3]), Some(3));
        assert_eq!(PcThunk::register([0x8b, 0x04, 0x24, 0xc3]), Some(0));
        // mov esp, [esp]; another base; another displacement; no RET; a store.
        let others = [
            [0x8b, 0x24, 0x24, 0xc3],
            [0x8b, 0x1c, 0x23, 0xc3],
            [0x8b, 0x5c, 0x24, 0xc3],
            [0x8b, 0x1c, 0x24, 0xc2],
            [0x89, 0x1c, 0x24, 0xc3],
        ];
        assert!(others.iter().all(|bytes| PcThunk::register(*bytes).is_none()));
    }
}
