//! A helper process that executes what is to be judged: the parent's end of it, and what all such children do.
//!
//! # Protocol
//! The child answers with one byte when it is ready. The parent writes to memory that both share, then one byte to the child's pipe;
//! the child does what is asked for and answers with one byte. The child dies with its parent.
//!
//! # The child's code
//! It runs after `fork` in a process that may have had other threads: no allocation, no lock, only raw system calls. Once it is
//! [`confine`]d, seccomp's strict mode leaves read, write, exit and the return from a signal.

use ringer_cpu::FpuImage;
use std::io;
use std::ptr;

/// Bytes of a child's alternate signal stack.
pub const STACK_LEN: usize = 256 << 10;
/// How long an exchange may take, in milliseconds.
const PATIENCE_MS: libc::c_int = 60_000;
/// Answer: ready, or done.
pub const READY: u8 = b'r';
/// Answer: the pages cannot be mapped.
pub const NO_PAGES: u8 = b'p';
/// Answer: signals or seccomp cannot be set up.
pub const NO_SIGNALS: u8 = b's';

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

fn host(ok: bool) -> Result<(), NativeError> {
    if ok { Ok(()) } else { Err(NativeError::Start(io::Error::last_os_error())) }
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Memory that parent and child share. Each side has its turn, by the protocol; nothing here sees to that.
#[derive(Debug)]
pub struct Shared {
    at: *mut u8,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone.
unsafe impl Send for Shared {}

impl Shared {
    /// `len` bytes of zeros.
    ///
    /// # Errors
    /// [`NativeError::Start`].
    pub fn new(len: usize) -> Result<Self, NativeError> {
        Self::map(len, -1)
    }

    /// `len` bytes that the child can map too, by the descriptor, which the caller closes.
    ///
    /// # Errors
    /// [`NativeError::Start`].
    pub fn with_file(len: usize) -> Result<(Self, libc::c_int), NativeError> {
        // SAFETY: a static name; the size is set at once.
        let file = unsafe { libc::memfd_create(c"native-code".as_ptr(), libc::MFD_CLOEXEC) };
        // SAFETY: a descriptor of ours.
        host(file >= 0 && unsafe { libc::ftruncate(file, len as i64) } == 0)?;
        Ok((Self::map(len, file)?, file))
    }

    fn map(len: usize, file: libc::c_int) -> Result<Self, NativeError> {
        let anonymous = if file < 0 { libc::MAP_ANONYMOUS } else { 0 };
        let flags = libc::MAP_SHARED | anonymous;
        let rights = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping wherever the kernel likes.
        let at = unsafe { libc::mmap(ptr::null_mut(), len, rights, flags, file, 0) };
        host(at != libc::MAP_FAILED)?;
        Ok(Self { at: at.cast(), len })
    }

    /// Where it is.
    #[must_use]
    pub fn as_ptr<T>(&self) -> *mut T {
        assert!(size_of::<T>() <= self.len, "it is as long as what it is for");
        self.at.cast()
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is ours; by the protocol the child does not write there meanwhile.
        unsafe { std::slice::from_raw_parts_mut(self.at, self.len) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: nothing uses the mapping after this.
        unsafe { libc::munmap(self.at.cast(), self.len) };
    }
}

/// The child's ends of the pipes.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    requests: libc::c_int,
    answers: libc::c_int,
}

/// The helper process, for its parent.
#[derive(Debug)]
pub struct Helper {
    child: libc::pid_t,
    requests: libc::c_int,
    answers: libc::c_int,
}

fn pipe() -> Result<[libc::c_int; 2], NativeError> {
    let mut ends = [0; 2];
    // SAFETY: a live array of two.
    host(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } == 0)?;
    Ok(ends)
}

impl Helper {
    /// Forks. The child calls `life`, which keeps to raw system calls and to what is its own, and ends with it.
    ///
    /// # Errors
    /// [`NativeError::Start`].
    pub fn start(life: impl FnOnce(Ends)) -> Result<Self, NativeError> {
        let (requests, answers) = (pipe()?, pipe()?);
        // SAFETY: the child goes on here with `life` alone.
        let child = unsafe { libc::fork() };
        if child == 0 {
            life(Ends { requests: requests[0], answers: answers[1] });
            exit();
        }
        for fd in [requests[0], answers[1]] {
            // SAFETY: only the child needs these.
            unsafe { libc::close(fd) };
        }
        host(child > 0)?;
        Ok(Self { child, requests: requests[1], answers: answers[0] })
    }

    /// Has the child begin; whether it is there.
    #[must_use]
    pub fn request(&self) -> bool {
        let byte = READY;
        // SAFETY: one byte from a live local.
        unsafe { libc::write(self.requests, (&raw const byte).cast(), 1) == 1 }
    }

    /// The child's answer; none when it died or hangs.
    #[must_use]
    pub fn answer(&self) -> Option<u8> {
        let mut poll = libc::pollfd { fd: self.answers, events: libc::POLLIN, revents: 0 };
        let mut byte = 0u8;
        // SAFETY: live locals.
        let got = unsafe {
            while libc::poll(&mut poll, 1, PATIENCE_MS) < 0
                && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
            {}
            if poll.revents == 0 { 0 } else { libc::read(self.answers, (&raw mut byte).cast(), 1) }
        };
        (got == 1).then_some(byte)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // SAFETY: the child and the descriptors are ours.
        unsafe {
            libc::close(self.requests);
            libc::close(self.answers);
            libc::kill(self.child, libc::SIGKILL);
            libc::waitpid(self.child, ptr::null_mut(), 0);
        }
    }
}

/// What an answer means, if it is not the child's readiness; `at` is the case that it was at.
///
/// # Errors
/// What the child has to say, or that it died.
pub fn refused(answer: Option<u8>, at: u32) -> NativeError {
    match answer {
        Some(NO_PAGES) => NativeError::Pages,
        Some(_) => NativeError::Signals,
        None => NativeError::Died { at },
    }
}

/// Ends the child: by `exit`, not `exit_group`, as strict mode has only that.
fn exit() -> ! {
    // SAFETY: a raw system call.
    unsafe { libc::syscall(libc::SYS_exit, 1) };
    unreachable!("exit does not return")
}

/// The child's life: `set_up` says what it answers first, or why it gives up; `serve` does what is asked for. It never returns.
pub fn live(ends: Ends, set_up: impl FnOnce() -> Result<u8, u8>, mut serve: impl FnMut()) -> ! {
    // SAFETY: raw system calls, with a live local.
    let answer = |byte: u8| unsafe { libc::write(ends.answers, (&raw const byte).cast(), 1) == 1 };
    // SAFETY: a raw system call.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let mut ready = match set_up() {
        Ok(ready) => ready,
        Err(why) => {
            answer(why);
            exit()
        }
    };
    let asked = || {
        let mut byte = 0u8;
        // SAFETY: a raw system call, with a live local.
        unsafe { libc::read(ends.requests, (&raw mut byte).cast(), 1) == 1 }
    };
    while answer(ready) && asked() {
        serve();
        ready = READY;
    }
    exit()
}

