//! The folder with a suite's files, which ends with the suite whatever ends that.
//!
//! Three ways: the owner removes it; a small shell that waits for the owner's end does, if the owner
//! was killed, and ends first what builds have left running, which the kernel does not end with them;
//! and if that was killed too, the next suite. A folder whose owner lives is locked
//! (flock, which the kernel takes back when a process ends), so nobody else removes it.

use crate::TestkitError;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What such a folder's name begins with.
const PREFIX: &str = "ringer-test-";
/// Waits for a line, which says that all is well, or the end of its standard input. Then it kills, as
/// long as there are some, the processes that have the suite's include folder in their environment
/// (`crate::recipe` puts it there), and removes the folder.
const WATCH: &str = r#"
read -r line && exit
for round in 1 2 3 4 5; do
    found=$(grep -lsF "RINGER_INCLUDE=$1/include" /proc/[0-9]*/environ)
    [ "$found" ] || break
    for file in $found; do
        process=${file#/proc/}
        kill -KILL "${process%/environ}" 2>/dev/null
    done
done
rm -rf -- "$1"
"#;
/// How often a folder is made anew, should another suite have swept it before it was locked.
const TRIES: usize = 10;

/// The folder; it is removed when this is dropped.
#[derive(Debug)]
pub struct WorkDir {
    // In this order: the folder is gone before the lock is, and the watcher is told last.
    dir: TempDir,
    _lock: File,
    watcher: Option<Child>,
}

impl WorkDir {
    /// Makes one in the system's folder for temporary files, and removes those of suites that were
    /// killed.
    ///
    /// # Errors
    /// When none can be made.
    pub fn create() -> Result<Self, TestkitError> {
        Self::create_in(&std::env::temp_dir())
    }

    fn create_in(parent: &Path) -> Result<Self, TestkitError> {
        sweep(parent);
        for _ in 0..TRIES {
            let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent);
            let dir = made.map_err(TestkitError::WorkDir)?;
            let Ok(lock) = File::open(dir.path()) else { continue };
            // A file system without locks is one where nobody sweeps.
            let taken = matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock));
            if !taken && dir.path().exists() {
                let watcher = watch(dir.path());
                return Ok(Self { dir, _lock: lock, watcher });
            }
        }
        Err(TestkitError::WorkDir(std::io::ErrorKind::ResourceBusy.into()))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What cannot be removed now is the next suite's.
        let _ = fs::remove_dir_all(self.dir.path());
        if let Some(mut watcher) = self.watcher.take() {
            // A watcher that is gone needs no word.
            let _ = watcher.stdin.take().map(|mut pipe| pipe.write_all(b"done\n"));
            let _ = watcher.wait();
        }
    }
}

/// Starts the watching shell, out of reach of signals to this process's group. Without it, the next
/// suite removes what a killed one leaves.
fn watch(dir: &Path) -> Option<Child> {
    let mut shell = Command::new("sh");
    shell.args(["-c", WATCH, "ringer-test-watcher"]).arg(dir);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.current_dir("/").process_group(0).spawn().ok()
}

/// Removes the folders in `parent` whose owner is dead.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        // A link is none of ours, wherever it leads.
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            remove_if_dead(&entry.path());
        }
    }
}

fn remove_if_dead(dir: &PathBuf) {
    let Ok(lock) = File::open(dir) else { return };
    // Another user's folder is that user's to remove.
    let own = fs::metadata("/proc/self").map(|m| m.uid()).ok();
    let theirs = lock.metadata().map(|m| m.uid()).ok();
    if own == theirs && lock.try_lock().is_ok() {
        // Locked as long as it is being removed; what remains is tried again next time.
        let _ = fs::remove_dir_all(dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::time::{Duration, Instant};

    #[test]
    fn it_is_there_as_long_as_its_owner_and_others_leave_it_alone() {
        let parent = tempfile::tempdir().unwrap();
        let first = WorkDir::create_in(parent.path()).unwrap();
        fs::write(first.path().join("file"), "x").unwrap();
        let second = WorkDir::create_in(parent.path()).unwrap();
        assert!(first.path().join("file").exists());
        drop((first, second));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_dead_suite_left_is_swept_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let at = |name: &str| parent.path().join(name);
        fs::create_dir_all(at("ringer-test-dead/0")).unwrap();
        fs::create_dir(at("ringer-other")).unwrap();
        fs::write(at("ringer-test-file"), "").unwrap();
        std::os::unix::fs::symlink(at("ringer-other"), at("ringer-test-link")).unwrap();
        drop(WorkDir::create_in(parent.path()).unwrap());
        let mut left: Vec<_> =
            fs::read_dir(parent.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["ringer-other", "ringer-test-file", "ringer-test-link"].map(OsStr::new));
    }

    #[test]
    fn the_watcher_removes_it_when_its_owner_says_no_word() {
        let parent = tempfile::tempdir().unwrap();
        let mut work = WorkDir::create_in(parent.path()).unwrap();
        fs::write(work.path().join("file"), "x").unwrap();
        // The end of the pipe is what remains of an owner that was killed.
        drop(work.watcher.as_mut().unwrap().stdin.take());
        let started = Instant::now();
        while work.path().exists() {
            assert!(started.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}
