//! Signals and the rest of what a run changes of its process: all is as before afterwards, and what is not
//! the machine's goes to whoever had it before. Each test is a process of its own, since signal handlers are
//! the process's.

#[allow(dead_code, reason = "other tests use more of it")]
mod common;

use ringer_devices::SerialSink;
use ringer_monitor::{Engine, Monitor, RunEnd};
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, mem, ptr, thread};

const CODE: u32 = 0x1_0000;
const ALONE: &str = "RINGER_TEST_ALONE";

/// Runs `body` in a process of its own, which ends with status 0 when it returns.
fn alone(name: &str, body: impl FnOnce()) -> Output {
    if env::var_os(ALONE).is_some() {
        body();
        std::process::exit(0);
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture"]).env(ALONE, "1");
    command.output().unwrap()
}

fn assert_passed(output: &Output) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}", output.status);
}

/// Sends a character a hundred times, then ends through port F4h with 0.
fn talker() -> Vec<u8> {
    let mut code = vec![0xb9, 100, 0, 0, 0]; // mov ecx, 100
    code.extend([0x66, 0xba, 0xf8, 0x03, 0xee]); // mov dx, 3f8h; out dx, al
    code.extend([0x49, 0x75, 0xf8]); // dec ecx; jne
    code.extend([0x31, 0xc0, 0xe7, 0xf4, 0xeb, 0xfe]); // xor eax, eax; out f4h, eax; jmp $
    code
}

/// Counts in a loop without end.
fn spinner() -> Vec<u8> {
    vec![0x40, 0x89, 0xc3, 0x39, 0xd8, 0x74, 0xf9, 0xe7, 0xf4] // inc eax; mov ebx, eax; cmp eax, ebx; je; out
}

struct Sink<F>(F);

impl<F: FnMut() + Send> SerialSink for Sink<F> {
    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        (self.0)();
        Ok(())
    }
}

fn machine(code: Vec<u8>, sink: impl FnMut() + Send + 'static) -> Monitor {
    let sink = Box::new(Sink(sink));
    common::flat_machine_with(Engine::Bt, sink, &[(CODE, code)], CODE, false)
}

fn run_talker(sink: impl FnMut() + Send + 'static) {
    assert_eq!(machine(talker(), sink).run().unwrap(), RunEnd::DebugExit(0));
}

const SIGNALS: [i32; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGUSR1];

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

fn action(signal: i32) -> libc::sigaction {
    // SAFETY: zeros are a valid sigaction, which the call only writes.
    unsafe {
        let mut now: libc::sigaction = mem::zeroed();
        assert_eq!(libc::sigaction(signal, ptr::null(), &mut now), 0);
        now
    }
}

fn handle(signal: i32, handler: Handler) {
    // SAFETY: the handlers of this file touch atomics only.
    unsafe {
        let mut new: libc::sigaction = mem::zeroed();
        new.sa_sigaction = handler as usize;
        new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaddset(&mut new.sa_mask, libc::SIGUSR2);
        assert_eq!(libc::sigaction(signal, &new, ptr::null_mut()), 0);
    }
}

fn tid() -> i32 {
    // SAFETY: no preconditions.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

fn send(tid: i32, signal: i32) {
    // SAFETY: a signal to a thread of this process.
    unsafe { assert_eq!(libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, signal), 0) };
}

/// What a run changes: handlers with their flags and masks, alternate stack, GS base, blocked signals.
#[derive(Debug, PartialEq)]
struct HostState {
    actions: Vec<(usize, i32, bool)>,
    stack: (usize, i32, usize),
    gs_base: u64,
    usr1_is_blocked: bool,
}

