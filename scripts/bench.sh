#!/bin/sh
# The side-by-side bench: sh scripts/bench.sh [--rounds N] [--only NAME,NAME] [--quick] [--memory MIB] [--kernel 686-pae] [--against BINARY]. See docs/benchmarks.md.
set -eu
cd "$(dirname "$0")/.."
sh scripts/install-peer.sh >/dev/null
cargo build --release -q -p ringer -p ringer-benches
exec "${CARGO_TARGET_DIR:-target}/release/bench" "$@"
