//! The numbers of the run that the page shows.

use crate::feed::Numbers;
use std::fmt::Write;

/// Counts and times since the run began, as JSON; the page makes rates of them.
pub(crate) fn json(numbers: Option<&Numbers>) -> String {
    let Some(Numbers { seconds, profile: p }) = numbers else { return "{}".to_owned() };
    let counts = [
        ("instructions", p.instructions_translated + p.instructions_interpreted),
        ("interpreted", p.instructions_interpreted),
        ("links", p.direct_links),
        ("lookups", p.inline_lookups),
        ("dispatched", p.dispatched),
        ("callouts", p.callouts),
        ("ports", p.port_io),
        ("mmio", p.mmio),
        ("interrupts", p.interrupts),
        ("faults", p.hidden_faults + p.true_faults),
        ("translated", p.blocks_translated),
        ("cache", p.cache_used),
    ];
    let mut text = format!("{{\"seconds\":{seconds}");
    for (name, count) in counts {
        // Into a text nothing fails.
        let _ = write!(text, ",\"{name}\":{count}");
    }
    let idle = p.ledger.iter().find(|row| row.name.starts_with("idle")).map(|row| row.seconds);
    let _ = write!(text, ",\"idle\":{}}}", idle.filter(|idle| idle.is_finite()).unwrap_or(0.0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringer_machine::Profile;

    #[test]
    fn counts_are_numbers_of_json() {
        assert_eq!(json(None), "{}");
        let profile = Profile { direct_links: 7, ..Profile::default() };
        let text = json(Some(&Numbers { seconds: 1.5, profile }));
        assert!(
            text.starts_with("{\"seconds\":1.5,\"instructions\":0")
                && text.contains("\"links\":7,"),
            "{text}"
        );
        assert!(text.ends_with(",\"idle\":0}"), "{text}");
    }
}
