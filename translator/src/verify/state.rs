//! What is known about the registers at a point of a block.

use super::question::Question;
use super::scheme::Scheme;
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
    /// What leads, behind the window's base, to so many bytes of guest memory, of one page; they may be written or not.
    Aside {
        /// How many, 1 to 16.
        len: u8,
        /// Whether they may be written.
        write: bool,
    },
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

/// The number of the 64-bit register that `reg` is a part of.
fn number(reg: Register) -> usize {
    reg.full_register().number()
}

/// Everything that is known at one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    regs: [Value; 16],
    /// The block's PUSHFQ has not been popped yet.
    pub flags_pushed: bool,
    /// How far the question to the inline TLB has come.
    pub question: Question,
}

impl State {
    /// At a block's entry.
    pub fn entry(scheme: &Scheme) -> Self {
        let mut regs = [Value::Any; 16];
        for k in scheme.guest {
            regs[k] = Value::Narrow;
        }
        Self { regs, flags_pushed: false, question: Question::default() }
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
    pub fn is_boundary(&self, scheme: &Scheme) -> bool {
        !self.flags_pushed && scheme.guest.iter().all(|k| self.regs[*k].is_narrow())
    }

    /// Another guest instruction begins, or may: an answer of the inline TLB was for the one before.
    pub fn forget_aside(&mut self) {
        for value in &mut self.regs {
            if matches!(value, Value::Aside { .. }) {
                *value = Value::Any;
            }
        }
        self.question = Question::default();
    }

    /// What is known when two paths meet; `None` when the host stack differs.
    pub fn join(&self, other: &Self) -> Option<Self> {
        if self.flags_pushed != other.flags_pushed {
            return None;
        }
        let regs = std::array::from_fn(|k| self.regs[k].join(other.regs[k]));
        let question =
            if self.question == other.question { self.question } else { Question::default() };
        Some(Self { regs, flags_pushed: self.flags_pushed, question })
    }
}
