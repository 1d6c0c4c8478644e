//! The host's FPU as an execution unit: the cache of host operations, and the call.
//!
//! Invariant: `current` is an entry of the arena as it is now; only `prepare` sets it.

use super::arena::Arena;
use super::frame::HostFrame;
use super::host_op::{self, Plan};
use crate::flags::Eflags;
use crate::refusal::Refusal;
use crate::state::FpuImage;
use iced_x86::Instruction;
use std::arch::x86_64::__cpuid;
use std::collections::HashMap;
use std::mem::transmute;
use std::ptr::NonNull;

/// MXCSR bits that exist on any model (SDM volume 1, 10.2.3); others make FXRSTOR fault.
pub(super) const MXCSR_BITS: u32 = 0xffff;

#[derive(Clone, Copy, Debug)]
struct HostOp {
    entry: NonNull<u8>,
    plan: Plan,
}

/// Executes instructions on the host's FPU.
#[derive(Debug)]
pub struct HostUnit {
    arena: Arena,
    ops: HashMap<u64, HostOp>,
    current: Option<NonNull<u8>>,
    frame: Box<HostFrame>,
    looks_at_unmade_stores: bool,
}

/// Whether the host's processor looks at the memory of a store that an unmasked x87 exception keeps from being made. Intel's do not
/// (the vendor of CPUID leaf 0 says so), others do: translated code does what they do.
fn looks_at_unmade_stores() -> bool {
    __cpuid(0).ebx != u32::from_le_bytes(*b"Genu")
}

// SAFETY: the entries point into `arena`, which may move between threads with them.
unsafe impl Send for HostUnit {}

impl HostUnit {
    /// A unit that holds no state yet.
    ///
    /// # Errors
    /// When the host refuses memory for code.
    pub fn new() -> Result<Self, Refusal> {
        let frame = HostFrame {
            mem: [0; 128],
            fx: FpuImage::reset(),
            ymm: [[0; 16]; 16],
            gpr: 0,
            second: 0,
            flags: 0,
            host_mxcsr: 0,
        };
        let arena = Arena::new()?;
        let looks_at_unmade_stores = looks_at_unmade_stores();
        let frame = Box::new(frame);
        Ok(Self { arena, ops: HashMap::new(), current: None, frame, looks_at_unmade_stores })
    }

    /// Whether memory is to be writable for a store that is not made.
    pub(super) fn looks_at_unmade_stores(&self) -> bool {
        self.looks_at_unmade_stores
    }

    /// Makes `i` the instruction that `run` executes; none if the host has no such instruction.
    pub(super) fn prepare(&mut self, i: &Instruction) -> Option<Plan> {
        let key = host_op::key(i);
        let op = match self.ops.get(&key) {
            Some(op) => *op,
            None => self.assemble(key, i)?,
        };
        self.current = Some(op.entry);
        Some(op.plan)
    }

    #[cold]
    fn assemble(&mut self, key: u64, i: &Instruction) -> Option<HostOp> {
        let (code, plan) = host_op::assemble(i)?;
        let entry = match self.arena.push(&code) {
            Some(entry) => entry,
            None => {
                self.ops.clear();
                self.current = None;
                self.arena.clear();
                self.arena.push(&code)?
            }
        };
        let op = HostOp { entry, plan };
        self.ops.insert(key, op);
        Some(op)
    }

    /// The frame of the next run, or of the last one.
    pub(super) fn frame(&mut self) -> &mut HostFrame {
        &mut self.frame
    }

    /// Puts the guest's registers into the frame, with the x87 exception flags `hidden` cleared.
    pub(super) fn load(&mut self, fpu: &FpuImage, hidden: u16) {
        self.frame.fx = *fpu;
        if hidden != 0 {
            self.frame.fx.set_fsw(fpu.fsw() & !hidden);
        }
    }

    /// Executes the prepared instruction on the frame. It must not meet a pending x87 exception if
    /// it is a waiting one, nor an unmasked SIMD exception: either would be the host's SIGFPE.
    pub(super) fn run(&mut self) {
        let Some(entry) = self.current else { return };
        let mxcsr = self.frame.fx.mxcsr() & MXCSR_BITS;
        self.frame.fx.set_mxcsr(mxcsr);
        self.frame.flags &= u64::from(Eflags::ARITH.bits());
        // SAFETY: `entry` is a complete function of this signature (see `Arena`).
        let function = unsafe {
            transmute::<*mut u8, unsafe extern "sysv64" fn(*mut HostFrame)>(entry.as_ptr())
        };
        // SAFETY: a host operation touches the frame, the stack below and registers that the ABI lets it
        // clobber; it leaves DF clear, the x87 unit empty and MXCSR as it was. The frame is aligned
        // and its MXCSR has no bit that FXRSTOR refuses.
        unsafe { function(&raw mut *self.frame) };
    }
}
