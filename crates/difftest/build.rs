//! Assembles the guest's runner, so that the command has it inside.

use std::path::Path;
use std::process::exit;

fn main() {
    println!("cargo::rerun-if-changed=guest/runner.s");
    println!("cargo::rerun-if-changed=guest/include/multiboot.ld");
    let Some(out_dir) = std::env::var_os("OUT_DIR") else {
        eprintln!("OUT_DIR is not set: run this through cargo");
        exit(1);
    };
    let source = Path::new("guest/runner.s");
    if let Err(error) = ringer_test_roms::assemble(source, Path::new(&out_dir)) {
        eprintln!("{error}");
        exit(1);
    }
}
