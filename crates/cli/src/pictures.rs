//! Files of `ringer profile`: a profile in each format that was asked for, and what differs between two.

use crate::args::{DiffArgs, PictureArgs, ShowArgs};
use crate::error::CliError;
use crate::target::Target;
use ringer::status;
use ringer_profile::{
    Diff, DiffOptions, ProfileFile, diff_html, flame, folded, html, pprof, speedscope,
};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes a profile in one format.
type Format = fn(&ProfileFile, &mut dyn Write) -> io::Result<()>;

/// The files that a profile goes to.
#[derive(Debug)]
pub struct Pictures(Vec<(Target, Format)>);

impl Pictures {
    /// Makes the files.
    pub fn create(args: &PictureArgs) -> Result<Self, CliError> {
        let formats: [(&Option<PathBuf>, Format); 6] = [
            (&args.json, |profile, out| profile.write(out)),
            (&args.html, |profile, out| out.write_all(html(profile).as_bytes())),
            (&args.flame, |profile, out| flame(profile, out)),
            (&args.folded, |profile, out| out.write_all(folded(profile).as_bytes())),
            (&args.pprof, |profile, out| pprof(profile, out)),
            (&args.speedscope, |profile, out| speedscope(profile, out)),
        ];
        let wanted =
            formats.into_iter().filter_map(|(path, format)| Some((path.as_ref()?, format)));
        let files = wanted.map(|(path, format)| Ok((Target::create(path)?, format)));
        files.collect::<Result<_, CliError>>().map(Self)
    }

    /// No file was asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes them all; the first error is told, after the others were tried.
    pub fn write(self, profile: &ProfileFile) -> Result<(), CliError> {
        let files = self.0.into_iter();
        let results = files.map(|(target, format)| target.write(|out| format(profile, out)));
        results.fold(Ok(()), Result::and)
    }
}

/// `ringer profile show`.
pub fn show(args: &ShowArgs) -> Result<u8, CliError> {
    let profile = ProfileFile::read(&args.profile)?;
    let pictures = Pictures::create(&args.pictures)?;
    if pictures.is_empty() {
        return Err(CliError::NoPicture);
    }
    pictures.write(&profile)?;
    Ok(0)
}

/// `ringer profile diff`.
pub fn diff(args: &DiffArgs) -> Result<u8, CliError> {
    let read = |first: &PathBuf, more: &[PathBuf]| -> Result<Vec<ProfileFile>, CliError> {
        let files = [first].into_iter().chain(more);
        files.map(|path| Ok(ProfileFile::read(path)?)).collect()
    };
    let (a, b) = (read(&args.a, &args.more_a)?, read(&args.b, &args.more_b)?);
    let options = DiffOptions {
        different_guests: args.different_guests,
        per_instruction: args.per_instruction,
    };
    let diff = Diff::new(&a, &b, options)?;
    let create = |path: &Option<PathBuf>| path.as_deref().map(Target::create).transpose();
    let (json, page) = (create(&args.json)?, create(&args.html)?);
    let taken = [&json, &page].iter().any(|t| t.as_ref().is_some_and(Target::is_stdout));
    if let Some(json) = json {
        json.write(|out| {
            serde_json::to_writer_pretty(&mut *out, &diff)?;
            out.write_all(b"\n")
        })?;
    }
    if let Some(page) = page {
        page.write(|out| out.write_all(diff_html(&diff).as_bytes()))?;
    }
    if !taken {
        Target::create(Path::new("-"))?.write(|out| write!(out, "{diff}"))?;
    }
    let busy = &diff.busy_seconds;
    let slower = |limit: f64| busy.significant && busy.percent.is_some_and(|p| p > limit);
    Ok(if args.fail_above.is_some_and(slower) { status::TESTS_FAILED } else { 0 })
}
