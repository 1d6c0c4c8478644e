//! Single-instruction tests captured on hardware ("MOO" files), on the interpreter and as translated
//! code: `cargo run --release -p ringer-testkit --bin hwtest -- --dir DIR`.
//!
//! [`moo`] reads the files, [`engine`] runs a case, [`compare`] holds it against the hardware's
//! result, [`reasons`] is the one table of where a later processor differs, [`adapt`] says what is run then, [`setting`] has
//! the modes to run in, [`report`] counts and tells.

pub mod adapt;
pub mod compare;
mod derive;
pub mod engine;
mod error;
pub mod moo;
mod quirks;
pub mod reasons;
pub mod report;
pub mod setting;

pub use error::HwError;

use crate::bounds::{CAPTURES, CAPTURES_ABOUT};
use engine::{Machine, Reference, Translating};
use moo::{Case, File, Regs, reg};
use reasons::Kind;
use report::{Suite, Tally, Verdict};
use ringer_cpu::CpuModel;
use ringer_input::{InputError, read};
use setting::{RunMode, Setting};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which engines run the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    /// The interpreter.
    Interp,
    /// The translator.
    Bt,
    /// Both.
    Both,
}

impl Engines {
    fn wants(self, engine: &str) -> bool {
        match self {
            Self::Interp => engine == "interp",
            Self::Bt => engine == "bt",
            Self::Both => true,
        }
    }
}

impl FromStr for Engines {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "interp" => Ok(Self::Interp),
            "bt" => Ok(Self::Bt),
            "both" => Ok(Self::Both),
            other => Err(format!("unknown engine '{other}': use interp, bt or both")),
        }
    }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of files; `metadata.json` and `revocation_list.txt` in it are heeded.
    pub dir: PathBuf,
    /// Engines.
    pub engines: Engines,
    /// Only these opcodes, as the files are named; empty: all.
    pub only: Vec<String>,
    /// The processor model.
    pub model: CpuModel,
    /// The mode to run them in.
    pub mode: RunMode,
    /// Of each file only every so many-th case (1: all).
    pub every: usize,
    /// Threads; `None`: as many as there are processors.
    pub jobs: Option<usize>,
}

