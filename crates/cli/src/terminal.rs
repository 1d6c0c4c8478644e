//! The terminal in raw mode for a stdio console, and back whatever happens.
//!
//! Four ways lead back: the guard's drop, the panic hook, the signal thread (which calls
//! [`restore`]), and, for deaths that no code in this process survives, a second small process that
//! waits for this one's end ([`watch`]).

use crate::pause::pause;
use crate::say::{self, say};
use ringer::status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::panic;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The terminal's settings before raw mode, while it is in raw mode.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal shows its other screen, which is ours.
static SCREEN: AtomicBool = AtomicBool::new(false);
/// What shows that, and what leads back: to the colours, the cursor and the screen of before.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[0m\x1b[2J\x1b[H";
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";

/// How often a terminal that would block is tried again.
const RETRY: Duration = Duration::from_millis(2);

/// What the watching process reads when all is well.
const DONE: u8 = b'.';

fn saved() -> MutexGuard<'static, Option<Termios>> {
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Raw mode, as long as this lives.
#[derive(Debug)]
pub struct RawTerminal {
    watcher: Option<Child>,
}

impl RawTerminal {
    /// Switches standard input to raw mode if it is a terminal.
    pub fn enter() -> io::Result<Option<Self>> {
        let stdin = io::stdin();
        if !isatty(&stdin) {
            return Ok(None);
        }
        Self::begin(false).map(Some)
    }

    /// Switches the terminal that standard input and output are to raw mode and to its other screen; what is said waits until that
    /// is left.
    pub fn enter_screen() -> io::Result<Self> {
        let guard = Self::begin(true)?;
        say::hold();
        SCREEN.store(true, Ordering::SeqCst);
        io::stdout().write_all(ENTER)?;
        io::stdout().flush()?;
        Ok(guard)
    }

    fn begin(screen: bool) -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        // Without a watcher the terminal is still restored in all the other ways.
        let watcher = start_watcher(screen).ok();
        *saved() = Some(before);
        let guard = Self { watcher };
        enter_raw()?;
        Ok(guard)
    }
}

/// Whether a stdio console is a terminal that will be in raw mode: nothing but us then puts a carriage return before a
/// line feed.
pub fn is_raw_console() -> bool {
    isatty(io::stdin()) && isatty(io::stdout())
}

/// Text for a terminal in raw mode: a line feed alone goes out as carriage return and line feed, so that the output of a
/// guest without carriage returns stands in lines.
#[derive(Debug)]
pub struct WholeLines<W> {
    inner: W,
    /// Bytes that were taken and are not out.
    pending: Vec<u8>,
    last: u8,
}

impl<W: Write> WholeLines<W> {
    /// Text for `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, pending: Vec::new(), last: 0 }
    }

    fn push_out(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            match self.inner.write(&self.pending)? {
                0 => return Err(ErrorKind::WriteZero.into()),
                n => drop(self.pending.drain(..n)),
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push_out()?;
        for byte in bytes {
            if *byte == b'\n' && self.last != b'\r' {
                self.pending.push(b'\r');
            }
            self.pending.push(*byte);
            self.last = *byte;
        }
        match self.push_out() {
            // They are taken; the next call or `flush` sees them out.
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            other => other?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            match self.push_out() {
                Err(e) if e.kind() == ErrorKind::WouldBlock => pause(RETRY),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
                Ok(()) => return self.inner.flush(),
            }
        }
    }
}

/// Enters raw mode, for the first time or again after the process was stopped and continued.
pub fn enter_raw() -> io::Result<()> {
    if let Some(before) = saved().as_ref() {
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
    }
    Ok(())
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
        if let Some(mut watcher) = self.watcher.take() {
            if let Some(mut pipe) = watcher.stdin.take() {
                // If it is gone already there is nothing to tell it.
                let _ = pipe.write_all(&[DONE]);
            }
            let _ = watcher.wait();
        }
    }
}

/// Whether the terminal is in raw mode: a line needs its carriage return.
pub fn is_raw() -> bool {
    saved().is_some()
}

