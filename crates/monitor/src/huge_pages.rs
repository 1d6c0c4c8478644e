//! The thread that gathers guest memory in huge host pages while the guest runs.

use ringer_mmu::{GuestMemory, HugePages, Progress};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long a guest runs before it begins: a shorter run would not get back what that costs.
const SETTLED: Duration = Duration::from_secs(3);
/// Time between two pieces of 2 MiB.
const BUSY: Duration = Duration::from_millis(20);
/// Time between two looks when there was nothing to gather.
const QUIET: Duration = Duration::from_secs(5);

/// The thread; it ends when this is dropped.
#[derive(Debug)]
struct HugePageThread {
    _until: Option<Sender<()>>,
}

impl HugePageThread {
    /// Begins. Where the host has no room for it nothing is gathered.
    fn start(memory: &GuestMemory) -> Self {
        let (until, ended) = channel();
        let work = move |mut huge: HugePages| {
            let mut pause = BUSY;
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                pause = match huge.advance() {
                    Progress::Asked => BUSY,
                    Progress::Nothing => QUIET,
                    Progress::Ended => return,
                };
            }
        };
        let named = std::thread::Builder::new().name("huge pages".to_owned());
        let begun = HugePages::new(memory).and_then(|huge| named.spawn(move || work(huge)));
        Self { _until: begun.is_ok().then_some(until) }
    }
}

/// The thread, once the guest has run for a while.
#[derive(Debug, Default)]
pub(crate) struct HugePageGathering(Option<HugePageThread>);

impl HugePageGathering {
    /// Begins to gather `memory` in huge pages, once it is clear that the guest, which began to run at `started`, stays.
    pub fn advance(&mut self, started: Instant, memory: &GuestMemory) {
        if self.0.is_none() && started.elapsed() >= SETTLED {
            self.0 = Some(HugePageThread::start(memory));
        }
    }
}
