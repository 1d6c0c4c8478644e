//! Runs guest programs that check the machine, and reports on them.
//!
//! A test is a program, a description of what it must do ([`spec`]) and an engine. Each test is a
//! process of its own (`ringer run …`), so that one that dies takes nothing else with it. The life
//! of a suite ([`suite`]): [`discover`] finds programs and descriptions, [`select`] takes those that
//! were asked for, [`recipe`] makes images, [`runner`] runs tests in parallel, [`judge`] compares,
//! [`reporters`] tell.
//!
//! [`held`] measures what a process takes of its host, and [`resources`] looks for guests that make Ringer take too much.

mod attempt;
mod bounds;
mod case;
mod child;
mod config;
mod difference;
mod discover;
mod error;
mod events;
mod format;
mod found;
pub mod held;
mod history;
pub mod hw;
pub mod init;
mod judge;
pub mod list;
mod mistake;
mod options;
mod picture;
mod points;
mod qemu_words;
mod recipe;
mod report;
mod reporters;
pub mod resources;
mod runner;
mod select;
pub mod spec;
mod stop;
mod suite;
#[doc(hidden)]
pub mod texts;
mod unittests;
pub mod watch;
mod workdir;

pub use case::{
    Attempt, Case, Failure, Kind, Outcome, Point, PointVerdict, Points, Program, Summary, Verdict,
};
pub use config::Config;
pub use discover::Defaults;
pub use error::TestkitError;
pub use events::Finish;
pub use format::{Form, Format};
pub use history::durations_file;
pub use mistake::Mistake;
pub use options::Options;
pub use recipe::Recipe;
pub use report::{EventLine, Place, RunReport, ScreenReport};
pub use select::Selection;
pub use stop::{Level, Reason, Stop};
pub use suite::{list_suite, run_suite};