/// Maps `len` bytes at `at`: of `file` from `offset` on, or of fresh memory where `file` is negative.
///
/// # Errors
/// What the kernel says, or that something is there.
pub fn map(
    at: u64,
    len: u64,
    (file, offset): (libc::c_int, i64),
    rights: libc::c_int,
) -> io::Result<()> {
    let kind = if file < 0 { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS } else { libc::MAP_SHARED };
    let flags = kind | libc::MAP_FIXED_NOREPLACE | libc::MAP_POPULATE;
    // SAFETY: a new mapping where none is.
    let got =
        unsafe { libc::mmap(at as usize as *mut _, len as usize, rights, flags, file, offset) };
    if got as u64 == at { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has every trap of a case arrive at `handler`, on the alternate stack `stack` of [`STACK_LEN`] bytes.
///
/// # Errors
/// What the kernel says.
pub fn catch(handler: unsafe extern "C" fn(), stack: *mut u8) -> io::Result<()> {
    let stack = libc::stack_t { ss_sp: stack.cast(), ss_flags: 0, ss_size: STACK_LEN };
    // SAFETY: the kernel only notes where the stack is.
    done(unsafe { libc::sigaltstack(&stack, ptr::null_mut()) })?;
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP] {
        // SAFETY: sigaction is plain data for which zeros are valid; the handlers are made for these signals, and leave as SA_NODEFER
        // and the plain alternate stack permit.
        done(unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigaction(signal, &action, ptr::null_mut())
        })?;
    }
    Ok(())
}

/// From here on only read, write, exit and the return from a signal are permitted.
///
/// # Errors
/// What the kernel says.
pub fn confine() -> io::Result<()> {
    // SAFETY: it takes rights away, no more.
    done(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) })
}

/// In a signal frame's image: where the kernel says that there is more than FXSAVE makes, the mark of that, and behind it the components.
const EXTENDED_AT: usize = 464;
const EXTENDED: u32 = 0x4650_5853;
/// XSTATE_BV, the bit of AVX in it, and where that component is (SDM volume 1, 13.4).
const HEADER: usize = 512;
const AVX: u32 = 1 << 2;
const UPPER_HALVES: usize = 576;

/// The x87, SSE and AVX state in a signal's frame.
///
/// # Safety
/// The kernel made the frame.
pub unsafe fn saved_state(
    machine: &libc::mcontext_t,
    fpu: &mut FpuImage,
    upper: &mut [[u8; 16]; 16],
) {
    // SAFETY: the kernel saved at least the 512 bytes of an FXSAVE image there.
    *fpu = unsafe { ptr::read_unaligned(machine.fpregs.cast::<FpuImage>()) };
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|k| fpu.0[at + k]));
    *upper = [[0; 16]; 16];
    if word(EXTENDED_AT) == EXTENDED && word(EXTENDED_AT + 8) & AVX != 0 {
        let image = machine.fpregs.cast::<u8>();
        // SAFETY: the kernel says that an image of XSAVE with this component is there.
        unsafe {
            if *image.add(HEADER) & AVX as u8 != 0 {
                *upper = ptr::read_unaligned(image.add(UPPER_HALVES).cast());
            }
        }
    }
}
