//! `ringer profile`: runs a guest, and tells where its time went.
//!
//! The guest's console has standard output; what is said of it goes to standard error, to files, or to
//! standard output where that is asked for (`-`). Files are opened before the run, so that a wrong name is
//! told at once, and written however the run ends.

mod blocks;
mod convert;
mod marks;
mod meta;
mod names;
mod text;
pub mod watch;
mod weights;

use crate::args::{ProfileArgs, ProfileCommand};
use crate::deadline::Deadline;
use crate::error::CliError;
use crate::pictures::{self, Pictures};
use crate::run::{self, Ended, run_guest, tell};
use crate::sandbox;
use crate::signals;
use crate::target::Target;
use crate::writing;
use ringer_input::Lines;
use ringer_profile::ProfileFile;
use std::io;
use text::Text;
use watch::Watch;

/// Blocks whose code a profile has, where the text asks for fewer.
const LISTED: usize = 50;

/// `ringer profile`.
pub fn command(mut args: ProfileArgs) -> Result<u8, CliError> {
    match &args.command {
        Some(ProfileCommand::Diff(args)) => pictures::diff(args),
        Some(ProfileCommand::Show(args)) => pictures::show(args),
        None => {
            let outputs = args.pictures.files().chain(&args.recording.text);
            sandbox::arm(sandbox::of_run(&args.run, outputs), args.run.engine.sandboxed());
            let deadline = run::deadline(&args.run)?;
            args.run = args.run.with_guest(args.guest.as_deref())?;
            profile(&args, deadline)
        }
    }
}

fn profile(args: &ProfileArgs, deadline: Deadline) -> Result<u8, CliError> {
    let pictures = Pictures::create(&args.pictures)?;
    let text = args.recording.text.as_deref().map(Target::create).transpose()?;
    // A second signal ends the process when the profile is written.
    let held = signals::hold();
    let mut watch = Watch::new(args);
    let ended = run_guest(&args.run, deadline, Some(&mut watch))?;
    let status = tell(&ended.stop, &ended.report);
    let (counters, file) = put_together(args, watch, &ended)?;
    let hot = args.recording.hot.map(usize::from);
    let told = Text { counters: &counters, file: &file, hot };
    let told = match text {
        Some(text) => text.write(|out| write!(out, "{}", Lines(told))),
        None => {
            let what = "the profile".to_owned();
            writing::write_all(io::stderr(), Lines(told).to_string().as_bytes())
                .map_err(|source| CliError::Output { what, source })
        }
    };
    let drawn = pictures.write(&file);
    drop(held);
    told.and(drawn).map(|()| status)
}

fn put_together(
    args: &ProfileArgs,
    watch: Watch<'_>,
    ended: &Ended,
) -> Result<(ringer::Profile, ProfileFile), CliError> {
    let machine = &ended.machine;
    let counters = machine.counters();
    let listed = args.recording.hot.map_or(LISTED, |hot| LISTED.max(usize::from(hot)));
    let recording = machine.recording(listed);
    let meta = meta::after(watch.meta, &ended.report.detail, machine);
    let file = convert::convert(meta, &counters, &recording, &ended.symbols);
    let file =
        file.map_err(|e| CliError::Output { what: "the profile".into(), source: e.into() })?;
    Ok((counters, file))
}
