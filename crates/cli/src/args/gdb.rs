//! Debugging with gdb.

use clap::Args;
use ringer::gdb::Address;

/// Whether and where gdb is listened for.
#[derive(Clone, Debug, Args)]
pub struct GdbArgs {
    /// Let gdb connect at ADDR: [HOST]:PORT, or unix:PATH (default: 127.0.0.1:1234)
    #[arg(long, value_name = "ADDR", num_args = 0..=1, conflicts_with_all = ["trace_from", "trace_to"])]
    gdb: Option<Option<Address>>,
    /// The same as --gdb 127.0.0.1:1234
    #[arg(short = 's', conflicts_with_all = ["gdb", "trace_from", "trace_to"])]
    here: bool,
    /// Wait for gdb before the first instruction (with -s or --gdb ADDR; alone it means -s -S)
    #[arg(short = 'S', conflicts_with_all = ["trace_from", "trace_to"])]
    wait: bool,
}

impl GdbArgs {
    /// Where gdb is listened for, if it is.
    pub fn address(&self) -> Option<Address> {
        match &self.gdb {
            Some(address) => Some(address.clone().unwrap_or_default()),
            None => (self.here || self.wait).then(Address::default),
        }
    }

    /// Whether nothing happens before gdb has come.
    pub fn wait(&self) -> bool {
        self.wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        gdb: GdbArgs,
        #[command(flatten)]
        _trace: crate::args::TraceArgs,
    }

    fn parse(line: &str) -> Result<(Option<String>, bool), clap::Error> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        let Line { gdb, .. } = Line::try_parse_from(words)?;
        Ok((gdb.address().map(|address| address.to_string()), gdb.wait()))
    }

    #[test]
    fn gdb_is_let_in_as_qemu_lets_it_in() {
        let default = || Some("127.0.0.1:1234".to_owned());
        assert_eq!(parse("").unwrap(), (None, false));
        assert_eq!(parse("-s").unwrap(), (default(), false));
        assert_eq!(parse("-s -S").unwrap(), (default(), true));
        assert_eq!(parse("-S").unwrap(), (default(), true));
        assert_eq!(parse("--gdb").unwrap(), (default(), false));
        assert_eq!(parse("--gdb -S").unwrap(), (default(), true));
        assert_eq!(parse("--gdb tcp::99").unwrap(), (Some("127.0.0.1:99".to_owned()), false));
        assert_eq!(parse("--gdb=/tmp/g").unwrap(), (Some("/tmp/g".to_owned()), false));
        assert!(parse("--gdb nonsense").is_err() && parse("-s --gdb :1").is_err());
    }
}
