#!/bin/sh
# What churns mappings and processes, by memory size and kernel: sh scripts/churn.sh [--memory MIB,MIB] [--kernel 686,686-pae]
# [--rounds N] [--all] [--guests N] [--only NAME,NAME] [--against BINARY] [--json FILE] [-- OPTION...]. See docs/benchmarks.md.
set -eu
cd "$(dirname "$0")/.."
sh scripts/install-peer.sh >/dev/null
cargo build --release -q -p ringer -p ringer-benches
exec "${CARGO_TARGET_DIR:-target}/release/churn" "$@"
