//! A network, and the loop of its thread.

use crate::cable::Cable;
use crate::error::NetError;
use crate::far::Far;
use crate::outbox::Outbox;
use crate::passt::Passt;
use crate::pcap::Pcap;
use crate::tap::Tap;
use crate::user::{UserConfig, UserNet};
use ringer_devices::{Link, Mac};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// How soon frames that the guest had no room for are tried again: at first, and when it stays so.
const AGAIN: Duration = Duration::from_millis(1);
const AGAIN_AT_LEAST: Duration = Duration::from_millis(50);
/// How often a record is in its file for whoever reads it meanwhile.
const FLUSH: Duration = Duration::from_millis(500);

/// A network that a guest's adapter can be connected to.
pub struct Network {
    far: Box<dyn Far>,
    cable: Cable,
    pcap: Option<Pcap>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("far", &self.far).finish_non_exhaustive()
    }
}

/// Ends [`Network::run`] from another thread.
#[derive(Clone, Debug)]
pub struct Stopper(Cable);

impl Stopper {
    /// It returns soon.
    pub fn stop(&self) {
        self.0.end();
    }
}

impl Network {
    fn new(far: impl Far + 'static) -> Result<Self, NetError> {
        let cable = Cable::new().map_err(NetError::Event)?;
        Ok(Self { far: Box::new(far), cable, pcap: None })
    }

    /// A network behind a router in this process. `mac` is the guest's address, until it sends with another.
    ///
    /// # Errors
    /// [`NetError::Listen`] where a port that is to lead to the guest is taken.
    pub fn user(config: &UserConfig, mac: Mac) -> Result<Self, NetError> {
        Self::new(UserNet::new(config, mac)?)
    }

    /// The TAP device `name`, which has to be there unless the user may make one.
    ///
    /// # Errors
    /// [`NetError::Tap`].
    pub fn tap(name: &str) -> Result<Self, NetError> {
        Self::new(Tap::open(name)?)
    }

    /// The process passt, which listens at `path`.
    ///
    /// # Errors
    /// [`NetError::Passt`].
    pub fn passt(path: &Path) -> Result<Self, NetError> {
        Self::new(Passt::connect(path)?)
    }

    /// Records all frames in `file`, from now on; `complaint` is told once why that ends.
    #[must_use]
    pub fn record(
        mut self,
        file: File,
        complaint: impl FnOnce(&io::Error) + Send + 'static,
    ) -> Self {
        self.pcap = Some(Pcap::new(file, Box::new(complaint)));
        self
    }

    /// The guest's end of its cable.
    #[must_use]
    pub fn link(&self) -> Box<dyn Link> {
        Box::new(self.cable.clone())
    }

    /// What ends [`Network::run`].
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.cable.clone())
    }

    /// Serves the guest until it is stopped. A frame for it goes to `inlet`, which does not wait, and says whether there
    /// was room: it is offered again soon if there was none.
    pub fn run(self, inlet: impl FnMut(&[u8]) -> bool + Send + 'static) {
        let Self { mut far, cable, pcap } = self;
        let mut out = Outbox::new(Box::new(inlet), pcap);
        let mut batch = VecDeque::new();
        let (mut again, mut flushed) = (AGAIN, Instant::now());
        while !cable.is_ended() {
            cable.take(&mut batch);
            for frame in batch.drain(..) {
                out.record(&frame);
                far.take(&frame, &mut out);
            }
            out.retry();
            far.work(&mut out);
            if flushed.elapsed() >= FLUSH {
                out.flush();
                flushed = Instant::now();
            }
            again = if out.is_waiting() { (again * 2).min(AGAIN_AT_LEAST) } else { AGAIN };
            let waits = out.is_waiting().then_some(again);
            let timeout = [far.timeout(), waits].into_iter().flatten().min();
            if cable.fall_asleep() {
                let mut fds = vec![PollFd::from_borrowed_fd(cable.event(), PollFlags::IN)];
                far.interests(&out, &mut fds);
                let timeout = timeout.map(|wait| Timespec {
                    tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                    tv_nsec: wait.subsec_nanos().into(),
                });
                // A signal wakes as well.
                let _ = poll(&mut fds, timeout.as_ref());
                cable.awake();
            }
        }
        out.flush();
    }
}
