//! The parent's end of the helper process.

use crate::child::{self, NO_PAGES, READY, READY_WITHOUT_LOW, Start};
use crate::enter::{Context, landing};
use crate::layout::{PAGE, READ_ONLY, code_pages};
use crate::wire::{POOL, Wire};
use ringer_cpu::Features;
use std::io;
use std::ptr;

/// Bytes of the child's alternate signal stack.
const STACK_LEN: usize = 256 << 10;
/// How long an exchange may take, in milliseconds.
const PATIENCE_MS: libc::c_int = 60_000;

/// Why the host's processor cannot judge.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The host refused memory, pipes or a process.
    #[error("cannot start the helper process: {0}")]
    Start(#[source] io::Error),
    /// The low addresses are taken or forbidden.
    #[error(
        "the helper process cannot map the guest's pages below 4 GiB: they are taken, or forbidden"
    )]
    Pages,
    /// No signal handlers, no local descriptor table, no seccomp.
    #[error("the helper process cannot set up signals, seccomp and a local descriptor table")]
    Signals,
    /// Compatibility mode is not there, or a case broke out.
    #[error("the helper process died at case {at} of the exchange: is 32-bit code permitted here?")]
    Died {
        /// Index of the case in the exchange.
        at: u32,
    },
}

/// The helper process and what is shared with it.
#[derive(Debug)]
pub struct Native {
    wire: *mut Wire,
    image: *mut u8,
    image_len: usize,
    child: libc::pid_t,
    requests: libc::c_int,
    answers: libc::c_int,
    landing: Vec<u8>,
    low: bool,
}

// SAFETY: the mappings and descriptors belong to this value alone.
unsafe impl Send for Native {}

fn host(ok: bool) -> Result<(), NativeError> {
    if ok { Ok(()) } else { Err(NativeError::Start(io::Error::last_os_error())) }
}

fn shared(len: usize, file: libc::c_int) -> Result<*mut u8, NativeError> {
    let anonymous = if file < 0 { libc::MAP_ANONYMOUS } else { 0 };
    let flags = libc::MAP_SHARED | anonymous;
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping wherever the kernel likes.
    let at = unsafe { libc::mmap(ptr::null_mut(), len, rights, flags, file, 0) };
    host(at != libc::MAP_FAILED)?;
    Ok(at.cast())
}

fn pipe() -> Result<[libc::c_int; 2], NativeError> {
    let mut ends = [0; 2];
    // SAFETY: a live array of two.
    host(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } == 0)?;
    Ok(ends)
}

