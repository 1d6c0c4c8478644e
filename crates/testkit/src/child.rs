//! A process that ends with this one, whatever ends it.
//!
//! Such a process leads a group of its own: a Ctrl-C at the terminal reaches this process alone,
//! which then ends its tests in good order; and what the process starts can be ended with it. The
//! kernel kills it when the thread that started it is gone (PR_SET_PDEATHSIG), be it by SIGKILL; so
//! the thread that starts a process is the one that waits for it.

use crate::stop::{Level, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process_group,
    pidfd_open, set_parent_process_death_signal, waitid,
};
use std::io::{self, Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a process is looked at, beside its end, which is noticed at once.
const LOOK: Duration = Duration::from_millis(15);
/// The same on hosts whose kernel has no pidfd.
const POLL: Duration = Duration::from_millis(3);
/// So long may a process take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(2);

/// So many of the last bytes of a command's output are kept.
const OUTPUT: u64 = 1 << 20;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// Killed when its time was over.
    TimedOut,
    /// Ended since the suite ends.
    Stopped,
    /// Killed since it did what it must not ([`Tied::wait_while`]).
    Stray,
}

/// A process that does not outlive this one.
#[derive(Debug)]
pub struct Tied {
    child: Child,
    pid: Pid,
    pidfd: Option<OwnedFd>,
    reaped: bool,
}

/// Starts the command as such a process.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Tied> {
    let parent = getpid();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have died before that call: then no signal will come.
        if getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        unblock_signals()
    };
    command.process_group(0);
    // SAFETY: between fork and exec the closure makes system calls that are async-signal-safe (prctl,
    // getppid, sigprocmask), and neither allocates nor takes a lock.
    unsafe { command.pre_exec(tie) };
    let child = command.spawn()?;
    let pid = Pid::from_child(&child);
    Ok(Tied { child, pid, pidfd: pidfd_open(pid, PidfdFlags::empty()).ok(), reaped: false })
}

/// Runs a command to its end, or that of the suite; what it wrote to both of its outputs, in that order.
///
/// # Errors
/// When it cannot be run.
pub fn output(command: &mut Command, limit: Duration, stop: &Stop) -> io::Result<(End, Vec<u8>)> {
    // A file without a name, not a pipe: nobody has to read it meanwhile, and it ends with its users.
    let mut file = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file.try_clone()?);
    let end = spawn(command)?.wait(limit, stop)?;
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(file.metadata()?.len().saturating_sub(OUTPUT)))?;
    file.take(OUTPUT).read_to_end(&mut text)?;
    Ok((end, text))
}

