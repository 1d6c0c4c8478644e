//! How dear the host's own page faults are: where the host is itself a guest, what a window costs is mostly theirs.

use crate::guest::root;
use crate::sides::AnyError;
use serde::Serialize;
use std::process::Command;

/// Nanoseconds of processor time for one operation, the least of some rounds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct HostFaults {
    /// SIGSEGV, its handler, and the return from it.
    pub signal: f64,
    /// One page of a memory file mapped over another.
    pub map: f64,
    /// The first access to a page that is so mapped.
    pub touch: f64,
}

impl HostFaults {
    /// Measured now, by `hostfaults`, which `benches/guest/own.sh` builds.
    ///
    /// # Errors
    /// When it does not run.
    pub fn measure() -> Result<Self, AnyError> {
        let output = Command::new(root().join("guests/bench/hostfaults")).output()?;
        parse(&String::from_utf8_lossy(&output.stdout))
            .ok_or_else(|| "hostfaults did not say what it is to say".into())
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let [signal, map, touch] = [self.signal, self.map, self.touch].map(|ns| ns / 1e3);
        format!(
            "the host's own: SIGSEGV and back {signal:.1} us, a page mapped {map:.1} us, its first access {touch:.1} us"
        )
    }
}

fn parse(text: &str) -> Option<HostFaults> {
    let mut words = text.strip_prefix("@host ")?.split_whitespace();
    let mut next = || words.next()?.parse().ok();
    Some(HostFaults { signal: next()?, map: next()?, touch: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_line() {
        let found = parse("@host 3200 5400 2100\n").expect("a good line");
        assert_eq!((found.signal, found.map, found.touch), (3200.0, 5400.0, 2100.0));
        assert!(found.line().contains("3.2 us"), "{}", found.line());
        assert!(parse("@host 3200").is_none());
    }
}
