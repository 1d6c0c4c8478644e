//! A pseudo-terminal as the end of a serial line: whoever opens its name talks to the guest.

use ringer::Refusal;
use ringer_cpu::refusal::refused;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;

/// An open pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    /// Held open, so that reading the master waits for the next user instead of failing.
    _user_side: OwnedFd,
    name: String,
}

impl Pty {
    /// Makes one, in raw mode.
    pub fn open() -> Result<Self, Refusal> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .map_err(refused("open of /dev/ptmx"))?;
        let called = refused("ioctl of a pseudo-terminal");
        grantpt(&master).map_err(&called)?;
        unlockpt(&master).map_err(&called)?;
        let name = ptsname(&master, Vec::new()).map_err(&called)?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let user_side = open(name.as_c_str(), flags, Mode::empty())
            .map_err(refused("open of a pseudo-terminal"))?;
        let mut termios = tcgetattr(&user_side).map_err(&called)?;
        termios.make_raw();
        tcsetattr(&user_side, OptionalActions::Now, &termios).map_err(&called)?;
        let name = name.to_string_lossy().into_owned();
        Ok(Self { master, _user_side: user_side, name })
    }

    /// The path that others open.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For what others type.
    pub fn reader(&self) -> Result<File, Refusal> {
        Ok(File::from(self.master.try_clone().map_err(refused("fcntl"))?))
    }

    /// For what the guest sends.
    pub fn writer(&self) -> Result<impl Write + Send + use<>, Refusal> {
        Ok(PtyWriter(File::from(self.master.try_clone().map_err(refused("fcntl"))?)))
    }
}

/// Writes what fits and drops the rest: a line that nobody listens to holds no guest up.
struct PtyWriter(File);

impl Write for PtyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut ready = [PollFd::new(&self.0, PollFlags::OUT)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut ready, Some(&at_once))? == 0 {
            return Ok(bytes.len());
        }
        // Few enough bytes that a writable terminal takes them without blocking.
        match self.0.write(&bytes[..bytes.len().min(256)]) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(bytes.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
