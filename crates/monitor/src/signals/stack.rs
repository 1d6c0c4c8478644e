//! The thread's alternate signal stack: ours while a vCPU runs, then whichever was there before. Rust's
//! own, for one, is where the overflow of a thread's stack is noticed.

use ringer_cpu::refusal::{Refusal, refused};
use std::io;
use std::ptr;

const STACK: usize = 128 << 10;
const GUARD: usize = 4 << 10;

/// A stack for handlers, with a page without rights under it.
#[derive(Debug)]
pub(super) struct AltStack {
    base: *mut libc::c_void,
    before: libc::stack_t,
}

impl AltStack {
    /// Makes it the calling thread's.
    pub fn new() -> Result<Self, Refusal> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh mapping at an address of the kernel's choice harms nobody.
        let base =
            unsafe { libc::mmap(ptr::null_mut(), STACK + GUARD, libc::PROT_NONE, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(refused("mmap")(io::Error::last_os_error()));
        }
        let usable = base.wrapping_byte_add(GUARD);
        let stack = libc::stack_t { ss_sp: usable, ss_flags: 0, ss_size: STACK };
        let mut before = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: 0, ss_size: 0 };
        // SAFETY: the range is all but the first page of the mapping just made, which lives until
        // another stack is in force again.
        let failed = unsafe {
            if libc::mprotect(usable, STACK, libc::PROT_READ | libc::PROT_WRITE) != 0 {
                Some("mprotect")
            } else if libc::sigaltstack(&stack, &mut before) != 0 {
                Some("sigaltstack")
            } else {
                None
            }
        };
        if let Some(call) = failed {
            let error = refused(call)(io::Error::last_os_error());
            // SAFETY: the mapping just made, which nobody knows.
            unsafe { libc::munmap(base, STACK + GUARD) };
            return Err(error);
        }
        Ok(Self { base, before })
    }
}

impl Drop for AltStack {
    fn drop(&mut self) {
        // SAFETY: the stack from before is this thread's again before ours goes away, once.
        unsafe {
            libc::sigaltstack(&self.before, ptr::null_mut());
            libc::munmap(self.base, STACK + GUARD);
        }
    }
}
