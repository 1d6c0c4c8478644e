//! What the processor sees of the rest of the machine.
//!
//! The interpreter is generic over [`Bus`], so that the real machine, the lockstep checker and a
//! flat test memory can stand behind it at no cost. All memory addresses are *linear*: they have
//! passed segmentation; paging is the bus's business (`ringer-mmu` in the real machine).

use crate::addr::Lin;
use crate::exception::Exception;
use crate::flags::Eflags;

/// Why memory is touched (SDM volume 3A, 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A data read.
    Read,
    /// A data write, or the check that precedes a read-modify-write.
    Write,
    /// An instruction fetch.
    Fetch,
}

/// Whose rights are checked (SDM volume 3A, 4.6): explicit accesses at CPL 3 are `User`; everything else, and every
/// implicit access to a descriptor table, an IDT or a TSS, is a supervisor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privilege {
    /// CPL 0, 1, 2 or an implicit system access; CR4.SMAP keeps it off data in user pages. All fetches of supervisor code.
    Supervisor,
    /// CPL 3.
    User,
    /// CPL 0, 1, 2 with EFLAGS.AC set, explicitly: data in user pages, too, whatever CR4.SMAP says.
    SupervisorAc,
}

impl Privilege {
    /// All.
    pub const ALL: [Self; 3] = [Self::Supervisor, Self::User, Self::SupervisorAc];

    /// Of explicit accesses to data at `cpl` under `eflags`.
    #[inline]
    #[must_use]
    pub fn explicit(cpl: u8, eflags: u32) -> Self {
        if cpl == 3 {
            Self::User
        } else if eflags & Eflags::AC.bits() != 0 {
            Self::SupervisorAc
        } else {
            Self::Supervisor
        }
    }

    /// Of instruction fetches at `cpl`.
    #[inline]
    #[must_use]
    pub fn of_fetches(cpl: u8) -> Self {
        if cpl == 3 { Self::User } else { Self::Supervisor }
    }
}

/// The control registers that decide how linear addresses translate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PagingRegs {
    /// CR0 (PG, WP, PE matter).
    pub cr0: u64,
    /// CR3.
    pub cr3: u64,
    /// CR4 (PSE, PAE, PGE, SMEP, SMAP matter).
    pub cr4: u64,
    /// IA32_EFER (NXE and LMA matter).
    pub efer: u64,
}

/// What happened to the paging registers, so that the bus flushes as much as the SDM asks
/// (volume 3A, 4.10.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PagingChange {
    /// MOV to CR3 or a task switch: non-global translations go.
    Cr3,
    /// CR0.PG/WP/PE, CR4.PSE/PAE/PGE/SMEP/SMAP or EFER.NXE/LMA changed: everything goes.
    Mode,
}

/// Memory, ports, time and translation control.
///
/// Memory calls are *all or nothing*: when one returns an exception, no byte was written. An access
/// may cross pages and, outside long mode, wraps at 4 GiB. `buf`/`data` are 1 to 512 bytes.
pub trait Bus {
    /// Reads `buf.len()` bytes at linear address `lin`.
    ///
    /// # Errors
    /// #PF when the translation or its rights forbid it.
    fn read(&mut self, lin: Lin, buf: &mut [u8], who: Privilege) -> Result<(), Exception>;

    /// Writes `data` at linear address `lin`; checks every byte's page before it writes any.
    ///
    /// # Errors
    /// #PF when the translation or its rights forbid it.
    fn write(&mut self, lin: Lin, data: &[u8], who: Privilege) -> Result<(), Exception>;

    /// Checks that `len` bytes at `lin` can be accessed so, setting accessed and dirty bits as the
    /// access would, without accessing them. Used before read-modify-write and multi-part pushes.
    ///
    /// # Errors
    /// #PF when the translation or its rights forbid it.
    fn probe(
        &mut self,
        lin: Lin,
        len: u32,
        access: Access,
        who: Privilege,
    ) -> Result<(), Exception>;

    /// Fetches instruction bytes: fills `buf` from `lin` up to its length or the end of the page,
    /// whichever is first, and returns the count (1 to 16). The caller asks again for the rest only
    /// when the instruction needs it.
    ///
    /// # Errors
    /// #PF when the page may not be fetched from.
    fn fetch(&mut self, lin: Lin, buf: &mut [u8; 16], who: Privilege) -> Result<usize, Exception>;

    /// Reads `size` (1, 2 or 4) bytes from an I/O port; unclaimed ports answer all ones.
    fn port_in(&mut self, port: u16, size: u8) -> u32;

    /// Writes the low `size` (1, 2 or 4) bytes of `value` to an I/O port.
    fn port_out(&mut self, port: u16, size: u8, value: u32);

    /// Moves up to `count` items of `size` bytes from `port` to memory from `lin` on, as REP INS does, as long as each is no
    /// more than data that moves: nothing faults, and nobody but the one who reads the data could tell. Returns how many;
    /// what follows them is for [`Bus::port_in`] and [`Bus::write`].
    fn burst_in(&mut self, _port: u16, _size: u8, _lin: Lin, _count: u32, _who: Privilege) -> u32 {
        0
    }

