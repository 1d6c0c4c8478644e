//! The guest kernel's work by memory size and kernel: what a figure at one size does not show. A 32-bit kernel maps what lies
//! beyond its direct mapping page by page, and one that isolates its page tables changes address spaces at every entry.

use crate::guest::{Guest, root};
use crate::host::HostFaults;
use crate::operations::{Operation, sorted_mib};
use crate::report::{check, times};
use crate::sides::{AnyError, Sample, Session, session};
use crate::stats::{Ratio, geometric_mean, median};
use crate::tree::shell;
use crate::workloads::Workload;
use clap::ValueEnum;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A kernel of Debian's for 32-bit processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub enum Kernel {
    /// Page tables of two levels.
    #[value(name = "686")]
    #[serde(rename = "686")]
    Plain,
    /// Page tables of three levels.
    #[value(name = "686-pae")]
    #[serde(rename = "686-pae")]
    Pae,
}

impl Kernel {
    /// Its name, as Debian has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "686",
            Self::Pae => "686-pae",
        }
    }

    /// Has `scripts/fetch-debian-guest.sh` fetch it and the guest.
    ///
    /// # Errors
    /// When it fails.
    pub fn fetch(self) -> Result<(), AnyError> {
        let name = Path::new(self.name());
        let more: &[&Path] = if self == Self::Pae { &[name] } else { &[] };
        shell("scripts/fetch-debian-guest.sh", more)
    }

    /// Where `scripts/fetch-debian-guest.sh` puts it.
    #[must_use]
    pub fn file(self) -> PathBuf {
        let name = if self == Self::Plain { "vmlinuz" } else { "vmlinuz-686-pae" };
        root().join("guests/debian").join(name)
    }
}

/// A guest: its kernel and its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its kernel.
    pub kernel: Kernel,
    /// Its memory, in MiB.
    pub memory: u32,
    /// How many of them run at once.
    pub guests: usize,
}

impl Setting {
    /// The guest whose initial RAM disk is `image`.
    #[must_use]
    pub fn guest(self, image: &Path) -> Guest {
        Guest {
            kernel: self.kernel.file(),
            initrd: image.to_owned(),
            append: "console=ttyS0 quiet".to_owned(),
            memory: format!("{}M", self.memory),
        }
    }

    /// Boots its guests by `command`, all at once, and runs the `wanted` workloads in each.
    fn sessions(
        self,
        command: impl Fn() -> Command + Sync,
        wanted: &[&Workload],
    ) -> Result<Vec<Session>, AnyError> {
        let variables = format!("SORT={}", sorted_mib(self.memory));
        let one = || session(&mut command(), &variables, wanted);
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..self.guests).map(|_| scope.spawn(one)).collect();
            let joined = all.into_iter().map(|t| t.join().expect("a session does not panic"));
            joined.collect()
        })
    }

    /// The first words of its lines.
    fn words(self) -> String {
        let guests = if self.guests == 1 { String::new() } else { format!("x{}", self.guests) };
        format!("{:<8} {:>5} {guests:<3}", self.kernel.name(), self.memory)
    }
}

/// One operation in one guest: milliseconds for each time that it is done, medians of the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The guest.
    pub setting: Setting,
    /// The operation.
    pub name: &'static str,
    /// In Ringer.
    pub ringer: f64,
    /// In Ringer, in the run before, which found nothing translated.
    pub ringer_first: f64,
    /// In the other.
    pub other: f64,
    /// In the other, in the run before.
    pub other_first: f64,
    /// The other's time over Ringer's.
    pub ratio: Ratio,
}

/// The seconds to the shell's prompt in one guest, medians of the rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Boot {
    /// The guest.
    pub setting: Setting,
    /// In Ringer.
    pub ringer: f64,
    /// In the other.
    pub other: f64,
}

/// All cells.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Grid {
    /// How many rounds the medians are of.
    pub rounds: u32,
    /// The host's page faults.
    pub host: HostFaults,
    /// The other side: `tcg`, or a build of Ringer.
    pub other: String,
    /// Each operation in each guest.
    pub cells: Vec<Cell>,
    /// Each guest's way to the shell.
    pub boots: Vec<Boot>,
}

/// What is run, and in what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many rounds.
    pub rounds: u32,
    /// The guests.
    pub settings: Vec<Setting>,
    /// The operations.
    pub operations: Vec<Operation>,
    /// The initial RAM disk that has them.
    pub image: PathBuf,
    /// The build of Ringer that is measured.
    pub ringer: PathBuf,
    /// Another build of it to compare with, instead of QEMU TCG.
    pub against: Option<PathBuf>,
    /// More options for Ringer.
    pub options: Vec<String>,
}

impl Plan {
    fn ours(&self, guest: &Guest) -> Command {
        let mut command = guest.build_of_ringer(&self.ringer, "bt", "run");
        command.args(&self.options);
        command
    }

