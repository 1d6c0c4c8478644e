//! A comparison as a page.

use super::compare::Diff;
use super::estimate::Change;
use super::sides::Side;
use super::text::{cause_line, factor, headline, verdict};
use crate::html::{Section, page as frame};
use maud::{Markup, html};

/// The page.
pub fn page(diff: &Diff) -> String {
    let sections = [
        summary(diff),
        findings(diff),
        table("ledger", "Ledger", "Seconds of the ledger's rows.", &diff.ledger, 4),
        table(
            "rates",
            "Rates",
            "Shares in per cent; counts for a million guest instructions.",
            &diff.rates,
            3,
        ),
        table("symbols", "Guest functions", "Seconds in translated code.", &diff.symbols, 4),
        table("blocks", "Blocks", "Seconds in the hottest blocks.", &diff.blocks, 4),
        table("callouts", "Callouts", "How often each ran.", &diff.callouts, 0),
    ];
    let sections: Vec<Section> = sections.into_iter().flatten().collect();
    let title = format!("Profiles of {} compared", diff.a.guest);
    frame(&title, &verdict(&diff.busy_seconds), &sections)
}

fn summary(diff: &Diff) -> Option<Section> {
    let body = html! {
        @for warning in &diff.warnings { p.warn { (warning) } }
        dl.facts {
            (side("A", &diff.a)) (side("B", &diff.b))
            @if !diff.options.is_empty() { dt { "Options" } dd { (diff.options.join("; ")) } }
            @if diff.scale != 1.0 { dt { "Scale" } dd { "B's seconds and counts × " (format!("{:.4}", diff.scale)) } }
        }
        dl.tiles {
            (tile("Without idle time", &diff.busy_seconds))
            (tile("Wall time", &diff.seconds))
        }
    };
    Some(Section { id: "summary", title: "Summary", note: String::new(), body })
}

fn side(name: &str, side: &Side) -> Markup {
    let runs = if side.runs == 1 { "1 run".to_owned() } else { format!("{} runs", side.runs) };
    let parts = [side.guest.as_str(), &side.digest, &side.date, &side.host, &runs];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    html! {
        dt { (name) }
        dd {
            (parts.join(", "))
            @if !side.version.is_empty() { ", ringer " (side.version) }
            @if !side.arguments.is_empty() { br; code { "ringer " (side.arguments.join(" ")) } }
        }
    }
}

fn tile(name: &str, change: &Change) -> Markup {
    html! {
        div.tile {
            dt { (name) }
            dd {
                span.big.(class(change)) { (format!("{:+.3} s", change.delta)) }
                span.small { (format!("{:.3} to {:.3} s", change.a, change.b)) (factor(change)) }
                span.small { (format!("noise ±{:.3} s", change.noise)) }
            }
        }
    }
}

fn class(change: &Change) -> &'static str {
    match (change.significant, change.delta > 0.0) {
        (false, _) => "same",
        (true, true) => "worse",
        (true, false) => "better",
    }
}

fn findings(diff: &Diff) -> Option<Section> {
    let body = html! {
        @if diff.findings.is_empty() { p { "No row of the ledger differs beyond noise." } }
        @for finding in &diff.findings {
            div.finding data-name=(finding.name) {
                h3.(if finding.total_seconds > 0.0 { "worse" } else { "better" }) { (headline(finding)) }
                ul { @for cause in &finding.causes { li { (cause_line(&cause.change)) } } }
            }
        }
    };
    Some(Section {
        id: "findings",
        title: "What makes the difference",
        note:
            "Rows of the ledger that differ beyond noise, biggest first, with the rates and places \
               that changed with them."
                .to_owned(),
        body,
    })
}

fn table(
    id: &'static str,
    title: &'static str,
    note: &str,
    changes: &[Change],
    digits: usize,
) -> Option<Section> {
    let shown = !changes.is_empty();
    let cell = |x: f64| html! { td.n data-v=(x) { (format!("{x:.digits$}")) } };
    let body = html! {
        div.scroll { table.sortable id={ (id) "-table" } {
            thead { tr {
                th scope="col" { "Name" } th.n scope="col" { "A" } th.n scope="col" { "B" }
                th.n scope="col" { "B - A" } th.n scope="col" { "Noise" } th scope="col" { "Change" }
            } }
            tbody { @for c in changes { tr {
                td { (c.name) } (cell(c.a)) (cell(c.b))
                td.n.(class(c)) data-v=(c.delta) { (format!("{:+.digits$}", c.delta)) }
                (cell(c.noise))
                td { @if c.significant { (factor(c)) } @else { "noise" } }
            } } }
        } }
    };
    shown.then(|| Section { id, title, note: note.to_owned(), body })
}
