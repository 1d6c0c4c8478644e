//! A flame graph of the run, as SVG: one file, with its own search and zoom.

use crate::file::ProfileFile;
use crate::folded::folded;
use inferno::flamegraph::color::{BackgroundColor, BasicPalette, Palette};
use inferno::flamegraph::{Options, from_lines};
use std::io::{self, Write};

/// Writes the flame graph.
///
/// # Errors
/// When `out` takes no more.
pub fn flame(profile: &ProfileFile, mut out: impl Write) -> io::Result<()> {
    let mut options = Options::default();
    options.title = format!("ringer profile: {}", profile.title());
    options.subtitle = Some(format!(
        "{:.3} s by what the engine did, privilege level and guest function",
        profile.summary.seconds
    ));
    options.count_name = "µs".to_owned();
    options.name_type = String::new();
    options.colors = Palette::Basic(BasicPalette::Aqua);
    options.bgcolors = Some(BackgroundColor::Flat((248, 249, 251).into()));
    // A colour depends on the name alone, so that two graphs can be compared.
    options.hash = true;
    options.deterministic = true;
    let text = folded(profile);
    let mut svg = Vec::new();
    let drawn = from_lines(&mut options, text.lines(), &mut svg).map_err(io::Error::other);
    // Of a run without any time there is an error, and a picture that says so.
    if !text.is_empty() {
        drawn?;
    }
    out.write_all(&svg)
}
