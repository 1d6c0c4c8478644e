//! Numbers as people read them: the same digits that the JSON has, in groups of three.

use maud::{Markup, html};

/// A count, all of its digits.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (k, digit) in digits.chars().enumerate() {
        if k > 0 && (digits.len() - k).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds, to a tenth of a millisecond.
pub fn seconds(s: f64) -> String {
    format!("{s:.4}")
}

/// A share in per cent.
pub fn percent(p: f64) -> String {
    format!("{p:.2}")
}

/// `part` of `whole` in per cent; 0 of nothing.
pub fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

/// A number in short: 3 digits and a unit.
pub fn short(x: f64) -> String {
    let units = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match units.iter().find(|(unit, _)| x.abs() >= *unit) {
        Some((unit, name)) => format!("{} {name}", digits(x / unit)),
        None => digits(x),
    }
}

/// A count in short: as it is below a thousand.
pub fn short_count(n: u64) -> String {
    if n < 1_000 { n.to_string() } else { short(n as f64) }
}

fn digits(x: f64) -> String {
    match x.abs() {
        a if a >= 99.95 || a == 0.0 => format!("{x:.0}"),
        a if a >= 9.995 => format!("{x:.1}"),
        _ => format!("{x:.2}"),
    }
}

/// Bytes in short.
pub fn bytes(n: u64) -> String {
    let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| n >= *unit) {
        Some((unit, name)) => format!("{} {name}", digits(n as f64 / *unit as f64)),
        None => format!("{n} bytes"),
    }
}

/// Something with digits, for a cell of a table: what is shown, and what it is sorted by.
pub struct Digits(String, f64);

impl Digits {
    /// A count.
    pub fn count(n: u64) -> Self {
        Self(count(n), n as f64)
    }

    /// Seconds.
    pub fn seconds(s: f64) -> Self {
        Self(seconds(s), s)
    }

    /// Per cent.
    pub fn percent(p: f64) -> Self {
        Self(percent(p), p)
    }

    /// A plain number with two digits behind the point.
    pub fn ratio(x: f64) -> Self {
        Self(format!("{x:.2}"), x)
    }

    /// A cell of a table.
    pub fn cell(&self) -> Markup {
        html! { td.n data-v=(self.1) { (self.0) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")];
        for (n, text) in cases {
            assert_eq!(count(n), text);
        }
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn short_numbers_have_three_digits() {
        let cases =
            [(0.0, "0"), (7.25, "7.25"), (99.96, "100"), (1234.0, "1.23 k"), (5e8, "500 M")];
        for (x, text) in cases {
            assert_eq!(short(x), text);
        }
        assert_eq!((bytes(1023), bytes(1 << 20)), ("1023 bytes".into(), "1.00 MiB".into()));
    }
}
