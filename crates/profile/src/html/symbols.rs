//! The run as a treemap of what the engine did and of the guest's functions, and the functions as a table.

mod treemap;

use super::ledger::colour;
use super::number::{Digits, seconds, share};
use super::page::Section;
use crate::file::ProfileFile;
use crate::stacks;
use maud::{Markup, html};
use std::collections::BTreeMap;
use treemap::{Rect, squarify};

/// Cells that are smaller are put together.
const LEAST: f64 = 0.002;
/// The share of the picture from which a cell has room for a name.
const NAMED: f64 = 0.004;

pub fn section(profile: &ProfileFile) -> Option<Section> {
    let cells = cells(profile);
    if cells.is_empty() {
        return None;
    }
    let whole: u64 = cells.iter().map(|cell| cell.nanoseconds).sum();
    let body = html! {
        ul.legend {
            li { span.swatch.c-translated {} "guest kernel" }
            li { span.swatch.c-user {} "guest user" }
            li { "other colours: rows of the ledger" }
        }
        (picture(&cells, whole as f64))
        (table(profile))
    };
    Some(Section {
        id: "symbols",
        title: "Guest functions",
        note: "The area is time: each cell is a function of the guest in translated code, or what \
               the engine did for it."
            .to_owned(),
        body,
    })
}

struct Cell {
    name: String,
    group: String,
    colour: &'static str,
    nanoseconds: u64,
}

/// Cells of the treemap, biggest first; the small ones of each group as one.
fn cells(profile: &ProfileFile) -> Vec<Cell> {
    let mut sums: BTreeMap<(String, String, &'static str), u64> = BTreeMap::new();
    for stack in stacks::of(profile) {
        let activity = &stack.frames[0].name;
        let ring = stack.frames.get(1).map_or("", |frame| frame.name.as_str());
        let last = stack.frames.last().map_or(activity, |frame| &frame.name);
        let (name, group, colour) = match (activity.as_str(), stack.frames.len()) {
            (stacks::TRANSLATED, 3..) if ring == stacks::ring(0) => (last, ring, "c-translated"),
            (stacks::TRANSLATED, 3..) => (last, ring, "c-user"),
            // A function that waits for the engine is part of what the engine does.
            _ => (activity, "engine", colour(activity)),
        };
        let sum = sums.entry((group.to_owned(), name.clone(), colour)).or_default();
        *sum = sum.saturating_add(stack.nanoseconds);
    }
    let whole: u64 = sums.values().sum();
    let least = (whole as f64 * LEAST) as u64;
    let mut small: BTreeMap<(String, &'static str), (u64, u64)> = BTreeMap::new();
    let mut cells = Vec::new();
    for ((group, name, colour), nanoseconds) in sums {
        if nanoseconds > least {
            cells.push(Cell { name, group, colour, nanoseconds });
        } else {
            let sum = small.entry((group, colour)).or_default();
            *sum = (sum.0 + 1, sum.1 + nanoseconds);
        }
    }
    cells.extend(small.into_iter().map(|((group, colour), (n, nanoseconds))| Cell {
        name: format!("{n} smaller"),
        group,
        colour,
        nanoseconds,
    }));
    cells.sort_by(|a, b| b.nanoseconds.cmp(&a.nanoseconds).then_with(|| a.name.cmp(&b.name)));
    cells.retain(|cell| cell.nanoseconds > 0);
    cells
}

fn picture(cells: &[Cell], whole: f64) -> Markup {
    let mut groups: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        groups.entry(&cell.group).or_default().push(cell);
    }
    let mut groups: Vec<(f64, Vec<&Cell>)> = groups
        .into_values()
        .map(|cells| (cells.iter().map(|cell| cell.nanoseconds as f64).sum(), cells))
        .collect();
    groups.sort_by(|a, b| b.0.total_cmp(&a.0));
    let sizes: Vec<f64> = groups.iter().map(|(size, _)| *size).collect();
    let frames = squarify(&sizes, Rect::PAGE);
    html! {
        div.treemap role="group" aria-label="Treemap of time; the tables have the same numbers" {
            @for ((_, cells), frame) in groups.iter().zip(frames) {
                @let sizes: Vec<f64> = cells.iter().map(|cell| cell.nanoseconds as f64).collect();
                @for (cell, rect) in cells.iter().zip(squarify(&sizes, frame)) {
                    (drawn(cell, &rect, whole))
                }
            }
        }
    }
}

fn drawn(cell: &Cell, rect: &Rect, whole: f64) -> Markup {
    let time = cell.nanoseconds as f64;
    let text = format!("{} s, {:.2} %", seconds(time / 1e9), share(time, whole));
    let tiny = if time / whole < NAMED || rect.is_narrow() { "tiny" } else { "" };
    html! {
        div.cell.(cell.colour).(tiny) style=(rect.style()) title={ (cell.name) " (" (cell.group) "): " (text) } {
            b { (cell.name) } span { (text) }
        }
    }
}

fn table(profile: &ProfileFile) -> Markup {
    let symbols = &profile.symbols;
    html! {
        @if !symbols.is_empty() {
            h3 { "Functions" }
            label.filter hidden { "Filter " input type="search" data-table="symbols-table"; }
            div.scroll { table.sortable id="symbols-table" {
                thead { tr {
                    th scope="col" { "Function" } th scope="col" { "Privilege" }
                    th.n scope="col" { "Seconds" } th.n scope="col" { "% of the run" }
                    th.n scope="col" { "Samples" } th.n scope="col" { "Blocks" }
                    th.n scope="col" { "Callouts" } th.n scope="col" { "Faults" }
                } }
                tbody { @for s in symbols { tr {
                    td.code { (s.name) } td { (stacks::ring(s.cpl)) }
                    (Digits::seconds(s.seconds).cell())
                    (Digits::percent(share(s.seconds, profile.summary.seconds)).cell())
                    (Digits::count(s.samples).cell()) (Digits::count(s.blocks).cell())
                    (Digits::count(s.callouts).cell()) (Digits::count(s.faults).cell())
                } } }
            } }
        }
    }
}
