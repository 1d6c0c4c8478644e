//! The helper process: executes cases in compatibility mode, in an address space whose lowest 4 GiB
//! hold the guest's pages and nothing else.
//!
//! # Protocol
//! That of [`crate::helper`]: the parent writes slots and inputs to the shared [`Wire`]; the child runs every case, and copies the
//! writable pages after each slot.
//!
//! # Safety of the parent
//! A case can only write the child's own pages: `Wire` and everything else of ours lie above 4 GiB,
//! where compatibility-mode code cannot reach. Seccomp's strict mode leaves read, write and exit.

use crate::enter::{Context, ringer_native_enter, ringer_native_leave};
use crate::helper::{self, Ends, NO_PAGES, NO_SIGNALS, READY, catch, confine, live, saved_state};
use crate::layout::{
    CODE, CS16, CS16_LIMIT, CS32, DATA_SELECTOR, LANDING, PAGE, READ_ONLY, WRITABLE, code_pages,
    is_low,
};
use crate::wire::{COMPLETED, Output, Wire};
use ringer_cpu::Eflags;
use std::arch::{asm, global_asm};
use std::cell::Cell;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

static CONTEXT: AtomicPtr<Context> = AtomicPtr::new(ptr::null_mut());

const TF: u64 = Eflags::TF.bits() as u64;
const IF: u64 = Eflags::IF.bits() as u64;
const TRAP_DEBUG: i64 = 1;

/// What the child needs; all made before the fork.
#[derive(Debug)]
pub struct Start {
    /// The shared mapping.
    pub wire: *mut Wire,
    /// The child's private context.
    pub context: *mut Context,
    /// memfd with the code pages, then the read-only pages.
    pub image: libc::c_int,
    /// Alternate signal stack.
    pub stack: *mut u8,
    /// Whether to map the pages under 64 KiB, if the host permits it.
    pub low: bool,
}

/// Answer: ready, without the pages under 64 KiB.
pub const READY_WITHOUT_LOW: u8 = b'l';
/// The child's life; never returns.
///
/// # Safety
/// Call it in a freshly forked process; the pointers of `start` are valid, the context and the stack
/// private to this process.
pub unsafe fn run(start: &Start, ends: Ends) -> ! {
    let low = Cell::new(false);
    let begin = || {
        map_pages(start.image, false).map_err(|_| NO_PAGES)?;
        low.set(start.low && map_pages(start.image, true).is_ok());
        set_up(start).map_err(|_| NO_SIGNALS)?;
        // SAFETY: by contract, this process is ours alone; nothing of Rust's uses these.
        unsafe { asm!("mov ds, {0:e}", "mov es, {0:e}", in(reg) u32::from(DATA_SELECTOR)) };
        Ok(if low.get() { READY } else { READY_WITHOUT_LOW })
    };
    // SAFETY: all is set up when the first request comes, and the parent waits for the answer.
    live(ends, begin, || unsafe { serve(start, low.get()) })
}

/// Maps the pages under 64 KiB, or all others.
fn map_pages(image: libc::c_int, low: bool) -> io::Result<()> {
    let code = code_pages().map(|page| (page, libc::PROT_READ | libc::PROT_EXEC));
    let from_image = code.chain(READ_ONLY.map(|page| (page, libc::PROT_READ)));
    for ((page, rights), k) in from_image.zip(0..).filter(|((page, _), _)| is_low(*page) == low) {
        map(page, image, k, rights)?;
    }
    for page in WRITABLE.into_iter().filter(|page| is_low(*page) == low) {
        map(page, -1, 0, libc::PROT_READ | libc::PROT_WRITE)?;
    }
    Ok(())
}

/// Maps page `at`: page number `index` of `file`, or fresh memory.
fn map(at: u32, file: libc::c_int, index: i64, rights: libc::c_int) -> io::Result<()> {
    let place = (file, index * i64::from(PAGE));
    helper::map(u64::from(at), u64::from(PAGE), place, rights)
}

fn set_up(start: &Start) -> io::Result<()> {
    CONTEXT.store(start.context, Ordering::Relaxed);
    catch(ringer_native_signal, start.stack)?;
    set_code16()?;
    confine()
}

