//! The block of memory that translated code and the monitor share, and the register convention.
//!
//! # Register convention of translated code (16- and 32-bit guests)
//! | host | holds |
//! | --- | --- |
//! | rax rcx rdx rbx rbp rsi rdi | guest EAX ECX EDX EBX EBP ESI EDI, zero-extended to 64 bits at every instruction boundary |
//! | r12 | guest ESP, zero-extended |
//! | r13 | target table of the running (window, mode, CS base): 4 bytes a guest EIP |
//! | r14 | base of the executable view of the translation cache |
//! | r15 | this [`ExecContext`] |
//! | r8-r11 | scratch within one guest instruction |
//! | rsp | the host's stack |
//! | GS base | the window: guest linear address 0; always 4 GiB aligned |
//! | RFLAGS | the guest's CF PF AF ZF SF OF and DF; IF=1, TF, NT and AC never the guest's |
//! | x87, MMX, xmm0-7, MXCSR | the guest's |
//! | upper halves of ymm0-7 | the guest's, where its system has enabled them ([`ExecContext::avx`]) |
//!
//! # Outside translated code
//! The stubs change RFLAGS.DF, xmm0-7 (ymm0-7 where the guest may use them) and MXCSR over at every entry and exit: Rust code, and whoever
//! it calls, finds DF clear and [`ExecContext::host_mxcsr`] in MXCSR. GS base stays the window, and the
//! x87 unit stays the guest's until `fpu::claim`; code that may use it is called by
//! `fpu::with_host_x87`.
//!
//! At every guest instruction boundary all guest registers and all guest flags are architecturally
//! right: no sequence clobbers a flag that the guest instruction does not change, and a sequence
//! commits only after its last access that can fault.

use crate::pic_masks::PicMasks;
use ringer_cpu::{CpuState, Eflags, Segment};
use std::alloc::{self, Layout};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

/// Why translated code came back, in [`ExecContext::exit_reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ExitReason {
    /// A direct branch that is not linked yet: `exit_arg` is the site, `cpu.eip` the target.
    Link = 0,
    /// An indirect lookup missed: `cpu.eip` is the target.
    Miss = 1,
    /// The instruction at `cpu.eip` is a callout: the interpreter runs it.
    Callout = 2,
    /// A pending interrupt was seen at a check (STI, POPF): `cpu.eip` is the next instruction.
    Check = 3,
    /// The signal handler redirected here; `fault_*` say why.
    Signal = 4,
    /// The instruction budget ran out before the block at `cpu.eip`.
    Budget = 5,
}

