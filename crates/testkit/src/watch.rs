//! Runs a suite again whenever one of its files changes.
//!
//! Times of change are looked at a few times a second: that works on every file system, and needs nothing of the host.
//! What a run itself writes, objects and images that a build makes, does not count where there are builds.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Endings of what builds make.
const MADE: [&str; 12] =
    ["o", "a", "d", "elf", "bin", "rom", "img", "iso", "flat", "map", "lst", "xml"];

/// When files were changed, and how long they are.
type Snapshot = BTreeMap<PathBuf, (SystemTime, u64)>;

/// Runs, waits for a change, and runs again, until `ended` says so. A run says whether it has builds.
pub fn watch(paths: &[PathBuf], ended: &dyn Fn() -> bool, run: &mut dyn FnMut() -> bool) {
    while !ended() {
        let before = snapshot(paths);
        let builds = run();
        let after = snapshot(paths);
        let known = if builds { baseline(&before, after) } else { before };
        while snapshot(paths) == known {
            if ended() {
                return;
            }
            thread::park_timeout(LOOK);
        }
        // An editor may write in several steps: until nothing moves.
        let mut last = snapshot(paths);
        loop {
            thread::park_timeout(LOOK);
            let now = snapshot(paths);
            if now == last || ended() {
                break;
            }
            last = now;
        }
    }
}

/// What counts as unchanged after a run: what a build made is as it is now, everything else as it was before.
fn baseline(before: &Snapshot, after: Snapshot) -> Snapshot {
    let as_before = |(path, now): (PathBuf, _)| {
        let then = before.get(&path).copied().filter(|_| !is_made(&path));
        (path, then.unwrap_or(now))
    };
    after.into_iter().map(as_before).collect()
}

fn is_made(path: &Path) -> bool {
    path.extension().and_then(|end| end.to_str()).is_some_and(|end| MADE.contains(&end))
}

fn snapshot(paths: &[PathBuf]) -> Snapshot {
    let mut all = Snapshot::new();
    for path in paths {
        note(path, &mut all);
        // A description, an include file or a Makefile lies beside.
        if path.is_file() {
            note(&crate::recipe::folder_of(path), &mut all);
        }
    }
    all
}

fn note(path: &Path, all: &mut Snapshot) {
    // What is gone meanwhile is a change by itself.
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if metadata.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let hidden = |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
        entries.filter(|entry| !hidden(entry)).for_each(|entry| note(&entry.path(), all));
    } else if let Ok(changed) = metadata.modified() {
        all.insert(path.to_owned(), (changed, metadata.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Runs in a folder with a source; whether each run has builds. At the third look `change` happens.
    fn runs(builds: bool, change: &dyn Fn(&Path)) -> usize {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.s"), "1").unwrap();
        fs::write(dir.path().join("a.elf"), "").unwrap();
        let (runs, looks) = (Cell::new(0), Cell::new(0));
        let ended = || {
            looks.set(looks.get() + 1);
            if looks.get() == 3 {
                change(dir.path());
            }
            runs.get() == 2 || looks.get() > 8
        };
        let mut run = || {
            runs.set(runs.get() + 1);
            if builds {
                fs::write(dir.path().join("a.elf"), vec![0; runs.get()]).unwrap();
            }
            builds
        };
        watch(&[dir.path().to_owned()], &ended, &mut run);
        runs.get()
    }

    #[test]
    fn a_change_runs_the_suite_again_and_a_builds_own_do_not() {
        assert_eq!(runs(true, &|_| ()), 1);
        assert_eq!(runs(false, &|_| ()), 1);
        for builds in [true, false] {
            assert_eq!(runs(builds, &|dir| fs::write(dir.join("a.s"), "22").unwrap()), 2);
            assert_eq!(runs(builds, &|dir| fs::write(dir.join("a.elf"), "other").unwrap()), 2);
            assert_eq!(runs(builds, &|dir| fs::write(dir.join("new.s"), "").unwrap()), 2);
        }
    }

    #[test]
    fn a_source_that_changes_during_a_run_is_not_missed() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("a.s");
        fs::write(&source, "1").unwrap();
        let before = snapshot(std::slice::from_ref(&source));
        fs::write(&source, "22").unwrap();
        fs::write(dir.path().join("a.elf"), "1").unwrap();
        let known = baseline(&before, snapshot(std::slice::from_ref(&source)));
        assert_ne!(known, snapshot(std::slice::from_ref(&source)));
        let image = dir.path().join("a.elf");
        assert_eq!(known.get(&image), snapshot(std::slice::from_ref(&image)).get(&image));
    }
}