    /// The same from memory to `port`, as REP OUTS does.
    fn burst_out(&mut self, _port: u16, _size: u8, _lin: Lin, _count: u32, _who: Privilege) -> u32 {
        0
    }

    /// Writes up to `count` times the low `size` (1, 2 or 4) bytes of `value` from `lin` on, all in one page, as REP STOS
    /// does, as long as each is no more than a write to plain memory. Returns how many; what follows them is for
    /// [`Bus::write`].
    fn burst_fill(
        &mut self,
        _lin: Lin,
        _value: u32,
        _size: u8,
        _count: u32,
        _who: Privilege,
    ) -> u32 {
        0
    }

    /// The same for REP MOVS: up to `count` items of `size` bytes from `from` on, in one page, to `to`, in one page, each read
    /// after the one before it was written.
    fn burst_move(&mut self, _from: Lin, _to: Lin, _size: u8, _count: u32, _who: Privilege) -> u32 {
        0
    }

    /// Told after the paging registers changed.
    fn paging_changed(&mut self, regs: &PagingRegs, change: PagingChange);

    /// INVLPG of the page that holds `lin` (a large page goes whole).
    fn invlpg(&mut self, lin: Lin);

    /// With PAE, MOV to CR3 loads the four PDPTEs: the bus reads and checks them for `regs`.
    ///
    /// # Errors
    /// #GP(0) when a reserved bit is set (SDM volume 3A, 4.4.1); nothing has changed then.
    fn load_pdptes(&mut self, regs: &PagingRegs) -> Result<(), Exception>;

    /// The time-stamp counter, before IA32_TSC adjustments.
    fn tsc(&mut self) -> u64;

    /// The model-specific register `address`, one that nothing but its own value depends on (memory types, machine checks,
    /// IA32_TSC_AUX); `None`: there is none.
    fn msr(&mut self, _address: u32) -> Option<u64> {
        None
    }

    /// Writes a register of [`Bus::msr`]. False when there is none, it cannot be written, or `value` has a reserved bit.
    fn set_msr(&mut self, _address: u32, _value: u64) -> bool {
        false
    }

    /// IA32_APIC_BASE was written.
    fn set_apic_base(&mut self, _value: u64) {}

    /// CR8: the local APIC's task priority class, 0 to 15; 0 where there is none.
    fn task_priority(&mut self) -> u8 {
        0
    }

    /// Sets it.
    fn set_task_priority(&mut self, _class: u8) {}

    /// When the local APIC's timer is due in its TSC-deadline mode, on the counter of [`Bus::tsc`]; 0: it is not armed.
    fn tsc_deadline(&mut self) -> u64 {
        0
    }

    /// Arms the local APIC's timer, on the counter of [`Bus::tsc`]; 0 disarms it.
    fn set_tsc_deadline(&mut self, _at: u64) {}

    /// A random number, for RDRAND.
    fn random(&mut self) -> u32;

    /// The x87 unit's FERR# line (CR0.NE = 0): true asserts IRQ 13.
    fn ferr(&mut self, _asserted: bool) {}

    /// `exception` is about to be delivered, or is the one that shuts the processor down. `nested`: it came up while
    /// another one was.
    fn raised(&mut self, _exception: &Exception, _nested: bool) {}

    /// INT n and its kin are about to enter the handler of `vector`.
    fn software_interrupt(&mut self, _vector: u8) {}

    /// Whether the board holds IGNNE#: x87 errors are ignored while CR0.NE = 0.
    fn ignne(&mut self) -> bool {
        false
    }

    /// Whether a string instruction is to stop after the iteration at hand, as under single step.
    #[inline]
    fn pauses_strings(&self) -> bool {
        false
    }

    /// Reads a byte.
    ///
    /// # Errors
    /// As [`Bus::read`].
    #[inline]
    fn read_u8(&mut self, lin: Lin, who: Privilege) -> Result<u8, Exception> {
        let mut b = [0; 1];
        self.read(lin, &mut b, who)?;
        Ok(b[0])
    }

    /// Reads a little-endian word.
    ///
    /// # Errors
    /// As [`Bus::read`].
    #[inline]
    fn read_u16(&mut self, lin: Lin, who: Privilege) -> Result<u16, Exception> {
        let mut b = [0; 2];
        self.read(lin, &mut b, who)?;
        Ok(u16::from_le_bytes(b))
    }

    /// Reads a little-endian dword.
    ///
    /// # Errors
    /// As [`Bus::read`].
    #[inline]
    fn read_u32(&mut self, lin: Lin, who: Privilege) -> Result<u32, Exception> {
        let mut b = [0; 4];
        self.read(lin, &mut b, who)?;
        Ok(u32::from_le_bytes(b))
    }

    /// Reads a little-endian qword.
    ///
    /// # Errors
    /// As [`Bus::read`].
    #[inline]
    fn read_u64(&mut self, lin: Lin, who: Privilege) -> Result<u64, Exception> {
        let mut b = [0; 8];
        self.read(lin, &mut b, who)?;
        Ok(u64::from_le_bytes(b))
    }
}