/// Shared by translated code (through r15) and the monitor.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ExecContext {
    /// The guest's architectural state; its registers are stale while translated code runs.
    pub cpu: CpuState,
    /// RFLAGS to enter with and as they were at exit: arithmetic flags and DF are the guest's.
    pub host_flags: u64,
    /// Guest IF while translated code runs: 0 or 200h. CLI and STI store here.
    pub if_flag: u32,
    /// Guest EFLAGS without ARITH, DF and IF, minus 202h (wrapping): PUSHF adds this and `if_flag`
    /// to the host's flags with LEA. (202h: IF and bit 1, which the host's flags always have.)
    pub sys_flags: u32,
    /// An [`ExitReason`].
    pub exit_reason: u32,
    /// Argument of the exit (link site).
    pub exit_arg: u32,
    /// MXCSR of the code around: what it holds outside translated code.
    pub host_mxcsr: u32,
    /// Not 0: the guest's system has enabled YMM registers, so that their upper halves are changed over too.
    pub avx: u32,
    /// Single-step traps to let pass before leaving (the first one comes before any step).
    pub step_skip: u32,
    /// GS base: host address of guest linear 0; 4 GiB aligned.
    pub window_base: u64,
    /// EIP of the last non-control x87 instruction that ran since it was last [`NO_X87`].
    pub x87_eip: u32,
    /// 1 when an FLDCW came after that instruction. It is written together with `x87_eip`, which
    /// leaves 0 or all ones here.
    pub x87_fldcw: u32,
    /// Where translated code puts the x87 status word to look at it.
    pub x87_status: u32,
    /// As `x87_eip`, of an instruction before CS became another; [`NO_X87`]: there was none.
    pub x87_before: u32,
    /// The selector of CS at that instruction.
    pub x87_before_cs: u32,
    /// r13 while translated code runs.
    pub target_table: u64,
    /// r14 while translated code runs.
    pub cache_base: u64,
    /// Guest instructions retired by translated code (kept only with the COUNT option).
    pub retired: u64,
    /// Instructions left before a Budget exit (kept only with the BUDGET option).
    pub budget: i64,
    /// Host registers at a Signal exit, full width, hardware order (rax rcx rdx rbx rsp rbp rsi rdi
    /// r8-r15), for resuming inside a block.
    pub wide: [u64; 16],
    /// The host stack pointer of the running `enter`.
    pub host_rsp: u64,
    /// At a Signal exit: the quadword on the host's stack. A sequence that reads the host's flags has
    /// one there for one instruction.
    pub stack_top: u64,
    /// For resuming: bytes that the sequence has on the host's stack, 0 or 8.
    pub stack_depth: u64,
    /// At a Signal exit: RIP in the translation cache.
    pub fault_rip: u64,
    /// At a Signal exit by a page fault: the host address.
    pub fault_addr: u64,
    /// At a Signal exit: the hardware error code.
    pub fault_error: u64,
    /// At a Signal exit: the hardware trap number (14 #PF, 13 #GP …), or [`TRAP_KICK`].
    pub fault_trap: u64,
    /// What ES and DS hold, for loads of the same; and a segment that supervisor code may write, for VERW.
    pub reloads: [Reload; 3],
    /// What SYSENTER does, for [`crate::runtime::transfer`].
    pub sysenter: FastCall,
    /// What SYSEXIT does.
    pub sysexit: FastCall,
    /// What loads of FS do: of a null selector, of another one.
    pub fs_loads: [FsLoad; 2],
    /// What the guest's time-stamp counter counts for each tick of the host's, times 2^32; 0: RDTSC is the interpreter's.
    pub tsc_scale: u64,
    /// A value of the host's counter.
    pub tsc_host: u64,
    /// The guest's at that moment.
    pub tsc_guest: u64,
    /// What CLAC and STAC do, in this order.
    pub ac_changes: [AcChange; 2],
    /// The interrupt controllers' masks, for OUT to their ports.
    pub masks: PicMasks,
    /// Not 0: a stub left a transfer to the interpreter, of the [`TransferKind`] that this number is one more than.
    pub declined: u32,
    /// For those stubs: guest EAX, whether the block counted the instruction, and the next one's EIP.
    pub held_eax: u32,
    /// See `held_eax`.
    pub held_count: u32,
    /// See `held_eax`.
    pub held_next: u32,
    /// Number of the look-up that ran last since it was last [`NO_LOOKUP`] (kept only with the PROFILE
    /// option).
    pub lookup_site: u32,
}

/// A load of a data segment register at CPL 0 that changes nothing: the selector and the descriptor that
/// the register holds. The negated numbers spare translated code a subtraction, which sets flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Reload {
    /// The selector, negated; 1 when no load is known to change nothing.
    pub minus_selector: u32,
    /// Linear address of the descriptor.
    pub linear: u32,
    /// Its bytes 0 to 3, negated.
    pub minus_lo: u32,
    /// Its bytes 4 to 7, negated.
    pub minus_hi: u32,
}

impl Reload {
    /// Of `selector`, whose descriptor `lo`, `hi` lies at `linear`.
    #[must_use]
    pub fn new(selector: u16, linear: u32, lo: u32, hi: u32) -> Self {
        Self {
            minus_selector: u32::from(selector).wrapping_neg(),
            linear,
            minus_lo: lo.wrapping_neg(),
            minus_hi: hi.wrapping_neg(),
        }
    }
}

