//! Finds tests: what is a program, and what is said about it.

use crate::spec::Spec;
use crate::{Case, TestkitError};
use ringer_test_roms::{assemble, head_of};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Endings of images that are looked for in directories.
const IMAGES: [&str; 3] = ["bin", "elf", "rom"];
/// "Multiboot header" and where it must be.
const MULTIBOOT_MAGIC: [u8; 4] = 0x1bad_b002u32.to_le_bytes();
const MULTIBOOT_SEARCH: u64 = 8192;

/// The tests in `paths`, sorted; sources are assembled into `work`.
pub fn cases(paths: &[PathBuf], work: &Path) -> Result<Vec<Case>, TestkitError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|e| read_error(path, e))?;
        if metadata.is_dir() {
            walk(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    files.dedup();
    let mut cases = Vec::new();
    for (number, file) in files.iter().enumerate() {
        cases.extend(cases_of(file, &work.join(number.to_string()))?);
    }
    Ok(cases)
}

fn read_error(path: &Path, source: std::io::Error) -> TestkitError {
    TestkitError::Read { path: path.to_owned(), source }
}

/// Adds the files in `directory`, and below it, that are tests.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), TestkitError> {
    for entry in fs::read_dir(directory).map_err(|e| read_error(directory, e))? {
        let entry = entry.map_err(|e| read_error(directory, e))?;
        let path = entry.path();
        // Links are not followed, so that a walk ends.
        let kind = entry.file_type().map_err(|e| read_error(&path, e))?;
        if kind.is_dir() {
            walk(&path, files)?;
        } else if kind.is_file() && is_test(&path)? {
            files.push(path);
        }
    }
    Ok(())
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default()
}

/// In a directory other files may lie about: a source counts if it has a head, an image if it has a
/// description or is a Multiboot image.
fn is_test(path: &Path) -> Result<bool, TestkitError> {
    match extension(path) {
        "s" => Ok(!head_of(&read_text(path)?).is_empty()),
        end if IMAGES.contains(&end) => {
            Ok(path.with_extension("toml").is_file() || is_multiboot(path)?)
        }
        _ => Ok(false),
    }
}

fn is_multiboot(path: &Path) -> Result<bool, TestkitError> {
    let mut start = Vec::new();
    let file = fs::File::open(path).map_err(|e| read_error(path, e))?;
    file.take(MULTIBOOT_SEARCH).read_to_end(&mut start).map_err(|e| read_error(path, e))?;
    Ok(start.chunks_exact(4).any(|word| word == MULTIBOOT_MAGIC))
}

fn read_text(path: &Path) -> Result<String, TestkitError> {
    fs::read_to_string(path).map_err(|e| read_error(path, e))
}

fn cases_of(file: &Path, work: &Path) -> Result<Vec<Case>, TestkitError> {
    let spec_error = |path: &Path, message| TestkitError::Spec { path: path.to_owned(), message };
    let description = file.with_extension("toml");
    let (spec, image) = if extension(file) == "s" {
        let head = head_of(&read_text(file)?);
        if head.is_empty() {
            return Err(TestkitError::NotATest(file.to_owned()));
        }
        let spec = Spec::parse(&head).map_err(|m| spec_error(file, m))?;
        // A source that does not assemble is a failing test: the others still run.
        (spec, assemble(file, work).map(|a| a.image).map_err(|e| e.to_string()))
    } else if description.is_file() {
        let spec = Spec::parse(&read_text(&description)?);
        (spec.map_err(|m| spec_error(&description, m))?, Ok(file.to_owned()))
    } else if is_multiboot(file)? {
        (Spec::default(), Ok(file.to_owned()))
    } else {
        return Err(TestkitError::NotATest(file.to_owned()));
    };
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let engines = spec.engines().map_err(|m| spec_error(file, m))?;
    let case = |engine| Case {
        name: format!("{stem} [{engine}]"),
        origin: file.to_owned(),
        image: image.clone(),
        spec: spec.clone(),
        engine,
    };
    Ok(engines.into_iter().map(case).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multiboot() -> Vec<u8> {
        let mut image = vec![0; 16];
        image.extend(MULTIBOOT_MAGIC);
        image
    }

    #[test]
    fn a_directory_yields_what_is_described_and_multiboot_images() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/bare.elf"), multiboot()).unwrap();
        fs::write(at("told.rom"), [0; 16]).unwrap();
        fs::write(at("told.toml"), "load = 'rom'\nengines = ['bt']").unwrap();
        fs::write(at("other.bin"), [0; 16]).unwrap();
        fs::write(at("include.s"), "nop\n").unwrap();
        fs::write(at("notes.txt"), "x").unwrap();
        let found = cases(&[dir.path().to_owned()], dir.path()).unwrap();
        let names: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["bare [bt]", "bare [interp]", "bare [lockstep]", "told [bt]"]);
    }

    #[test]
    fn a_named_file_that_is_no_test_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain.bin");
        fs::write(&plain, [0; 16]).unwrap();
        let error = cases(&[plain], dir.path()).unwrap_err();
        assert!(matches!(error, TestkitError::NotATest(_)), "{error}");
        let error = cases(&[dir.path().join("absent")], dir.path()).unwrap_err();
        assert!(matches!(error, TestkitError::Read { .. }), "{error}");
    }

    #[test]
    fn a_source_that_does_not_assemble_is_a_failing_test() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("bad.s");
        fs::write(&source, "#! load = \"rom\"\n#! engines = [\"bt\"]\n frobnicate\n").unwrap();
        let found = cases(&[source], &dir.path().join("out")).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].image.as_ref().unwrap_err().contains("frobnicate"));
    }
}
