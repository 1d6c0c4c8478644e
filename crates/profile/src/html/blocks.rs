//! The hottest blocks: what each cost, and its guest and host code side by side.

use super::number::{count, percent, seconds, share};
use super::page::Section;
use crate::file::ProfileFile;
use crate::model::blocks::{Block, ByExit, Class, GuestLine, HostLine};
use crate::model::cache::ExtentState;
use maud::{Markup, html};

/// Blocks that stand open at first.
const OPEN: usize = 1;

pub fn section(profile: &ProfileFile) -> Option<Section> {
    if profile.blocks.is_empty() {
        return None;
    }
    let whole = profile.summary.seconds;
    let body = html! {
        div.scroll {
            div.block-head aria-hidden="true" {
                span.r { "#" } span { "Block" } span.r { "Seconds" } span.r { "% of run" }
                span.r { "Expansion" } span.r { "Callouts, faults" }
            }
            @for (k, block) in profile.blocks.iter().enumerate() { (drawn(k, block, whole)) }
        }
    };
    Some(Section {
        id: "blocks",
        title: "Hottest blocks",
        note: format!(
            "{} blocks by time. A guest instruction stands beside the host instructions that it \
             became; those that are rewritten or left to the interpreter say so.",
            profile.blocks.len()
        ),
        body,
    })
}

fn drawn(k: usize, block: &Block, whole: f64) -> Markup {
    let place = block.place.to_string();
    let share = share(block.seconds, whole);
    html! {
        details.block id={ "block-" (k + 1) } open[k < OPEN] {
            summary {
                span.r { (k + 1) }
                span.name { span.code { (place) } }
                span.r { (seconds(block.seconds)) " s" }
                span.r { (percent(share)) " %" }
                span.r { (format!("{:.2}", block.expansion)) }
                span.r { (count(block.callouts)) ", " (count(block.faults.total())) }
            }
            div.block-body {
                ul.chips { @for fact in facts(block) { li { (fact) } } }
                (listing(block))
            }
        }
    }
}

/// What a block's line has no room for.
fn facts(block: &Block) -> Vec<String> {
    let mut facts = vec![
        format!("EIP {}", block.place.eip),
        format!("physical {}", block.physical),
        block.mode.clone(),
        format!(
            "{} instructions, {} guest bytes → {} host bytes",
            block.instructions, block.guest_bytes, block.host_bytes
        ),
        format!("{} samples", count(block.samples)),
    ];
    if let Some(entries) = block.entries {
        facts.push(format!("entered {} times", count(entries)));
    }
    if block.translations > 1 {
        facts.push(format!("translated {} times", count(block.translations)));
    }
    if block.state == ExtentState::Invalidated {
        facts.push("invalidated".to_owned());
    }
    facts.extend(block.exits.iter().map(exit));
    let f = &block.faults;
    let kinds = [
        ("hidden", f.hidden),
        ("true", f.real),
        ("MMIO", f.mmio),
        ("code write", f.code_write),
        ("churn", f.churn),
        ("other", f.other),
    ];
    let kinds = kinds.iter().filter(|(_, n)| *n > 0);
    facts.extend(kinds.map(|(kind, n)| format!("{} {kind} faults", count(*n))));
    facts.retain(|fact| !fact.is_empty());
    facts
}

fn exit(exit: &ByExit) -> String {
    let target = exit.target.map_or(String::new(), |target| format!(" to {target}"));
    let linked = if exit.linked { ", linked" } else { "" };
    let taken = exit.count.map_or(String::new(), |n| format!(", {} times", count(n)));
    format!("exit: {}{target}{linked}{taken}", exit.kind)
}

/// One guest instruction and the host instructions that stand for it; or host instructions of the
/// block itself.
struct Row<'a> {
    guest: Option<&'a GuestLine>,
    host: &'a [HostLine],
}

