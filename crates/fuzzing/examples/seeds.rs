//! Writes what libFuzzer begins with into a folder, for each target: its seeds to `corpus/NAME`, its words to
//! `dictionaries/NAME`.

use ringer_fuzzing::TARGETS;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "fuzz".into()));
    fs::create_dir_all(folder.join("dictionaries"))?;
    for target in TARGETS {
        let corpus = folder.join("corpus").join(target.name);
        fs::create_dir_all(&corpus)?;
        for (number, bytes) in (target.seeds)().iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), bytes)?;
        }
        let mut words = String::new();
        for word in target.words {
            let hex: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            // A text takes whatever it is given.
            let _ = writeln!(words, "\"{hex}\"");
        }
        fs::write(folder.join("dictionaries").join(target.name), words)?;
    }
    Ok(())
}
