//! What is known about the registers at a point of a block.

use iced_x86::Register;

/// What is known about a 64-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing.
    Any,
    /// The upper half is zero: a guest register, or a guest address.
    Narrow,
    /// An offset from the target table (its upper half is zero too).
    TableEntry,
    /// Cache base plus an offset from the target table.
    BlockEntry,
    /// The window's base.
    WindowBase,
    /// A host address within the 4 GiB of the window.
    InWindow,
}

impl Value {
    /// True when the upper half is zero.
    pub fn is_narrow(self) -> bool {
        matches!(self, Self::Narrow | Self::TableEntry)
    }

    /// What is known when either may be the case.
    fn join(self, other: Self) -> Self {
        if self == other {
            self
        } else if self.is_narrow() && other.is_narrow() {
            Self::Narrow
        } else {
            Self::Any
        }
    }

    /// After a write to the lower 8 or 16 bits.
    pub fn partly_written(self) -> Self {
        if self.is_narrow() { Self::Narrow } else { Self::Any }
    }

    /// After a write of 32 bits that may not happen.
    pub fn perhaps_narrow(self) -> Self {
        self.join(Self::Narrow)
    }
}

/// Numbers of the registers that hold the guest's, r12 (ESP) included.
pub(super) const GUEST: [usize; 8] = [0, 1, 2, 3, 5, 6, 7, 12];
/// RSP, r13, r14, r15.
const ANCHORS: [usize; 4] = [4, 13, 14, 15];

/// True for r8-r11.
pub(super) fn is_scratch(reg: Register) -> bool {
    reg.is_gpr() && matches!(number(reg), 8..=11)
}

/// The number of the 64-bit register that `reg` is a part of.
pub(super) fn number(reg: Register) -> usize {
    reg.full_register().number()
}

/// True for RSP, r13, r14 and r15, or a part of one.
pub(super) fn is_anchor(reg: Register) -> bool {
    reg.is_gpr() && ANCHORS.contains(&number(reg))
}

/// Everything that is known at one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    regs: [Value; 16],
    /// The block's PUSHFQ has not been popped yet.
    pub flags_pushed: bool,
}

impl State {
    /// At a block's entry.
    pub fn entry() -> Self {
        let mut regs = [Value::Any; 16];
        for k in GUEST {
            regs[k] = Value::Narrow;
        }
        Self { regs, flags_pushed: false }
    }

    /// What is known of `reg`, a general register of any size.
    pub fn get(&self, reg: Register) -> Value {
        self.regs[number(reg)]
    }

    /// From here on `reg` holds `value`.
    pub fn set(&mut self, reg: Register, value: Value) {
        self.regs[number(reg)] = value;
    }

    /// True when all guest registers are narrow and the host stack is as at the entry.
    pub fn is_boundary(&self) -> bool {
        !self.flags_pushed && GUEST.iter().all(|k| self.regs[*k].is_narrow())
    }

    /// What is known when two paths meet; `None` when the host stack differs.
    pub fn join(&self, other: &Self) -> Option<Self> {
        if self.flags_pushed != other.flags_pushed {
            return None;
        }
        let regs = std::array::from_fn(|k| self.regs[k].join(other.regs[k]));
        Some(Self { regs, flags_pushed: self.flags_pushed })
    }
}
