#!/bin/sh
# Boots the Debian guest, types commands at its shell and checks the answers: sh scripts/boot-check.sh [ENGINE [CPU [KERNEL]]]
set -eu
cd "$(dirname "$0")/.."
sh scripts/fetch-debian-guest.sh
[ "${3:-}" != 686-pae ] || sh scripts/fetch-debian-guest.sh 686-pae
cargo build --release -p ringer -p ringer-benches
exec "${CARGO_TARGET_DIR:-target}/release/boot-check" "${1:-bt}" ${2:+"$2"} ${3:+"$3"}
