//! The plot: each ratio on an axis of its own, with its spread. Written by hand, because circles, lines
//! and text are all of it.

use crate::report::{Report, Row};
use crate::stats::{Ratio, geometric_mean};
use crate::workloads::Group;
use std::fmt::Write;

/// Room for names.
const LEFT: f64 = 180.0;
/// Width of an axis, and of the figures right of it.
const AXIS: f64 = 330.0;
const FIGURES: f64 = 130.0;
const GAP: f64 = 30.0;
const TOP: f64 = 92.0;
const STEP: f64 = 19.0;
const FOOT: f64 = 62.0;
const WIDTH: f64 = LEFT + 2.0 * (AXIS + FIGURES) + GAP + 10.0;

/// One ratio's axis: logarithmic, since twice as fast and half as fast are equally far from 1.
struct Axis {
    left: f64,
    least: f64,
    most: f64,
    colour: &'static str,
    title: &'static str,
    note: &'static str,
}

impl Axis {
    /// From 1, or a mark below the least ratio, to the first mark above the greatest.
    fn over(mut self, ratios: &[Ratio]) -> Self {
        let low = ratios.iter().fold(1.0f64, |low, r| low.min(r.least));
        let high = ratios.iter().fold(1.0f64, |high, r| high.max(r.most));
        let below = marks().into_iter().filter(|mark| *mark < low * 0.97).reduce(f64::max);
        let above = marks().into_iter().filter(|mark| *mark > high * 1.03).reduce(f64::min);
        self.least = below.unwrap_or(low);
        self.most = above.unwrap_or(high);
        self
    }

    fn x(&self, ratio: f64) -> f64 {
        let part = (ratio / self.least).ln() / (self.most / self.least).ln();
        self.left + part.clamp(0.0, 1.0) * AXIS
    }

    /// Marks that are far enough from each other for their numbers.
    fn shown(&self) -> Vec<f64> {
        let within = |mark: &f64| (self.least..=self.most).contains(mark);
        let mut shown: Vec<f64> = vec![1.0];
        for mark in marks().into_iter().filter(within) {
            if shown.iter().all(|other| (self.x(*other) - self.x(mark)).abs() > 26.0) {
                shown.push(mark);
            }
        }
        shown
    }
}

/// Round numbers, by which axes begin, end and are marked: the roundest of all decades first.
fn marks() -> Vec<f64> {
    let steps = [1.0, 2.0, 5.0, 3.0, 7.0, 1.5, 1.25];
    let decades = [0.1, 1.0, 10.0, 100.0];
    steps.iter().flat_map(|step| decades.map(|decade| step * decade)).collect()
}

/// A mark's number, with no digit too many.
fn mark_text(mark: f64) -> String {
    let text = format!("{mark:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A row of the plot.
struct Line<'a> {
    name: &'a str,
    over_native: Option<Ratio>,
    tcg_over_ringer: Option<Ratio>,
    mean: bool,
}

impl<'a> Line<'a> {
    fn of(row: &'a Row) -> Self {
        let tcg_over_ringer = Some(row.tcg_over_ringer);
        Self { name: &row.name, over_native: row.over_native, tcg_over_ringer, mean: false }
    }
}

/// The geometric mean of ratios, without a spread of its own.
fn mean(ratios: impl Iterator<Item = Ratio>) -> Option<Ratio> {
    let values: Vec<f64> = ratios.map(|ratio| ratio.value).collect();
    let value = geometric_mean(&values);
    (!values.is_empty()).then_some(Ratio { value, least: value, most: value })
}

/// The rows by kind, each kind with its head and its mean.
fn groups(report: &Report) -> Vec<(&'static str, Vec<Line<'_>>)> {
    let kinds = [
        ("Debian's programs", Group::Program),
        ("small kernels, user code", Group::Kernel),
        ("work of the guest's kernel", Group::System),
    ];
    let mut groups = Vec::new();
    for (head, group) in kinds {
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.group == group).collect();
        if rows.is_empty() {
            continue;
        }
        let mut lines: Vec<Line> = rows.iter().map(|row| Line::of(row)).collect();
        if lines.len() > 1 {
            lines.push(Line {
                name: "geometric mean",
                over_native: mean(rows.iter().filter_map(|row| row.over_native)),
                tcg_over_ringer: mean(rows.iter().map(|row| row.tcg_over_ringer)),
                mean: true,
            });
        }
        groups.push((head, lines));
    }
    let boot = Line {
        name: "boot to the shell",
        over_native: None,
        tcg_over_ringer: Some(report.boot_ratio),
        mean: false,
    };
    groups.push(("Debian", vec![boot]));
    groups
}

