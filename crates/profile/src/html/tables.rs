//! Places as tables that can be sorted and filtered.

use super::number::{Digits, share};
use super::page::Section;
use crate::file::ProfileFile;
use maud::{Markup, html};

/// A table with a filter. Heads that begin with `#` are of columns of numbers.
fn table(id: &str, heads: &[&str], rows: &[Markup]) -> Markup {
    html! {
        label.filter hidden { "Filter " input type="search" data-table=(id); }
        div.scroll { table.sortable id=(id) {
            thead { tr { @for head in heads {
                @match head.strip_prefix('#') {
                    Some(name) => th.n scope="col" { (name) },
                    None => th scope="col" { (head) },
                }
            } } }
            tbody { @for row in rows { tr { (row) } } }
        } }
    }
}

fn some(
    id: &'static str,
    title: &'static str,
    note: &str,
    heads: &[&str],
    rows: &[Markup],
) -> Option<Section> {
    let shown = !rows.is_empty();
    let body = table(&format!("{id}-table"), heads, rows);
    shown.then(|| Section { id, title, note: note.to_owned(), body })
}

pub fn pages(profile: &ProfileFile) -> Option<Section> {
    let row = |p: &crate::Page| {
        html! {
            td.code { (p.linear) } td.code { (p.physical) } td.code { (p.symbol.as_deref().unwrap_or("")) }
            (Digits::seconds(p.seconds).cell()) (Digits::count(p.samples).cell())
            (Digits::count(p.blocks).cell()) (Digits::count(p.host_bytes).cell())
            (Digits::count(p.invalidations).cell()) (Digits::count(p.callouts).cell())
            (Digits::count(p.faults).cell())
        }
    };
    let rows: Vec<Markup> = profile.pages.iter().map(row).collect();
    let heads = [
        "Linear",
        "Physical",
        "Symbol",
        "#Seconds",
        "#Samples",
        "#Blocks",
        "#Host bytes",
        "#Invalidated",
        "#Callouts",
        "#Faults",
    ];
    some("pages", "Pages", "Guest pages with code, by time.", &heads, &rows)
}

pub fn indirect(profile: &ProfileFile) -> Option<Section> {
    let row = |s: &crate::IndirectSite| {
        html! {
            td.code { (s.place.to_string()) } td.code { (s.place.eip) } td.code { (s.instruction) } td { (s.kind) }
            (Digits::count(s.hits).cell()) (Digits::count(s.misses).cell())
            (Digits::percent(s.hit_percent()).cell())
        }
    };
    let rows: Vec<Markup> = profile.indirect_sites.iter().map(row).collect();
    let note = "Branches whose target is looked up in the target table: a miss leaves translated \
                code for the dispatcher.";
    let heads = ["Place", "EIP", "Instruction", "Kind", "#Hits", "#Misses", "#Hit rate, %"];
    some("indirect", "Indirect branches", note, &heads, &rows)
}

pub fn callouts(profile: &ProfileFile) -> Option<Section> {
    let all = profile.summary.callouts as f64;
    let row = |s: &crate::CalloutSite| {
        html! {
            td.code { (s.place.to_string()) } td.code { (s.place.eip) } td.code { (s.instruction) } td { (s.why) }
            (Digits::count(s.count).cell()) (Digits::percent(share(s.count as f64, all)).cell())
            @match s.seconds { Some(seconds) => (Digits::seconds(seconds).cell()), None => td.n data-v="-1" {} }
        }
    };
    let rows: Vec<Markup> = profile.callout_sites.iter().map(row).collect();
    let note = "Instructions that translated code leaves to the interpreter, and why.";
    let heads = ["Place", "EIP", "Instruction", "Why", "#Count", "#% of callouts", "#Seconds"];
    some("callouts", "Callouts", note, &heads, &rows)
}

pub fn faults(profile: &ProfileFile) -> Option<Section> {
    let row = |s: &crate::FaultSite| {
        html! {
            td.code { (s.place.to_string()) } td.code { (s.place.eip) } td.code { (s.instruction) } td { (s.kind) }
            (Digits::count(s.count).cell())
        }
    };
    let rows: Vec<Markup> = profile.fault_sites.iter().map(row).collect();
    let note = "Instructions whose accesses were host faults. Hidden: a window was filled, and the \
                guest knows nothing of it.";
    some("faults", "Faults", note, &["Place", "EIP", "Instruction", "Kind", "#Count"], &rows)
}

pub fn invalidations(profile: &ProfileFile) -> Option<Section> {
    let row = |s: &crate::InvalidationSite| {
        html! {
            td.code { (s.page) } td.code { (s.symbol.as_deref().unwrap_or("")) }
            td.code { @if let Some(writer) = &s.writer { (writer.to_string()) } } td { (s.cause) }
            (Digits::count(s.count).cell()) (Digits::count(s.blocks).cell())
        }
    };
    let rows: Vec<Markup> = profile.invalidation_sites.iter().map(row).collect();
    let note = "Code that was written to after it had been translated, by physical page.";
    let heads = ["Page", "Code", "Writer", "By", "#Writes", "#Blocks"];
    some("invalidations", "Invalidations", note, &heads, &rows)
}
