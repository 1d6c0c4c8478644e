//! System instructions: segments, gates, interrupts, tasks, control registers.
//!
//! # The rule of this module
//! A far transfer is computed whole before it is committed: descriptors are read and checked,
//! accessed and busy bits set, the new stack's writes probed, the target checked against its limit;
//! then come the stack writes, then the registers. So an exception in the middle finds the state
//! from before, as it must be for a restart and for nested delivery. The one exception is the task
//! switch, which the SDM lets commit half-way (volume 3A, 7.3): `task` says where.

use super::handler::{Handler, Lookup};
use crate::bus::Bus;
use iced_x86::Code;

mod control;
mod cpuid;
mod descriptor;
mod event;
mod far;
mod flags;
mod gate;
mod idt;
mod idt_long;
pub mod interrupt;
pub mod io;
mod iret;
mod msr;
mod privilege;
mod protect;
mod segload;
mod syscall;
mod task;
mod transfer;
mod tss;

/// The handler of `code`, if it belongs here.
pub(super) fn lookup<B: Bus>(code: Code) -> Option<Handler<B>> {
    let families: [Lookup<B>; 11] = [
        segload::lookup,
        far::lookup,
        interrupt::lookup,
        iret::lookup,
        control::lookup,
        cpuid::lookup,
        msr::lookup,
        syscall::lookup,
        protect::lookup,
        flags::lookup,
        io::lookup,
    ];
    families.iter().find_map(|family| family(code))
}
