//! What drives a run besides its user, and pictures of its screen.

use crate::script;
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use ringer_script::Script;
use std::path::PathBuf;

/// What drives a run, and pictures of its screen.
#[derive(Clone, Debug, Default, Args)]
pub struct ScriptArgs {
    /// Drive the guest by the script in FILE: wait for texts on its screen and its serial line, type, press keys, change
    /// media, expect (see docs/scripts.md); a step that fails ends the run with status 84
    #[arg(long, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(script::read))]
    #[arg(conflicts_with_all = ["gdb", "trace_from", "trace_to"])]
    pub script: Option<Script>,
    /// Write the screen as it is at the end of the run to FILE, as PNG
    #[arg(long, value_name = "FILE")]
    pub screenshot: Option<PathBuf>,
}

impl ScriptArgs {
    /// The files that are written.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let pictures = self.script.iter().flat_map(Script::pictures);
        self.screenshot.iter().chain(pictures)
    }
}