impl Default for Reload {
    fn default() -> Self {
        Self { minus_selector: 1, linear: 0, minus_lo: 0, minus_hi: 0 }
    }
}

/// The instructions that [`crate::runtime::transfer`] has stubs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum TransferKind {
    /// SYSENTER.
    Sysenter = 0,
    /// SYSEXIT.
    Sysexit = 1,
    /// MOV or POP to FS.
    LoadFs = 2,
    /// RDTSC.
    Rdtsc = 3,
    /// OUT to the port of an interrupt controller's mask.
    PicMask = 4,
    /// CLAC.
    ClearAc = 5,
    /// STAC.
    SetAc = 6,
}

impl TransferKind {
    /// How many there are.
    pub const COUNT: usize = 7;
}

/// A SYSENTER or SYSEXIT as it was last done. It holds while the MSRs are as they were then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FastCall {
    /// Target table of the code that does it; 0: nothing is known.
    pub from: u64,
    /// Target table of what follows.
    pub table: u64,
    /// GS base for what follows.
    pub window: u64,
    /// GS as it must be.
    pub gs: Segment,
    /// `sys_flags` as it must be.
    pub sys_flags: u32,
    /// The new CS.
    pub cs: Segment,
    /// The new SS.
    pub ss: Segment,
    /// The new EIP (SYSENTER).
    pub eip: u32,
    /// The new ESP (SYSENTER).
    pub esp: u32,
}

/// A load of FS by supervisor code as it was last done. It holds while GDTR is as it was then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FsLoad {
    /// Target table of the code that does it; 0: nothing is known.
    pub from: u64,
    /// Target table of what follows, in the same window.
    pub table: u64,
    /// What FS holds then.
    pub segment: Segment,
    /// The selector.
    pub selector: u32,
    /// Not 0: the selector is null, there is no descriptor.
    pub null: u32,
    /// Linear address of the descriptor.
    pub linear: u32,
    /// Its bytes 0 to 3.
    pub lo: u32,
    /// Its bytes 4 to 7.
    pub hi: u32,
}

/// A CLAC or STAC that changed AC as it was last done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct AcChange {
    /// Target table of the code that does it; 0: nothing is known.
    pub from: u64,
    /// Target table of what follows.
    pub table: u64,
    /// GS base for what follows.
    pub window: u64,
}

/// No look-up has run.
pub const NO_LOOKUP: u32 = u32::MAX;

/// `fault_trap` of a Signal exit that was a kick (an interrupt wants in), not a trap.
pub const TRAP_KICK: u64 = 256;

/// No x87 instruction: none that is translated is at this address.
pub const NO_X87: u32 = u32::MAX;

impl ExecContext {
    /// A context for a processor in state `cpu` and a cache that executes at `cache_base`.
    #[must_use]
    pub fn new(cpu: CpuState, cache_base: u64) -> Self {
        Self {
            cpu,
            host_flags: 0x202,
            if_flag: 0,
            sys_flags: 0,
            exit_reason: 0,
            exit_arg: 0,
            host_mxcsr: MXCSR_RESET,
            avx: 0,
            step_skip: 0,
            window_base: 0,
            x87_eip: NO_X87,
            x87_fldcw: 0,
            x87_status: 0,
            x87_before: NO_X87,
            x87_before_cs: 0,
            target_table: 0,
            cache_base,
            retired: 0,
            budget: 0,
            wide: [0; 16],
            host_rsp: 0,
            stack_top: 0,
            stack_depth: 0,
            fault_rip: 0,
            fault_addr: 0,
            fault_error: 0,
            fault_trap: 0,
            reloads: [Reload::default(); 3],
            sysenter: FastCall::default(),
            sysexit: FastCall::default(),
            fs_loads: [FsLoad::default(); 2],
            tsc_scale: 0,
            tsc_host: 0,
            tsc_guest: 0,
            ac_changes: [AcChange::default(); 2],
            masks: PicMasks::default(),
            declined: 0,
            held_eax: 0,
            held_count: 0,
            held_next: 0,
            lookup_site: NO_LOOKUP,
        }
    }

