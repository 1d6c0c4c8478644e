//! How an image is made: by an assembler here, or by a command of the suite's own.
//!
//! Each is made when the first of its tests runs, once for all engines; whoever comes meanwhile waits. A command runs
//! once even if several tests name it, and commands in one folder run one after the other, since they share files.

use crate::child::{self, End};
use crate::stop::Stop;
use ringer_input::shown;
use ringer_test_roms::{Load, assemble_as};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// So long may a command take.
const LIMIT: Duration = Duration::from_secs(3600);
/// Characters of a failed command's output that a message shows.
const SHOWN: usize = 4000;
/// Endings of images, in the order in which they are looked for.
pub const IMAGES: [&str; 6] = ["elf", "bin", "rom", "img", "iso", "flat"];

/// One image's making.
#[derive(Debug)]
pub struct Recipe {
    how: How,
    image: OnceLock<Result<PathBuf, String>>,
}

#[derive(Debug)]
enum How {
    Assemble { source: PathBuf, load: Load, out: PathBuf, include: Vec<PathBuf> },
    Command { build: Arc<Build>, image: PathBuf },
}

/// A command that makes images.
#[derive(Debug)]
struct Build {
    folder: PathBuf,
    command: String,
    environment: Vec<(&'static str, PathBuf)>,
    /// Held while a command runs in the folder.
    turn: Arc<Mutex<()>>,
    done: OnceLock<Result<(), String>>,
}

impl Recipe {
    /// The image, made now unless it is there.
    ///
    /// # Errors
    /// Why there is none: what the tools said.
    pub fn image(&self, stop: &Stop) -> Result<PathBuf, String> {
        self.image.get_or_init(|| self.make(stop)).clone()
    }

    /// Where a command leaves its image, if that is known or has been left there before.
    #[must_use]
    pub fn output(&self) -> Option<PathBuf> {
        match &self.how {
            How::Command { image, .. } => Some(with_ending(image).unwrap_or_else(|| image.clone())),
            How::Assemble { .. } => None,
        }
    }

    fn make(&self, stop: &Stop) -> Result<PathBuf, String> {
        match &self.how {
            How::Assemble { source, load, out, include } => {
                assemble_as(source, *load, out, include).map_err(|e| e.to_string())
            }
            How::Command { build, image } => {
                build.done.get_or_init(|| build.run(stop)).clone()?;
                with_ending(image).ok_or_else(|| {
                    let (command, image) = (&build.command, shown(image));
                    format!("build = {command:?} ended well, but there is no {image}")
                })
            }
        }
    }
}

/// The image, if it is there; where its name has no ending, it may have any.
fn with_ending(image: &Path) -> Option<PathBuf> {
    if image.is_file() {
        return Some(image.to_owned());
    }
    let mut named = IMAGES.iter().map(|end| image.with_extension(end));
    image.extension().is_none().then(|| named.find(|path| path.is_file())).flatten()
}

impl Build {
    fn run(&self, stop: &Stop) -> Result<(), String> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |problem: String| format!("build = {:?} {problem}", self.command);
        let ended = child::output(&mut self.shell(), LIMIT, stop);
        let (end, text) = ended.map_err(|e| told(format!("cannot be run: {e}")))?;
        let status = match end {
            End::Exited(status) if status.success() => return Ok(()),
            End::Exited(status) => status.to_string(),
            End::Stopped => return Err(told("was stopped with the suite".to_owned())),
            End::TimedOut | End::Stray => format!("not done in {} s", LIMIT.as_secs()),
        };
        let text = String::from_utf8_lossy(&text);
        let skip = text.chars().count().saturating_sub(SHOWN);
        let tail: String = text.chars().skip(skip).collect();
        Err(told(format!("failed ({status}):\n{}", tail.trim_end())))
    }

    fn shell(&self) -> Command {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&self.command).current_dir(&self.folder);
        shell.envs(self.environment.iter().map(|(name, value)| (name, value)));
        shell
    }
}

