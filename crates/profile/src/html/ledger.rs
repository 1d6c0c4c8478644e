//! Where the wall time went.

use super::number::{Digits, percent, seconds, share};
use super::page::Section;
use crate::file::ProfileFile;
use crate::model::summary::LedgerRow;
use maud::{Markup, html};

/// The class of a row's colour in `style.css`.
pub fn colour(row: &str) -> &'static str {
    const COLOURS: [(&str, &str); 17] = [
        ("translated code", "c-translated"),
        ("interpreter", "c-interpreter"),
        ("translating", "c-translating"),
        ("dispatcher", "c-dispatcher"),
        ("callout: port", "c-io"),
        ("callout: flags", "c-flags"),
        ("callout: segment", "c-segment"),
        ("callout: int", "c-transfer"),
        ("callout: control", "c-control"),
        ("callout: FPU", "c-fpu"),
        ("callout", "c-other"),
        ("hidden faults", "c-hidden"),
        ("true faults", "c-true"),
        ("interrupts", "c-interrupts"),
        ("devices", "c-devices"),
        ("idle", "c-idle"),
        ("residual", "c-residual"),
    ];
    COLOURS.iter().find(|(start, _)| row.starts_with(start)).map_or("c-spare", |(_, class)| class)
}

pub fn section(profile: &ProfileFile) -> Option<Section> {
    let summary = &profile.summary;
    if summary.ledger.is_empty() {
        return None;
    }
    let rows: Vec<&LedgerRow> =
        summary.ledger.iter().filter(|row| row.count > 0 || row.seconds > 0.0).collect();
    let residual = summary.residual_seconds;
    // Rows that claim more than went by are drawn as the whole.
    let whole = rows.iter().map(|row| row.seconds).sum::<f64>().max(summary.seconds);
    let body = html! {
        (bar(&rows, residual, whole))
        div.scroll { table.sortable id="ledger-table" {
            thead { tr {
                th scope="col" { "Row" } th.n scope="col" { "Seconds" }
                th.n scope="col" { "% of the run" } th.n scope="col" { "Entered" }
                th.n scope="col" { "µs each" } th scope="col" aria-label="Share" {}
            } }
            tbody {
                @for row in &rows { (line(row, summary.seconds)) }
                tr data-key="residual" {
                    td { span.swatch.c-residual {} "residual" }
                    (Digits::seconds(residual).cell())
                    (Digits::percent(share(residual, summary.seconds)).cell())
                    td.n data-v="-1" {} td.n data-v="-1" {} td {}
                }
            }
        } }
        @if let Some(note) = &summary.residual_note { p.note { "Residual: " (note) } }
    };
    Some(Section {
        id: "ledger",
        title: "Ledger",
        note: "Where the wall time went. Exactly one row is running at any time; the rows and the \
               residual, which no row claims, add up to the run."
            .to_owned(),
        body,
    })
}

fn bar(rows: &[&LedgerRow], residual: f64, whole: f64) -> Markup {
    let part = |name: &str, seconds: f64| {
        let share = share(seconds, whole);
        html! {
            i class=(colour(name)) style={ "width:" (format!("{share:.4}")) "%" }
                title={ (name) ": " (percent(share)) " %" } {}
        }
    };
    html! {
        div.stack role="img" aria-label="The ledger as a bar; the table below has its numbers" {
            @for row in rows { (part(&row.name, row.seconds)) }
            @if residual > 0.0 { (part("residual", residual)) }
        }
    }
}

fn line(row: &LedgerRow, whole: f64) -> Markup {
    let each = if row.count == 0 { 0.0 } else { 1e6 * row.seconds / row.count as f64 };
    let share = share(row.seconds, whole);
    html! {
        tr data-key=(row.name) {
            td { span.swatch.(colour(&row.name)) {} (row.name) }
            td.n data-v=(row.seconds) { (seconds(row.seconds)) }
            (Digits::percent(share).cell())
            (Digits::count(row.count).cell())
            (Digits::ratio(each).cell())
            td style="width:18%" data-v=(share) { span.bar.(colour(&row.name)) style={ "width:" (format!("{:.2}", share.clamp(0.0, 100.0))) "%" } {} }
        }
    }
}