    /// Splits EFLAGS into the parts that translated code works on. RF is no such part: nothing in a block asks for it.
    pub fn load_flags(&mut self) {
        let eflags = self.cpu.eflags;
        let native = HOST_FLAGS;
        self.host_flags = u64::from(eflags & native) | 0x202;
        self.if_flag = eflags & Eflags::IF.bits();
        self.sys_flags = self.sys_flags_of();
    }

    /// What `sys_flags` is for EFLAGS as they are, but for RF.
    #[must_use]
    pub fn sys_flags_of(&self) -> u32 {
        let others = HOST_FLAGS | (Eflags::IF | Eflags::RF).bits();
        (self.cpu.eflags & !others).wrapping_sub(0x202)
    }

    /// Puts EFLAGS together again after translated code ran. RF, which holds for one instruction, is still set if
    /// `none_retired`: the first one faulted, or was left to the interpreter.
    pub fn store_flags(&mut self, none_retired: bool) {
        let native = HOST_FLAGS;
        let spent = if none_retired { 0 } else { Eflags::RF.bits() };
        let system = self.cpu.eflags & !native & !Eflags::IF.bits() & !spent;
        self.cpu.eflags = system | (self.host_flags as u32 & native) | self.if_flag;
    }
}

/// MXCSR as a thread starts: all exceptions masked, round to nearest.
const MXCSR_RESET: u32 = 0x1f80;

/// What the signal handler, and translated code, read and write while the rest of the context is
/// somebody's `&mut`.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Doorbell {
    /// Non-zero: leave translated code at the next check. Set by the signal handler.
    pub irq_pending: AtomicU32,
    /// Non-zero: do not enter translated code, service the machine first. Set by the signal handler.
    pub kick: AtomicU32,
}

/// What r15 points to.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ContextBlock {
    pub context: ExecContext,
    pub doorbell: Doorbell,
}

/// What r15 points to where blocks count, with the PROFILE option.
#[repr(C)]
pub(crate) struct CountingBlock {
    block: ContextBlock,
    /// How often each block was entered.
    pub entries: Counts,
    /// How often each look-up ran.
    pub lookups: Counts,
}

/// Things that are counted one by one. What has a higher number shares the last count.
pub const COUNTED: usize = 1 << 17;

/// Counts of translated code's own, by number.
pub type Counts = [u64; COUNTED];

/// The place of number `number` in [`Counts`].
#[must_use]
pub const fn counted_at(number: u32) -> usize {
    if (number as usize) < COUNTED { number as usize } else { COUNTED - 1 }
}

/// The owner of a context and its doorbell, which stay in place as long as it lives.
///
/// Invariant: no reference to the whole block is ever made. `&mut ExecContext` covers the context
/// alone and comes from this value's own borrow, as those to the counts do; the doorbell is only ever
/// `&`. Translated code and the signal handler go through the raw pointer: the handler touches the
/// doorbell at any time, the context only while the thread is in translated code, where no reference to
/// it is in use. `block` is that of a [`CountingBlock`] if `counts`.
#[derive(Debug)]
pub struct SharedContext {
    block: NonNull<ContextBlock>,
    counts: bool,
}

// SAFETY: the value owns its block, of which nothing belongs to a thread.
unsafe impl Send for SharedContext {}
// SAFETY: through `&` there are only shared references, to plain data and atomics.
unsafe impl Sync for SharedContext {}

impl SharedContext {
    /// A place of its own for `context`; nobody rang yet. `counts`: translated code has the PROFILE
    /// option.
    #[must_use]
    pub fn new(context: ExecContext, counts: bool) -> Self {
        let layout = layout(counts);
        // SAFETY: the layout has a size.
        let at = unsafe { alloc::alloc_zeroed(layout) }.cast::<ContextBlock>();
        let Some(block) = NonNull::new(at) else { alloc::handle_alloc_error(layout) };
        // SAFETY: the places are the new block's own; the counts are zeros, which they may be.
        unsafe {
            (&raw mut (*at).context).write(context);
            (&raw mut (*at).doorbell).write(Doorbell::default());
        }
        Self { block, counts }
    }

