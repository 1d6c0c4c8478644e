//! The run over its time: a lane for each rate, all with one axis, and the marks across them.

use super::ledger::colour;
use super::number::{share, short};
use super::page::Section;
use crate::file::ProfileFile;
use crate::model::time::Tick;
use maud::{Markup, html};
use std::fmt::Write;

/// The size of a lane's drawing in its own units; the page stretches it.
const HEIGHT: f64 = 100.0;
const WIDTH: f64 = 1000.0;

/// What a lane shows of each interval.
struct Lane {
    name: &'static str,
    colour: &'static str,
    kind: Kind,
}

enum Kind {
    /// A count over the interval's seconds.
    Rate(fn(&Tick) -> u64),
    /// A part of a whole, in per cent.
    Share(fn(&Tick) -> (u64, u64)),
}

const LANES: [Lane; 10] = [
    Lane {
        name: "Guest instructions",
        colour: "c-translated",
        kind: Kind::Rate(Tick::instructions),
    },
    Lane {
        name: "Run as translated code",
        colour: "c-translated",
        kind: Kind::Share(|t| (t.instructions_translated, t.instructions())),
    },
    Lane {
        name: "Without dispatcher",
        colour: "c-dispatcher",
        kind: Kind::Share(|t| (t.undispatched(), t.undispatched().saturating_add(t.dispatched))),
    },
    Lane {
        name: "Blocks translated",
        colour: "c-translating",
        kind: Kind::Rate(|t| t.blocks_translated),
    },
    Lane {
        name: "Blocks invalidated",
        colour: "c-interpreter",
        kind: Kind::Rate(|t| t.invalidations),
    },
    Lane { name: "Callouts", colour: "c-io", kind: Kind::Rate(|t| t.callouts) },
    Lane { name: "Hidden faults", colour: "c-hidden", kind: Kind::Rate(|t| t.hidden_faults) },
    Lane { name: "Other faults", colour: "c-true", kind: Kind::Rate(Tick::other_than_hidden) },
    Lane { name: "Interrupts", colour: "c-interrupts", kind: Kind::Rate(|t| t.interrupts) },
    Lane {
        name: "Port and MMIO accesses",
        colour: "c-devices",
        kind: Kind::Rate(|t| t.port_io.saturating_add(t.mmio)),
    },
];

impl Lane {
    /// Its value in each interval; an interval without a whole has none.
    fn values(&self, timeline: &[Tick]) -> Vec<Option<f64>> {
        let value = |t: &Tick| match self.kind {
            Kind::Rate(of) => (t.seconds > 0.0).then(|| of(t) as f64 / t.seconds),
            Kind::Share(of) => {
                let (part, whole) = of(t);
                (whole > 0).then(|| share(part as f64, whole as f64))
            }
        };
        timeline.iter().map(value).collect()
    }

    fn text(&self, value: f64) -> String {
        match self.kind {
            Kind::Rate(_) => format!("{} /s", short(value)),
            Kind::Share(_) => format!("{value:.2} %"),
        }
    }
}

pub fn section(profile: &ProfileFile) -> Option<Section> {
    let timeline = &profile.timeline;
    let end = timeline.last().map(|tick| tick.start + tick.seconds).filter(|end| *end > 0.0)?;
    let starts: Vec<f64> = timeline.iter().map(|tick| tick.start).collect();
    let body = html! {
        (legend(profile))
        div.lanes data-starts=(numbers(&starts)) data-end=(end) {
            @if !profile.marks.is_empty() { div {} (flags(profile, end)) }
            (phases(profile, end))
            @for lane in &LANES { (drawn(lane, profile, end)) }
            div {} div.axis { @for at in axis(end) {
                span style={ "left:" (position(at, end)) "%" } { (format!("{at}")) " s" }
            } }
            div.cursor {}
        }
        @if !profile.marks.is_empty() {
            h3 { "Marks" }
            ul.marks { @for (k, mark) in profile.marks.iter().enumerate() {
                li { span.no { (k + 1) } (format!("{:.3}", mark.at)) " s, " (mark.kind) ": " code { (mark.text) } }
            } }
        }
    };
    Some(Section {
        id: "timeline",
        title: "Timeline",
        note: format!(
            "The run in {} intervals. Under the pointer each lane shows its value there; a lane \
             without anything in it is left out.",
            timeline.len()
        ),
        body,
    })
}

/// Where `at` lies between 0 and `end`, in per cent.
fn position(at: f64, end: f64) -> String {
    format!("{:.3}", share(at.clamp(0.0, end), end))
}

/// A list of numbers for the script.
fn numbers(values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:.6}")).collect();
    format!("[{}]", values.join(","))
}

