//! Where things are in a machine, and selectors that mean something there.

/// Bytes of RAM.
pub const RAM: u64 = 2 << 20;
/// Where code is, in memory. Routines lead to each other within so many bytes.
pub const CODE: u32 = 0x1_0000;
/// Bytes of code.
pub const CODE_LEN: u32 = 0x4000;
/// Where data is.
pub const DATA: u32 = 0x2_0000;
/// Bytes of data.
pub const DATA_LEN: u32 = 0x4000;

/// In real mode: code, other bases for it, data, the stack, the vectors, the end of memory.
pub const REAL: &[u16] =
    &[0x1000, 0x1000, 0x0ff0, 0x0f80, 0x2000, 0x2000, 0x2010, 0x4000, 0, 0xffff, 0x9fc0, 0xf000];

/// Flat code and data at CPL 0 and 3.
pub const CODE0: u16 = 0x08;
pub const DATA0: u16 = 0x10;
pub const CODE3: u16 = 0x18 | 3;
pub const DATA3: u16 = 0x20 | 3;
/// The running task.
pub const TASK: u16 = 0x28;
/// 16-bit code and data.
pub const CODE16: u16 = 0x30;
pub const DATA16: u16 = 0x38;
/// A call gate, DPL 3.
pub const CALL_GATE: u16 = 0x50;
/// Conforming code.
pub const CONFORMING: u16 = 0x58;
/// In protected mode, without RPL.
pub const PROTECTED: &[u16] = &[
    DATA0, 0x20, DATA0, 0x20, 0x18, CODE0, DATA16, 0x40, 0x48, CONFORMING, 0x68, 0x70, 0x78, 0,
    0x80, TASK, 0x1f8,
];
