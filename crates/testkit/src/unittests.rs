//! Suites that are laid out as kvm-unit-tests' is: Multiboot images, and a `unittests.cfg` that says how each is run.
//!
//! The file has a section for each test, `[name]`, with lines `key = value`: `file`, `smp`, `extra_params` (options of
//! QEMU; newer suites say `qemu_params` and `test_args`), `groups`, `arch`, `accel`, `machine`, `timeout`, `check`. A test
//! ends through debug exit with 0, or with the value that says that all of it was skipped. It finds its arguments on the
//! command line, behind the image's name, and its environment in the first module.

use crate::bounds::{SETTINGS, WORD};
use crate::case::{Failure, Kind, Program};
use crate::found::Found;
use crate::qemu_words::{self, Wishes};
use crate::recipe::{Workshop, folder_of};
use crate::spec::{LONGEST, Spec};
use ringer_input::{OneLine, read_text, shown};
use ringer_machine::Engine;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What the machine is, in the words of `arch =`.
const ARCH: &str = "i386";
/// The configuration of a tree that was configured.
const CONFIG: &str = "config.mak";
/// Seconds for a test that does not say.
const TIMEOUT: f64 = 90.0;
/// The value that stands for "skipped": the status 77 of the automake convention, halved as debug exit doubles.
const SKIPPED: u32 = 77 >> 1;
/// Memory for a test that does not say, as QEMU has it.
const MEMORY: &str = "128M";
/// The variable that names a file with more variables for the tests.
const ENVIRONMENT: &str = "KVM_UNIT_TESTS_ENV";

/// The folder with the tests of a configured tree, if `folder` is the top of one.
#[must_use]
pub fn configured(folder: &Path) -> Option<PathBuf> {
    let text = read_text(&folder.join(CONFIG), SETTINGS).ok()?;
    let inside = PathBuf::from(setting(&text, "TEST_DIR")?);
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    let tests = folder.join(&inside);
    (plain && !inside.as_os_str().is_empty() && tests.is_dir()).then_some(tests)
}

/// The value of a variable in a makefile.
fn setting(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim().trim_end_matches(':') == name).then(|| value.trim().to_owned())
    })
}

/// A section of the file.
#[derive(Debug, Default)]
struct Section {
    name: String,
    line: usize,
    file: Option<String>,
    smp: String,
    params: String,
    arguments: Option<String>,
    groups: Vec<String>,
    arch: String,
    accel: String,
    machine: String,
    timeout: String,
    checks: Vec<String>,
}

/// The sections of a file. Lines that are neither a head nor a known key are passed over, as the suite's own runner does.
fn sections(text: &str) -> Vec<Section> {
    let mut all: Vec<Section> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            all.push(Section { name: name.to_owned(), line: index + 1, ..Section::default() });
            continue;
        }
        let (Some((key, value)), Some(section)) = (line.split_once('='), all.last_mut()) else {
            continue;
        };
        let value = value.trim();
        let bare = value.split(" #").next().unwrap_or_default().trim();
        match key.trim() {
            "file" => section.file = Some(bare.to_owned()),
            "smp" => section.smp = bare.to_owned(),
            "extra_params" | "qemu_params" => section.params = value.to_owned(),
            "test_args" => section.arguments = Some(bare.trim_matches(['"', '\'']).to_owned()),
            "groups" => section.groups = bare.split_whitespace().map(str::to_owned).collect(),
            "arch" => section.arch = bare.to_owned(),
            "accel" => section.accel = bare.to_owned(),
            "machine" => section.machine = bare.to_owned(),
            "timeout" => section.timeout = bare.trim_matches(['"', '\'']).to_owned(),
            "check" => section.checks.extend(bare.split_whitespace().map(str::to_owned)),
            _ => {}
        }
    }
    all
}

/// The tests of a `unittests.cfg`; on `engines`, or by translation alone if nobody says which.
pub fn tests(
    file: &Path,
    text: &str,
    workshop: &Workshop<'_>,
    engines: Option<&[Engine]>,
) -> Vec<Found> {
    let folder = folder_of(file);
    let tree = Tree::of(&folder);
    let environment = tree.environment.then(|| environment(workshop.work())).flatten();
    let engines = engines.unwrap_or(&[Engine::Bt]).to_vec();
    let found = |section: &Section| {
        let made = test(section, &folder, &tree, environment.as_deref());
        let (spec, program) = made.unwrap_or_else(|problem| {
            let text = format!("{}:{}: {}", shown(file), section.line, OneLine(problem));
            let line = u32::try_from(section.line).ok();
            let failure = Failure { line, ..Failure::told(Kind::Description, &text) };
            (Spec::default(), Program::Broken(failure))
        });
        let (origin, name) = (file.to_owned(), Some(section.name.clone()));
        Found { origin, name, program, spec, engines: engines.clone() }
    };
    sections(text).iter().map(found).collect()
}

