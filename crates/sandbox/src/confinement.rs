//! What will be wanted of the kernel, said once; and the act of giving all else up.

use crate::calls::Threads;
use crate::files::{self, Access};
use crate::{filter, kernel, privileges, starting};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::OnceLock;
use thiserror::Error;

/// What the process said of itself.
static ARMED: OnceLock<Sandbox> = OnceLock::new();

/// A path that some threads will open or change after they are confined.
#[derive(Clone, Debug)]
struct Grant {
    threads: Threads,
    path: PathBuf,
    access: Access,
}

/// What will be wanted of the kernel.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    grants: Vec<Grant>,
}

/// The process has said already what will be wanted; nothing has changed.
#[derive(Clone, Copy, Debug, Error)]
#[error("the sandbox of this process is set up already")]
pub struct AlreadyArmed;

impl Sandbox {
    /// Nothing but what is open, and memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `threads` may have `access` to what lies at and below `path`. A path that is not there when a thread confines
    /// itself is not granted.
    #[must_use]
    pub fn grant(mut self, threads: Threads, path: PathBuf, access: Access) -> Self {
        self.grants.push(Grant { threads, path, access });
        self
    }

    /// From now on [`confine`] confines.
    ///
    /// # Errors
    /// [`AlreadyArmed`].
    pub fn arm(self) -> Result<(), AlreadyArmed> {
        ARMED.set(self).map_err(|_| AlreadyArmed)
    }
}

/// What holds for a thread, and for its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Confined {
    /// No program that it could start gets rights that it has not.
    pub no_new_privileges: bool,
    /// It has no capability (see capabilities(7)) but those that its kind of thread keeps.
    pub no_capabilities: bool,
    /// Files that are not open are out of its reach (Landlock).
    pub no_files: bool,
    /// TCP ports too (Landlock since Linux 6.7).
    pub no_ports: bool,
    /// System calls are filtered (seccomp).
    pub filtered_calls: bool,
    /// The process cannot be dumped or traced by its user's other processes.
    pub not_dumpable: bool,
    /// No memory of the process becomes executable any more (Linux 6.3 and later).
    pub no_new_code: bool,
}

impl Confined {
    /// What the kernel, or who started the process, did not permit, in words.
    #[must_use]
    pub fn lacking(&self) -> Vec<&'static str> {
        let parts = [
            (self.no_new_privileges, "no_new_privs"),
            (self.no_capabilities, "giving up capabilities"),
            (self.no_files, "Landlock for files (Linux 5.13)"),
            (self.no_ports || !self.no_files, "Landlock for TCP (Linux 6.7)"),
            (self.filtered_calls, "seccomp filters"),
            (self.not_dumpable, "PR_SET_DUMPABLE"),
            (self.no_new_code, "PR_SET_MDWE (Linux 6.3)"),
        ];
        parts.into_iter().filter(|(there, _)| !there).map(|(_, what)| what).collect()
    }

    /// Nothing is lacking.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lacking().is_empty()
    }
}

/// Confines the calling thread (invariant 18), which is one of `threads`, and the threads that it will make, for ever. `None` in a
/// process that has not armed a sandbox: nothing has changed.
pub fn confine(threads: Threads) -> Option<Confined> {
    let sandbox = ARMED.get()?;
    // Looked up in /proc at first, and kept.
    let _ = rustix::param::page_size();
    let no_new_privileges = privileges::no_new();
    let no_capabilities = privileges::drop_capabilities(threads);
    let grants = sandbox.grants.iter().filter(|grant| grant.threads.intersects(threads));
    let connects = threads.intersects(Threads::NETWORK);
    let grants = grants.map(|grant| (grant.path.as_path(), grant.access));
    let files = files::restrict(grants, connects);
    // Before the filter, which has no such calls.
    let whole = threads.intersects(Threads::VCPU);
    if whole {
        starting::wait();
    }
    let not_dumpable = !whole || privileges::not_dumpable();
    let no_new_code = !whole || kernel::no_new_code();
    let filtered_calls = filter::load(threads);
    Some(Confined {
        no_new_privileges,
        no_capabilities,
        no_files: files.paths,
        no_ports: files.ports,
        filtered_calls,
        not_dumpable,
        no_new_code,
    })
}
