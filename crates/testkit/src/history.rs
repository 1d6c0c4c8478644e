//! How long tests took the last time, so that the longest begin first.
//!
//! The file is a cache: one that cannot be read is as good as none, one that cannot be written is no failure.

use crate::bounds::DURATIONS;
use crate::case::{Case, Outcome, Verdict};
use ringer_input::read;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file in the folder of caches.
const FILE: &str = "test-durations.json";
/// The folder of caches, if the user names it.
const FOLDER: &str = "RINGER_CACHE_DIR";

/// Where the durations are kept: `$RINGER_CACHE_DIR`, or `ringer` in `$XDG_CACHE_HOME` or `~/.cache`.
#[must_use]
pub fn durations_file() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let own = folder(FOLDER).map(PathBuf::from);
    let caches = folder("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Some(PathBuf::from(folder("HOME")?).join(".cache"));
    own.or_else(|| Some(caches.or_else(home)?.join("ringer"))).map(|folder| folder.join(FILE))
}

/// Seconds by file and name.
#[derive(Debug, Default)]
pub struct History(BTreeMap<PathBuf, BTreeMap<String, f64>>);

impl History {
    /// What the file has.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let text = read(file, DURATIONS).unwrap_or_default();
        Self(serde_json::from_slice(&text).unwrap_or_default())
    }

    /// Sorts tests by their last duration, the longest first; those that are new come before, in the order of their
    /// files.
    pub fn sort(&self, cases: &mut [Case]) {
        let last = |case: &Case| -> Option<f64> {
            self.0.get(&absolute(&case.origin))?.get(&case.name).copied()
        };
        cases.sort_by_cached_key(|case| {
            Reverse(
                last(case)
                    .map_or(Duration::MAX, |s| Duration::try_from_secs_f64(s).unwrap_or_default()),
            )
        });
    }

    /// Adds to the file what these took. Files that are gone are forgotten.
    pub fn note<'a>(file: &Path, outcomes: impl IntoIterator<Item = &'a Outcome>) {
        // What others have written since.
        let mut all = Self::read(file).0;
        for outcome in outcomes.into_iter().filter(|o| !matches!(o.verdict, Verdict::Skipped(_))) {
            let tests = all.entry(absolute(&outcome.case.origin)).or_default();
            tests.insert(outcome.case.name.clone(), outcome.time.as_secs_f64());
        }
        all.retain(|file, _| file.exists());
        let Ok(text) = serde_json::to_string(&all) else { return };
        let Some(folder) = file.parent() else { return };
        let written = fs::create_dir_all(folder).and_then(|()| {
            let mut part = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(&mut part, text.as_bytes())?;
            part.persist(file).map_err(|e| e.error)
        });
        // A suite is no worse without.
        drop(written);
    }
}

fn absolute(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Program;
    use crate::spec::Spec;
    use ringer_machine::Engine;
    use std::time::SystemTime;

    fn case(origin: &Path, name: &str) -> Case {
        Case {
            name: name.to_owned(),
            origin: origin.to_owned(),
            program: Program::Image(origin.to_owned()),
            spec: Spec::default(),
            engine: Engine::Bt,
        }
    }

    fn outcome(case: Case, seconds: u64) -> Outcome {
        Outcome {
            case,
            verdict: Verdict::Passed,
            points: Vec::new(),
            serial: Vec::new(),
            started: SystemTime::UNIX_EPOCH,
            time: Duration::from_secs(seconds),
            attempts: Vec::new(),
        }
    }

    #[test]
    fn the_longest_begin_first_and_new_ones_before_them() {
        let dir = tempfile::tempdir().unwrap();
        let (file, rom) = (dir.path().join("caches/ringer/d.json"), dir.path().join("a.rom"));
        fs::write(&rom, "").unwrap();
        let told = [outcome(case(&rom, "short"), 1), outcome(case(&rom, "long"), 9)];
        History::note(&file, &told);
        History::note(&file, &[outcome(case(&rom, "middle"), 5)]);
        let mut cases = ["short", "new", "middle", "long", "newer"].map(|name| case(&rom, name));
        History::read(&file).sort(&mut cases);
        assert_eq!(cases.map(|case| case.name), ["new", "newer", "long", "middle", "short"]);
        fs::remove_file(&rom).unwrap();
        History::note(&file, &[]);
        assert!(History::read(&file).0.is_empty(), "the file is gone");
    }

    #[test]
    fn a_cache_that_cannot_be_used_is_no_failure() {
        History::note(Path::new("/proc/none/d.json"), &[]);
        assert!(History::read(Path::new("/proc/none/d.json")).0.is_empty());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("d.json");
        fs::write(&file, "[not this").unwrap();
        assert!(History::read(&file).0.is_empty());
    }
}
