//! `ringer profile`.

use super::RunArgs;
use clap::Args;
use std::path::PathBuf;

/// `ringer profile`.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// The guest, recognised by its contents as `ringer run` does it
    #[arg(value_name = "GUEST")]
    pub guest: Option<PathBuf>,
    /// The run to profile.
    #[command(flatten)]
    pub run: RunArgs,
    /// Write the profile to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
