//! `ringer test`.

use super::SuiteReportArgs;
use clap::Args;
use ringer::Engine;
use std::path::PathBuf;

/// `ringer test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Test ROMs: assembler sources with a head, images with a TOML next to them, Multiboot images
    /// that end through debug-exit, or directories of these
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub report: SuiteReportArgs,
    /// Tests at a time (default: the processors there are)
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Run part K of N of the tests
    #[arg(long, value_name = "K/N", value_parser = parse_shard)]
    pub shard: Option<(usize, usize)>,
    /// Run only with this engine (may be repeated)
    #[arg(long, value_name = "E")]
    pub engine: Vec<Engine>,
}

fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((k, n)) if 1 <= k && k <= n => Ok((k, n)),
        _ => Err("use K/N with 1 <= K <= N, such as 2/4".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!(parse_shard("2/4"), Ok((2, 4)));
        for bad in ["0/4", "5/4", "2", "a/b", "1/0"] {
            assert!(parse_shard(bad).is_err(), "{bad}");
        }
    }
}
