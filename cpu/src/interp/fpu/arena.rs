//! Memory for host code: one memfd mapped twice, writable here and executable there (W^X).
//!
//! Invariant: what lies below `used` is complete functions of the form that `host_op` assembles;
//! nothing above it is ever called.

use crate::refusal::{Refusal, refused};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

/// Bytes of code that fit.
const SIZE: usize = 1 << 20;

/// The two views.
#[derive(Debug)]
pub(super) struct Arena {
    writable: NonNull<u8>,
    executable: NonNull<u8>,
    used: usize,
}

// SAFETY: the mappings belong to this value alone; nothing about them is tied to a thread.
unsafe impl Send for Arena {}

/// One view.
fn view(fd: &rustix::fd::OwnedFd, prot: ProtFlags) -> Result<NonNull<u8>, Refusal> {
    // SAFETY: a new mapping at an address of the kernel's choice aliases nothing that Rust knows.
    let at = unsafe { mmap(null_mut(), SIZE, prot, MapFlags::SHARED, fd, 0) };
    let at = at.map_err(refused("mmap"))?;
    NonNull::new(at.cast()).ok_or_else(|| refused("mmap")(rustix::io::Errno::NOMEM))
}

fn unmap(view: NonNull<u8>) {
    // SAFETY: `view` is a mapping of SIZE bytes that nothing uses any more. A failure could only
    // leak it.
    let _ = unsafe { munmap(view.as_ptr().cast::<c_void>(), SIZE) };
}

impl Arena {
    /// An empty arena.
    ///
    /// # Errors
    /// What the kernel says when it has no memory or no descriptors left.
    pub fn new() -> Result<Self, Refusal> {
        let fd = memfd_create("fpu-host-ops", MemfdFlags::CLOEXEC);
        let fd = fd.map_err(refused("memfd_create"))?;
        ftruncate(&fd, SIZE as u64).map_err(refused("ftruncate"))?;
        let writable = view(&fd, ProtFlags::READ | ProtFlags::WRITE)?;
        let executable = match view(&fd, ProtFlags::READ | ProtFlags::EXEC) {
            Ok(executable) => executable,
            Err(error) => {
                unmap(writable);
                return Err(error);
            }
        };
        Ok(Self { writable, executable, used: 0 })
    }

    /// Adds a function; none when it does not fit any more.
    pub fn push(&mut self, code: &[u8]) -> Option<NonNull<u8>> {
        let at = self.used;
        let end = at.checked_add(code.len())?;
        if end > SIZE {
            return None;
        }
        // SAFETY: `at .. end` is inside the mapping, no reference to it exists, and the code there
        // is not running: the only caller of host operations is the owner of `self`.
        unsafe {
            self.writable.add(at).as_ptr().copy_from_nonoverlapping(code.as_ptr(), code.len());
        }
        // Entries start a cache line's half.
        self.used = end.next_multiple_of(32).min(SIZE);
        // SAFETY: `at` is inside the mapping.
        Some(unsafe { self.executable.add(at) })
    }

    /// Forgets all functions.
    pub fn clear(&mut self) {
        self.used = 0;
        // The bytes were executed at another linear address than they will be written at: only a
        // serializing instruction makes that safe (SDM volume 3A, 8.1.3).
        let _ = std::arch::x86_64::__cpuid(0);
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        unmap(self.writable);
        unmap(self.executable);
    }
}
