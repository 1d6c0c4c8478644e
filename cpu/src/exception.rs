//! Exceptions as values: what a guest instruction raises instead of completing.
//! SDM volume 3A, chapter 6 (interrupt and exception handling).

use crate::addr::Lin;

/// Vectors of the architectural exceptions (SDM volume 3A, table 6-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Vector {
    /// #DE, divide error.
    De = 0,
    /// #DB, debug.
    Db = 1,
    /// Non-maskable interrupt.
    Nmi = 2,
    /// #BP, breakpoint (INT3).
    Bp = 3,
    /// #OF, overflow (INTO).
    Of = 4,
    /// #BR, BOUND range exceeded.
    Br = 5,
    /// #UD, invalid opcode.
    Ud = 6,
    /// #NM, device not available.
    Nm = 7,
    /// #DF, double fault.
    Df = 8,
    /// #TS, invalid TSS.
    Ts = 10,
    /// #NP, segment not present.
    Np = 11,
    /// #SS, stack-segment fault.
    Ss = 12,
    /// #GP, general protection.
    Gp = 13,
    /// #PF, page fault.
    Pf = 14,
    /// #MF, x87 floating-point error.
    Mf = 16,
    /// #AC, alignment check.
    Ac = 17,
    /// #MC, machine check.
    Mc = 18,
    /// #XM, SIMD floating-point exception.
    Xm = 19,
}

/// An exception raised by an instruction, before it is delivered through the IDT.
///
/// A value of this type says that the instruction did not complete and that no architectural
/// register was changed, except where the SDM says otherwise (REP, task switches, #DB traps).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Exception {
    /// Which exception.
    pub vector: Vector,
    /// The error code, for the vectors that push one.
    pub error: Option<u32>,
    /// For #PF the linear address that goes to CR2 on delivery.
    pub address: Lin,
    /// For #DB: the bits to set in DR6 on delivery.
    pub dr6: u32,
}

/// Error-code bits of #PF (SDM volume 3A, 4.7).
pub mod pf {
    /// The page was present: a protection violation.
    pub const PRESENT: u32 = 1 << 0;
    /// The access was a write.
    pub const WRITE: u32 = 1 << 1;
    /// The access was made at user privilege.
    pub const USER: u32 = 1 << 2;
    /// A reserved bit was set in a paging-structure entry.
    pub const RESERVED: u32 = 1 << 3;
    /// The access was an instruction fetch (with NX enabled).
    pub const FETCH: u32 = 1 << 4;
}

impl Exception {
    /// An exception without an error code.
    #[must_use]
    pub const fn plain(vector: Vector) -> Self {
        Self { vector, error: None, address: Lin(0), dr6: 0 }
    }

    /// An exception with an error code (a selector or zero).
    #[must_use]
    pub const fn with_code(vector: Vector, code: u32) -> Self {
        Self { vector, error: Some(code), address: Lin(0), dr6: 0 }
    }

    /// #UD.
    #[must_use]
    pub const fn ud() -> Self {
        Self::plain(Vector::Ud)
    }

    /// #NM.
    #[must_use]
    pub const fn nm() -> Self {
        Self::plain(Vector::Nm)
    }

    /// #DE.
    #[must_use]
    pub const fn de() -> Self {
        Self::plain(Vector::De)
    }

    /// #GP with the error code `code` (0, or a selector index with its EXT, IDT and TI bits).
    #[must_use]
    pub const fn gp(code: u32) -> Self {
        Self::with_code(Vector::Gp, code)
    }

    /// #SS with the error code `code`.
    #[must_use]
    pub const fn ss(code: u32) -> Self {
        Self::with_code(Vector::Ss, code)
    }

    /// #NP with the error code `code`.
    #[must_use]
    pub const fn np(code: u32) -> Self {
        Self::with_code(Vector::Np, code)
    }

    /// #TS with the error code `code`.
    #[must_use]
    pub const fn ts(code: u32) -> Self {
        Self::with_code(Vector::Ts, code)
    }

    /// #AC (its error code is always zero).
    #[must_use]
    pub const fn ac() -> Self {
        Self::with_code(Vector::Ac, 0)
    }

    /// #PF at linear address `address` with error-code bits of [`pf`].
    #[must_use]
    pub const fn page_fault(address: Lin, code: u32) -> Self {
        Self { vector: Vector::Pf, error: Some(code), address, dr6: 0 }
    }

    /// #DB that sets the bits `dr6` in DR6.
    #[must_use]
    pub const fn debug(dr6: u32) -> Self {
        Self { vector: Vector::Db, error: None, address: Lin(0), dr6 }
    }
}