/// Round moments for the axis: about ten.
fn axis(end: f64) -> Vec<f64> {
    let magnitude = 10f64.powf((end / 10.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * magnitude);
    let step = step.into_iter().find(|step| end / step <= 10.0).unwrap_or(end);
    let last = (end / step + 1e-9).floor() as u32;
    // Rounded, so that a sum of steps shows no error of the conversion.
    (0..=last).map(|k| (f64::from(k) * step * 1e6).round() / 1e6).collect()
}

fn flags(profile: &ProfileFile, end: f64) -> Markup {
    html! {
        div.flags aria-hidden="true" {
            @for (k, mark) in profile.marks.iter().enumerate() {
                span style={ "left:" (position(mark.at, end)) "%" } title=(mark.text) { (k + 1) }
            }
        }
    }
}

/// The lines of the marks across a lane.
fn mark_lines(profile: &ProfileFile, end: f64) -> Markup {
    let x = |at: f64| format!("{:.2}", WIDTH * at.clamp(0.0, end) / end);
    html! {
        @for mark in &profile.marks {
            line.at x1=(x(mark.at)) x2=(x(mark.at)) y1="0" y2=(HEIGHT) {}
        }
    }
}

fn drawn(lane: &Lane, profile: &ProfileFile, end: f64) -> Markup {
    let values = lane.values(&profile.timeline);
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let highest = known.iter().copied().fold(0.0, f64::max);
    if highest <= 0.0 {
        return html! {};
    }
    let lowest = known.iter().copied().fold(f64::INFINITY, f64::min);
    // A share near the whole would be a full box: such a lane begins where it is lowest.
    let floor = match lane.kind {
        Kind::Share(_) if lowest > 50.0 => lowest.floor().min(99.0),
        _ => 0.0,
    };
    let top = match lane.kind {
        Kind::Share(_) => 100.0,
        Kind::Rate(_) => highest,
    };
    let height = |value: f64| HEIGHT - HEIGHT * (value - floor) / (top - floor);
    let (area, edge) = paths(&values, &profile.timeline, end, height);
    let range = match lane.kind {
        Kind::Rate(_) => format!("0 to {}", lane.text(highest)),
        Kind::Share(_) => format!("{floor:.0} to 100 %"),
    };
    let shown: Vec<String> =
        values.iter().map(|v| v.map_or("-".to_owned(), |v| lane.text(v))).collect();
    let shown = serde_json::Value::from(shown).to_string();
    html! {
        div.lane-name data-values=(shown) { b { (lane.name) } span { (range) } }
        div.lane.(lane.colour) {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label={ (lane.name) " over time, " (range) } {
                path.area d=(area) {}
                path.edge d=(edge) {}
                (mark_lines(profile, end))
            }
        }
    }
}

/// The area under a line of steps, and the line; intervals without a value leave a gap.
fn paths(
    values: &[Option<f64>],
    timeline: &[Tick],
    end: f64,
    height: impl Fn(f64) -> f64,
) -> (String, String) {
    let (mut area, mut edge) = (String::new(), String::new());
    let mut drawing = false;
    for (value, tick) in values.iter().zip(timeline) {
        let (left, right) = span(tick, end);
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let y = height(*value);
        // Writing to a string cannot fail.
        let _ = write!(area, "M{left:.2} {HEIGHT}V{y:.2}H{right:.2}V{HEIGHT}Z");
        let begin = if drawing { "V" } else { "M" };
        let from = if drawing { format!("{y:.2}") } else { format!("{left:.2} {y:.2}") };
        let _ = write!(edge, "{begin}{from}H{right:.2}");
        drawing = true;
    }
    (area, edge)
}

/// The left and the right side of an interval.
fn span(tick: &Tick, end: f64) -> (f64, f64) {
    (WIDTH * tick.start / end, WIDTH * (tick.start + tick.seconds) / end)
}

/// What the engine did in each interval: the ledger's rows on top of each other.
fn phases(profile: &ProfileFile, end: f64) -> Markup {
    let rows = &profile.summary.ledger;
    let mut drawn: Vec<(usize, String)> = Vec::new();
    let mut below = vec![0.0; profile.timeline.len()];
    for k in 0..rows.len() {
        let mut path = String::new();
        for (tick, below) in profile.timeline.iter().zip(&mut below) {
            let part = tick.ledger.get(k).copied().unwrap_or_default();
            // Where rows claim more than the interval has, they are drawn as the whole of it.
            let whole = tick.ledger.iter().sum::<f64>().max(tick.seconds);
            let share = if whole > 0.0 { HEIGHT * part / whole } else { 0.0 };
            if share < 0.05 {
                continue;
            }
            let (left, right) = span(tick, end);
            let (bottom, top) = (HEIGHT - *below, HEIGHT - *below - share);
            let _ = write!(path, "M{left:.2} {bottom:.2}V{top:.2}H{right:.2}V{bottom:.2}Z");
            *below += share;
        }
        if !path.is_empty() {
            drawn.push((k, path));
        }
    }
    if drawn.is_empty() {
        return html! {};
    }
    html! {
        div.lane-name { b { "Phases" } span { "share of each row, 0 to 100 %" } }
        div.lane.tall {
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label="Shares of the ledger's rows over time" {
                @for (k, path) in &drawn {
                    path.full.(colour(&rows[*k].name)) d=(path) { title { (rows[*k].name) } }
                }
                (mark_lines(profile, end))
            }
        }
    }
}

/// The colours of the phases.
fn legend(profile: &ProfileFile) -> Markup {
    let rows = profile.summary.ledger.iter().filter(|row| row.seconds > 0.0);
    html! { ul.legend { @for row in rows { li { span.swatch.(colour(&row.name)) {} (row.name) } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_has_round_numbers() {
        assert_eq!(axis(2.5), [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]);
        assert_eq!(axis(0.3).len(), 7);
        for end in [1e-6, 0.07, 1.0, 9.99, 86_400.0, 3.2e7] {
            let axis = axis(end);
            assert!(
                (2..=11).contains(&axis.len()) && axis.iter().all(|at| *at <= end * 1.001),
                "{axis:?}"
            );
        }
    }

    #[test]
    fn an_interval_without_a_value_is_a_gap() {
        let tick = |start| Tick { start, seconds: 1.0, ..Tick::default() };
        let ticks = [tick(0.0), tick(1.0), tick(2.0)];
        let (area, edge) = paths(&[Some(1.0), None, Some(2.0)], &ticks, 3.0, |v| v);
        assert_eq!(area.matches('M').count(), 2);
        assert_eq!(edge.matches('M').count(), 2);
    }
}
