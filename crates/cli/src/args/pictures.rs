//! `ringer profile`: where the profile goes, and what is done with profiles that are there already.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Files that a profile is written to; `-` is standard output.
#[derive(Clone, Debug, Default, Args)]
pub struct PictureArgs {
    /// Write the profile as JSON (docs/profile.schema.json)
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with pictures, tables and listings, for a browser; it needs no network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write a flame graph (SVG)
    #[arg(long, value_name = "FILE")]
    pub flame: Option<PathBuf>,
    /// Write folded stacks, a line each with its microseconds
    #[arg(long, value_name = "FILE")]
    pub folded: Option<PathBuf>,
    /// Write a profile for `go tool pprof`
    #[arg(long, value_name = "FILE")]
    pub pprof: Option<PathBuf>,
    /// Write a profile for speedscope
    #[arg(long, value_name = "FILE")]
    pub speedscope: Option<PathBuf>,
}

impl PictureArgs {
    /// Those that were asked for.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let all =
            [&self.json, &self.html, &self.flame, &self.folded, &self.pprof, &self.speedscope];
        all.into_iter().flatten()
    }
}

/// What to do with profiles that were written before.
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Tells what differs between two profiles of a guest, biggest first.
    Diff(DiffArgs),
    /// Makes pictures of a profile that --json wrote.
    Show(ShowArgs),
}

/// `ringer profile diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The profile to compare with (JSON)
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The profile that is compared (JSON)
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Another run of A, so that noise is measured instead of assumed (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub more_a: Vec<PathBuf>,
    /// Another run of B (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub more_b: Vec<PathBuf>,
    /// Write the comparison as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the comparison as a page for a browser; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Compare even profiles of different guests
    #[arg(long)]
    pub different_guests: bool,
    /// Scale B to A's number of guest instructions, for runs that were cut short
    #[arg(long)]
    pub per_instruction: bool,
    /// End with status 4 if B's time without idle is more than so many per cent above A's, and not by noise
    #[arg(long, value_name = "PERCENT")]
    pub fail_above: Option<f64>,
}

/// `ringer profile show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The profile (JSON)
    #[arg(value_name = "FILE")]
    pub profile: PathBuf,
    /// What to make of it.
    #[command(flatten)]
    pub pictures: PictureArgs,
}
