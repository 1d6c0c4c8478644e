#!/bin/sh
# The side-by-side bench: sh scripts/bench.sh [--rounds N] [--only NAME,NAME] [--quick] [--against BINARY]. See docs/benchmarks.md.
set -eu
cd "$(dirname "$0")/.."
command -v qemu-system-i386 >/dev/null 2>&1 || {
    apt-get update -qq && apt-get install -y -qq --no-install-recommends qemu-system-x86
}
cargo build --release -q -p ringer -p ringer-benches
exec "${CARGO_TARGET_DIR:-target}/release/bench" "$@"
