//! Sizes as a user writes them: `512M`, `1G`, `64K`; a plain number counts MiB, as in QEMU's `-m`.

use thiserror::Error;

/// A text that is no size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SizeError {
    /// Not a number with an optional K, M, G or T.
    #[error("'{0}' is no size: use a number with K, M or G, such as 512M or 1G")]
    Syntax(String),
    /// More than 64 bits.
    #[error("'{0}' is too large")]
    TooLarge(String),
}

/// Bytes that `text` stands for. Case of the suffix does not matter; `MB`, `MiB` mean `M`.
///
/// # Errors
/// When `text` is not a whole number with an optional suffix, or exceeds 64 bits.
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let syntax = || SizeError::Syntax(text.to_owned());
    let trimmed = text.trim();
    let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, suffix) = trimmed.split_at(digits);
    if number.is_empty() {
        return Err(syntax());
    }
    let upper = suffix.to_ascii_uppercase();
    let shift = match upper.strip_suffix("IB").or(upper.strip_suffix('B')).unwrap_or(&upper) {
        "" if upper.is_empty() => 20,
        "" if upper == "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(syntax()),
    };
    let too_large = || SizeError::TooLarge(text.to_owned());
    let value: u64 = number.parse().map_err(|_| too_large())?;
    value.checked_mul(1 << shift).ok_or_else(too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_powers_of_1024_and_a_plain_number_is_mebibytes() {
        assert_eq!(parse_size("512"), Ok(512 << 20));
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("1g"), Ok(1 << 30));
        assert_eq!(parse_size("64KiB"), Ok(64 << 10));
        assert_eq!(parse_size("4096B"), Ok(4096));
        assert_eq!(parse_size("1T"), Ok(1 << 40));
        assert_eq!(parse_size("0"), Ok(0));
    }

    #[test]
    fn garbage_and_overflow_are_refused() {
        for bad in ["", "M", "-1", "1.5G", "12Q", "0x10", "1 G", "iB"] {
            assert!(matches!(parse_size(bad), Err(SizeError::Syntax(_))), "{bad}");
        }
        for huge in ["99999999999999999999", "99999999999T"] {
            assert!(matches!(parse_size(huge), Err(SizeError::TooLarge(_))), "{huge}");
        }
    }
}
