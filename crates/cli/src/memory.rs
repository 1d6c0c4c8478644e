//! The command's allocator: the system's, and one line when that has nothing left.
//!
//! Invariant: every call goes to [`System`] with what the caller gave; nothing is ever done with a null pointer but to say so and
//! end the process.

use ringer::status;
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// The system's allocator. Rust's way with a refusal is to abort.
#[derive(Debug)]
pub struct Allocator;

/// Ends the process when the host gave no memory. Nothing here allocates: the text goes through a buffer on the stack.
#[cold]
fn end(bytes: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    while ENDING.swap(true, Ordering::Relaxed) {
        // Another thread has come here first, says it, and ends the process.
        std::hint::spin_loop();
    }
    let mut text = [0; 256];
    let mut left = &mut text[..];
    let _ = writeln!(
        left,
        "ringer: out of memory: the host gives no {bytes} bytes more; is memory or address space limited (ulimit -v, ulimit -d, \
         vm.overcommit_memory, a control group)?"
    );
    let used = 256 - left.len();
    // What waits for the process's end (the terminal's watcher) sees to the rest; destructors would allocate.
    // SAFETY: the text is as long as is said, and `_exit` has no preconditions.
    unsafe {
        libc::write(2, text.as_ptr().cast(), used);
        libc::_exit(i32::from(status::INTERNAL))
    }
}

// SAFETY: the contract of `GlobalAlloc` is that of `System`, to which every call goes as it came; a null pointer is not
// returned but ends the process.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that `System` wants.
        let at = unsafe { System.alloc(layout) };
        if at.is_null() { end(layout.size()) } else { at }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let at = unsafe { System.alloc_zeroed(layout) };
        if at.is_null() { end(layout.size()) } else { at }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let at = unsafe { System.realloc(at, layout, size) };
        if at.is_null() { end(size) } else { at }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}
