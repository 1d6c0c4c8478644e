//! EFLAGS (SDM volume 1, 3.4.3).

use bitflags::bitflags;

bitflags! {
    /// The bits of EFLAGS. Bit 1 always reads as one and has no name here; see
    /// [`Eflags::FIXED_ONE`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Eflags: u32 {
        /// Carry.
        const CF = 1 << 0;
        /// Parity of the low byte.
        const PF = 1 << 2;
        /// Auxiliary (BCD) carry.
        const AF = 1 << 4;
        /// Zero.
        const ZF = 1 << 6;
        /// Sign.
        const SF = 1 << 7;
        /// Trap: single-step.
        const TF = 1 << 8;
        /// Interrupts enabled.
        const IF = 1 << 9;
        /// Direction of string instructions.
        const DF = 1 << 10;
        /// Overflow.
        const OF = 1 << 11;
        /// I/O privilege level (two bits).
        const IOPL = 3 << 12;
        /// Nested task.
        const NT = 1 << 14;
        /// Resume: holds back instruction breakpoints for one instruction.
        const RF = 1 << 16;
        /// Virtual-8086 mode.
        const VM = 1 << 17;
        /// Alignment check.
        const AC = 1 << 18;
        /// Virtual interrupt flag.
        const VIF = 1 << 19;
        /// Virtual interrupt pending.
        const VIP = 1 << 20;
        /// CPUID can be used when this bit can be changed.
        const ID = 1 << 21;

        /// The six arithmetic (status) flags.
        const ARITH = Self::CF.bits() | Self::PF.bits() | Self::AF.bits()
            | Self::ZF.bits() | Self::SF.bits() | Self::OF.bits();
        const _ = !0;
    }
}

impl Eflags {
    /// Bit 1 of EFLAGS, which always reads as one.
    pub const FIXED_ONE: u32 = 2;

    /// The I/O privilege level, 0 to 3.
    #[must_use]
    pub fn iopl(self) -> u8 {
        ((self.bits() >> 12) & 3) as u8
    }
}
