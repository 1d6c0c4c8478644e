//! `ringer profile`: what is recorded of the run, and how much of it the text tells.

use super::values::whole;
use clap::Args;
use ringer::recording::RecordOptions;
use std::path::PathBuf;

/// What is recorded.
#[derive(Clone, Debug, Args)]
pub struct RecordingArgs {
    /// List the N hottest blocks with their guest and host code, and as many pages and instructions
    /// (without it the text has the ten hottest of each, and no code)
    #[arg(long, value_name = "N", value_parser = whole(1..=1000_u16))]
    pub hot: Option<u16>,
    /// Write the text of the profile to this file; `-` is standard output (default: standard error)
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Samples a second, at most 20000; 0: none, so that time is known by the ledger's rows only
    #[arg(
        long,
        value_name = "HZ",
        default_value_t = RecordOptions::DEFAULT_SAMPLES,
        value_parser = whole(0..=RecordOptions::MOST_SAMPLES)
    )]
    pub sample_rate: u32,
    /// Mark the moment at which the guest has sent this text on its first serial port (may be repeated)
    #[arg(long, value_name = "TEXT", value_parser = parse_text)]
    pub mark_text: Vec<String>,
    /// Mark each write to this port, such as 0x80, by the value written
    #[arg(long, value_name = "PORT", value_parser = parse_port)]
    pub mark_port: Option<u16>,
}

impl RecordingArgs {
    /// As the machine takes it.
    pub fn options(&self) -> RecordOptions {
        let (samples_per_second, mark_port) = (self.sample_rate, self.mark_port);
        RecordOptions { samples_per_second, mark_port, ..RecordOptions::default() }
    }
}

fn parse_text(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("an empty text is always there".to_owned()) } else { Ok(text.into()) }
}

fn parse_port(text: &str) -> Result<u16, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| "a port is a number up to 65535, or up to 0xffff".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_decimal_or_hexadecimal() {
        assert_eq!(parse_port("128"), Ok(0x80));
        assert_eq!(parse_port("0x80"), Ok(0x80));
        for bad in ["", "80h", "0x10000", "65536", "-1", "0x"] {
            assert!(parse_port(bad).is_err(), "{bad}");
        }
    }
}
