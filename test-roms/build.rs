//! Assembles the demo and the nanobenchmarks, so that `ringer` has them inside the binary.

#[allow(dead_code, reason = "the library uses more of this file")]
#[path = "src/assemble.rs"]
mod assemble;

use assemble::{Load, assemble_as};
use std::path::{Path, PathBuf};
use std::process::exit;

const SOURCES: [(&str, Load); 3] = [
    ("roms/demo.s", Load::Multiboot),
    ("roms/nano.s", Load::Multiboot),
    ("native/nano.s", Load::Program),
];
const INCLUDE: [&str; 2] = ["native/include", "roms/include"];

fn main() {
    for source in SOURCES.map(|(source, _)| source).into_iter().chain(INCLUDE) {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-changed=src/assemble.rs");
    let Some(out_dir) = std::env::var_os("OUT_DIR") else {
        eprintln!("OUT_DIR is not set: run this through cargo");
        exit(1);
    };
    let include = INCLUDE.map(PathBuf::from);
    for (source, load) in SOURCES {
        if let Err(error) = assemble_as(Path::new(source), load, Path::new(&out_dir), &include) {
            eprintln!("{error}");
            exit(1);
        }
    }
}