impl HostState {
    fn now() -> Self {
        let mut gs_base = 0_u64;
        // SAFETY: calls that write to the locals they are given.
        unsafe {
            let mut stack: libc::stack_t = mem::zeroed();
            libc::sigaltstack(ptr::null(), &mut stack);
            const ARCH_GET_GS: i32 = 0x1004;
            libc::syscall(libc::SYS_arch_prctl, ARCH_GET_GS, &raw mut gs_base);
            let mut blocked: libc::sigset_t = mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &mut blocked);
            let actions = SIGNALS.map(action).map(|a| {
                // The C library's own flag, which it adds to whatever is set.
                const SA_RESTORER: i32 = 0x0400_0000;
                (
                    a.sa_sigaction,
                    a.sa_flags & !SA_RESTORER,
                    libc::sigismember(&a.sa_mask, libc::SIGUSR2) == 1,
                )
            });
            Self {
                actions: actions.to_vec(),
                stack: (stack.ss_sp as usize, stack.ss_flags, stack.ss_size),
                gs_base,
                usr1_is_blocked: libc::sigismember(&blocked, libc::SIGUSR1) == 1,
            }
        }
    }
}

fn core_filter() -> String {
    fs::read_to_string("/proc/self/coredump_filter").unwrap()
}

extern "C" fn nothing(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

#[test]
fn a_run_leaves_the_process_as_it_was() {
    assert_passed(&alone("a_run_leaves_the_process_as_it_was", || {
        handle(libc::SIGSEGV, nothing);
        handle(libc::SIGUSR1, nothing);
        // SAFETY: nobody here uses GS; the set is live.
        unsafe {
            const ARCH_SET_GS: i32 = 0x1001;
            assert_eq!(libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, 0x1234_5000_u64), 0);
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigaddset(&mut set, libc::SIGUSR1);
            libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut());
        }
        let (before, filter) = (HostState::now(), core_filter());
        assert_eq!((before.gs_base, before.usr1_is_blocked), (0x1234_5000, true));
        let (sender, during) = std::sync::mpsc::channel();
        let mut monitor = machine(talker(), move || drop(sender.send(HostState::now())));
        assert_eq!(monitor.run().unwrap(), RunEnd::DebugExit(0));
        assert_eq!(HostState::now(), before);
        assert_ne!(core_filter(), filter, "guest memory is still there");
        drop(monitor);
        assert_eq!(core_filter(), filter);
        let during = during.iter().last().expect("the sink was called");
        assert_ne!(during.stack, before.stack);
        assert_ne!(during.gs_base, before.gs_base);
        assert!(!during.usr1_is_blocked);
        for (during, before) in during.actions.iter().zip(&before.actions) {
            assert_ne!(during.0, before.0);
        }
    }));
}

static TAKEN: AtomicU32 = AtomicU32::new(0);
static CODES: AtomicI32 = AtomicI32::new(0);
static VCPU: AtomicI32 = AtomicI32::new(0);

/// Counts what comes on the vCPU's thread.
extern "C" fn count(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    if tid() == VCPU.load(Ordering::Relaxed) {
        // SAFETY: the kernel's information on the signal.
        CODES.fetch_min(unsafe { (*info).si_code }, Ordering::Relaxed);
        TAKEN.fetch_add(1, Ordering::Relaxed);
    }
}

fn wait_for(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < Duration::from_secs(30), "nothing came");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_signal_that_somebody_sent_is_no_fault_of_the_guest() {
    assert_passed(&alone("a_signal_that_somebody_sent_is_no_fault_of_the_guest", || {
        handle(libc::SIGSEGV, count);
        handle(libc::SIGTRAP, count);
        handle(libc::SIGUSR1, count);
        let mut monitor = machine(spinner(), || {});
        let kicker = monitor.kicker();
        let vcpu = tid();
        VCPU.store(vcpu, Ordering::Relaxed);
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                for _ in 0..1000 {
                    kicker.serial_input(0, b"");
                }
                assert_eq!(TAKEN.load(Ordering::Relaxed), 0, "kicks are the machine's");
                for n in 0..60 {
                    send(vcpu, [libc::SIGSEGV, libc::SIGTRAP, libc::SIGUSR1][n % 3]);
                    wait_for(|| TAKEN.load(Ordering::Relaxed) == n as u32 + 1);
                }
                kicker.quit();
            });
            assert_eq!(monitor.run().unwrap(), RunEnd::Quit);
        });
        assert_eq!(CODES.load(Ordering::Relaxed), libc::SI_TKILL);
    }));
}