/// Looks at every section of a `unittests.cfg` as if it lay in a folder that is not there; how many there are.
pub fn examine(text: &str) -> usize {
    let (folder, tree) = (Path::new("/nonexistent"), Tree { arch: None, environment: false });
    sections(text).iter().filter(|section| test(section, folder, &tree, None).is_err()).count()
}

/// What a tree was configured for.
struct Tree {
    /// The architecture, if it says.
    arch: Option<String>,
    /// Whether tests are given an environment.
    environment: bool,
}

impl Tree {
    /// That which the folder of tests, or the one above, is the top of.
    fn of(tests: &Path) -> Self {
        let files = [tests.join(CONFIG), tests.join("..").join(CONFIG)];
        let text = files.iter().find_map(|path| read_text(path, SETTINGS).ok()).unwrap_or_default();
        let environment = setting(&text, "ENVIRON_DEFAULT").is_none_or(|word| word == "yes");
        Self { arch: setting(&text, "ARCH"), environment }
    }
}

/// What to expect of a test and what to load, or what is wrong with its section.
fn test(
    section: &Section,
    folder: &Path,
    tree: &Tree,
    environment: Option<&Path>,
) -> Result<(Spec, Program), String> {
    let Some(name) = section.file.as_deref().filter(|name| !name.is_empty()) else {
        return Err(format!(
            "file: is missing in [{}]; allowed: an image beside this file",
            section.name
        ));
    };
    let words = qemu_words::split(&section.params)?;
    let wishes = qemu_words::wishes(&words);
    let smp = expanded(wishes.smp.as_deref().unwrap_or(&section.smp))?;
    let skip = skip(section, tree, &wishes, &smp);
    let image = folder.join(name);
    if skip.is_none() && !image.is_file() {
        return Err(format!("file: there is no {} (is the suite built?)", shown(&image)));
    }
    // The loader puts the image's name before them, which makes it argv[0].
    let append = section.arguments.clone().or(wishes.append);
    let initrd = environment.map(Path::to_owned).or(wishes.initrd);
    let spec = Spec {
        tags: section.groups.clone(),
        ignore: section.groups.iter().any(|group| group == "nodefault"),
        skip,
        append,
        initrd: initrd.into_iter().collect(),
        memory: wishes.memory.unwrap_or_else(|| MEMORY.to_owned()),
        cpu: wishes.cpu.unwrap_or_else(|| Spec::default().cpu),
        timeout: seconds(&section.timeout)?,
        skip_exit: Some(SKIPPED),
        points: true,
        ..Spec::default()
    };
    Ok((spec, Program::Image(image)))
}

fn expanded(smp: &str) -> Result<String, String> {
    Ok(qemu_words::split(smp)?.into_iter().next().unwrap_or_default())
}

/// Why a test is not run here, if it is not.
fn skip(section: &Section, tree: &Tree, wishes: &Wishes, smp: &str) -> Option<String> {
    if let Some(arch) = tree.arch.as_deref().filter(|arch| *arch != ARCH) {
        return Some(format!("the suite is configured for {arch}, the machine is {ARCH}"));
    }
    if !section.arch.is_empty() && !section.arch.split_whitespace().any(|arch| arch == ARCH) {
        return Some(format!("{} only", section.arch));
    }
    if !section.accel.is_empty() && !section.accel.split(',').any(|accel| accel == "tcg") {
        return Some(format!("{} only", section.accel));
    }
    if !section.machine.is_empty() && section.machine != "pc" {
        return Some(format!("{} only", section.machine));
    }
    if !matches!(smp.split(',').next(), Some("" | "1")) {
        return Some(format!("needs {smp} processors, there is one"));
    }
    for group in ["migration", "panic"] {
        if section.groups.iter().any(|name| name == group) {
            return Some(format!("a test of the group {group}, which needs QEMU's monitor"));
        }
    }
    if let Some(missing) = &wishes.missing {
        return Some(format!("needs {missing}"));
    }
    section.checks.iter().find_map(|check| {
        let (path, value) = check.split_once('=')?;
        let there = read_text(Path::new(path), WORD).unwrap_or_default();
        (there.trim_end() != value).then(|| format!("{path} not equal to {value}"))
    })
}

/// A duration as timeout(1) takes it; 0 is none.
fn seconds(text: &str) -> Result<f64, String> {
    if text.is_empty() {
        return Ok(TIMEOUT);
    }
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        Some((at, 'd')) => (&text[..at], 86_400.0),
        _ => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(0.0) => Ok(LONGEST),
        Ok(number) if number > 0.0 => Ok((number * unit).min(LONGEST)),
        _ => Err(format!("timeout: {text} will not do; allowed: seconds, such as 90 or 90s")),
    }
}

