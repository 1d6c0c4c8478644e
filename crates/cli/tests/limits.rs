//! A process with limits (setrlimit), without its three first descriptors, with signals blocked or ignored, in an odd
//! environment: Ringer runs all the same, or says in one line what is limited and how to mend it.

mod common;
mod host;

use common::{assert_line, command, errors, flat, print};
use host::{End, End::*, Place, Run, Run::*, all, before};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::process::{Command, Stdio};

const MIB: u64 = 1 << 20;
/// A limit that is not one.
const NONE: u64 = libc::RLIM_INFINITY;

/// A limit (soft, hard), what runs under it, and how that ends.
type Row = (&'static str, u32, u64, u64, Run, End);

const ROWS: &[Row] = &[
    ("stack", libc::RLIMIT_STACK, 16 << 10, 16 << 10, Guest, Says("(ulimit -s)")),
    ("stack, soft", libc::RLIMIT_STACK, 16 << 10, NONE, Guest, Works),
    ("stack, soft", libc::RLIMIT_STACK, 16 << 10, MIB, Guest, Works),
    ("address space", libc::RLIMIT_AS, 1024 * MIB, NONE, Guest, Says("ulimit -v")),
    ("address space", libc::RLIMIT_AS, 16384 * MIB, NONE, Guest, Says("ulimit -v")),
    ("data", libc::RLIMIT_DATA, 100 * MIB, NONE, Guest, Says("ulimit -d")),
    ("open files", libc::RLIMIT_NOFILE, 5, 5, Guest, Says("(ulimit -n)")),
    ("open files", libc::RLIMIT_NOFILE, 8, 8, Guest, Lacks("Landlock")),
    ("open files", libc::RLIMIT_NOFILE, 24, 24, Guest, Works),
    ("locked memory", libc::RLIMIT_MEMLOCK, 0, 0, Guest, Works),
    ("core dumps", libc::RLIMIT_CORE, 0, 0, Guest, Works),
    ("pending signals", libc::RLIMIT_SIGPENDING, 0, 0, Guest, Says("(ulimit -i)")),
    ("file size", libc::RLIMIT_FSIZE, MIB, MIB, Guest, Says("(ulimit -f)")),
    ("file size", libc::RLIMIT_FSIZE, 0, 0, Guest, Says("(ulimit -f)")),
    ("file size", libc::RLIMIT_FSIZE, 64 * MIB, 64 * MIB, Guest, Works),
    ("resident set", libc::RLIMIT_RSS, 0, 0, Guest, Works),
    ("locks", libc::RLIMIT_LOCKS, 0, 0, Guest, Works),
    ("message queues", libc::RLIMIT_MSGQUEUE, 0, 0, Guest, Works),
    ("nice", libc::RLIMIT_NICE, 0, 0, Guest, Works),
    ("real-time priority", libc::RLIMIT_RTPRIO, 0, 0, Guest, Works),
    ("processor time", libc::RLIMIT_CPU, 1, 60, Endless, Ends(130, "(ulimit -t)")),
];

/// The process gets this limit.
fn limited(command: &mut Command, resource: u32, (soft, hard): (u64, u64)) -> &mut Command {
    // The environment lies on the stack, and the loader needs what it leaves.
    let command = if resource == libc::RLIMIT_STACK { command.env_clear() } else { command };
    before(command, move || {
        let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
        // SAFETY: the limit is live, and read.
        if unsafe { libc::setrlimit(resource as _, &limit) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    })
}

#[test]
fn a_limit_is_kept_or_named_in_one_line() {
    let place = Place::new();
    all(ROWS, |row| {
        let (name, resource, soft, hard, run, end) = *row;
        let mut ringer = place.command(run);
        limited(&mut ringer, resource, (soft, hard));
        let output = ringer.output().expect("ringer starts");
        let fault = place.fault(run, end, &output)?;
        Some(format!("{name} of {soft}: {fault}"))
    });
}

/// Whatever a limit is, no run under it panics, aborts or dies in silence.
#[test]
fn no_value_of_a_limit_ends_without_a_line() {
    let place = Place::new();
    let steps = |from: u64, to: u64| {
        std::iter::successors(Some(from), |n| Some(n + n / 3)).take_while(move |n| *n < to)
    };
    let mut rows: Vec<(u32, u64)> = Vec::new();
    rows.extend((4..16).map(|n| (libc::RLIMIT_NOFILE, n)));
    rows.extend(steps(24 << 10, 4 * MIB).map(|n| (libc::RLIMIT_STACK, n)));
    rows.extend(steps(12 * MIB, 64 << 30).map(|n| (libc::RLIMIT_AS, n)));
    rows.extend(steps(MIB, 64 << 30).map(|n| (libc::RLIMIT_DATA, n)));
    rows.extend(steps(1 << 10, 128 * MIB).map(|n| (libc::RLIMIT_FSIZE, n)));
    let worked = std::sync::atomic::AtomicUsize::new(0);
    all(&rows, |(resource, most)| {
        let mut ringer = place.command(Run::Guest);
        limited(&mut ringer, *resource, (*most, *most));
        // The system may have no room for the process at all.
        let output = ringer.output().ok()?;
        let text = errors(&output);
        let (status, line) = (output.status.code(), text.lines().count() == 1);
        let by_the_loader = status == Some(127) || text.contains("error while loading");
        let killed_at_birth = status.is_none() && text.is_empty() && *most < 16 * MIB;
        let works = status == Some(1) && output.stdout == b"ok";
        worked.fetch_add(usize::from(works), std::sync::atomic::Ordering::Relaxed);
        let told = matches!(status, Some(2 | 70)) && line && text.contains("ulimit -");
        let well = works || told || by_the_loader || killed_at_birth;
        (!well).then(|| format!("limit {resource} of {most}: {}, {text}", output.status))
    });
    let worked = worked.into_inner();
    assert!(worked > 20 && worked < rows.len(), "{worked} of {} worked", rows.len());
}

/// The limit of processes counts threads, and does not hold for root: a user who has no other process stands in.
#[test]
fn a_thread_that_may_not_be_made_is_named_in_one_line() {
    let nobody = 60_000 + std::process::id() % 5_000;
    let mut ringer = command();
    limited(ringer.arg("demo"), libc::RLIMIT_NPROC, (1, 1));
    before(&mut ringer, move || {
        // SAFETY: neither call has preconditions.
        let refused =
            unsafe { libc::geteuid() == 0 && libc::setresuid(nobody, nobody, nobody) != 0 };
        if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
    });
    match ringer.output() {
        Ok(output) => assert_line(&output, 70, "ulimit -u"),
        // A folder above the program that is not for everybody.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            eprintln!("skipped: {error}")
        }
        Err(error) => panic!("{error}"),
    }
}

/// A file in which there is room for so many bytes only.
fn nearly_full(place: &Place, name: &str, limit: u64, room: u64) -> File {
    let path = place.files.path(name);
    let file = OpenOptions::new().create(true).append(true).read(true).open(path).expect("a file");
    file.set_len(limit - room).expect("a long file");
    file
}

#[test]
fn a_write_past_the_limit_is_an_error_and_what_fits_is_there() {
    let place = Place::new();
    let limit = 64 * MIB;
    let mut file = nearly_full(&place, "out", limit, 1);
    let mut ringer = place.command(Run::Guest);
    ringer.stdout(file.try_clone().expect("a copy")).stderr(Stdio::piped());
    limited(&mut ringer, libc::RLIMIT_FSIZE, (limit, limit));
    let output = ringer.output().expect("ringer starts");
    assert_line(&output, 74, "(ulimit -f)");
    let mut last = [0; 8];
    file.seek(SeekFrom::Start(limit - 1)).expect("the end");
    assert_eq!((file.read(&mut last).expect("the last byte"), last[0]), (1, b'o'));
}

#[test]
fn nothing_is_said_where_nothing_can_be_written_and_the_status_tells() {
    let place = Place::new();
    let limit = 64 * MIB;
    let full = || OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let ends: [fn(&Place, u64, File) -> Stdio; 3] = [
        |_, _, full| full.into(),
        |place, limit, _| nearly_full(place, "err", limit, 0).into(),
        |_, _, _| io::pipe().expect("a pipe").1.into(),
    ];
    for stderr in ends {
        for (words, wanted) in [
            ("run --multiboot spin.bin -m 16M --timeout 0.2", 124),
            ("run --multiboot guest.bin -m 16M --debug-exit", 1),
            ("run --multiboot nowhere.bin", 2),
            ("run --bogus", 2),
            ("test nowhere", 2),
            ("run --multiboot guest.bin -m 16M --debug-exit --serial pty", 1),
        ] {
            let mut ringer = command();
            ringer.current_dir(place.files.dir()).args(words.split(' '));
            ringer.stderr(stderr(&place, limit, full())).stdout(Stdio::null());
            limited(&mut ringer, libc::RLIMIT_FSIZE, (limit, limit));
            let status = ringer.status().expect("ringer starts");
            assert_eq!(status.code(), Some(wanted), "{words}: {status}");
        }
    }
}

/// A file that is opened gets no number that output goes to by itself.
#[test]
fn closed_standard_streams_let_no_file_be_overwritten() {
    let place = Place::new();
    for closed in 0..8u32 {
        let mut ringer = place.command(Run::Spin);
        ringer.args(["--serial", "file:serial", "--report", "report"]);
        ringer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        before(&mut ringer, move || {
            for number in (0..3).filter(|number| closed >> number & 1 != 0) {
                // SAFETY: nothing uses the descriptor any more.
                unsafe { libc::close(number) };
            }
            Ok(())
        });
        let status = ringer.status().expect("ringer starts");
        assert_eq!(status.code(), Some(124), "closed: {closed:#b}");
        assert_eq!(place.files.read("serial"), "", "closed: {closed:#b}");
        let report: serde_json::Value =
            serde_json::from_str(&place.files.read("report")).expect("a report and nothing else");
        assert_eq!(report["end"], "timeout", "closed: {closed:#b}");
    }
}

/// Whoever starts Ringer may have blocked or ignored signals that it needs.
#[test]
fn signals_that_are_blocked_or_ignored_at_the_start_are_in_no_ones_way() {
    let place = Place::new();
    let blocked = || {
        // SAFETY: the set is filled before it is used.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigfillset(&mut set);
            libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
        }
        Ok(())
    };
    let ignored = || {
        for signal in (1..=64).filter(|n| ![libc::SIGKILL, libc::SIGSTOP].contains(n)) {
            // SAFETY: SIG_IGN is valid for every signal; those that the C library keeps are refused.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
        Ok(())
    };
    type Before = fn() -> io::Result<()>;
    let states: [(&str, Before); 2] = [("blocked", blocked), ("ignored", ignored)];
    for (name, state) in states {
        for run in [Run::Guest, Run::Spin, Run::Suite] {
            let mut ringer = place.command(run);
            before(&mut ringer, state);
            let output = ringer.output().expect("ringer starts");
            let fault = place.fault(run, Works, &output);
            assert_eq!(fault, None, "{name}, {run:?}");
        }
    }
}

#[test]
fn an_odd_environment_is_none_of_its_business() {
    let place = Place::new();
    for run in [Run::Guest, Run::Spin, Run::State] {
        let mut ringer = place.command(run);
        ringer.env_clear();
        let output = ringer.output().expect("ringer starts");
        assert_eq!(place.fault(run, Works, &output), None, "{run:?}, no environment");
    }
    for (name, value) in [
        ("HOME", "/nowhere"),
        ("HOME", ""),
        ("TERM", "no-such-terminal"),
        ("TERM", ""),
        ("PATH", ""),
    ] {
        let mut ringer = place.command(Run::Suite);
        ringer.env_remove("RINGER_CACHE_DIR").env_remove("XDG_CACHE_HOME").env(name, value);
        ringer.env("XDG_CACHE_HOME", place.files.path("cache"));
        let output = ringer.output().expect("ringer starts");
        assert_eq!(place.fault(Run::Suite, Works, &output), None, "{name}={value}");
    }
    let mut ringer = place.command(Run::Suite);
    let output = ringer.env("TMPDIR", "/nowhere").output().expect("ringer starts");
    assert_line(&output, 70, "/nowhere");
}

/// Descriptors that nobody closed, a thousand of them, are not touched.
#[test]
fn inherited_descriptors_stay_open_and_unused() {
    let place = Place::new();
    let mut files: Vec<File> = Vec::new();
    for n in 0..50 {
        let file = File::create(place.files.path(&format!("inherited-{n}"))).expect("a file");
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).expect("a flag");
        files.push(file);
    }
    let output = place.command(Run::Guest).output().expect("ringer starts");
    assert_eq!(place.fault(Run::Guest, Works, &output), None);
    assert!(files.iter().all(|file| file.metadata().expect("its length").len() == 0));
}

/// A guest that prints for ever into a console that takes 32 MiB more and then no byte: what fits is there.
#[test]
fn a_flood_up_to_the_limit_is_whole() {
    let place = Place::new();
    let (limit, room) = (64 * MIB, 3000);
    // print; jmp back to it.
    let code = [print(b'x'), vec![0xeb, 0xf6]].concat();
    place.files.write("flood.bin", &flat(&code));
    let file = nearly_full(&place, "flood", limit, room);
    let mut ringer = command();
    ringer.current_dir(place.files.dir()).args(["run", "--multiboot", "flood.bin", "-m", "16M"]);
    ringer.args(["--timeout", "20", "--tc-size", "1M"]).stdout(file.try_clone().expect("a copy"));
    limited(&mut ringer, libc::RLIMIT_FSIZE, (limit, limit));
    let output = ringer.stderr(Stdio::piped()).output().expect("ringer starts");
    assert_line(&output, 74, "File too large");
    assert_eq!(file.metadata().expect("its length").len(), limit);
}