/// Uses up the stack, whatever the optimiser thinks of it.
#[allow(unconditional_recursion, reason = "the point of it")]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    overflow(depth + 1) + frame[black_box(3)]
}

#[test]
fn rust_notices_an_overflow_of_the_stack_after_a_run_and_in_a_sink() {
    let name = "rust_notices_an_overflow_of_the_stack_after_a_run_and_in_a_sink";
    for in_sink in ["no", "yes"] {
        let output = if env::var_os(ALONE).is_some() {
            alone(name, || {
                if env::var("RINGER_TEST_IN_SINK").unwrap() == "yes" {
                    run_talker(|| assert_eq!(overflow(0), 1));
                } else {
                    run_talker(|| {});
                }
                assert_eq!(overflow(0), 1);
            })
        } else {
            let mut command = Command::new(env::current_exe().unwrap());
            command.args([name, "--exact", "--nocapture"]).env(ALONE, "1");
            command.env("RINGER_TEST_IN_SINK", in_sink).output().unwrap()
        };
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("has overflowed its stack"), "{text}");
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    }
}

#[test]
fn what_the_process_did_at_a_signal_it_does_still() {
    for (signal, text) in [(libc::SIGSEGV, "segv"), (libc::SIGUSR1, "usr1"), (libc::SIGURG, "urg")]
    {
        let name = "what_the_process_did_at_a_signal_it_does_still";
        if let Ok(asked) = env::var(ALONE) {
            if asked == text {
                let vcpu = tid();
                run_talker(move || send(vcpu, signal));
                std::process::exit(0);
            }
            continue;
        }
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([name, "--exact", "--nocapture"]).env(ALONE, text);
        let status = command.output().unwrap().status;
        let ends = signal != libc::SIGURG;
        assert_eq!(status.signal(), ends.then_some(signal), "{text}: {status}");
    }
}

static BELOW: AtomicU32 = AtomicU32::new(0);
static ABOVE: AtomicU32 = AtomicU32::new(0);
static BEFORE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn below(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    BELOW.fetch_add(1, Ordering::Relaxed);
}

/// Installed while a machine runs, and passes on to what was there.
extern "C" fn above(signal: i32, info: *mut libc::siginfo_t, uc: *mut libc::c_void) {
    ABOVE.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the handler that this one was installed above.
    unsafe { mem::transmute::<usize, Handler>(BEFORE.load(Ordering::Relaxed))(signal, info, uc) };
}

#[test]
fn a_handler_that_came_during_a_run_stays_and_chains_end() {
    assert_passed(&alone("a_handler_that_came_during_a_run_stays_and_chains_end", || {
        handle(libc::SIGFPE, below);
        run_talker(|| {
            if BEFORE.load(Ordering::Relaxed) == 0 {
                BEFORE.store(action(libc::SIGFPE).sa_sigaction, Ordering::Relaxed);
                handle(libc::SIGFPE, above);
            }
        });
        let calls = || (ABOVE.load(Ordering::Relaxed), BELOW.load(Ordering::Relaxed));
        assert_eq!(action(libc::SIGFPE).sa_sigaction, above as Handler as usize);
        send(tid(), libc::SIGFPE);
        assert_eq!(calls(), (1, 1), "without a machine");
        let vcpu = tid();
        run_talker(move || {
            let sent = ABOVE.load(Ordering::Relaxed);
            send(vcpu, libc::SIGFPE);
            assert_eq!(calls(), (sent + 1, sent + 1), "above it, then below it");
        });
        assert_eq!(action(libc::SIGFPE).sa_sigaction, above as Handler as usize);
    }));
}

#[test]
fn machines_on_two_threads_come_and_go() {
    assert_passed(&alone("machines_on_two_threads_come_and_go", || {
        let before = HostState::now();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        run_talker(|| {});
                        let mut monitor = machine(spinner(), || {});
                        let kicker = monitor.kicker();
                        let ender = thread::spawn(move || kicker.quit());
                        assert_eq!(monitor.run().unwrap(), RunEnd::Quit);
                        ender.join().unwrap();
                    }
                });
            }
        });
        assert_eq!(HostState::now(), before);
    }));
}