/// Runs the tests of a folder.
///
/// # Errors
/// Every [`HwError`].
pub fn run(options: &Options) -> Result<Suite, HwError> {
    let files = files(options)?;
    let folder = Folder::read(&options.dir)?;
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Suite::default());
    let failure = Mutex::new(None);
    let jobs = options.jobs.or_else(|| std::thread::available_parallelism().ok().map(Into::into));
    let work = || {
        let result = engine::with_translating(options.model, |machine| {
            let reference = Reference::new(options.model)?;
            let mut bench = Bench { options, folder: &folder, reference };
            while let Some((opcode, path)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                let tally = bench.file(machine, opcode, path)?;
                lock(&done).add(opcode, tally);
            }
            Ok(())
        });
        if let Err(e) = result.and_then(|inner| inner) {
            next.store(files.len(), Ordering::Relaxed);
            lock(&failure).get_or_insert(e);
        }
    };
    std::thread::scope(|scope| {
        // Where the host gives no thread, fewer do it.
        for _ in 1..jobs.unwrap_or(1).clamp(1, files.len()) {
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    match lock(&failure).take() {
        Some(e) => Err(e),
        None => Ok(std::mem::take(&mut *lock(&done))),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The opcode that a file's name says.
fn opcode(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_ascii_uppercase();
    let stem = name.strip_suffix(".GZ").unwrap_or(&name).strip_suffix(".MOO")?;
    Some(stem.to_owned())
}

fn files(options: &Options) -> Result<Vec<(String, PathBuf)>, HwError> {
    let unreadable = |source| HwError::Read { path: options.dir.clone(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&options.dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let Some(opcode) = opcode(&path) else { continue };
        if options.only.is_empty() || options.only.iter().any(|o| o.eq_ignore_ascii_case(&opcode)) {
            found.push((opcode, path));
        }
    }
    found.sort();
    if found.is_empty() { Err(HwError::Nothing(options.dir.clone())) } else { Ok(found) }
}

/// What the folder says about all its files.
#[derive(Debug)]
struct Folder {
    metadata: serde_json::Value,
    /// Hashes of tests that their authors withdrew.
    withdrawn: Vec<String>,
}

impl Folder {
    fn read(dir: &Path) -> Result<Self, HwError> {
        let path = dir.join("metadata.json");
        let metadata = match read(&path, CAPTURES_ABOUT) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| HwError::Metadata { path, source })?,
            Err(InputError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
                serde_json::Value::Null
            }
            Err(e) => return Err(e.into()),
        };
        let text = read(&dir.join("revocation_list.txt"), CAPTURES_ABOUT).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().map(|l| l.trim().to_lowercase());
        let withdrawn = lines.filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
        Ok(Self { metadata, withdrawn })
    }

    /// The flags that the manual defines after `opcode` (as in the files' names, "F7.6").
    fn defined_flags(&self, opcode: &str) -> u32 {
        let (byte, extension) = opcode.split_once('.').unwrap_or((opcode, ""));
        // The captures' own list forgot that OF of C0 is as undefined as that of C1 (SDM volume 2, shifts and rotates).
        let byte = if byte == "C0" { "C1" } else { byte };
        let entry = &self.metadata["opcodes"][byte];
        let entry = if extension.is_empty() { entry } else { &entry["reg"][extension] };
        entry["flags-mask"].as_u64().map_or(u32::MAX, |mask| mask as u32 | 0xffff_0000)
    }

    fn withdrew(&self, case: &Case) -> bool {
        let hash: String = case.hash.iter().map(|b| format!("{b:02x}")).collect();
        self.withdrawn.contains(&hash)
    }
}

/// One thread's machines.
struct Bench<'a> {
    options: &'a Options,
    folder: &'a Folder,
    reference: Reference,
}

impl Bench<'_> {
    fn load(&self, opcode: &str, path: &Path) -> Result<File, HwError> {
        let wrong = |source| HwError::File { path: path.to_owned(), source };
        let packed = read(path, CAPTURES)?;
        let data = moo::unpack(packed).map_err(wrong)?;
        let mut file = moo::parse(&data).map_err(wrong)?;
        let flags = &mut file.masks[reg::EFLAGS];
        *flags = Some(flags.unwrap_or(u32::MAX) & self.folder.defined_flags(opcode));
        Ok(file)
    }

    fn setting(&self, file: &File) -> Setting {
        Setting { family: file.family, mode: self.options.mode }
    }

    fn file(
        &mut self,
        machine: &mut Translating<'_>,
        opcode: &str,
        path: &Path,
    ) -> Result<Tally, HwError> {
        let file = self.load(opcode, path)?;
        let mut tally = Tally { cases: file.cases.len(), ..Tally::default() };
        let verified = machine.verified();
        for case in file.cases.iter().step_by(self.options.every.max(1)) {
            if self.folder.withdrew(case) {
                tally.excuse("withdrawn by its authors");
            } else if let Some(reason) = self.setting(&file).inapplicable(case) {
                tally.excuse(reason);
            } else {
                self.case(machine, &file, case, &mut tally)?;
            }
        }
        tally.verified = machine.verified() - verified;
        let strays = [("interp", self.reference.stray()), ("bt", machine.stray())];
        for (engine, at) in strays {
            if let Some(at) = at {
                tally.fail(engine, format!("{opcode}: a case left a byte at {at:#x}"));
            }
        }
        Ok(tally)
    }

    /// Runs `case` on the wanted engines.
    fn case(
        &mut self,
        machine: &mut Translating<'_>,
        file: &File,
        case: &Case,
        tally: &mut Tally,
    ) -> Result<(), HwError> {
        tally.ran += 1;
        let engines = self.options.engines;
        let case = &adapt::guarded(case);
        let tell = |what| {
            format!(
                "#{} {} {:02x?} {:?}: {what}",
                case.index, case.name, case.bytes, case.exception
            )
        };
        let plain = self.attempt(machine, file, &file.masks, case)?;
        // The interpreter says whether a later processor differs: then no engine may end as captured.
        let differs = !plain.interp.is_empty();
        let (adapted, as_host) =
            if differs { self.adapted(machine, file, case)? } else { (None, 0) };
        let both = [("interp", &plain.interp), ("bt", &plain.bt)];
        for (engine, differences) in both.into_iter().filter(|(name, _)| engines.wants(name)) {
            let (kind, left) = match &adapted {
                Some((kind, left)) => (Some(*kind), left.get(engine).unwrap_or(differences)),
                None => (None, differences),
            };
            let verdict = match kind {
                _ if !left.is_empty() => Verdict::Failed(tell(left.join(", "))),
                Some(kind) => Verdict::Adapted(kind),
                None => Verdict::Passed,
            };
            tally.add(engine, verdict);
        }
        tally.as_host += u32::from(plain.as_host || as_host > 0);
        Ok(())
    }

    /// What the derived cases differ in, by engine; `None` when nothing derives from `case`. And how
    /// many of them ran as host code.
    fn adapted(
        &mut self,
        machine: &mut Translating<'_>,
        file: &File,
        case: &Case,
    ) -> Result<(Option<Adapted>, u32), HwError> {
        let older = file.family == moo::Family::Narrow;
        let Some((kind, cases)) = adapt::adapt(case).filter(|_| older) else {
            return Ok((None, 0));
        };
        let mut left: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut as_host = 0;
        for derived in cases {
            let masks = if derived.masked { file.masks } else { Regs::default() };
            let again = self.attempt(machine, file, &masks, &derived.case)?;
            as_host += u32::from(again.as_host);
            left.entry("interp").or_default().extend(again.interp);
            left.entry("bt").or_default().extend(again.bt);
        }
        Ok((Some((kind, left)), as_host))
    }

    /// Runs one case on both machines (the interpreter's log says what to wipe) and wipes them.
    fn attempt(
        &mut self,
        machine: &mut Translating<'_>,
        file: &File,
        masks: &Regs,
        case: &Case,
    ) -> Result<Attempt, HwError> {
        let end = self.reference.run(case, self.setting(file))?;
        let writes = self.reference.take_writes();
        let mut interp = compare::differences(case, masks, file.family, &self.reference, &end);
        interp.extend(compare::stray_writes(case, &self.reference, &writes));
        self.reference.wipe(case, &writes);
        let mut attempt = Attempt { interp, bt: Vec::new(), as_host: false };
        if self.options.engines != Engines::Interp {
            let end = machine.run(case, self.setting(file))?;
            attempt.bt = compare::differences(case, masks, file.family, machine, &end);
            attempt.bt.extend(compare::stray_writes(case, machine, &writes));
            attempt.as_host = end.as_host;
            machine.wipe(case, &writes);
        }
        Ok(attempt)
    }
}

/// The kind, and what is left of differences by engine.
type Adapted = (Kind, BTreeMap<&'static str, Vec<String>>);

/// What differs in one case on each machine.
struct Attempt {
    interp: Vec<String>,
    bt: Vec<String>,
    as_host: bool,
}
