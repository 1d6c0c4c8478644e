//! `ringer profile`.

use super::{PictureArgs, ProfileCommand, RecordingArgs, RunArgs};
use clap::Args;
use std::path::PathBuf;

/// `ringer profile`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ProfileArgs {
    /// What to do with profiles that are there already, instead of a run.
    #[command(subcommand)]
    pub command: Option<ProfileCommand>,
    /// The guest, recognised by its contents as `ringer run` does it
    #[arg(value_name = "GUEST")]
    pub guest: Option<PathBuf>,
    /// The run to profile.
    #[command(flatten)]
    pub run: RunArgs,
    /// What is recorded of it.
    #[command(flatten)]
    pub recording: RecordingArgs,
    /// Where the profile goes.
    #[command(flatten)]
    pub pictures: PictureArgs,
}
