//! The helper process that executes 64-bit code, and the parent's end of it.
//!
//! # Safety of the parent
//! The child shares [`Wire`] and the code page with the parent, and nothing else; a case can write to all of the child's address
//! space, and with it to the wire, but addresses that are not aimed at the case's own pages are random. Seccomp's strict mode leaves
//! read, write, exit and the return from a signal. The child dies with its parent.
//!
//! # The child's code
//! It runs after `fork` in a process that may have had other threads: no allocation, no lock, only raw system calls. Each case is
//! entered by IRETQ with TF set; the trap that follows, or the fault, is a signal whose frame has the state. The handler notes it
//! and returns to where `ringer_long_enter` was called from.

use super::{
    CODE, COMPLETED, CS, GS, Input, Output, PAGE, READ_ONLY, SS, WRITABLE, WRITABLE_LEN, Wire,
};
use crate::native::NativeError;
use std::arch::global_asm;
use std::io;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Bytes of the child's alternate signal stack.
const STACK_LEN: usize = 256 << 10;
/// How long an exchange may take, in milliseconds.
const PATIENCE_MS: libc::c_int = 60_000;
const READY: u8 = b'r';
const NO_PAGES: u8 = b'p';
const NO_SIGNALS: u8 = b's';
const TRAP_DEBUG: i64 = 1;
const ARCH_SET_GS: libc::c_int = 0x1001;

/// What the assembly works on.
#[repr(C, align(64))]
struct Context {
    input: Input,
    output: Output,
    host_rsp: u64,
}

static CONTEXT: AtomicPtr<Context> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" {
    /// Runs the case in the context; returns when it completed or trapped.
    fn ringer_long_enter(context: *mut Context);
    /// Where the handler returns to.
    fn ringer_long_back();
    /// The handler's first instructions: AC and NT go before any other code runs.
    fn ringer_long_signal();
}

const GPR: usize = offset_of!(Context, input) + offset_of!(Input, gpr);

global_asm!(
    ".globl ringer_long_enter",
    "ringer_long_enter:",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rdi + {rsp}], rsp",
    "push {ss}",
    "push qword ptr [rdi + {gpr} + 32]",
    "mov rax, [rdi + {rflags}]",
    "or rax, 0x100",
    "push rax",
    "push {cs}",
    "push qword ptr [rdi + {rip}]",
    "mov rax, [rdi + {gpr}]",
    "mov rcx, [rdi + {gpr} + 8]",
    "mov rdx, [rdi + {gpr} + 16]",
    "mov rbx, [rdi + {gpr} + 24]",
    "mov rbp, [rdi + {gpr} + 40]",
    "mov rsi, [rdi + {gpr} + 48]",
    "mov r8, [rdi + {gpr} + 64]",
    "mov r9, [rdi + {gpr} + 72]",
    "mov r10, [rdi + {gpr} + 80]",
    "mov r11, [rdi + {gpr} + 88]",
    "mov r12, [rdi + {gpr} + 96]",
    "mov r13, [rdi + {gpr} + 104]",
    "mov r14, [rdi + {gpr} + 112]",
    "mov r15, [rdi + {gpr} + 120]",
    "mov rdi, [rdi + {gpr} + 56]",
    "iretq",
    ".globl ringer_long_back",
    "ringer_long_back:",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "ret",
    ".globl ringer_long_signal",
    "ringer_long_signal:",
    "pushfq",
    "and qword ptr [rsp], -0x44001",
    "popfq",
    "jmp {handler}",
    rsp = const offset_of!(Context, host_rsp),
    gpr = const GPR,
    rflags = const offset_of!(Context, input) + offset_of!(Input, rflags),
    rip = const offset_of!(Context, input) + offset_of!(Input, rip),
    cs = const CS,
    ss = const SS,
    handler = sym on_signal,
);