/// This process takes its signals by a thread and blocks them; others expect them as usual.
fn unblock_signals() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set, which is all that the second call reads.
    let failed = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut())
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Tied {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; ends it after `limit`, or when the suite does.
    ///
    /// # Errors
    /// When the system does not let it wait.
    pub fn wait(self, limit: Duration, stop: &Stop) -> io::Result<End> {
        self.wait_while(limit, stop, &mut || true)
    }

    /// The same; kills it, too, when `fine` says no, which is asked now and then.
    ///
    /// # Errors
    /// When the system does not let it wait.
    pub fn wait_while(
        mut self,
        limit: Duration,
        stop: &Stop,
        fine: &mut dyn FnMut() -> bool,
    ) -> io::Result<End> {
        let started = Instant::now();
        let mut asked: Option<Instant> = None;
        let end = loop {
            if self.has_ended()? {
                let status = self.reap()?;
                return Ok(if asked.is_some() { End::Stopped } else { End::Exited(status) });
            }
            let over = asked.is_some_and(|since| since.elapsed() > PATIENCE);
            if stop.level() == Level::Kill || over {
                break End::Stopped;
            }
            if stop.level() == Level::End && asked.is_none() {
                self.signal(Signal::TERM);
                asked = Some(Instant::now());
            }
            if started.elapsed() > limit {
                break if asked.is_some() { End::Stopped } else { End::TimedOut };
            }
            if !fine() {
                break End::Stray;
            }
            self.sleep();
        };
        self.signal(Signal::KILL);
        self.reap()?;
        Ok(end)
    }

    /// Until it has ended, or a moment has passed.
    fn sleep(&self) {
        let Some(pidfd) = &self.pidfd else { return thread::park_timeout(POLL) };
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(LOOK.subsec_nanos()) };
        // An interruption is as good as the moment.
        let _ = poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&wait));
    }

    /// Whether it has ended; it is not reaped yet, so that its group's number stays its own.
    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.pid), options)?.is_some())
    }

    /// To it and what it has started.
    fn signal(&self, signal: Signal) {
        // A group that is gone needs no signal.
        let _ = kill_process_group(self.pid, signal);
    }

    /// Ends what it left behind, and takes its status.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
            // There is nothing to be told of it.
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Reason;
    use std::fs;
    use std::path::Path;

    const LONG: Duration = Duration::from_secs(60);

    fn sh(script: &str) -> Tied {
        spawn(Command::new("sh").args(["-c", script])).unwrap()
    }

    /// Whether the process that wrote its number there still runs; a zombie does not.
    fn lives(pid_file: &Path) -> bool {
        let pid = fs::read_to_string(pid_file).unwrap();
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    }

    fn until(what: &str, done: impl Fn() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < LONG, "{what} never came");
            thread::sleep(POLL);
        }
    }

    #[test]
    fn a_process_that_does_not_end_is_killed_with_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let process = sh(&script);
        until("the number", || fs::read_to_string(&file).is_ok_and(|t| t.ends_with('\n')));
        assert_eq!(process.wait(Duration::ZERO, &Stop::default()).unwrap(), End::TimedOut);
        until("the end of its child", || !lives(&file));
    }

    #[test]
    fn what_a_process_leaves_behind_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let process = sh(&format!("sleep 600 & echo $! > {}; exit 7", file.display()));
        let end = process.wait(LONG, &Stop::default()).unwrap();
        assert!(matches!(end, End::Exited(status) if status.code() == Some(7)), "{end:?}");
        until("the end of its child", || !lives(&file));
    }

    #[test]
    fn the_end_of_the_suite_asks_and_a_second_signal_kills() {
        let stop = Stop::default();
        stop.request(Reason::Signal(15));
        let started = Instant::now();
        assert_eq!(sh("exec sleep 600").wait(LONG, &stop).unwrap(), End::Stopped);
        let deaf = sh("trap '' TERM; while :; do sleep 600; done");
        stop.request(Reason::Signal(15));
        assert_eq!(deaf.wait(LONG, &stop).unwrap(), End::Stopped);
        assert!(started.elapsed() < LONG);
    }

    #[test]
    fn a_process_that_strays_is_killed() {
        let end = sh("exec sleep 600").wait_while(LONG, &Stop::default(), &mut || false);
        assert_eq!(end.unwrap(), End::Stray);
    }

    #[test]
    fn the_thread_that_started_it_takes_it_along() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 600", file.display());
        let number = file.clone();
        let thread = thread::spawn(move || {
            std::mem::forget(sh(&script));
            until("the number", || fs::read_to_string(&number).is_ok_and(|t| t.ends_with('\n')));
        });
        thread.join().unwrap();
        until("its end", || !lives(&file));
    }

    #[test]
    fn output_is_that_of_both_outputs_in_order() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo a; echo b >&2; echo c; exit 3"]);
        let (end, text) = output(&mut command, LONG, &Stop::default()).unwrap();
        assert!(matches!(end, End::Exited(status) if status.code() == Some(3)), "{end:?}");
        assert_eq!(text, b"a\nb\nc\n");
    }

    #[test]
    fn signals_are_not_blocked_in_it() {
        let end = sh("grep -q '^SigBlk:.*[1-9a-f]' /proc/self/status && exit 1; exit 0");
        let end = end.wait(LONG, &Stop::default()).unwrap();
        assert!(matches!(end, End::Exited(status) if status.success()), "{end:?}");
    }
}
