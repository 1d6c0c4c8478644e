//! A TAP device: a cable to the host's kernel.

use crate::error::NetError;
use crate::far::Far;
use crate::outbox::Outbox;
use ringer_devices::link::MAX_FRAME;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};
use std::ffi::c_void;
use std::io;
use std::time::Duration;

/// Bytes of a name with the zero behind it.
const NAME: usize = 16;
/// An Ethernet device, whose frames have nothing before them.
const TAP: u16 = 2;
const BARE: u16 = 0x1000;
/// Frames that are read at one go.
const BURST: usize = 64;

/// The kernel's `struct ifreq`, as far as TUNSETIFF reads it.
#[repr(C)]
struct Request {
    name: [u8; NAME],
    flags: u16,
    rest: [u8; 22],
}

struct SetInterface(Request);

// SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which is 40 bytes long on 64-bit hosts, as `Request` is; it keeps no
// pointer to it.
unsafe impl Ioctl for SetInterface {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::write::<std::ffi::c_int>(b'T', 202)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(&mut self.0).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// The device.
#[derive(Debug)]
pub(crate) struct Tap(OwnedFd);

impl Tap {
    /// Opens the device `name`.
    ///
    /// # Errors
    /// [`NetError::Tap`], [`NetError::TapName`].
    pub fn open(name: &str) -> Result<Self, NetError> {
        let odd = |byte: u8| byte.is_ascii_whitespace() || byte == b'/' || byte == 0;
        if name.is_empty() || name.len() >= NAME || name.bytes().any(odd) {
            return Err(NetError::TapName(name.to_owned()));
        }
        let error = |source: Errno| NetError::Tap { name: name.to_owned(), source: source.into() };
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let tap = open("/dev/net/tun", flags, Mode::empty()).map_err(error)?;
        let mut request = Request { name: [0; NAME], flags: TAP | BARE, rest: [0; 22] };
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        // SAFETY: the descriptor is a TUN device's, and the request is as that wants it (above).
        unsafe { ioctl(&tap, SetInterface(request)) }.map_err(error)?;
        Ok(Self(tap))
    }
}

impl Far for Tap {
    fn take(&mut self, frame: &[u8], _out: &mut Outbox) {
        // What the kernel has no room for is lost, as on any wire.
        let _: rustix::io::Result<usize> = write(&self.0, frame);
    }

    fn work(&mut self, out: &mut Outbox) {
        let mut buffer = [0; MAX_FRAME + 1];
        for _ in 0..BURST {
            if !out.has_room() {
                return;
            }
            match read(&self.0, &mut buffer).map_err(io::Error::from) {
                // The kernel can be told of longer frames than an adapter takes.
                Ok(len) if len <= MAX_FRAME => out.push(buffer[..len].to_vec()),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    fn interests<'a>(&'a self, out: &Outbox, into: &mut Vec<PollFd<'a>>) {
        if out.has_room() {
            into.push(PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN));
        }
    }

    fn timeout(&mut self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_request_is_as_long_as_the_kernels() {
        assert_eq!(size_of::<Request>(), 40);
        assert_eq!(
            SetInterface(Request { name: [0; 16], flags: 0, rest: [0; 22] }).opcode(),
            0x4004_54ca
        );
    }

    #[test]
    fn names_that_are_none_are_refused_before_the_kernel_sees_them() {
        for name in ["", "a b", "a/b", "0123456789abcdef"] {
            assert!(matches!(Tap::open(name), Err(NetError::TapName(_))), "{name:?}");
        }
        // Who may make one gets one, under that name and down; others are told.
        match Tap::open("ringer-none") {
            Ok(tap) => {
                assert!(fs::exists("/sys/class/net/ringer-none").unwrap());
                let down: rustix::io::Result<usize> = write(&tap.0, &[0; 60]);
                assert_eq!(down, Err(Errno::IO));
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("ringer-none") && error.lines().count() == 1, "{error}");
            }
        }
    }
}
