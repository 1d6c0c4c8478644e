#!/bin/bash
# Makes docs/pictures/web.png and docs/pictures/vnc.jpg: Memtest86+ as a browser shows it, and as a VNC viewer sees it at the same port.
#   bash scripts/view-pictures.sh
# Needs chromium and vncsnapshot; the guest is fetched where it is missing. RINGER names the binary; without it the release build is
# taken.
set -eu
cd "$(dirname "$0")/.."
ringer=${RINGER:-}
[ -n "$ringer" ] || { cargo build --release; ringer=${CARGO_TARGET_DIR:-target}/release/ringer; }
image=guests/memtest/memtest86+ia32.bin
[ -s "$image" ] || sh scripts/fetch-guests.sh memtest
work=$(mktemp -d)
trap 'kill "$run" 2> /dev/null || :; rm -rf "$work"' EXIT INT TERM
mkdir -p docs/pictures

"$ringer" run --kernel "$image" -m 64M --serial null --display web=:0 --timeout 120 2> "$work/said" &
run=$!
page=
for _ in $(seq 100); do
    page=$(sed -n 's/.*the screen is at \(http[^ ]*\).*/\1/p' "$work/said")
    [ -z "$page" ] || break
    sleep 0.1
done
[ -n "$page" ] || { cat "$work/said" >&2; exit 1; }
RINGER_PAGE=$page RINGER_PICTURE=$PWD/docs/pictures/web.png \
    cargo test --release -q --test web -- --ignored --exact a_picture_of_a_page
port=${page#*:*:}
port=${port%%/*}
vncsnapshot -quiet -quality 90 "127.0.0.1:$((port - 5900))" docs/pictures/vnc.jpg
ls -l docs/pictures/web.png docs/pictures/vnc.jpg
