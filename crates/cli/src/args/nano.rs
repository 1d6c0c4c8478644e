//! `ringer demo` and `ringer nano`.

use super::EngineArgs;
use super::values::whole;
use clap::Args;
use std::path::PathBuf;

/// `ringer demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Engine, processor, limits.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// `ringer nano`.
#[derive(Debug, Args)]
pub struct NanoArgs {
    /// Least time of a measurement, in milliseconds (1 to 1000)
    #[arg(long, default_value = "20", value_name = "MS", value_parser = whole(1..=1000u32))]
    pub time: u32,
    /// Measure Ringer alone
    #[arg(long)]
    pub alone: bool,
    /// Write the table to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}
