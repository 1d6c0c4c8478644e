//! What ends a run besides the guest's own ways.

use clap::Args;

/// The highest port that four ports can begin at.
const LAST_PORT: u16 = 0xfffc;

/// What ends a run.
#[derive(Clone, Debug, Default, Args)]
pub struct EndArgs {
    /// A write to port F4h, or to PORT (501h for what was made for QEMU's default), ends the run with status
    /// (value << 1) | 1
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, value_parser = parse_port)]
    pub debug_exit: Option<Option<u16>>,
    /// End the run with status 0 when the guest has written TEXT to the serial port or the debug console (may be
    /// repeated)
    #[arg(long, value_name = "TEXT", value_parser = parse_text)]
    pub pass_on: Vec<String>,
    /// End the run with status 80 when the guest has written TEXT there (may be repeated)
    #[arg(long, value_name = "TEXT", value_parser = parse_text)]
    pub fail_on: Vec<String>,
}

impl EndArgs {
    /// All texts that end the run.
    pub fn texts(&self) -> impl Iterator<Item = &String> {
        self.pass_on.iter().chain(&self.fail_on)
    }
}

fn parse_text(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("an empty text never comes") } else { Ok(text.to_owned()) }
}

/// A number, decimal, or hexadecimal as `0xf4` or `f4h`.
fn parse_port(text: &str) -> Result<u16, String> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.strip_prefix("0x").or_else(|| lower.strip_suffix('h'));
    let port = match digits {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => lower.parse(),
    };
    let port = port.map_err(|_| "not a port: use a number, as 0x501".to_owned())?;
    if port > LAST_PORT {
        return Err("four ports do not begin there".to_owned());
    }
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_of_either_kind() {
        for (text, port) in [("0xf4", 0xf4), ("F4h", 0xf4), ("1281", 0x501), ("0x501", 0x501)] {
            assert_eq!(parse_port(text), Ok(port), "{text}");
        }
        for bad in ["", "f4", "0xfffd", "65536", "-1", "h", "0x"] {
            assert!(parse_port(bad).is_err(), "{bad}");
        }
    }
}
