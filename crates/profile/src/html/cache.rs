//! The translation cache as a map: a cell is a stretch of its bytes, the state that has most of it its
//! colour.

use super::number::{Digits, bytes, share};
use super::page::Section;
use crate::file::ProfileFile;
use crate::model::cache::{CacheMap, Extent, ExtentState};
use maud::{Markup, html};

/// Cells of a line, and lines at most.
const COLUMNS: u64 = 96;
const LINES: u64 = 32;
/// What a cell stands for is a multiple of this.
const LEAST: u64 = 64;

const STATES: [(Option<ExtentState>, &str, &str); 5] = [
    (Some(ExtentState::Hot), "hot", "blocks that samples were taken in; the more, the stronger"),
    (Some(ExtentState::Cold), "cold", "blocks without a sample"),
    (Some(ExtentState::Invalidated), "invalidated", "blocks whose guest code was written to"),
    (Some(ExtentState::Stub), "stub", "code that blocks share"),
    (None, "free", "nothing"),
];

pub fn section(profile: &ProfileFile) -> Option<Section> {
    let map = &profile.cache;
    let end = map.extents.iter().map(|e| e.start.saturating_add(e.len)).max()?.max(map.used);
    if end == 0 {
        return None;
    }
    let cell = end.div_ceil(COLUMNS * LINES).next_multiple_of(LEAST);
    let cells = gather(&map.extents, end, cell);
    let body = html! {
        ul.legend { @for (_, name, text) in &STATES {
            li { span.swatch.{ "k-" (name) } {} (name) ": " (text) }
        } }
        (picture(&cells, cell))
        (table(map, end))
    };
    Some(Section {
        id: "cache",
        title: "Translation cache",
        note: format!(
            "The first {} of the cache at the end of the run, in reading order; a cell is {}. \
             Of the cache's {}, {} are in use.",
            bytes(end),
            bytes(cell),
            bytes(map.size),
            bytes(map.used)
        ),
        body,
    })
}

/// A stretch of the cache.
#[derive(Clone, Debug, Default)]
struct Cell {
    /// Bytes of each state, in the order of [`ExtentState`].
    parts: [u64; 4],
    samples: f64,
    /// The block with the most samples, or else the first.
    top: Option<(u64, String)>,
}

impl Cell {
    fn state(&self) -> Option<&'static str> {
        let names = ["hot", "cold", "invalidated", "stub"];
        let (k, most) = self.parts.iter().enumerate().max_by_key(|(k, part)| (**part, 4 - k))?;
        // Few bytes with samples among many without are what one looks for.
        let k = if self.parts[0] > 0 && self.samples > 0.0 { 0 } else { k };
        (*most > 0).then_some(names[k])
    }
}

fn index(state: ExtentState) -> usize {
    match state {
        ExtentState::Hot => 0,
        ExtentState::Cold => 1,
        ExtentState::Invalidated => 2,
        ExtentState::Stub => 3,
    }
}

fn gather(extents: &[Extent], end: u64, cell: u64) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); end.div_ceil(cell) as usize];
    for extent in extents.iter().filter(|extent| extent.len > 0) {
        let stop = extent.start.saturating_add(extent.len).min(end);
        let mut at = extent.start;
        while at < stop {
            let next = ((at / cell + 1) * cell).min(stop);
            let c = &mut cells[(at / cell) as usize];
            c.parts[index(extent.state)] += next - at;
            c.samples += extent.samples as f64 * (next - at) as f64 / extent.len as f64;
            if c.top.as_ref().is_none_or(|(samples, _)| extent.samples > *samples) {
                c.top = Some((extent.samples, name(extent)));
            }
            at = next;
        }
    }
    cells
}

fn name(extent: &Extent) -> String {
    match extent.state {
        ExtentState::Stub => "stubs".to_owned(),
        _ => extent.place.to_string(),
    }
}

fn picture(cells: &[Cell], size: u64) -> Markup {
    let hottest = cells.iter().map(|cell| cell.samples).fold(0.0, f64::max);
    // A root, since a few cells have nearly all samples.
    let opacity = |cell: &Cell| 0.3 + 0.7 * (cell.samples / hottest.max(1e-9)).sqrt().min(1.0);
    let lines = (cells.len() as u64).div_ceil(COLUMNS);
    html! {
        svg.map viewBox={ "0 0 " (COLUMNS * 10) " " (lines * 14) } role="img"
            aria-label="The translation cache as a map; the table below has its numbers" {
            @for (k, cell) in cells.iter().enumerate() {
                @if let Some(state) = cell.state() {
                    @let k = k as u64;
                    @let fade = (state == "hot").then(|| format!("{:.2}", opacity(cell)));
                    rect.(state) x=((k % COLUMNS) * 10) y=((k / COLUMNS) * 14) width="9" height="13"
                        opacity=[fade] {
                        title { (tip(cell, k * size)) }
                    }
                }
            }
        }
    }
}

fn tip(cell: &Cell, offset: u64) -> String {
    let top = cell.top.as_ref().map_or("", |(_, name)| name.as_str());
    format!("{offset:#x}: {top}, {:.0} samples", cell.samples)
}

fn table(map: &CacheMap, end: u64) -> Markup {
    let of = |state: Option<ExtentState>| match state {
        Some(state) => {
            let extents = map.extents.iter().filter(|extent| extent.state == state);
            let (n, len) =
                extents.fold((0, 0u64), |(n, len), e| (n + 1, len.saturating_add(e.len)));
            (n, len)
        }
        None => {
            let taken = map.extents.iter().fold(0u64, |sum, e| sum.saturating_add(e.len));
            (0, end.saturating_sub(taken))
        }
    };
    html! {
        h3 { "By state" }
        div.scroll { table.sortable id="cache-table" {
            thead { tr {
                th scope="col" { "State" } th.n scope="col" { "Ranges" }
                th.n scope="col" { "Bytes" } th.n scope="col" { "%" }
            } }
            tbody { @for (state, name, _) in &STATES {
                @let (n, len) = of(*state);
                tr data-key=(name) {
                    td { span.swatch.{ "k-" (name) } {} (name) }
                    (Digits::count(n).cell()) (Digits::count(len).cell())
                    (Digits::percent(share(len as f64, end as f64)).cell())
                }
            } }
        } }
    }
}