/// The 16-bit code segment, as the local descriptor table's first entry.
fn set_code16() -> io::Result<()> {
    /// The kernel's `struct user_desc`.
    #[repr(C)]
    struct Descriptor {
        entry: u32,
        base: u32,
        limit: u32,
        flags: u32,
    }
    /// Code, readable; 16-bit, with a limit in bytes; present.
    const CODE_SEGMENT: u32 = 2 << 1;
    const WRITE: libc::c_int = 1;
    let descriptor = Descriptor { entry: 0, base: CODE, limit: CS16_LIMIT, flags: CODE_SEGMENT };
    let len = size_of::<Descriptor>();
    // SAFETY: the kernel reads the descriptor, which is a live local of that length.
    let done = unsafe { libc::syscall(libc::SYS_modify_ldt, WRITE, &raw const descriptor, len) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs what the wire asks for.
///
/// # Safety
/// The pages are mapped, the handlers stand, and the parent leaves the wire alone.
unsafe fn serve(start: &Start, low: bool) {
    // SAFETY: the parent waits for the answer; the context is this process's own.
    let (wire, context) = unsafe { (&mut *start.wire, start.context) };
    for s in 0..wire.slots_used as usize {
        let slot = wire.slots[s];
        if !low {
            let page = &wire.pool[slot.memory as usize..][..PAGE as usize];
            wire.after[s][..PAGE as usize].copy_from_slice(page);
        }
        for (k, page) in WRITABLE.into_iter().enumerate().filter(|(_, p)| low || !is_low(*p)) {
            let from = slot.memory as usize + k * PAGE as usize;
            // SAFETY: pool and page are valid for a page each; pages are ours to write.
            unsafe {
                let from = wire.pool[from..].as_ptr();
                ptr::copy_nonoverlapping(from, page as usize as *mut u8, PAGE as usize);
            }
        }
        for n in slot.first as usize..(slot.first + slot.count) as usize {
            wire.at = n as u32;
            // SAFETY: as above; `enter` comes back, by the landing page or by the handler.
            unsafe {
                let c = &mut *context;
                c.input = wire.inputs[n];
                let step = if c.input.step != 0 { TF } else { 0 };
                c.flags = u64::from(c.input.eflags) | step | IF;
                c.output.trap = COMPLETED;
                c.output.by_kernel = 0;
                c.output.eip = c.input.next;
                ringer_native_enter(context);
                if (*context).output.by_kernel == 0 {
                    (*context).output.eflags = (*context).flags_after as u32;
                }
                wire.outputs[n] = (*context).output;
            }
        }
        for (k, page) in WRITABLE.into_iter().enumerate().filter(|(_, p)| low || !is_low(*p)) {
            let to = wire.after[s][k * PAGE as usize..].as_mut_ptr();
            // SAFETY: a page each, one of them ours, the other in the wire.
            unsafe { ptr::copy_nonoverlapping(page as usize as *const u8, to, PAGE as usize) };
        }
    }
}

unsafe extern "C" {
    /// The signal handler's first instructions: AC and NT go before any other code runs.
    fn ringer_native_signal();
}

global_asm!(
    ".globl ringer_native_signal",
    "ringer_native_signal:",
    "pushfq",
    "and qword ptr [rsp], -0x44001",
    "popfq",
    "jmp {handler}",
    handler = sym on_signal,
);

/// Every trap of a case arrives here, on the alternate stack, with Rust's flags.
extern "C" fn on_signal(_: libc::c_int, _: *mut libc::siginfo_t, uc: *mut libc::c_void) -> ! {
    // SAFETY: the kernel passes a valid ucontext for this handler's frame.
    let machine = unsafe { &(*uc.cast::<libc::ucontext_t>()).uc_mcontext };
    let regs = &machine.gregs;
    let context = CONTEXT.load(Ordering::Relaxed);
    let trap = regs[libc::REG_TRAPNO as usize];
    let rip = regs[libc::REG_RIP as usize];
    let compatible = matches!(regs[libc::REG_CSGSFS as usize] as u16, CS32 | CS16);
    // A POPF that set TF: the trap comes after the far jump.
    let landed = !compatible && trap == TRAP_DEBUG && rip == i64::from(LANDING);
    if !compatible && !landed {
        let text = b"hostcheck: a trap in the helper process itself\n";
        // SAFETY: a static buffer, raw system calls.
        unsafe {
            libc::write(2, text.as_ptr().cast(), text.len());
            libc::syscall(libc::SYS_exit, 2);
        }
    }
    // SAFETY: `enter` is under way with this context, and its code is stopped here.
    let (input, out) = unsafe { (&(*context).input, &mut (*context).output) };
    save(machine, out);
    if input.step != 0 {
        out.eflags &= !(TF as u32);
    }
    if landed {
        out.eip = input.next;
    } else if trap == TRAP_DEBUG && input.step != 0 {
        out.eip = rip as u32;
    } else {
        out.eip = rip as u32;
        out.trap = trap as u32;
        out.error = regs[libc::REG_ERR as usize] as u32;
        out.cr2 = regs[libc::REG_CR2 as usize] as u32;
    }
    // SAFETY: the case is over; nothing on this stack is needed any more.
    unsafe { ringer_native_leave(context) }
}

fn save(machine: &libc::mcontext_t, out: &mut Output) {
    let order = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
    ];
    for (value, index) in out.gpr.iter_mut().zip(order) {
        *value = machine.gregs[index as usize] as u32;
    }
    out.eflags = machine.gregs[libc::REG_EFL as usize] as u32;
    out.by_kernel = 1;
    let mut upper = [[0; 16]; 16];
    // SAFETY: the kernel saved the state there.
    unsafe { saved_state(machine, &mut out.fpu, &mut upper) };
    out.ymm.copy_from_slice(&upper[..8]);
}