impl Native {
    /// Starts the helper process; with `low`, the pages under 64 KiB are there if the host permits
    /// them.
    ///
    /// # Errors
    /// [`NativeError`] says what the host does not permit.
    pub fn start(low: bool) -> Result<Self, NativeError> {
        let pages = code_pages().count() + READ_ONLY.len();
        let image_len = pages * PAGE as usize;
        // SAFETY: a static name; the size is set at once.
        let file = unsafe { libc::memfd_create(c"native-code".as_ptr(), libc::MFD_CLOEXEC) };
        // SAFETY: a descriptor of ours.
        host(file >= 0 && unsafe { libc::ftruncate(file, image_len as i64) } == 0)?;
        let image = shared(image_len, file)?;
        let wire = shared(size_of::<Wire>(), -1)?.cast::<Wire>();
        let context = shared(size_of::<Context>(), -1)?.cast::<Context>();
        let stack = shared(STACK_LEN, -1)?;
        let (requests, answers) = (pipe()?, pipe()?);
        // SAFETY: zeros are a valid context, and the fields are written once.
        unsafe {
            (*context).host_mxcsr = 0x1f80;
            (*context).avx = u32::from(Features::of_host().contains(Features::AVX));
        }
        let start = Start {
            wire,
            context,
            image: file,
            requests: requests[0],
            answers: answers[1],
            stack,
            stack_len: STACK_LEN,
            low,
        };
        // SAFETY: the child runs only `child::run`, which keeps to raw system calls.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: freshly forked; the parent does not touch context and stack.
            unsafe { child::run(&start) }
        }
        for fd in [requests[0], answers[1], file] {
            // SAFETY: only the child needs these, and the file is mapped.
            unsafe { libc::close(fd) };
        }
        host(child > 0)?;
        let (requests, answers) = (requests[1], answers[0]);
        let landing = landing(context);
        let mut native = Self {
            wire,
            image,
            image_len,
            child,
            requests,
            answers,
            landing: landing.clone(),
            low,
        };
        native.write_code(crate::layout::LANDING, &landing);
        native.answer()?;
        Ok(native)
    }

    /// Whether the pages under 64 KiB are there.
    #[must_use]
    pub fn low(&self) -> bool {
        self.low
    }

    /// The shared memory, between two exchanges.
    pub fn wire(&mut self) -> &mut Wire {
        // SAFETY: the child waits for the next request and does not touch it.
        unsafe { &mut *self.wire }
    }

    /// The bytes of the landing page, which the guests must find there too.
    #[must_use]
    pub fn landing(&self) -> Vec<u8> {
        self.landing.clone()
    }

    /// Fills the pool and the read-only pages.
    pub fn fill(&mut self, pool: &[u8; POOL], read_only: &[u8]) {
        self.wire().pool.copy_from_slice(pool);
        let first = code_pages().count() * PAGE as usize;
        // SAFETY: the parent's own mapping of the image; the child reads it between exchanges never.
        let image = unsafe { std::slice::from_raw_parts_mut(self.image, self.image_len) };
        image[first..first + read_only.len()].copy_from_slice(read_only);
    }

    /// Writes code at offset `at`; what does not fall on a code page is dropped.
    pub fn write_code(&mut self, at: u32, bytes: &[u8]) {
        // SAFETY: as in `fill`.
        let image = unsafe { std::slice::from_raw_parts_mut(self.image, self.image_len) };
        for (byte, at) in bytes.iter().zip(at..) {
            if let Some(page) = code_pages().position(|page| page == at & !(PAGE - 1)) {
                image[page * PAGE as usize + (at & (PAGE - 1)) as usize] = *byte;
            }
        }
    }

    /// Starts the exchange that the wire describes.
    ///
    /// # Errors
    /// When the child is gone.
    pub fn request(&mut self) -> Result<(), NativeError> {
        let byte = READY;
        // SAFETY: one byte from a live local.
        let sent = unsafe { libc::write(self.requests, (&raw const byte).cast(), 1) };
        if sent == 1 { Ok(()) } else { Err(self.died()) }
    }

    /// Waits for the exchange to end.
    ///
    /// # Errors
    /// When the child died or hangs.
    pub fn answer(&mut self) -> Result<(), NativeError> {
        let mut poll = libc::pollfd { fd: self.answers, events: libc::POLLIN, revents: 0 };
        let mut byte = 0u8;
        // SAFETY: live locals.
        let got = unsafe {
            while libc::poll(&mut poll, 1, PATIENCE_MS) < 0
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
            if poll.revents == 0 { 0 } else { libc::read(self.answers, (&raw mut byte).cast(), 1) }
        };
        match (got, byte) {
            (1, READY) => Ok(()),
            (1, READY_WITHOUT_LOW) => {
                self.low = false;
                Ok(())
            }
            (1, NO_PAGES) => Err(NativeError::Pages),
            (1, _) => Err(NativeError::Signals),
            _ => Err(self.died()),
        }
    }

    fn died(&mut self) -> NativeError {
        NativeError::Died { at: self.wire().at }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: the child and the descriptors are ours; nothing uses the mappings after this.
        unsafe {
            libc::close(self.requests);
            libc::close(self.answers);
            libc::kill(self.child, libc::SIGKILL);
            libc::waitpid(self.child, ptr::null_mut(), 0);
            libc::munmap(self.wire.cast(), size_of::<Wire>());
            libc::munmap(self.image.cast(), self.image_len);
        }
    }
}
