#!/bin/sh
# Builds and runs a program outside the workspace that depends on the crate ringer alone.
#
# usage: sh scripts/embed-check.sh
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT INT TERM

mkdir "$program/src"
cat > "$program/Cargo.toml" <<EOF
[package]
name = "embedder"
version = "0.0.0"
edition = "2024"

[dependencies]
ringer = { path = "$root", default-features = false }
EOF
# The versions that the workspace is tested with, all of which are here already.
cp "$root/Cargo.lock" "$program/Cargo.lock"
cat > "$program/src/main.rs" <<'EOF'
use ringer::{BootSource, Capture, Flat, Gpr, Machine, Stop, Until};

fn main() -> Result<(), ringer::Error> {
    // mov dx, 3f8h; mov al, '!'; out dx, al; lea eax, [edi*4+edi]; hlt
    let code = [0x66, 0xba, 0xf8, 0x03, 0xb0, 0x21, 0xee, 0x8d, 0x04, 0xbf, 0xf4];
    let output = Capture::default();
    let boot = BootSource::Flat(Flat::new(code, 0x8000));
    let mut machine = Machine::builder().memory(1 << 20).boot(boot).serial(output.clone()).build()?;
    let mut registers = machine.registers();
    registers[Gpr::Edi] = 1234;
    machine.set_registers(&registers)?;
    assert_eq!(machine.run(&Until::new().halt())?, Stop::Halt);
    assert_eq!(machine.registers()[Gpr::Eax], 6170);
    assert_eq!(output.bytes(), b"!");
    println!("a program that depends on ringer alone: all is well");
    Ok(())
}
EOF
CARGO_TARGET_DIR="$root/target/embedder" cargo run --quiet --offline --manifest-path "$program/Cargo.toml"
