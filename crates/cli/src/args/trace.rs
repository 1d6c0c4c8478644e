//! What is told of a guest while it runs.

use clap::{Args, ValueEnum};
use ringer::TraceKinds;
use std::path::PathBuf;

/// How a trace is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object on a line.
    Json,
}

/// What is traced, from where to where, and how it is written.
#[derive(Clone, Debug, Default, Args)]
pub struct TraceArgs {
    #[arg(
        long,
        value_name = "KIND",
        value_delimiter = ',',
        value_parser = parse_kind,
        help = kinds_help()
    )]
    pub trace: Vec<TraceKinds>,
    /// How the trace is written: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text", requires = "trace")]
    pub trace_format: TraceFormat,
    /// Where the trace goes: a file, or - for standard output (default: standard error)
    #[arg(long, value_name = "FILE", requires = "trace")]
    pub trace_file: Option<PathBuf>,
    /// Begin to trace after so many instructions (the clock is virtual then), or when the guest comes to this symbol
    /// or address (0x…)
    #[arg(long, value_name = "WHERE", requires = "trace")]
    pub trace_from: Option<String>,
    /// End to trace there
    #[arg(long, value_name = "WHERE", requires = "trace")]
    pub trace_to: Option<String>,
}

impl TraceArgs {
    /// All kinds that were named.
    pub fn kinds(&self) -> TraceKinds {
        self.trace.iter().fold(TraceKinds::empty(), |all, kind| all | *kind)
    }

    /// Whether an instruction is named by its number.
    pub fn counts(&self) -> bool {
        let ends = [&self.trace_from, &self.trace_to];
        ends.into_iter().flatten().any(|text| text.parse::<u64>().is_ok())
    }
}

fn names() -> Vec<String> {
    TraceKinds::all().iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect()
}

fn kinds_help() -> String {
    format!("Tell of what happens: a list of {}, or all", names().join(", "))
}

fn parse_kind(text: &str) -> Result<TraceKinds, String> {
    if text == "all" {
        return Ok(TraceKinds::all());
    }
    let kind = TraceKinds::from_name(&text.to_ascii_uppercase());
    kind.ok_or_else(|| format!("use {}, or all", names().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_can_be_named() {
        for name in names() {
            assert_eq!(parse_kind(&name).unwrap().iter().count(), 1, "{name}");
        }
        assert_eq!(parse_kind("all"), Ok(TraceKinds::all()));
        assert!(parse_kind("ports").unwrap_err().contains("exceptions, interrupts, io, mmio"));
    }
}