    fn theirs(&self, guest: &Guest) -> Command {
        self.against
            .as_ref()
            .map_or_else(|| guest.qemu(), |b| guest.build_of_ringer(b, "bt", "run"))
    }

    /// Runs all of it, both sides in turn.
    ///
    /// # Errors
    /// When a machine or a program fails, or outputs differ.
    pub fn run(&self) -> Result<Grid, AnyError> {
        let other = self.against.as_ref().map_or("tcg".to_owned(), |b| b.display().to_string());
        let mut grid =
            Grid { rounds: self.rounds, host: HostFaults::measure()?, other, ..Grid::default() };
        for &setting in &self.settings {
            self.measure(setting, &mut grid)?;
        }
        Ok(grid)
    }

    fn measure(&self, setting: Setting, grid: &mut Grid) -> Result<(), AnyError> {
        let guest = setting.guest(&self.image);
        let wanted: Vec<&Workload> = self.operations.iter().map(|o| &o.workload).collect();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=self.rounds {
            println!("{}, round {round} of {}", setting.words().trim_end(), self.rounds);
            ours.extend(setting.sessions(|| self.ours(&guest), &wanted)?);
            theirs.extend(setting.sessions(|| self.theirs(&guest), &wanted)?);
        }
        let boots = |all: &[Session]| median(&all.iter().map(|s| s.boot).collect::<Vec<_>>());
        grid.boots.push(Boot { setting, ringer: boots(&ours), other: boots(&theirs) });
        let ours: Vec<&[Sample]> = ours.iter().map(|s| s.samples.as_slice()).collect();
        let theirs: Vec<&[Sample]> = theirs.iter().map(|s| s.samples.as_slice()).collect();
        let all: Vec<&[Sample]> = ours.iter().chain(&theirs).copied().collect();
        for operation in &self.operations {
            let name = operation.workload.name;
            check(&all, name)?;
            let each = |passes: &[&[Sample]], of: fn(&Sample) -> f64| {
                median(&times(passes, name, of)) / 1e3 / operation.times(setting.memory)
            };
            grid.cells.push(Cell {
                setting,
                name,
                ringer: each(&ours, |s| s.time),
                ringer_first: each(&ours, |s| s.first),
                other: each(&theirs, |s| s.time),
                other_first: each(&theirs, |s| s.first),
                ratio: Ratio::of(
                    &times(&theirs, name, |s| s.time),
                    &times(&ours, name, |s| s.time),
                ),
            });
        }
        Ok(())
    }
}

impl Grid {
    /// The cells for people, a line each.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!(
            "{}\nmedians of {} rounds, in ms for each operation; other: {}\n",
            self.host.line(),
            self.rounds,
            self.other
        );
        let heads = ["ringer", "(first)", "other", "(first)", "other/r", "least", "most"];
        let _ = write!(out, "{:<8} {:>5} {:<3} {:<16}", "kernel", "MiB", "", "");
        for head in heads {
            let _ = write!(out, " {head:>9}");
        }
        out.push('\n');
        for boot in &self.boots {
            let start = boot.setting.words();
            let cells = self.cells.iter().filter(|c| c.setting == boot.setting);
            let ratios: Vec<f64> = cells.clone().map(|c| c.ratio.value).collect();
            for c in cells {
                let _ = write!(out, "{start} {:<16}", c.name);
                for time in [c.ringer, c.ringer_first, c.other, c.other_first] {
                    let _ = write!(out, " {time:>9.3}");
                }
                let _ = writeln!(
                    out,
                    " {:>9.2} {:>9.2} {:>9.2}",
                    c.ratio.value, c.ratio.least, c.ratio.most
                );
            }
            let _ = writeln!(
                out,
                "{start} {:<16} {:>9.2} {:>9} {:>9.2} {:>9} {:>9.2}   (s)",
                "boot to shell",
                boot.ringer,
                "",
                boot.other,
                "",
                boot.other / boot.ringer
            );
            let _ =
                writeln!(out, "{start} {:<16} {:>49.2}", "geometric mean", geometric_mean(&ratios));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_cell() {
        let setting = Setting { kernel: Kernel::Pae, memory: 1024, guests: 1 };
        let ratio = Ratio { value: 2.0, least: 1.5, most: 2.5 };
        let cell = Cell {
            setting,
            name: "pipe",
            ringer: 1.0,
            ringer_first: 3.0,
            other: 2.0,
            other_first: 2.5,
            ratio,
        };
        let boots = vec![Boot { setting, ringer: 1.0, other: 4.0 }];
        let grid = Grid { rounds: 1, cells: vec![cell], boots, ..Grid::default() };
        let table = grid.table();
        let line = table.lines().find(|l| l.contains("pipe")).expect("a line for the cell");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words,
            ["686-pae", "1024", "pipe", "1.000", "3.000", "2.000", "2.500", "2.00", "1.50", "2.50"]
        );
    }
}