/// The file with the tests' environment: what they ask about the host, and what the user has for them.
fn environment(work: &Path) -> Option<PathBuf> {
    let mut text = String::from("QEMU_ACCEL=tcg\n");
    let release = read_text(Path::new("/proc/sys/kernel/osrelease"), WORD).unwrap_or_default();
    let release = release.trim();
    let (numbers, extra) = release.split_once('-').unwrap_or((release, ""));
    let mut numbers = numbers.split('.');
    let mut number = || numbers.next().unwrap_or_default().to_owned();
    text += &format!("KERNEL_VERSION_STRING={release}\nKERNEL_VERSION={}\n", number());
    text += &format!("KERNEL_PATCHLEVEL={}\nKERNEL_SUBLEVEL={}\n", number(), number());
    text += &format!("KERNEL_EXTRAVERSION={extra}\nERRATA_FORCE=y\n");
    if let Some(more) = std::env::var_os(ENVIRONMENT) {
        let more = read_text(Path::new(&more), SETTINGS).unwrap_or_default();
        text.extend(more.lines().filter(|line| line.contains('=')).map(|line| format!("{line}\n")));
    }
    let path = work.join("environment");
    fs::write(&path, text).ok()?;
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test of a section, with an image `a.flat` there.
    fn only(section: &str) -> Found {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.flat"), "").unwrap();
        let work = dir.path().join("work");
        let workshop = Workshop::open(&work, Path::new("/ringer")).unwrap();
        let file = dir.path().join("unittests.cfg");
        let mut all = tests(&file, section, &workshop, None);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn skipped(section: &str) -> Option<String> {
        only(&format!("[a]\nfile = a.flat\n{section}")).spec.skip
    }

    #[test]
    fn a_section_is_a_test() {
        let text = "# [no]\n#file = b.flat\n\n[a-b]\nfile = a.flat # an image\nsmp = $MAX_SMP\n\
                    extra_params = -m 256 -cpu qemu64 -append 'x y'\ngroups = g h\ntimeout = 3m\narch = i386\n";
        let found = only(text);
        assert_eq!((found.name.as_deref(), &found.engines[..]), (Some("a-b"), &[Engine::Bt][..]));
        let spec = &found.spec;
        assert_eq!(spec.append.as_deref(), Some("x y"));
        assert_eq!((spec.memory.as_str(), spec.timeout, spec.skip_exit), ("256", 180.0, Some(38)));
        assert_eq!(
            (spec.tags.join(" "), spec.ignore, spec.points),
            ("g h".to_owned(), false, true)
        );
        assert_eq!(spec.initrd.len(), 1, "the environment");
        assert_eq!(spec.skip, None);
        let newer = only("[a]\nfile = a.flat\ntest_args = \"1 2\"\nqemu_params = -m 64\n").spec;
        assert_eq!((newer.append.as_deref(), &*newer.memory), (Some("1 2"), "64"));
        assert!(only("[a]\nfile = a.flat\ngroups = nodefault x").spec.ignore);
    }

    #[test]
    fn what_cannot_be_run_here_is_skipped_with_the_reason() {
        for (line, reason) in [
            ("arch = x86_64", "x86_64 only"),
            ("accel = kvm", "kvm only"),
            ("smp = 2", "needs 2 processors"),
            ("extra_params = -smp 4", "needs 4 processors"),
            ("extra_params = -device edu", "needs -device edu"),
            ("groups = migration", "migration"),
            ("check = /proc/version=1", "/proc/version not equal to 1"),
            ("machine = q35", "q35 only"),
        ] {
            let told = skipped(line).unwrap_or_else(|| panic!("{line}"));
            assert!(told.contains(reason), "{told}");
        }
        for fine in
            ["arch = i386", "accel = tcg", "smp = 1", "check = /proc/sys/kernel/ostype=Linux"]
        {
            assert_eq!(skipped(fine), None, "{fine}");
        }
    }

    #[test]
    fn a_malformed_section_is_a_failing_test_with_its_line() {
        for (section, told) in [
            ("\n[a]\nsmp = 1\n", "unittests.cfg:2: file: is missing"),
            ("[a]\nfile = b.flat\n", "unittests.cfg:1: file: there is no"),
            ("[a]\nfile = a.flat\ntimeout = soon\n", "timeout: soon will not do"),
            ("[a]\nfile = a.flat\nextra_params = -append 'x\n", "a quote is open"),
        ] {
            match only(section).program {
                Program::Broken(failure) => {
                    assert!(failure.message.contains(told), "{failure:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_configured_tree_has_the_tests_of_its_architecture() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        fs::create_dir_all(top.join("x86")).unwrap();
        assert_eq!(configured(top), None);
        fs::write(top.join("config.mak"), "ARCH=x86_64\nTEST_DIR=x86\n").unwrap();
        assert_eq!(configured(top), Some(top.join("x86")));
        assert_eq!(Tree::of(&top.join("x86")).arch.as_deref(), Some("x86_64"));
        for inside in ["", ".", "..", "/", "../x"] {
            fs::write(top.join("config.mak"), format!("TEST_DIR={inside}\n")).unwrap();
            assert_eq!(configured(top), None, "{inside}");
        }
    }
}