/// Makes recipes, and knows what they share.
#[derive(Debug)]
pub struct Workshop<'a> {
    /// A folder for images and other files of the suite.
    work: &'a Path,
    /// The `ringer` program.
    program: &'a Path,
    recipes: usize,
    builds: HashMap<(PathBuf, String), Arc<Build>>,
    turns: HashMap<PathBuf, Arc<Mutex<()>>>,
}

impl<'a> Workshop<'a> {
    /// A workshop that works in a folder, which has the shared include files in it from now on.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn open(work: &'a Path, program: &'a Path) -> io::Result<Self> {
        ringer_test_roms::write_shared(&work.join("include"))?;
        let (builds, turns) = (HashMap::new(), HashMap::new());
        Ok(Self { work, program, recipes: 0, builds, turns })
    }

    /// The folder for the suite's files.
    #[must_use]
    pub fn work(&self) -> &Path {
        self.work
    }

    /// An image that is assembled here. Include files are looked for next to the source, in the folder `include`
    /// there, and among the shared ones.
    pub fn assemble(&mut self, source: &Path, load: Load) -> Arc<Recipe> {
        self.recipes += 1;
        let folder = folder_of(source);
        let include = vec![folder.clone(), folder.join("include"), self.work.join("include")];
        let out = self.work.join(format!("image-{}", self.recipes));
        let how = How::Assemble { source: source.to_owned(), load, out, include };
        Arc::new(Recipe { how, image: OnceLock::new() })
    }

    /// An image that a shell command makes in `folder`.
    pub fn command(&mut self, folder: &Path, command: &str, image: &Path) -> Arc<Recipe> {
        let turn = Arc::clone(self.turns.entry(folder.to_owned()).or_default());
        let key = (folder.to_owned(), command.to_owned());
        let build = self.builds.entry(key).or_insert_with(|| {
            let include = self.work.join("include");
            let environment =
                vec![("RINGER", self.program.to_owned()), ("RINGER_INCLUDE", include)];
            let (folder, command) = (folder.to_owned(), command.to_owned());
            Arc::new(Build { folder, command, environment, turn, done: OnceLock::new() })
        });
        let how = How::Command { build: Arc::clone(build), image: folder.join(image) };
        Arc::new(Recipe { how, image: OnceLock::new() })
    }
}

/// The folder that a file lies in.
#[must_use]
pub fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_command_runs_once_for_all_that_name_it() {
        let dir = tempfile::tempdir().unwrap();
        let (work, folder) = (dir.path().join("work"), dir.path().join("suite"));
        fs::create_dir(&folder).unwrap();
        let mut workshop = Workshop::open(&work, Path::new("/ringer")).unwrap();
        let command = "echo x >>log; touch a.elf b.bin; test -f \"$RINGER_INCLUDE/pm.inc\"";
        let a = workshop.command(&folder, command, Path::new("a.elf"));
        let b = workshop.command(&folder, command, Path::new("b"));
        assert_eq!(a.image(&Stop::default()), Ok(folder.join("a.elf")));
        assert_eq!(b.image(&Stop::default()), Ok(folder.join("b.bin")), "an ending is found");
        assert_eq!(a.image(&Stop::default()), Ok(folder.join("a.elf")));
        assert_eq!(fs::read_to_string(folder.join("log")).unwrap(), "x\n");
    }

    #[test]
    fn a_command_that_fails_or_leaves_nothing_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let mut workshop = Workshop::open(dir.path(), Path::new("/ringer")).unwrap();
        let failing = workshop.command(dir.path(), "echo woe >&2; exit 3", Path::new("a.elf"));
        let told = failing.image(&Stop::default()).unwrap_err();
        assert!(told.contains("exit 3") && told.contains("woe"), "{told}");
        let told = workshop
            .command(dir.path(), "true", Path::new("a.elf"))
            .image(&Stop::default())
            .unwrap_err();
        assert!(told.contains("there is no") && told.contains("a.elf"), "{told}");
    }
}
