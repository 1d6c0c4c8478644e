//! A pseudo-terminal as the end of a serial line: whoever opens its name talks to the guest.
//!
//! While nobody has it open, what the guest sends is lost, as on a cable with nothing at its end. A user that has it
//! open gets everything, and the guest waits for one that is slow ([`crate::output`]).

use crate::pause::pause;
use ringer::Refusal;
use ringer_cpu::refusal::refused;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// How often it is looked whether somebody has opened it.
const LOOK: Duration = Duration::from_millis(50);
/// How long the writer waits for room before it says that there is none.
const ROOM: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// An open pseudo-terminal.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
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
        // Its settings stay when this side is closed; and from then on the other one knows that nobody has it open.
        let user_side = open(name.as_c_str(), flags, Mode::empty())
            .map_err(refused("open of a pseudo-terminal"))?;
        let mut termios = tcgetattr(&user_side).map_err(&called)?;
        termios.make_raw();
        tcsetattr(&user_side, OptionalActions::Now, &termios).map_err(&called)?;
        rustix::io::ioctl_fionbio(&master, true).map_err(&called)?;
        let name = name.to_string_lossy().into_owned();
        Ok(Self { master, name })
    }

    /// The path that others open.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For what others type: it waits for them, and never ends.
    pub fn reader(&self) -> Result<impl Read + Send + use<>, Refusal> {
        Ok(PtyReader(File::from(self.master.try_clone().map_err(refused("fcntl"))?)))
    }

    /// For what the guest sends.
    pub fn writer(&self) -> Result<impl Write + Send + use<>, Refusal> {
        Ok(PtyWriter(File::from(self.master.try_clone().map_err(refused("fcntl"))?)))
    }
}

/// What the master is ready for, of `wanted`; it is also told when nobody has the other side open.
fn ready(master: &File, wanted: PollFlags, at_most: Option<&Timespec>) -> io::Result<PollFlags> {
    let mut fds = [PollFd::from_borrowed_fd(master.as_fd(), wanted)];
    match poll(&mut fds, at_most) {
        Ok(_) => Ok(fds[0].revents()),
        Err(Errno::INTR) => Ok(PollFlags::empty()),
        Err(e) => Err(e.into()),
    }
}

struct PtyReader(File);

impl Read for PtyReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let ready = ready(&self.0, PollFlags::IN, None)?;
            if ready.contains(PollFlags::IN) {
                match self.0.read(bytes) {
                    Ok(n) if n > 0 => return Ok(n),
                    // The user has gone in between.
                    _ => {}
                }
            }
            if ready.contains(PollFlags::HUP) {
                pause(LOOK);
            }
        }
    }
}

struct PtyWriter(File);

impl Write for PtyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let ready = ready(&self.0, PollFlags::OUT, Some(&ROOM))?;
        if ready.contains(PollFlags::HUP) {
            return Ok(bytes.len());
        }
        match self.0.write(bytes) {
            Err(e) if e.raw_os_error() == Some(Errno::IO.raw_os_error()) => Ok(bytes.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