const ORDER: [libc::c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// Every trap of a case arrives here, on the alternate stack.
extern "C" fn on_signal(_: libc::c_int, _: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid ucontext for this handler's frame.
    let regs = unsafe { &mut (*uc.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let context = CONTEXT.load(Ordering::Relaxed);
    // SAFETY: `enter` is under way with this context, and its code is stopped here.
    let out = unsafe { &mut (*context).output };
    for (value, index) in out.gpr.iter_mut().zip(ORDER) {
        *value = regs[index as usize] as u64;
    }
    out.rflags = regs[libc::REG_EFL as usize] as u64;
    out.rip = regs[libc::REG_RIP as usize] as u64;
    let trap = regs[libc::REG_TRAPNO as usize];
    if trap != TRAP_DEBUG {
        out.trap = trap as u32;
        out.error = regs[libc::REG_ERR as usize] as u32;
        out.cr2 = regs[libc::REG_CR2 as usize] as u64;
    }
    // SAFETY: written by `enter`.
    regs[libc::REG_RSP as usize] = unsafe { (*context).host_rsp } as i64;
    regs[libc::REG_RIP as usize] = ringer_long_back as *const () as i64;
    regs[libc::REG_EFL as usize] = 0x202;
}

struct Start {
    wire: *mut Wire,
    context: *mut Context,
    image: libc::c_int,
    requests: libc::c_int,
    answers: libc::c_int,
    stack: *mut u8,
}

/// The child's life; never returns.
///
/// # Safety
/// Call it in a freshly forked process; the pointers of `start` are valid, the context and the stack private to this process.
unsafe fn run(start: &Start) -> ! {
    // SAFETY: by contract, this process is ours alone from here on.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        if map_pages(start.image).is_err() {
            die(start.answers, NO_PAGES);
        }
        if set_up(start).is_err() {
            die(start.answers, NO_SIGNALS);
        }
        let mut byte = READY;
        loop {
            if libc::write(start.answers, (&raw const byte).cast(), 1) != 1
                || libc::read(start.requests, (&raw mut byte).cast(), 1) != 1
            {
                die(start.answers, byte);
            }
            serve(start);
            byte = READY;
        }
    }
}

unsafe fn die(answers: libc::c_int, why: u8) -> ! {
    // SAFETY: raw system calls. `exit`, not `exit_group`: strict mode has only that.
    unsafe {
        libc::write(answers, (&raw const why).cast(), 1);
        libc::syscall(libc::SYS_exit, 1);
    }
    unreachable!("exit does not return")
}

fn map_pages(image: libc::c_int) -> io::Result<()> {
    map(CODE, image, libc::PROT_READ | libc::PROT_EXEC)?;
    for page in READ_ONLY {
        map(page, -1, libc::PROT_READ)?;
    }
    for page in WRITABLE {
        map(page, -1, libc::PROT_READ | libc::PROT_WRITE)?;
    }
    Ok(())
}

fn map(at: u64, file: libc::c_int, rights: libc::c_int) -> io::Result<()> {
    let kind = if file < 0 { libc::MAP_PRIVATE | libc::MAP_ANONYMOUS } else { libc::MAP_SHARED };
    let flags = kind | libc::MAP_FIXED_NOREPLACE | libc::MAP_POPULATE;
    // SAFETY: a new mapping where none is.
    let got = unsafe { libc::mmap(at as usize as *mut _, PAGE as usize, rights, flags, file, 0) };
    if got as u64 == at { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set_up(start: &Start) -> io::Result<()> {
    CONTEXT.store(start.context, Ordering::Relaxed);
    let done = |result: libc::c_int| {
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    let stack = libc::stack_t { ss_sp: start.stack.cast(), ss_flags: 0, ss_size: STACK_LEN };
    // SAFETY: the stack is this process's own and stays.
    done(unsafe { libc::sigaltstack(&stack, ptr::null_mut()) })?;
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP] {
        // SAFETY: sigaction is plain data for which zeros are valid; the handler is made for these signals.
        done(unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = ringer_long_signal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigaction(signal, &action, ptr::null_mut())
        })?;
    }
    // SAFETY: nothing of Rust's on this architecture uses GS.
    done(unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, GS) } as libc::c_int)?;
    // SAFETY: from here on only read, write, exit and rt_sigreturn are called.
    done(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) })
}

/// Runs what the wire asks for.
///
/// # Safety
/// The pages are mapped, the handlers stand, and the parent leaves the wire alone.
unsafe fn serve(start: &Start) {
    // SAFETY: the parent waits for the answer; the context is this process's own; pages are mapped and ours to write.
    unsafe {
        let wire = &mut *start.wire;
        for (page, bytes) in WRITABLE.into_iter().zip(wire.memory.chunks(PAGE as usize)) {
            ptr::copy_nonoverlapping(bytes.as_ptr(), page as usize as *mut u8, PAGE as usize);
        }
        for n in 0..wire.count as usize {
            wire.at = n as u32;
            (*start.context).input = wire.inputs[n];
            (*start.context).output = Output { trap: COMPLETED, ..Output::default() };
            ringer_long_enter(start.context);
            wire.outputs[n] = (*start.context).output;
        }
        for (page, bytes) in WRITABLE.into_iter().zip(wire.memory.chunks_mut(PAGE as usize)) {
            ptr::copy_nonoverlapping(page as usize as *const u8, bytes.as_mut_ptr(), PAGE as usize);
        }
    }
}

