//! The configuration of a suite: `ringer.toml`, in the folder of the suite or above it.
//!
//! Its table `test` has what the options of `ringer test` have, which win over it, and `test.defaults` the keys of a
//! description. Paths in it are seen from its folder.

use crate::TestkitError;
use crate::bounds::DESCRIPTION;
use crate::mistake::Mistake;
use crate::spec::Spec;
use ringer_input::read_text;
use ringer_machine::Engine;
use serde::Deserialize;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// The file's name.
pub const NAME: &str = "ringer.toml";

/// The table `test`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// What is run where no path is given.
    pub paths: Vec<PathBuf>,
    /// Tests at a time.
    pub jobs: Option<NonZeroUsize>,
    /// Engines of tests that name none.
    pub engines: Option<Vec<String>>,
    /// How often a test that failed is run again.
    pub retries: Option<u32>,
    /// No test is begun after one that failed.
    pub fail_fast: Option<bool>,
    /// Seconds after which a test is named as slow.
    pub slow: Option<f64>,
    /// Parts of names of tests that are left out.
    pub skip: Vec<String>,
    /// Where JUnit XML is written.
    pub junit: Option<PathBuf>,
    /// Keys of a description for tests that do not have them.
    pub defaults: toml::Table,
}

/// The file: tables of other commands are theirs.
#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    test: Config,
}

/// What the keys may be.
fn allowed(key: &str) -> Option<&'static str> {
    Some(match key {
        "paths" => "a list of texts, files or folders",
        "jobs" => "a number from 1 on",
        "engines" => "a list of \"bt\", \"interp\", \"lockstep\"",
        "retries" => "a number from 0 to 4294967295",
        "fail-fast" => "true or false",
        "slow" => "seconds, more than 0",
        "skip" => "a list of texts, parts of names",
        "junit" => "a text, a file",
        "defaults" => "a table of keys as in a head",
        _ => return None,
    })
}

impl Config {
    /// The file that is nearest: in `folder`, or above it.
    #[must_use]
    pub fn find(folder: &Path) -> Option<PathBuf> {
        // As seen from here, since paths of tests are told to others, who see them from here too.
        let depth = fs::canonicalize(folder).ok()?.ancestors().count();
        let above = |count| std::iter::repeat_n("..", count).collect::<PathBuf>();
        let mut files = (0..depth).map(|count| {
            let start = if folder == Path::new(".") { Path::new("") } else { folder };
            start.join(above(count)).join(NAME)
        });
        files.find(|file| file.is_file())
    }

    /// Reads a file. Its paths are seen from where this process is.
    ///
    /// # Errors
    /// When it cannot be read, or what is wrong in it, with its place.
    pub fn read(file: &Path) -> Result<Self, TestkitError> {
        let text = read_text(file, DESCRIPTION)?;
        let mut config =
            Self::parse(&text).map_err(|mistake| TestkitError::Config(mistake.in_file(file, 0)))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        for path in config.paths.iter_mut().chain(&mut config.junit) {
            *path = folder.join(&path);
        }
        Ok(config)
    }

    /// The engines by value.
    #[must_use]
    pub fn engines(&self) -> Option<Vec<Engine>> {
        let names = self.engines.as_ref()?;
        Some(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong in it, with its place.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        let of_toml = |e: toml::de::Error| Mistake::of_toml(text, &e, allowed);
        let config = toml::from_str::<File>(text).map_err(of_toml)?.test;
        let wrong =
            |key: &str, problem: &str| Err(Mistake::of_key(text, key, problem, allowed(key)));
        if let Some(names) = &config.engines {
            if names.is_empty() {
                return wrong("engines", "the list is empty");
            }
            if let Some(name) = names.iter().find(|name| name.parse::<Engine>().is_err()) {
                return wrong("engines", &format!("'{name}' is no engine"));
            }
        }
        if config.slow.is_some_and(|slow| !(slow > 0.0 && slow.is_finite())) {
            return wrong("slow", "will not do");
        }
        // As a description they must hold by themselves.
        let defaults = toml::to_string(&config.defaults).unwrap_or_default();
        if let Err(mistake) = Spec::parse(&defaults, &toml::Table::new()) {
            let key = mistake.message.split(':').next().unwrap_or_default();
            let line = Mistake::of_key(text, key, "", None).line;
            return Err(Mistake { line, message: mistake.message });
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_counts_and_its_paths_are_seen_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let text = "[test]\npaths = ['roms']\njobs = 2\nengines = ['bt']\nretries = 1\n\
                    fail-fast = true\nslow = 0.5\nskip = ['x']\njunit = 'out.xml'\n\
                    [test.defaults]\nmemory = '64M'\n[run]\nanything = 1\n";
        fs::write(dir.path().join("a/ringer.toml"), text).unwrap();
        fs::write(dir.path().join("ringer.toml"), "").unwrap();
        let file = Config::find(&deep).unwrap();
        assert_eq!(file, deep.join("../ringer.toml"));
        let config = Config::read(&file).unwrap();
        let folder = deep.join("..");
        assert_eq!(config.paths, [folder.join("roms")]);
        assert_eq!(config.junit, Some(folder.join("out.xml")));
        assert_eq!(config.engines(), Some(vec![Engine::Bt]));
        assert_eq!(
            (config.retries, config.fail_fast, config.slow),
            (Some(1), Some(true), Some(0.5))
        );
        assert_eq!(config.defaults["memory"].as_str(), Some("64M"));
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, line, part) in [
            ("[test]\njbos = 2\n", 2, "jbos: no such key (did you mean jobs?)"),
            ("[test]\njobs = 0\n", 2, "jobs: "),
            ("[test]\nengines = ['qemu']\n", 2, "engines: 'qemu' is no engine"),
            ("[test]\nslow = -1\n", 2, "slow: will not do"),
            ("[test.defaults]\nmemory = '8T'\n", 2, "memory: '8T' will not do"),
            ("[test.defaults]\n\ntimeuot = 8\n", 3, "timeuot: no such key"),
            ("[test\n", 1, ""),
        ] {
            let mistake = Config::parse(text).unwrap_err();
            assert_eq!(mistake.line, Some(line), "{text}: {mistake}");
            assert!(mistake.message.contains(part), "{mistake}");
        }
    }
}