/// Gives the terminal its settings back, if it is in raw mode.
pub fn restore() {
    leave_screen();
    if let Some(before) = saved().take() {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// Shows the screen of before, if ours is shown, and says what waits. A terminal that takes nothing keeps ours.
fn leave_screen() {
    if SCREEN.swap(false, Ordering::SeqCst) {
        let stdout = io::stdout();
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut fds = [PollFd::new(&stdout, PollFlags::OUT)];
        if matches!(poll(&mut fds, Some(&now)), Ok(1..)) {
            let _ = rustix::io::write(&stdout, LEAVE);
        }
        if let Some(before) = saved().as_ref() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
        say::release();
    }
}

/// Where the standard library asks things of the host.
const HOSTS_PART: &str = "/library/std/src/sys/";
const IS_LIMITED: &str =
    "is memory or address space limited (ulimit -v, ulimit -d, a control group)?";

/// Makes panics print one line on a sane terminal.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        restore();
        let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line()));
        let payload = info.payload();
        let owned = payload.downcast_ref::<String>().map(String::as_str);
        let text = owned.or(payload.downcast_ref::<&str>().copied()).unwrap_or("panic");
        let place = place.unwrap_or_default();
        // The standard library panics where the host gives it no room for the signal stack of a new thread.
        if place.contains(HOSTS_PART) {
            say(format_args!("the host refuses what a thread needs: {text}; {IS_LIMITED}"));
        } else {
            say(format_args!("internal error: {text}{place}; please report it"));
        }
        // The main thread unwinds, and its end is that of the process. Another thread's work would not be done any more, and
        // somebody would wait for it.
        if thread::current().name() != Some("main") {
            std::process::exit(i32::from(status::INTERNAL));
        }
    }));
}

/// Starts the watching process; returns after it has noted the terminal's settings.
fn start_watcher(screen: bool) -> io::Result<Child> {
    let terminal = io::stdin().as_fd().try_clone_to_owned()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("restore-terminal")
        .args(screen.then_some("--screen"))
        .stdin(Stdio::piped())
        .stdout(Stdio::from(terminal))
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut ready) = child.stderr.take() {
        ready.read_exact(&mut [0])?;
    }
    Ok(child)
}

/// The watching process: its standard output is the terminal, its standard input ends when the
/// process that started it does. Call it with SIGTTOU ignored: it may be in the background when it is
/// its turn.
pub fn watch(screen: bool) {
    // What ends the process group, or the session, of the one that is watched does not end this one. A process that
    // leads a group has none to leave.
    let _ = rustix::process::setsid();
    let terminal = io::stdout();
    let Ok(before) = tcgetattr(&terminal) else { return };
    let told = io::stderr().write_all(&[DONE]).is_ok();
    let mut message = [0];
    let all_is_well = matches!(io::stdin().read(&mut message), Ok(1)) && message[0] == DONE;
    if told && !all_is_well {
        // The parent died: this is all that is left to do.
        if screen {
            let _ = io::stdout().write_all(LEAVE);
            let _ = io::stdout().flush();
        }
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, and now and then none.
    #[derive(Default)]
    struct Slow(Vec<u8>, u32);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(ErrorKind::WouldBlock.into());
            }
            let n = bytes.len().min(2);
            self.0.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the next test runs in a process of its own: a thread panics while the main thread waits for ever.
    #[test]
    #[ignore = "ends the process"]
    fn a_thread_panics_and_nobody_notices() {
        install_panic_hook();
        let quiet = thread::spawn(|| panic!("no such thing"));
        while !quiet.is_finished() {
            thread::yield_now();
        }
        loop {
            thread::park();
        }
    }

    #[test]
    fn a_thread_that_panics_ends_the_process_in_one_line() {
        let own = std::env::current_exe().unwrap();
        let name = "terminal::tests::a_thread_panics_and_nobody_notices";
        let words = ["--exact", name, "--ignored", "--nocapture", "--test-threads=2"];
        let output = Command::new(own).args(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(70), "{text}");
        let line = text.lines().find(|line| line.starts_with("ringer: ")).unwrap_or_default();
        assert!(
            line.contains("internal error: no such thing at ") && text.lines().count() == 1,
            "{text}"
        );
    }

    #[test]
    fn a_bare_line_feed_gets_its_carriage_return() {
        let mut out = WholeLines::new(Slow::default());
        for part in [&b"one\ntwo\r\n\nthree\r"[..], b"\nfour\n"] {
            let mut left = part;
            while !left.is_empty() {
                match out.write(left) {
                    Ok(n) => left = &left[n..],
                    Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
                }
            }
            out.flush().unwrap();
        }
        assert_eq!(out.inner.0, b"one\r\ntwo\r\n\r\nthree\r\nfour\r\n");
    }
}
