//! The terminal in raw mode for a stdio console, and back whatever happens.
//!
//! Four ways lead back: the guard's drop, the panic hook, the signal thread (which calls
//! [`restore`]), and, for deaths that no code in this process survives, a second small process that
//! waits for this one's end ([`watch`]).

use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::panic;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The terminal's settings before raw mode, while it is in raw mode.
static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

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
        let before = tcgetattr(&stdin)?;
        // Without a watcher the terminal is still restored in all the other ways.
        let watcher = start_watcher().ok();
        *saved() = Some(before);
        let guard = Self { watcher };
        enter_raw()?;
        Ok(Some(guard))
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

/// Gives the terminal its settings back, if it is in raw mode.
pub fn restore() {
    if let Some(before) = saved().take() {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// Makes panics print one line on a sane terminal.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        restore();
        let place = info.location().map(|l| format!(" at {}:{}", l.file(), l.line()));
        let payload = info.payload();
        let owned = payload.downcast_ref::<String>().map(String::as_str);
        let text = owned.or(payload.downcast_ref::<&str>().copied()).unwrap_or("panic");
        let place = place.unwrap_or_default();
        eprintln!("ringer: internal error: {text}{place}; please report it");
    }));
}

/// Starts the watching process; returns after it has noted the terminal's settings.
fn start_watcher() -> io::Result<Child> {
    let terminal = io::stdin().as_fd().try_clone_to_owned()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("restore-terminal")
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
pub fn watch() {
    let terminal = io::stdout();
    let Ok(before) = tcgetattr(&terminal) else { return };
    let told = io::stderr().write_all(&[DONE]).is_ok();
    let mut message = [0];
    let all_is_well = matches!(io::stdin().read(&mut message), Ok(1)) && message[0] == DONE;
    if told && !all_is_well {
        // The parent died: this is all that is left to do.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &before);
    }
}
