//! `ringer completions` and `ringer man`.

use clap::Args;
use clap_complete::Shell;
use std::path::PathBuf;

/// `ringer completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// `ringer man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where to: a folder, made if it is not there
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}
