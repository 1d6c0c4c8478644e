//! A comparison as text.

use super::compare::Diff;
use super::estimate::Change;
use super::findings::{DISPATCHER, Finding};
use super::sides::Side;
use ringer_input::OneLine;
use std::fmt::{self, Display, Formatter};

/// Rows of each table.
const ROWS: usize = 12;

impl Display for Diff {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "A: {}", OneLine(side(&self.a)))?;
        writeln!(f, "B: {}", OneLine(side(&self.b)))?;
        for option in &self.options {
            writeln!(f, "   {}", OneLine(option))?;
        }
        for warning in &self.warnings {
            writeln!(f, "careful: {}", OneLine(warning))?;
        }
        if self.scale != 1.0 {
            writeln!(f, "B's seconds and counts are multiplied by {:.4}", self.scale)?;
        }
        writeln!(f)?;
        writeln!(f, "{}", verdict(&self.busy_seconds))?;
        writeln!(f)?;
        findings(f, &self.findings)?;
        table(f, "ledger, seconds", &self.ledger, 4)?;
        table(f, "rates (counts for a million guest instructions)", &self.rates, 3)?;
        table(f, "guest functions, seconds", &self.symbols, 4)?;
        table(f, "blocks, seconds", &self.blocks, 4)?;
        table(f, "callouts", &self.callouts, 0)
    }
}

fn side(side: &Side) -> String {
    let mut parts = vec![side.guest.clone()];
    let others = [&side.digest, &side.date, &side.host];
    parts.extend(others.into_iter().filter(|part| !part.is_empty()).cloned());
    if !side.version.is_empty() {
        parts.push(format!("ringer {}", side.version));
    }
    if side.runs > 1 {
        parts.push(format!("{} runs", side.runs));
    }
    parts.join(", ")
}

/// The whole difference in a sentence.
pub fn verdict(busy: &Change) -> String {
    let percent = busy.percent.unwrap_or_default();
    let times = format!("{:.3} s and {:.3} s without idle time", busy.a, busy.b);
    match (busy.significant, busy.delta > 0.0) {
        (true, true) => format!("B is slower by {percent:.1} %: {times}"),
        (true, false) => format!("B is faster by {:.1} %: {times}", -percent),
        (false, _) => format!("no difference beyond noise (±{:.3} s): {times}", busy.noise),
    }
}

fn findings(f: &mut Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    if findings.is_empty() {
        return writeln!(f, "no row of the ledger differs beyond noise\n");
    }
    writeln!(f, "what makes the difference, biggest first")?;
    for (k, finding) in findings.iter().enumerate() {
        writeln!(f, "{:>3}. {}", k + 1, OneLine(headline(finding)))?;
        for cause in &finding.causes {
            writeln!(f, "       {}", OneLine(cause_line(&cause.change)))?;
        }
    }
    writeln!(f)
}

/// A finding in a line.
pub fn headline(finding: &Finding) -> String {
    let s = &finding.seconds;
    let mut text =
        format!("{}: {:+.4} s ({:.4} to {:.4}", finding.name, finding.total_seconds, s.a, s.b);
    let passes = finding.dispatcher_seconds;
    if passes != 0.0 && finding.name == DISPATCHER {
        text.push_str(&format!("; {:+.4} of it told with the others", -passes));
    } else if passes != 0.0 {
        text.push_str(&format!(", and {passes:+.4} in the dispatcher"));
    }
    text.push(')');
    let entered = &finding.entered;
    if entered.significant {
        text.push_str(&format!("; entered {} times, not {}", whole(entered.b), whole(entered.a)));
    }
    text
}

/// What goes with a finding, in a line.
pub fn cause_line(change: &Change) -> String {
    let digits = if change.a.abs().max(change.b.abs()) >= 1_000.0 { 0 } else { 3 };
    format!("{}: {:.digits$} to {:.digits$}{}", change.name, change.a, change.b, factor(change))
}

/// By how much, where that can be said.
pub fn factor(change: &Change) -> String {
    match change.percent {
        Some(percent) if percent.abs() >= 100.0 && change.b / change.a > 0.0 => {
            format!(" (x{:.1})", change.b / change.a)
        }
        Some(percent) => format!(" ({percent:+.1} %)"),
        None => " (new)".to_owned(),
    }
}

fn whole(x: f64) -> String {
    crate::html::count(x.round() as u64)
}

fn table(f: &mut Formatter<'_>, title: &str, changes: &[Change], digits: usize) -> fmt::Result {
    let shown: Vec<&Change> = changes.iter().filter(|change| change.significant).collect();
    if changes.is_empty() {
        return Ok(());
    }
    if shown.is_empty() {
        return writeln!(f, "{title}: no difference beyond noise");
    }
    writeln!(f, "{title:<52} {:>14} {:>14} {:>14}", "A", "B", "B - A")?;
    for c in shown.iter().take(ROWS) {
        writeln!(
            f,
            "  {:<50} {:>14.digits$} {:>14.digits$} {:>+14.digits$}{}",
            OneLine(&c.name).to_string(),
            c.a,
            c.b,
            c.delta,
            factor(c)
        )?;
    }
    match shown.len().saturating_sub(ROWS) {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more (--json has them)"),
    }
}
