//! The thread that gathers guest memory in large host pages while the guest runs.

use crate::run::Monitor;
use ringer_mmu::{GuestMemory, HugePages, Progress};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long a guest runs before it begins: a shorter run would not get back what that costs.
const SETTLED: Duration = Duration::from_secs(3);
/// Time between two pieces of 2 MiB.
const BUSY: Duration = Duration::from_millis(20);
/// Time between two looks when there was nothing to gather.
const QUIET: Duration = Duration::from_secs(5);

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct HugePageThread {
    _until: Option<Sender<()>>,
}

impl HugePageThread {
    /// Begins. Where the host has no room for it nothing is gathered.
    pub fn start(memory: &GuestMemory) -> Self {
        let (until, ended) = channel();
        let work = move |mut large: HugePages| {
            let mut pause = BUSY;
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                pause = match large.advance() {
                    Progress::Asked => BUSY,
                    Progress::Nothing => QUIET,
                    Progress::Ended => return,
                };
            }
        };
        let named = std::thread::Builder::new().name("large pages".to_owned());
        let begun = HugePages::new(memory).and_then(|large| named.spawn(move || work(large)));
        Self { _until: begun.is_ok().then_some(until) }
    }
}

impl Monitor {
    /// Begins to gather guest memory, once it is clear that the guest stays.
    pub(crate) fn begin_huge_pages(&mut self) {
        if self.huge_pages.is_none() && self.started.elapsed() >= SETTLED {
            self.huge_pages = Some(HugePageThread::start(&self.bus.memory));
        }
    }
}
