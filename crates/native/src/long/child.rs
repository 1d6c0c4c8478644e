//! The helper process that executes 64-bit code, and the parent's end of it.
//!
//! # Safety of the parent
//! The child shares [`Wire`] and the code page with the parent, and nothing else; a case can write to all of the child's address
//! space, and with it to the wire, but addresses that are not aimed at the case's own pages are random. It keeps to the protocol and
//! the system calls of [`crate::helper`].
//!
//! # The child's code
//! Each case is entered by IRETQ with TF set; the trap that follows, or the fault, is a signal whose frame has the state. The handler
//! notes it and returns to where `ringer_long_enter` was called from.

use super::{
    CODE, COMPLETED, CS, GS, Input, Output, PAGE, READ_ONLY, SS, WRITABLE, WRITABLE_LEN, Wire,
};
use crate::helper::{
    Ends, Helper, NO_PAGES, NO_SIGNALS, NativeError, READY, STACK_LEN, Shared, catch, confine,
    live, map, refused, saved_state,
};
use ringer_cpu::Features;
use std::arch::global_asm;
use std::io;
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

const TRAP_DEBUG: i64 = 1;
const ARCH_SET_GS: libc::c_int = 0x1001;

/// What the assembly works on.
#[repr(C, align(64))]
struct Context {
    input: Input,
    output: Output,
    host_rsp: u64,
    /// Not 0: the host has YMM registers.
    avx: u32,
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
    "fxrstor64 [rdi + {fpu}]",
    "cmp dword ptr [rdi + {avx}], 0",
    "je 2f",
    "vinsertf128 ymm0, ymm0, [rdi + {ymm}], 1",
    "vinsertf128 ymm1, ymm1, [rdi + {ymm} + 16], 1",
    "vinsertf128 ymm2, ymm2, [rdi + {ymm} + 32], 1",
    "vinsertf128 ymm3, ymm3, [rdi + {ymm} + 48], 1",
    "vinsertf128 ymm4, ymm4, [rdi + {ymm} + 64], 1",
    "vinsertf128 ymm5, ymm5, [rdi + {ymm} + 80], 1",
    "vinsertf128 ymm6, ymm6, [rdi + {ymm} + 96], 1",
    "vinsertf128 ymm7, ymm7, [rdi + {ymm} + 112], 1",
    "vinsertf128 ymm8, ymm8, [rdi + {ymm} + 128], 1",
    "vinsertf128 ymm9, ymm9, [rdi + {ymm} + 144], 1",
    "vinsertf128 ymm10, ymm10, [rdi + {ymm} + 160], 1",
    "vinsertf128 ymm11, ymm11, [rdi + {ymm} + 176], 1",
    "vinsertf128 ymm12, ymm12, [rdi + {ymm} + 192], 1",
    "vinsertf128 ymm13, ymm13, [rdi + {ymm} + 208], 1",
    "vinsertf128 ymm14, ymm14, [rdi + {ymm} + 224], 1",
    "vinsertf128 ymm15, ymm15, [rdi + {ymm} + 240], 1",
    "2:",
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
    "fninit",
    "push 0x1f80",
    "ldmxcsr [rsp]",
    "pop rax",
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
    avx = const offset_of!(Context, avx),
    fpu = const offset_of!(Context, input) + offset_of!(Input, fpu),
    ymm = const offset_of!(Context, input) + offset_of!(Input, ymm),
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
    let machine = unsafe { &mut (*uc.cast::<libc::ucontext_t>()).uc_mcontext };
    let context = CONTEXT.load(Ordering::Relaxed);
    // SAFETY: `enter` is under way with this context, and its code is stopped here.
    let out = unsafe { &mut (*context).output };
    // SAFETY: the frame's, whose state the kernel has saved.
    unsafe { saved_state(machine, &mut out.fpu, &mut out.ymm) };
    let regs = &mut machine.gregs;
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
    stack: *mut u8,
}

/// The child's life; never returns.
///
/// # Safety
/// Call it in a freshly forked process; the pointers of `start` are valid, the context and the stack private to this process.
unsafe fn run(start: &Start, ends: Ends) -> ! {
    let begin = || {
        map_pages(start.image).map_err(|_| NO_PAGES)?;
        set_up(start).map_err(|_| NO_SIGNALS)?;
        Ok(READY)
    };
    // SAFETY: all is set up when the first request comes, and the parent waits for the answer.
    live(ends, begin, || unsafe { serve(start) })
}

fn map_pages(image: libc::c_int) -> io::Result<()> {
    map(CODE, PAGE, (image, 0), libc::PROT_READ | libc::PROT_EXEC)?;
    for page in READ_ONLY {
        map(page, PAGE, (-1, 0), libc::PROT_READ)?;
    }
    for page in WRITABLE {
        map(page, PAGE, (-1, 0), libc::PROT_READ | libc::PROT_WRITE)?;
    }
    Ok(())
}

fn set_up(start: &Start) -> io::Result<()> {
    CONTEXT.store(start.context, Ordering::Relaxed);
    catch(ringer_long_signal, start.stack)?;
    // SAFETY: nothing of Rust's on this architecture uses GS.
    if unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, GS) } != 0 {
        return Err(io::Error::last_os_error());
    }
    confine()
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
            (*start.context).output.trap = COMPLETED;
            (*start.context).output.error = 0;
            (*start.context).output.cr2 = 0;
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
    helper: Helper,
    wire: Shared,
    code: Shared,
}

impl Native {
    /// Starts the helper process.
    ///
    /// # Errors
    /// [`NativeError`] says what the host does not permit.
    pub fn start() -> Result<Self, NativeError> {
        let (code, image) = Shared::with_file(PAGE as usize)?;
        let wire = Shared::new(size_of::<Wire>())?;
        let context = Shared::new(size_of::<Context>())?;
        let stack = Shared::new(STACK_LEN)?;
        let at = context.as_ptr::<Context>();
        // SAFETY: zeros are a valid context, and the field is written once.
        unsafe { (*at).avx = u32::from(Features::of_host().contains(Features::AVX)) };
        let start = Start { wire: wire.as_ptr(), context: at, image, stack: stack.as_ptr() };
        // SAFETY: freshly forked; the parent does not touch context and stack.
        let helper = Helper::start(|ends| unsafe { run(&start, ends) });
        // SAFETY: only the child needs the descriptor; the file is mapped.
        unsafe { libc::close(image) };
        let mut native = Self { helper: helper?, wire, code };
        native.answer()?;
        Ok(native)
    }

    /// The shared memory, between two exchanges.
    pub fn wire(&mut self) -> &mut Wire {
        // SAFETY: the child waits for the next request and does not touch it.
        unsafe { &mut *self.wire.as_ptr() }
    }

    /// The code page, between two exchanges.
    pub fn code(&mut self) -> &mut [u8] {
        self.code.bytes()
    }

    /// Has the child run what the wire describes.
    ///
    /// # Errors
    /// When the child died or hangs.
    pub fn exchange(&mut self) -> Result<(), NativeError> {
        if self.helper.request() { self.answer() } else { Err(refused(None, self.wire().at)) }
    }

    fn answer(&mut self) -> Result<(), NativeError> {
        match self.helper.answer() {
            Some(READY) => Ok(()),
            other => Err(refused(other, self.wire().at)),
        }
    }
}

/// The writable pages have as many bytes as the wire has room for.
const _: () = assert!(WRITABLE_LEN == WRITABLE.len() * PAGE as usize);
