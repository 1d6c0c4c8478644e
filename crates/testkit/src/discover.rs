//! Finds tests: what is a program, and what is said about it.

use crate::TestkitError;
use crate::bounds::{DESCRIPTION, HEAD};
use crate::case::{Case, Failure, Kind, Program};
use crate::found::{self, Found};
use crate::mistake::Mistake;
use crate::recipe::{IMAGES, Workshop, folder_of};
use crate::spec::{Load, Spec};
use crate::unittests;
use ringer_input::{read, read_start};
use ringer_machine::Engine;
use ringer_test_roms::{Head, head_of, is_assembled};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Endings of sources whose head is looked for, beside those that are assembled here.
const SOURCES: [&str; 6] = ["c", "cc", "cpp", "cxx", "rs", "zig"];
/// What a Multiboot header begins with, and where it must be.
const MULTIBOOT_MAGIC: [u8; 4] = 0x1bad_b002u32.to_le_bytes();
const MULTIBOOT_SEARCH: u64 = 8192;
/// The description of a suite in the layout of kvm-unit-tests.
const UNITTESTS: &str = "unittests.cfg";
/// A description in TOML that says nothing of a test, where it lies in a folder.
const CONFIG: &str = "ringer.toml";

/// The engines of a test that names none.
const ENGINES: [Engine; 3] = [Engine::Bt, Engine::Interp, Engine::Lockstep];

/// What the suite says for all of its tests.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The values of keys that a description does not have.
    pub keys: toml::Table,
    /// The engines of a test that names none, if the suite says which.
    pub engines: Option<Vec<Engine>>,
}

impl Defaults {
    fn engines_of(&self, spec: &Spec) -> Vec<Engine> {
        spec.engines(self.engines.as_deref().unwrap_or(&ENGINES))
    }
}

/// The tests in `paths`, in the order of their files.
///
/// # Errors
/// When a path cannot be read or is no test. A test that is malformed is one that fails.
pub fn cases(
    paths: &[PathBuf],
    workshop: &mut Workshop<'_>,
    defaults: &Defaults,
) -> Result<Vec<Case>, TestkitError> {
    let mut files = BTreeSet::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|e| read_error(path, e))?;
        if metadata.is_dir() {
            walk(path, &mut files)?;
        } else {
            files.insert(path.clone());
        }
    }
    let mut found = Vec::new();
    for file in &files {
        found.extend(tests_of(file, workshop, defaults)?);
    }
    // The image of one test is no other test, wherever it was found.
    let outputs: BTreeSet<PathBuf> = found.iter().filter_map(output).collect();
    found.retain(|test| match &test.program {
        Program::Image(path) if test.origin == *path => !outputs.contains(&canonical(path)),
        _ => true,
    });
    Ok(found::cases(&found))
}

