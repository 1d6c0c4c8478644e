//! A guest's clocks agree with each other, and with the host's, however busy the host is.

mod common;

use common::{Files, command};
use ringer_test_roms::{Load, assemble_as, roms_dir};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// 1000 interrupts a second from the timer, 1024 from the clock, for SECONDS by the time-stamp counter: prints how many
/// came, and how far the power-management timer and the counter (in microseconds) went meanwhile. That is done five times, a
/// tenth of a second apart: ticks can be on their way at one of them.
const GUEST: &str = r#"
    .include "pm.inc"
    .include "pic.inc"
main:
    call pic_init
    GATE 0x20, timer
    GATE 0x28, clock
    mov al, 0x0a
    out 0x70, al
    mov al, 0x26
    out 0x71, al
    mov al, 0x0b
    out 0x70, al
    mov al, 0x42
    out 0x71, al
    PIT0 2, 1193
    UNMASK 0x105
    sti
    call now
    mov [begin], eax
    mov [begin + 4], edx
    mov dword ptr [ticks], 0
    mov dword ptr [updates], 0
    mov dx, 0x608
    in eax, dx
    mov [acpi], eax
    PRINT "begin\n"
1:  hlt
    mov ecx, 20000
2:  loop 2b
    mov dx, 0x608
    in eax, dx
    mov ecx, eax
    sub ecx, [acpi]
    and ecx, 0xffffff
    mov [acpi], eax
    add [passed], ecx
    call now
    sub eax, [begin]
    sbb edx, [begin + 4]
    mov ecx, 1000
    div ecx
    cmp eax, [until]
    jb 1b
    cli
    mov ebx, eax
    mov eax, [ticks]
    call putdec
    PRINT " "
    mov eax, [updates]
    call putdec
    PRINT " "
    mov eax, [passed]
    call putdec
    PRINT " "
    mov eax, ebx
    call putdec
    PRINT "\n"
    sti
    add dword ptr [until], 100000
    dec dword ptr [samples]
    jnz 1b
    cli
    mov dx, 0x604
    mov ax, 0x2000
    out dx, ax
    ret
now:
    rdtsc
    ret
timer:
    inc dword ptr [ticks]
    EOI
    iretd
clock:
    push eax
    inc dword ptr [updates]
    mov al, 0x0c
    out 0x70, al
    in al, 0x71
    mov al, 0x20
    out 0xa0, al
    out 0x20, al
    pop eax
    iretd
    .section .data
    .balign 4
until: .long SECONDS * 1000000
samples: .long 5
    .section .bss
    .balign 4
ticks: .skip 4
updates: .skip 4
passed: .skip 4
acpi: .skip 4
begin: .skip 8
"#;

/// Threads that want all processors, and more.
struct Busy {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Busy {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let count = 2 * thread::available_parallelism().map_or(2, usize::from);
        let spin = |stop: Arc<AtomicBool>| {
            move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        };
        let threads = (0..count).map(|_| thread::spawn(spin(Arc::clone(&stop)))).collect();
        Self { stop, threads }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("it only spins");
        }
    }
}

/// What the guest counted, in seconds by each clock: timer, clock, power-management timer, counter; and what the host's
/// clock showed.
fn clocks(seconds: u32, stop: Option<Duration>) -> ([f64; 4], f64) {
    let files = Files::new();
    let text = format!("    .set SECONDS, {seconds}\n{GUEST}");
    let source = files.write("clocks.s", text.as_bytes());
    let include = [roms_dir().join("include")];
    let image = assemble_as(&source, Load::Multiboot, &files.path("built"), &include);
    let image = image.unwrap_or_else(|error| panic!("{error}"));
    let mut run = command();
    run.args(["run", "-m", "16M", "--clock", "real", "--timeout", "120", "--multiboot"]).arg(image);
    let mut child = run.stdout(Stdio::piped()).spawn().expect("ringer starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let _ = line();
    let began = Instant::now();
    if let Some(stop) = stop {
        let signal = |name: &str| {
            let sent = Command::new("kill").arg(name).arg(child.id().to_string()).status();
            assert!(sent.expect("kill").success());
        };
        thread::sleep(Duration::from_millis(500));
        signal("-STOP");
        thread::sleep(stop);
        signal("-CONT");
    }
    let rates = [13_125_000.0 / 11.0 / 1193.0, 1024.0, 3_579_545.45, 1e6];
    let mut sample = || {
        let (counts, took) = (line(), began.elapsed().as_secs_f64());
        let counts: Vec<f64> = counts.split(' ').map(|n| n.parse().expect("a number")).collect();
        (std::array::from_fn(|i| counts[i] / rates[i]), took)
    };
    let mut samples: Vec<([f64; 4], f64)> = (0..5).map(|_| sample()).collect();
    assert!(child.wait().expect("it ends").success());
    // What is lost is missing in all of them.
    let missing = |([timer, clock, _, counter], _): &([f64; 4], f64)| {
        (timer / counter - 1.0).abs() + (clock / counter - 1.0).abs()
    };
    samples.sort_by(|a, b| missing(a).total_cmp(&missing(b)));
    samples[0]
}

/// Asserts that the clocks agree to `part`.
fn assert_agree((clocks, host): ([f64; 4], f64), part: f64, with_host: f64) {
    let [timer, clock, acpi, counter] = clocks;
    // It has 24 bits: what a longer stop takes round leaves no trace in it, as on a PC.
    let round = f64::from(1 << 24) / 3_579_545.45;
    let acpi = acpi + ((counter - acpi) / round).round() * round;
    eprintln!("timer {timer}, clock {clock}, ACPI {acpi}, counter {counter}, host {host}");
    for (name, seconds) in [("timer", timer), ("clock", clock), ("ACPI timer", acpi)] {
        let off = (seconds / counter - 1.0).abs();
        assert!(off < part, "{name}: {seconds} s, and {counter} s by the counter");
    }
    let off = (counter / host - 1.0).abs();
    assert!(off < with_host, "{counter} s, and {host} s on the host");
}

#[test]
fn clocks_agree_on_a_busy_host() {
    let _load = Busy::start();
    // The lines come when the host has time for that; and a tick or two may be on their way.
    assert_agree(clocks(3, None), 0.004, 0.05);
}

#[test]
fn what_a_stop_of_the_process_took_is_made_up() {
    assert_agree(clocks(5, Some(Duration::from_secs(3))), 0.004, 0.05);
}

/// `cargo test --release --test busy_host -- --ignored` runs it.
#[test]
#[ignore = "takes two minutes"]
fn clocks_agree_to_a_thousandth_after_a_minute() {
    let _load = Busy::start();
    assert_agree(clocks(60, None), 0.001, 0.001);
    assert_agree(clocks(60, Some(Duration::from_secs(6))), 0.001, 0.001);
}
