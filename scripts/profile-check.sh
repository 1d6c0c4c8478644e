#!/bin/sh
# Profiles Debian's boot and has the page of it opened in a browser: no error, and its numbers are those of the JSON.
#   sh scripts/profile-check.sh
# Needs a browser (chromium). The guest is fetched where it is missing.
set -eu
cd "$(dirname "$0")/.."
[ -s guests/debian/vmlinuz ] && [ -s guests/debian/initrd.gz ] || sh scripts/fetch-debian-guest.sh
cargo build --release -q -p ringer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
"${CARGO_TARGET_DIR:-target}/release/ringer" profile --kernel guests/debian/vmlinuz --initrd guests/debian/initrd.gz \
    --append console=ttyS0 --serial "file:$work/console" --pass-on "list of built-in commands" --timeout 300 \
    --json "$work/boot.json" --text "$work/boot.txt" < /dev/null
grep -q "where the time went" "$work/boot.txt"
RINGER_PROFILE="$work/boot.json" cargo test --release -q -p ringer-profile --test browser real
echo "profile-check: the page of Debian's boot says what its JSON does"
