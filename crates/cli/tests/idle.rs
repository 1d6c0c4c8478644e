//! A halted guest costs the host nothing, whatever its devices are doing that can interrupt nobody.

mod common;

use common::{Files, command, elf};
use rustix::process::Pid;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Seconds that the runs with the real clock last.
const TIMEOUT: &str = "2";
/// Processor time that a run may cost: starting costs the most of it.
const COST: Duration = Duration::from_millis(400);

/// Both interrupt controllers, all masked but `open`.
fn controllers(open: u16) -> String {
    let mask = !open;
    let (master, slave) = (mask & 0xff, mask >> 8);
    let words = [
        (0x20, 0x11),
        (0x21, 0x20),
        (0x21, 4),
        (0x21, 1),
        (0x21, master),
        (0xa0, 0x11),
        (0xa1, 0x28),
        (0xa1, 2),
        (0xa1, 1),
        (0xa1, slave),
    ];
    words.map(|(port, value)| format!("mov al, {value}\nout {port}, al\n")).concat()
}

const PIT_600_KHZ: &str =
    "mov al, 0x34\nout 0x43, al\nmov al, 2\nout 0x40, al\nmov al, 0\nout 0x40, al\n";
/// Its periodic interrupt at 8 kHz and those of its updates.
const RTC_8_KHZ: &str = "mov al, 10\nout 0x70, al\nmov al, 0x23\nout 0x71, al\nmov al, 11\nout 0x70, al\nmov al, 0x52\nout 0x71, al\n";
/// The power-management timer's event.
const PM_TIMER: &str = "mov dx, 0x602\nmov ax, 1\nout dx, ax\n";
/// COM1's transmitter is empty, and that is an interrupt.
const TRANSMITTER: &str =
    "mov dx, 0x3fc\nmov al, 8\nout dx, al\nmov dx, 0x3f9\nmov al, 3\nout dx, al\n";
const HALT: &str = "sti\n1: hlt\njmp 1b";

/// Processor time of a run whose standard input stays open, and its status.
fn cost(image: &std::path::Path, options: &[&str]) -> (Duration, i32) {
    let mut run = command();
    run.args(["run", "-m", "16M", "--no-reboot", "--multiboot"]).arg(image).args(options);
    run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = run.spawn().expect("ringer starts");
    // It is not waited for, so that its standard input stays open.
    let pid = Pid::from_child(&child);
    let started = Instant::now();
    let mut cost = Duration::ZERO;
    loop {
        // The last look before it ends is late by as much as it sleeps.
        cost = used(pid).unwrap_or(cost);
        if let Some(status) = child.try_wait().expect("it can be asked") {
            return (cost, status.code().expect("it ends by itself"));
        }
        assert!(started.elapsed() < Duration::from_secs(60), "it hangs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processor time of all threads so far.
fn used(pid: Pid) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // Behind the name in brackets: field 3 and what follows; 14 and 15 are times in ticks.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11..13)?.iter().filter_map(|n| n.parse::<u64>().ok()).sum();
    let hz = rustix::param::clock_ticks_per_second();
    (ticks > 0).then(|| Duration::from_micros(ticks * 1_000_000 / hz))
}

#[test]
fn what_can_interrupt_nobody_costs_nothing() {
    let files = Files::new();
    // The keyboard could wake them all, but for the last.
    let keyboard = 1 << 1;
    let cases = [
        ("a timer masked", keyboard, [PIT_600_KHZ, ""], 124),
        ("a clock masked", keyboard, [RTC_8_KHZ, ""], 124),
        (
            "all of them masked",
            keyboard,
            [&[PIT_600_KHZ, RTC_8_KHZ, PM_TIMER].concat(), TRANSMITTER],
            124,
        ),
        ("the slave cut off", keyboard | 1 << 8, [RTC_8_KHZ, ""], 124),
        ("nothing open", 0, [PIT_600_KHZ, TRANSMITTER], 78),
    ];
    let runs: Vec<_> = cases
        .into_iter()
        .enumerate()
        .map(|(n, (what, open, devices, wanted))| {
            let text = [&controllers(open), devices[0], devices[1], HALT].concat();
            let image = elf(&files, &format!("case{n}"), &text);
            let run = std::thread::spawn(move || {
                cost(&image, &["--timeout", TIMEOUT, "--clock", "real"])
            });
            (what, wanted, run)
        })
        .collect();
    for (what, wanted, run) in runs {
        let (cost, status) = run.join().expect("it ends");
        assert_eq!(status, wanted, "{what}");
        assert!(cost < COST, "{what}: {cost:?} of processor time in {TIMEOUT} s");
    }
}

#[test]
fn virtual_time_leaps_over_what_can_interrupt_nobody() {
    let files = Files::new();
    // Ten updates of the clock, one a second; the timer's six million edges are nobody's. Vector 28h at 2000h.
    let text = [
        "mov eax, offset 2f\nmov word ptr [0x2140], ax\nmov word ptr [0x2142], 8\n\
         mov word ptr [0x2144], 0x8e00\nshr eax, 16\nmov word ptr [0x2146], ax\n\
         mov word ptr [0x1ff0], 0x7ff\nmov dword ptr [0x1ff2], 0x2000\nlidt [0x1ff0]\n\
         mov esp, 0x9000\nmov ebp, 100\n",
        &controllers(1 << 8 | 1 << 2),
        PIT_600_KHZ,
        "mov al, 11\nout 0x70, al\nmov al, 0x12\nout 0x71, al\n",
        HALT,
        "\n2: mov al, 12\nout 0x70, al\nin al, 0x71\nmov al, 0x20\nout 0xa0, al\nout 0x20, al\n\
         dec ebp\njz 3f\niretd\n3: mov dx, 0x604\nmov ax, 0x2000\nout dx, ax\n4: jmp 4b",
    ]
    .concat();
    let image = elf(&files, "leap", &text);
    for engine in ["bt", "interp", "lockstep"] {
        let options = ["--timeout", "60", "--clock", "virtual", "--engine", engine];
        let (cost, status) = cost(&image, &options);
        assert_eq!(status, 0, "{engine}");
        assert!(cost < Duration::from_secs(2), "{engine}: {cost:?}");
    }
}