/// An SVG of each workload's time in Ringer over native time, and in TCG over Ringer's.
#[must_use]
pub fn svg(report: &Report) -> String {
    let groups = groups(report);
    let all = || groups.iter().flat_map(|(_, lines)| lines);
    let rows = all().count() + groups.len();
    let bottom = TOP + STEP * rows as f64;
    let height = bottom + FOOT;
    let axis =
        |left, colour, title, note| Axis { left, least: 1.0, most: 2.0, colour, title, note };
    let native: Vec<Ratio> = all().filter_map(|line| line.over_native).collect();
    let tcg: Vec<Ratio> = all().filter_map(|line| line.tcg_over_ringer).collect();
    let axes = [
        axis(LEFT, "#1f5fa8", "Ringer / native", "1: as fast as the host; left is better")
            .over(&native),
        axis(
            LEFT + AXIS + FIGURES + GAP,
            "#b35900",
            "QEMU TCG / Ringer",
            "1: as fast as TCG; right is better",
        )
        .over(&tcg),
    ];
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let _ = writeln!(
        out,
        "<text x=\"10\" y=\"22\" font-size=\"16\" font-weight=\"bold\">The same i386 programs natively, in Ringer and in \
         QEMU TCG</text>"
    );
    axes.iter().for_each(|axis| scale(&mut out, axis, bottom));
    let mut y = TOP;
    for (head, lines) in &groups {
        let _ =
            writeln!(out, "<text x=\"10\" y=\"{}\" font-weight=\"bold\">{head}</text>", y + 14.0);
        y += STEP;
        for line in lines {
            row(&mut out, &axes, line, y + 10.0);
            y += STEP;
        }
    }
    let [when, host] = report.about.lines();
    let note = format!(
        "Ratios of the medians of {} rounds; whiskers and brackets from the least to the greatest round. Logarithmic.",
        report.rounds
    );
    for (n, text) in [note, when, host].iter().enumerate() {
        let at = bottom + 22.0 + 15.0 * n as f64;
        let _ = writeln!(
            out,
            "<text x=\"10\" y=\"{at}\" font-size=\"11\" fill=\"#555\">{}</text>",
            escaped(text)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn scale(out: &mut String, axis: &Axis, bottom: f64) {
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"46\" font-weight=\"bold\" fill=\"{}\">{}</text>\n<text x=\"{}\" y=\"62\" font-size=\"11\" \
         fill=\"#555\">{}</text>",
        axis.left, axis.colour, axis.title, axis.left, axis.note
    );
    for mark in axis.shown() {
        let x = axis.x(mark);
        let (stroke, width) = if mark == 1.0 { ("#222", 1.5) } else { ("#ddd", 1.0) };
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"{stroke}\" stroke-width=\"{width}\"/><text x=\"{x:.1}\" \
             y=\"{}\" font-size=\"11\" text-anchor=\"middle\">{}</text>",
            TOP - 6.0,
            mark_text(mark)
        );
    }
}

fn row(out: &mut String, axes: &[Axis; 2], line: &Line, y: f64) {
    let weight = if line.mean { "bold" } else { "normal" };
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-weight=\"{weight}\">{}</text>",
        LEFT - 10.0,
        y + 4.0,
        escaped(line.name)
    );
    for (axis, ratio) in axes.iter().zip([line.over_native, line.tcg_over_ringer]) {
        let Some(ratio) = ratio else { continue };
        let [least, x, most] = [ratio.least, ratio.value, ratio.most].map(|r| axis.x(r));
        let colour = axis.colour;
        let spread = if line.mean {
            String::new()
        } else {
            format!(" [{}, {}]", figure(ratio.least), figure(ratio.most))
        };
        let _ = writeln!(
            out,
            "<path d=\"M{least:.1} {y}H{most:.1}\" stroke=\"{colour}\" stroke-width=\"2\" opacity=\"0.45\"/>"
        );
        if line.mean {
            let _ = writeln!(
                out,
                "<path d=\"M{:.1} {y}L{x:.1} {}L{:.1} {y}L{x:.1} {}Z\" fill=\"{colour}\"/>",
                x - 6.0,
                y - 6.0,
                x + 6.0,
                y + 6.0
            );
        } else {
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y}\" r=\"4\" fill=\"{colour}\"/>");
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" font-size=\"11\"><tspan font-weight=\"bold\">{}</tspan>{spread}</text>",
            axis.left + AXIS + 12.0,
            y + 4.0,
            figure(ratio.value)
        );
    }
}

