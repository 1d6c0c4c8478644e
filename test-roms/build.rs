//! Assembles the demo ROM, so that `ringer demo` has it inside the binary.

#[allow(dead_code, reason = "the library uses more of this file")]
#[path = "src/assemble.rs"]
mod assemble;

use std::path::Path;
use std::process::exit;

fn main() {
    println!("cargo::rerun-if-changed=roms/demo.s");
    println!("cargo::rerun-if-changed=roms/include");
    println!("cargo::rerun-if-changed=src/assemble.rs");
    let Some(out_dir) = std::env::var_os("OUT_DIR") else {
        eprintln!("OUT_DIR is not set: run this through cargo");
        exit(1);
    };
    if let Err(error) = assemble::assemble(Path::new("roms/demo.s"), Path::new(&out_dir)) {
        eprintln!("{error}");
        exit(1);
    }
}
