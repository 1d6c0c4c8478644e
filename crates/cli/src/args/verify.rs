//! `ringer verify`.

use super::RunArgs;
use clap::Args;
use std::path::PathBuf;

/// `ringer verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Guests: kernels (bzImage or Multiboot), boot sectors or disk images, ROMs; recognised by their
    /// contents. --initrd and --append go to each of them that takes one
    #[arg(value_name = "GUEST")]
    pub guests: Vec<PathBuf>,
    /// The machine, and one more guest if an option names it.
    #[command(flatten)]
    pub run: RunArgs,
    /// Begin to compare when the guest has sent this text on its first serial port; until then run
    /// by binary translation (verified all the same)
    #[arg(long, value_name = "TEXT")]
    pub from: Option<String>,
    /// Write the reports to this file too, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