/// Three digits.
fn figure(ratio: f64) -> String {
    let decimals = if ratio >= 99.5 {
        0
    } else if ratio >= 9.95 {
        1
    } else {
        2
    };
    format!("{ratio:.decimals$}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::about::About;
    use crate::host::HostFaults;
    use crate::memory::Memory;

    fn ratio(value: f64) -> Ratio {
        Ratio { value, least: value * 0.95, most: value * 1.1 }
    }

    fn report() -> Report {
        let row = |name: &str, group, native: Option<f64>, tcg: f64| Row {
            name: name.to_owned(),
            group,
            native: native.map(|n| 1000.0 / n),
            native_first: native.map(|n| 1100.0 / n),
            ringer: 1000.0,
            ringer_first: 1200.0,
            tcg: 1000.0 * tcg,
            tcg_first: 1300.0 * tcg,
            over_native: native.map(ratio),
            tcg_over_ringer: ratio(tcg),
        };
        Report {
            about: About { processor: "A & B".to_owned(), ..About::default() },
            whole: false,
            memory: 700,
            kernel: "686".to_owned(),
            host: HostFaults::default(),
            rounds: 5,
            rows: vec![
                row("gzip", Group::Program, Some(1.08), 2.8),
                row("tcc", Group::Program, Some(2.05), 8.06),
                row("streaming", Group::Kernel, Some(0.9), 86.32),
                row("getpid", Group::System, None, 6.76),
            ],
            boot: (1.6, 4.8),
            boot_ratio: ratio(2.98),
            ringer_memory: Memory::default(),
            tcg_memory: Memory::default(),
            verdicts: Vec::new(),
        }
    }

    #[test]
    fn an_axis_has_all_ratios_and_a_line_at_1() {
        let ratios = [ratio(1.08), ratio(2.05)];
        let axis = Axis { left: 100.0, least: 0.0, most: 0.0, colour: "", title: "", note: "" };
        let axis = axis.over(&ratios);
        assert!(axis.least < 1.0 && axis.most > 2.05 * 1.1, "{} {}", axis.least, axis.most);
        assert!(axis.x(1.0) > 100.0 && axis.x(2.05 * 1.1) < 100.0 + AXIS);
        let halves = [axis.x(2.0f64.sqrt()) - axis.x(1.0), axis.x(2.0) - axis.x(2.0f64.sqrt())];
        assert!((halves[0] - halves[1]).abs() < 1e-6, "logarithmic");
        assert!(axis.shown().contains(&1.0));
    }

    #[test]
    fn every_workload_its_ratios_and_the_host_are_in_the_plot() {
        let svg = svg(&report());
        for wanted in ["gzip", "tcc", "getpid", "boot to the shell", "A &amp; B", "5 rounds"] {
            assert!(svg.contains(wanted), "{wanted}");
        }
        for figure in [">1.08<", "[1.03, 1.19]", ">86.3<", ">2.98<"] {
            assert!(svg.contains(figure), "{figure}: {svg}");
        }
        // Two programs, a kernel with native times; four and the boot against TCG; one mean each.
        assert_eq!(svg.matches("<circle").count(), 3 + 5);
        assert_eq!(svg.matches("Z\" fill").count(), 2);
    }
}
