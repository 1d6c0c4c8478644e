//! `ringer nano`: what single operations cost here, in QEMU TCG and natively, beside the figures of Adams and Agesen
//! (ASPLOS 2006).
//!
//! One embedded guest runs in a Ringer and in a QEMU of its own, the part of it that means something in a process runs on the
//! host. Each times its loops by its time-stamp counter and says how fast that counts by another clock; here all of it
//! becomes cycles of the host's counter.

mod rows;
mod sides;

use crate::args::NanoArgs;
use crate::error::CliError;
use crate::report::JsonFile;
use rows::{ROWS, Row};
use serde::Serialize;
use sides::{Folder, Measured};
use std::fmt::Write as _;
use std::io::Write as _;

/// A line of the table. Costs are cycles of the host's time-stamp counter for one operation.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    what: &'static str,
    ringer: Option<f64>,
    tcg: Option<f64>,
    native: Option<f64>,
    /// Natively, by binary translation, with hardware support: cycles of the paper's 3.8 GHz Pentium 4.
    paper: Option<[u32; 3]>,
    /// Whether Ringer's cost is under the paper's for binary translation.
    below_paper: Option<bool>,
}

/// What is printed and written.
#[derive(Debug, Serialize)]
struct Report {
    /// Rate of the host's time-stamp counter.
    host_khz: f64,
    rows: Vec<Line>,
    /// Why a column is empty.
    notes: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When Ringer's own run fails, or an output does.
pub fn run(args: &NanoArgs) -> Result<u8, CliError> {
    // Before anything takes time.
    let json = args.json.as_deref().map(JsonFile::create).transpose()?;
    let report = measure(args)?;
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| CliError::Output { what, source }
    };
    let wrote = std::io::stdout().write_all(report.table().as_bytes());
    wrote.map_err(failed("standard output"))?;
    if let Some(file) = json {
        file.write(&report)?;
    }
    Ok(0)
}

fn measure(args: &NanoArgs) -> Result<Report, CliError> {
    let folder = Folder::new()?;
    let mut notes = Vec::new();
    let [mut native, mut tcg] = [None, None];
    if !args.alone {
        let mut side = |column: &str, got: Result<Measured, String>| {
            got.map_err(|e| notes.push(format!("no {column} column: {e}"))).ok()
        };
        native = side("native", folder.native());
        tcg = side("TCG", folder.qemu(args.time));
    }
    let ringer = folder.ringer(args.time).map_err(CliError::Nano)?;
    let host_khz = native.as_ref().map_or_else(sides::host_khz, |n| Some(n.khz));
    let host_khz =
        host_khz.ok_or_else(|| CliError::Nano("the host's clock rate is not known".to_owned()))?;
    let lines = ROWS.iter().map(|row| line(row, host_khz, &ringer, tcg.as_ref(), native.as_ref()));
    Ok(Report { host_khz, rows: lines.collect(), notes })
}

fn line(
    row: &Row,
    host_khz: f64,
    ringer: &Measured,
    tcg: Option<&Measured>,
    native: Option<&Measured>,
) -> Line {
    let cost = |side: &Measured| cycles(row, side, host_khz);
    let ringer = cost(ringer);
    let paper = row.paper;
    Line {
        name: row.name,
        what: row.what,
        ringer,
        tcg: tcg.and_then(cost),
        native: native.and_then(cost),
        paper,
        below_paper: ringer.zip(paper).map(|(ours, [_, bt, _])| ours < f64::from(bt)),
    }
}

/// Cycles of the host for one operation, the loop around it taken off.
fn cycles(row: &Row, side: &Measured, host_khz: f64) -> Option<f64> {
    let ticks = side.ticks(row.name)?;
    let around = if row.around { side.ticks("empty").unwrap_or(0.0) / row.copies } else { 0.0 };
    Some(((ticks - around) * host_khz / side.khz).max(0.0))
}

impl Report {
    fn table(&self) -> String {
        let mut out = String::new();
        let number = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.1}"));
        let _ = writeln!(
            out,
            "cycles for one operation, by the host's counter of {:.0} MHz",
            self.host_khz / 1e3
        );
        let _ = writeln!(
            out,
            "{:<44}{:>10}{:>10}{:>10}   Adams and Agesen: native, BT, VT-x",
            "", "Ringer", "TCG", "native"
        );
        for row in &self.rows {
            let [ringer, tcg, native] = [row.ringer, row.tcg, row.native].map(number);
            let _ = write!(out, "{:<44}{ringer:>10}{tcg:>10}{native:>10}", row.what);
            if let Some([native, bt, vt]) = row.paper {
                let above = if row.below_paper == Some(false) { "  above BT" } else { "" };
                let _ = write!(out, "   {native:>6}{bt:>8}{vt:>8}{above}");
            }
            out.push('\n');
        }
        let rated = self.rows.iter().filter_map(|row| row.below_paper);
        let (all, below) = rated.fold((0, 0), |(n, below), b| (n + 1, below + u32::from(b)));
        let _ = writeln!(out, "{below} of {all} cost less than by the paper's binary translation");
        for note in
            rows::FOOTNOTES.iter().map(|n| (*n).to_owned()).chain(self.notes.iter().cloned())
        {
            let _ = writeln!(out, "{note}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_what_the_loop_around_leaves_in_the_hosts_cycles() {
        let text =
            "tsc-khz 1000000\nempty 100 50\nempty 100 40\ncallret 800 720\ncallret 800 640\nPASS\n";
        let side = Measured::parse(text).expect("a good output");
        let row = ROWS.iter().find(|row| row.name == "callret").expect("a row");
        // 0.8 ticks less 0.4 / 8, at three host cycles a tick.
        let got = cycles(row, &side, 3e6).expect("measured");
        assert!((got - 2.25).abs() < 1e-9, "{got}");
        assert!(Measured::parse("callret 800 640\n").is_err());
    }
}