    fn counting(&self) -> Option<*mut CountingBlock> {
        self.counts.then_some(self.block.as_ptr().cast())
    }

    /// How often each block was entered, by its number; `None`: that is not counted.
    #[must_use]
    pub fn entries(&self) -> Option<&Counts> {
        // SAFETY: the block lives as long as `self`, and only translated code, for which `&mut self` is
        // needed, writes the counts.
        self.counting().map(|at| unsafe { &(*at).entries })
    }

    /// How often each look-up ran, by its number; `None`: that is not counted.
    #[must_use]
    pub fn lookups(&self) -> Option<&Counts> {
        // SAFETY: as in `entries`.
        self.counting().map(|at| unsafe { &(*at).lookups })
    }

    /// The first so many counts of each, and what has no place of its own, begin anew.
    pub fn clear_counts(&mut self, entries: u32, lookups: u32) {
        let Some(at) = self.counting() else { return };
        // SAFETY: as in `entries`; `&mut self` makes them the only references.
        let (of_blocks, of_lookups) = unsafe { (&mut (*at).entries, &mut (*at).lookups) };
        for (counts, used) in [(of_blocks, entries), (of_lookups, lookups)] {
            counts[..counted_at(used)].fill(0);
            counts[COUNTED - 1] = 0;
        }
    }

    /// What a signal handler may write.
    #[must_use]
    pub fn doorbell(&self) -> &Doorbell {
        // SAFETY: the block lives as long as `self`, and the doorbell is never borrowed mutably.
        unsafe { &*self.doorbell_ptr() }
    }

    /// The doorbell, for a signal handler: valid as long as this value lives.
    #[must_use]
    pub fn doorbell_ptr(&self) -> *const Doorbell {
        // SAFETY: a place within the block, of which no reference is made.
        unsafe { &raw const (*self.block.as_ptr()).doorbell }
    }

    /// The context, for a signal handler: see the type's invariant.
    #[must_use]
    pub fn context_ptr(&self) -> *mut ExecContext {
        // SAFETY: as in `doorbell_ptr`.
        unsafe { &raw mut (*self.block.as_ptr()).context }
    }

    /// For r15.
    pub(crate) fn block_ptr(&mut self) -> *mut ContextBlock {
        self.block.as_ptr()
    }
}

impl Deref for SharedContext {
    type Target = ExecContext;

    fn deref(&self) -> &ExecContext {
        // SAFETY: the block lives as long as `self`, whose borrow this is.
        unsafe { &*self.context_ptr() }
    }
}

impl DerefMut for SharedContext {
    fn deref_mut(&mut self) -> &mut ExecContext {
        // SAFETY: as in `deref`; `&mut self` makes it the only one.
        unsafe { &mut *self.context_ptr() }
    }
}

fn layout(counts: bool) -> Layout {
    if counts { Layout::new::<CountingBlock>() } else { Layout::new::<ContextBlock>() }
}

impl Drop for SharedContext {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout, freed once; nothing in it has a destructor.
        unsafe { alloc::dealloc(self.block.as_ptr().cast(), layout(self.counts)) };
    }
}

/// The EFLAGS bits that are the guest's in the host's RFLAGS while translated code runs.
const HOST_FLAGS: u32 = Eflags::ARITH.bits() | Eflags::DF.bits();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rf_outlives_a_block_of_which_nothing_retired() {
        let mut context = ExecContext::new(CpuState::reset(0), 0);
        let flags = (Eflags::RF | Eflags::IF | Eflags::NT | Eflags::CF).bits() | Eflags::FIXED_ONE;
        for (none_retired, left) in [(true, flags), (false, flags & !Eflags::RF.bits())] {
            context.cpu.eflags = flags;
            context.load_flags();
            context.store_flags(none_retired);
            assert_eq!(context.cpu.eflags, left, "{none_retired}");
        }
    }
}