/// The rows, in the order of the host code; guest instructions without host code come where they stand.
fn rows(block: &Block) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut seen = vec![false; block.guest.len()];
    let mut rest = block.host.as_slice();
    let mut next = 0;
    while let Some(first) = rest.first() {
        let n = rest.iter().take_while(|line| line.guest == first.guest).count();
        let (host, others) = rest.split_at(n);
        let guest = first.guest.filter(|k| *k < block.guest.len());
        if let Some(k) = guest {
            let skipped = (next..k).filter(|k| !seen[*k]);
            rows.extend(skipped.map(|k| Row { guest: Some(&block.guest[k]), host: &[] }));
            (next..=k).for_each(|k| seen[k] = true);
            next = next.max(k + 1);
        }
        rows.push(Row { guest: guest.map(|k| &block.guest[k]), host });
        rest = others;
    }
    let left = block.guest.iter().zip(&seen).filter(|(_, seen)| !**seen);
    rows.extend(left.map(|(line, _)| Row { guest: Some(line), host: &[] }));
    rows
}

fn listing(block: &Block) -> Markup {
    let hottest = block.host.iter().map(|line| line.samples).max().unwrap_or(0).max(1);
    let any = block.host.iter().any(|line| line.samples > 0);
    html! {
        @if !(block.guest.is_empty() && block.host.is_empty()) {
            div.scroll { table.listing {
                thead { tr {
                    th colspan="2" scope="col" { "Guest" }
                    @if any { th scope="col" { "Samples" } }
                    th colspan="2" scope="col" { "Host" }
                } }
                tbody { @for row in rows(block) { (lines(&row, hottest, any)) } }
            } }
        }
    }
}

fn lines(row: &Row<'_>, hottest: u64, any: bool) -> Markup {
    let height = row.host.len().max(1).to_string();
    let first = row.host.first();
    html! {
        tr.first {
            (guest_cells(row.guest, &height))
            @match first {
                Some(line) => (host_cells(line, hottest, any)),
                None => { @if any { td.hits {} } td.at {} td {} },
            }
        }
        @for line in row.host.iter().skip(1) { tr { (host_cells(line, hottest, any)) } }
    }
}

fn guest_cells(line: Option<&GuestLine>, height: &str) -> Markup {
    html! {
        @match line {
            Some(line) => {
                td.at rowspan=(height) title=(line.bytes) { (line.address) }
                td.g rowspan=(height) {
                    (line.text)
                    @match line.class {
                        Class::Innocuous => {},
                        Class::Rewritten => span.tag.rewritten { "rewritten" },
                        Class::Callout => span.tag.callout { "callout" },
                    }
                    @if line.faults > 0 { span.tag.callout { (count(line.faults)) " faults" } }
                    @if let Some(why) = &line.why { span.why { (why) } }
                }
            },
            None => { td.own colspan="2" rowspan=(height) { "the block's own" } },
        }
    }
}

fn host_cells(line: &HostLine, hottest: u64, any: bool) -> Markup {
    let heat = line.samples as f64 / hottest as f64;
    html! {
        @if any {
            td.hits style={ "--p:" (format!("{heat:.2}")) } { @if line.samples > 0 { (count(line.samples)) } }
        }
        td.at title=(line.bytes) { (format!("{:04x}", line.offset)) }
        td { (line.text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_guest_instruction_stands_beside_its_host_code() {
        let guest = |text: &str| GuestLine { text: text.into(), ..GuestLine::default() };
        let host = |offset, guest| HostLine { offset, guest, ..HostLine::default() };
        let block = Block {
            guest: vec![guest("a"), guest("b"), guest("c"), guest("d")],
            host: vec![
                host(0, None),
                host(1, Some(0)),
                host(2, Some(2)),
                host(3, Some(2)),
                host(4, Some(9)),
            ],
            ..Block::default()
        };
        let rows = rows(&block);
        let shape: Vec<(Option<&str>, usize)> =
            rows.iter().map(|row| (row.guest.map(|g| g.text.as_str()), row.host.len())).collect();
        let wanted =
            [(None, 1), (Some("a"), 1), (Some("b"), 0), (Some("c"), 2), (None, 1), (Some("d"), 0)];
        assert_eq!(shape, wanted);
    }
}
