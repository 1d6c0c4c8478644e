//! What is measured, as data.

/// An operation.
#[derive(Debug)]
pub struct Row {
    /// What the guest calls it.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    /// Copies of it in an iteration of its loop.
    pub copies: f64,
    /// The loop around it is taken off.
    pub around: bool,
    /// Natively, by binary translation, with hardware support, in the paper's table.
    pub paper: Option<[u32; 3]>,
}

const fn row(name: &'static str, what: &'static str, copies: f64, paper: Option<[u32; 3]>) -> Row {
    Row { name, what, copies, around: copies > 0.0, paper }
}

/// The table. No copies: what the loop itself costs belongs to the operation, which is one of many on pages in turn.
pub const ROWS: &[Row] = &[
    row("int80", "system call: int, iret", 1.0, Some([242, 2308, 246])),
    row("sysenter", "system call: sysenter, sysexit", 1.0, Some([242, 2308, 246])),
    row("in", "in al, 80h", 1.0, Some([3209, 216, 15826])),
    row("out-pic", "interrupt priority: a PIC's mask (for cr8wr)", 1.0, Some([150, 35, 177])),
    row("callret", "call, ret", 8.0, Some([11, 51, 11])),
    row("pgfault", "page fault, iret", 1.0, Some([1093, 3927, 11242])),
    row("divzero", "divide error, iret", 1.0, Some([889, 3223, 1014])),
    row("pte-same", "page-table entry written, unchanged", 8.0, Some([1, 391, 12733])),
    row("pte-np", "page-table entry: present to not present", 0.0, Some([4, 17, 9154])),
    row("pte-p", "page-table entry: not present to present", 0.0, Some([5, 2121, 17020])),
    row("pte-np-invlpg", "the same to not present, and invlpg", 0.0, None),
    row("pte-p-touch", "the same to present, and an access", 0.0, None),
    row("pgfault-remap", "page fault that maps the page, iret, the access", 0.0, None),
    row("cr3", "mov cr3: another address space", 1.0, None),
    row("cr3-20", "the same, twenty in turn, and an access in each", 20.0, None),
    row("mmio", "read of a device's memory", 1.0, None),
    row("icall", "call through a register, ret", 8.0, None),
    row("smc", "store into the code that runs next", 1.0, None),
];

/// What the figures mean.
pub const FOOTNOTES: &[&str] = &[
    "native system calls are getpid in the host's kernel; the native divide error is a signal and the return from it;",
    "two mov cr3 count as two; of the paper's figures Ringer's neighbours are those for BT",
];
