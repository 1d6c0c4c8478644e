//! `--script F`: a script that drives the machine (docs/scripts.md).

mod stage;
mod tap;

pub use stage::Playing;

use ringer::Key;
use ringer_input::{Limit, read_text, shown};
use ringer_script::Script;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A script may have so many bytes.
const SIZE: Limit = Limit::new(1 << 20, "what a script can have");

/// Reads the script at `path`, all of it: what is wrong with it is an error of the command line.
pub fn read(path: OsString) -> Result<Script, String> {
    let path = PathBuf::from(path);
    let text = read_text(&path, SIZE).map_err(|error| error.to_string())?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = shown(&path).to_string();
    let names: Vec<&str> = Key::names().chain(Key::other_names()).collect();
    let known = |key: &str| Key::named(key).is_some();
    let script = Script::parse(&name, &text, folder, &known, &names);
    script.map_err(|mistake| mistake.to_string())
}