/// The helper process and what is shared with it.
#[derive(Debug)]
pub struct Native {
    wire: *mut Wire,
    code: *mut u8,
    child: libc::pid_t,
    requests: libc::c_int,
    answers: libc::c_int,
}

// SAFETY: the mappings and descriptors belong to this value alone.
unsafe impl Send for Native {}

fn host(ok: bool) -> Result<(), NativeError> {
    if ok { Ok(()) } else { Err(NativeError::Start(io::Error::last_os_error())) }
}

fn shared(len: usize, file: libc::c_int) -> Result<*mut u8, NativeError> {
    let anonymous = if file < 0 { libc::MAP_ANONYMOUS } else { 0 };
    let rights = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping wherever the kernel likes.
    let at =
        unsafe { libc::mmap(ptr::null_mut(), len, rights, libc::MAP_SHARED | anonymous, file, 0) };
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
    /// Starts the helper process.
    ///
    /// # Errors
    /// [`NativeError`] says what the host does not permit.
    pub fn start() -> Result<Self, NativeError> {
        // SAFETY: a static name; the size is set at once.
        let image = unsafe { libc::memfd_create(c"native-code".as_ptr(), libc::MFD_CLOEXEC) };
        // SAFETY: a descriptor of ours.
        host(image >= 0 && unsafe { libc::ftruncate(image, PAGE as i64) } == 0)?;
        let code = shared(PAGE as usize, image)?;
        let wire = shared(size_of::<Wire>(), -1)?.cast::<Wire>();
        let context = shared(size_of::<Context>(), -1)?.cast::<Context>();
        let stack = shared(STACK_LEN, -1)?;
        let (requests, answers) = (pipe()?, pipe()?);
        let start =
            Start { wire, context, image, requests: requests[0], answers: answers[1], stack };
        // SAFETY: the child runs only `run`, which keeps to raw system calls.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: freshly forked; the parent does not touch context and stack.
            unsafe { run(&start) }
        }
        // SAFETY: only the child needs these; the file is mapped.
        unsafe {
            libc::close(requests[0]);
            libc::close(answers[1]);
            libc::close(image);
            libc::munmap(context.cast(), size_of::<Context>());
            libc::munmap(stack.cast(), STACK_LEN);
        }
        host(child > 0)?;
        let native = Self { wire, code, child, requests: requests[1], answers: answers[0] };
        native.answer()?;
        Ok(native)
    }

    /// The shared memory, between two exchanges.
    pub fn wire(&mut self) -> &mut Wire {
        // SAFETY: the child waits for the next request and does not touch it.
        unsafe { &mut *self.wire }
    }

    /// The code page, between two exchanges.
    pub fn code(&mut self) -> &mut [u8] {
        // SAFETY: the parent's own mapping; the child does not execute there now.
        unsafe { std::slice::from_raw_parts_mut(self.code, PAGE as usize) }
    }

    /// Has the child run what the wire describes.
    ///
    /// # Errors
    /// When the child died or hangs.
    pub fn exchange(&mut self) -> Result<(), NativeError> {
        let byte = READY;
        // SAFETY: one byte from a live local.
        let sent = unsafe { libc::write(self.requests, (&raw const byte).cast(), 1) };
        if sent == 1 { self.answer() } else { Err(self.died()) }
    }

    fn answer(&self) -> Result<(), NativeError> {
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
            (1, NO_PAGES) => Err(NativeError::Pages),
            (1, _) => Err(NativeError::Signals),
            _ => Err(self.died()),
        }
    }

    fn died(&self) -> NativeError {
        // SAFETY: the mapping is ours; the child, which writes there, is gone or given up.
        NativeError::Died { at: unsafe { (*self.wire).at } }
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
            libc::munmap(self.code.cast(), PAGE as usize);
        }
    }
}

/// The writable pages have as many bytes as the wire has room for.
const _: () = assert!(WRITABLE_LEN == WRITABLE.len() * PAGE as usize);
