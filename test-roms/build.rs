//! Assembles the demo and the nanobenchmarks, so that `ringer` has them inside the binary.

#[allow(dead_code, reason = "the library uses more of this file")]
#[path = "src/assemble.rs"]
mod assemble;

use std::path::Path;
use std::process::exit;

const SOURCES: [&str; 3] = ["roms/demo.s", "roms/nano.s", "native/nano.s"];

fn main() {
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-changed=native/include");
    println!("cargo::rerun-if-changed=roms/include");
    println!("cargo::rerun-if-changed=src/assemble.rs");
    let Some(out_dir) = std::env::var_os("OUT_DIR") else {
        eprintln!("OUT_DIR is not set: run this through cargo");
        exit(1);
    };
    for source in SOURCES {
        if let Err(error) = assemble::assemble(Path::new(source), Path::new(&out_dir)) {
            eprintln!("{error}");
            exit(1);
        }
    }
}