fn output(test: &Found) -> Option<PathBuf> {
    match &test.program {
        Program::Made(recipe) => recipe.output().map(|path| canonical(&path)),
        Program::Image(path) if test.origin != *path => Some(canonical(path)),
        _ => None,
    }
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn read_error(path: &Path, source: std::io::Error) -> TestkitError {
    TestkitError::Read { path: path.to_owned(), source }
}

/// Adds the files in `directory`, and below it, that are tests.
fn walk(directory: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), TestkitError> {
    // A configured tree of kvm-unit-tests has the tests of other architectures beside those that it was built for.
    if let Some(tests) = unittests::configured(directory) {
        return walk(&tests, files);
    }
    let listed = directory.join(UNITTESTS);
    let has_list = listed.is_file();
    if has_list {
        files.insert(listed);
    }
    for entry in fs::read_dir(directory).map_err(|e| read_error(directory, e))? {
        let entry = entry.map_err(|e| read_error(directory, e))?;
        let path = entry.path();
        // Links are not followed, so that a walk ends.
        let kind = entry.file_type().map_err(|e| read_error(&path, e))?;
        let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if kind.is_dir() && !hidden {
            walk(&path, files)?;
        } else if kind.is_file() && !hidden && !has_list && is_test(&path)? {
            files.insert(path);
        }
    }
    Ok(())
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default()
}

/// In a directory other files may lie about: a source counts if it has a head, an image if it has a description or is a
/// Multiboot image, a description without an image if it says what the image is.
fn is_test(path: &Path) -> Result<bool, TestkitError> {
    if is_assembled(path) {
        return Ok(!head_of(&read_head(path)?).is_empty());
    }
    match extension(path) {
        end if SOURCES.contains(&end) => Ok(head_of(&read_head(path)?).has_keys()),
        end if IMAGES.contains(&end) => {
            Ok(path.with_extension("toml").is_file() || is_multiboot(path)?)
        }
        "toml" => Ok(path.file_name().is_none_or(|name| name != CONFIG)
            && image_beside(path).is_none()
            && names_an_image(&read_text(path)?)),
        _ => Ok(false),
    }
}

/// Whether a TOML text has one of the keys that say where an image comes from, before any table.
fn names_an_image(text: &str) -> bool {
    let keys = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    let mut keys = keys.filter_map(|line| Some(line.split_once('=')?.0.trim()));
    keys.any(|key| key == "build" || key == "image")
}

fn is_multiboot(path: &Path) -> Result<bool, TestkitError> {
    let start = read_start(path, MULTIBOOT_SEARCH)?;
    Ok(start.chunks_exact(4).any(|word| word == MULTIBOOT_MAGIC))
}

fn image_beside(description: &Path) -> Option<PathBuf> {
    let mut images = IMAGES.iter().map(|end| description.with_extension(end));
    images.find(|path| path.is_file())
}

/// A description's text; what is no UTF-8 in it, in a comment for instance, does not matter here.
fn read_text(path: &Path) -> Result<String, TestkitError> {
    Ok(String::from_utf8_lossy(&read(path, DESCRIPTION)?).into_owned())
}

/// The beginning of a source, however long the rest.
fn read_head(path: &Path) -> Result<String, TestkitError> {
    Ok(String::from_utf8_lossy(&read_start(path, HEAD)?).into_owned())
}

/// The tests that a file stands for.
fn tests_of(
    file: &Path,
    workshop: &mut Workshop<'_>,
    defaults: &Defaults,
) -> Result<Vec<Found>, TestkitError> {
    if file.file_name().is_some_and(|name| name == UNITTESTS) {
        return Ok(unittests::tests(
            file,
            &read_text(file)?,
            workshop,
            defaults.engines.as_deref(),
        ));
    }
    let description = file.with_extension("toml");
    let test = if is_assembled(file) || SOURCES.contains(&extension(file)) {
        let head = head_of(&read_head(file)?);
        if head.is_empty() {
            return Err(TestkitError::NotATest(file.to_owned()));
        }
        from_source(file, &head, workshop, defaults)
    } else if extension(file) == "toml" {
        from_description(file, file, workshop, defaults)?
    } else if description.is_file() {
        from_description(&description, file, workshop, defaults)?
    } else if is_multiboot(file)? {
        let spec = Spec::parse("", &defaults.keys);
        let program = |_: &Spec| Ok(Program::Image(file.to_owned()));
        described(file, file, 0, spec, program, defaults)
    } else {
        return Err(TestkitError::NotATest(file.to_owned()));
    };
    Ok(vec![test])
}

fn from_source(
    file: &Path,
    head: &Head,
    workshop: &mut Workshop<'_>,
    defaults: &Defaults,
) -> Found {
    let spec = Spec::parse(&head.text, &defaults.keys);
    let program = |spec: &Spec| {
        if let Some(command) = &spec.build {
            return Ok(built(file, command, spec, workshop));
        }
        if let Some(image) = &spec.image {
            return Ok(Program::Image(folder_of(file).join(image)));
        }
        let load = match spec.load {
            _ if !is_assembled(file) => {
                let example = "a command that makes its image, such as \"make x.elf\"";
                return Err(Mistake::of_key("", "build", "is missing", Some(example)));
            }
            Load::Linux => {
                let problem = "'linux' is no kind that a source is assembled to";
                return Err(Mistake::of_key(
                    &head.text,
                    "load",
                    problem,
                    Some("with build or image only"),
                ));
            }
            Load::Multiboot => ringer_test_roms::Load::Multiboot,
            Load::Flat => ringer_test_roms::Load::Flat,
            Load::Rom => ringer_test_roms::Load::Rom,
            Load::BootSector => ringer_test_roms::Load::BootSector,
        };
        Ok(Program::Made(workshop.assemble(file, load)))
    };
    described(file, file, head.first_line - 1, spec, program, defaults)
}

fn from_description(
    description: &Path,
    origin: &Path,
    workshop: &mut Workshop<'_>,
    defaults: &Defaults,
) -> Result<Found, TestkitError> {
    let text = read_text(description)?;
    let spec = Spec::parse(&text, &defaults.keys);
    let program = |spec: &Spec| match (&spec.build, &spec.image) {
        (Some(command), _) => Ok(built(description, command, spec, workshop)),
        (None, Some(image)) => Ok(Program::Image(folder_of(description).join(image))),
        (None, None) if origin != description => Ok(Program::Image(origin.to_owned())),
        (None, None) => image_beside(description).map(Program::Image).ok_or_else(|| {
            let allowed = "a file, or build, a command that makes it";
            Mistake::of_key("", "image", "is missing", Some(allowed))
        }),
    };
    Ok(described(description, origin, 0, spec, program, defaults))
}

fn built(file: &Path, command: &str, spec: &Spec, workshop: &mut Workshop<'_>) -> Program {
    let stem = || PathBuf::from(file.file_stem().unwrap_or_default());
    let image = spec.image.clone().unwrap_or_else(stem);
    Program::Made(workshop.command(&folder_of(file), command, &image))
}

/// A test by its description, which `offset` lines of `described_in` come before.
fn described(
    described_in: &Path,
    origin: &Path,
    offset: usize,
    spec: Result<Spec, Mistake>,
    program: impl FnOnce(&Spec) -> Result<Program, Mistake>,
    defaults: &Defaults,
) -> Found {
    let made = spec.and_then(|spec| Ok((program(&spec)?, spec)));
    let (program, spec) = match made {
        Ok((program, mut spec)) => {
            let folder = folder_of(described_in);
            let screens = spec.script.iter_mut().chain(&mut spec.screenshot);
            for file in spec.initrd.iter_mut().chain(&mut spec.symbols).chain(screens) {
                *file = folder.join(&file);
            }
            if spec.skip.is_none() {
                spec.skip = missing(&spec.requires);
            }
            (program, spec)
        }
        Err(mistake) => {
            let text = mistake.in_file(described_in, offset);
            // Annotations are of the test's own file.
            let line = mistake.line.filter(|_| described_in == origin);
            let line = line.and_then(|line| u32::try_from(offset + line).ok());
            let failure = Failure { line, ..Failure::told(Kind::Description, &text) };
            (Program::Broken(failure), Spec::default())
        }
    };
    let engines = defaults.engines_of(&spec);
    Found { origin: origin.to_owned(), name: None, program, spec, engines }
}

/// Why a test that requires these programs is skipped, if one is missing. Where the environment has `CI` it is run, and
/// fails for want of it.
fn missing(programs: &[String]) -> Option<String> {
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let missing = programs.iter().filter(|_| !ci).find(|name| !is_there(name))?;
    Some(format!("{missing} is not installed"))
}

#[cfg(test)]
#[path = "discover_tests.rs"]
mod tests;
