#!/bin/sh
# Builds Ringer, obtains the Debian guest if it is not there yet, and leaves you in the guest's shell.
# `poweroff -f` in the guest ends the session; Ctrl-A X leaves it at once. Arguments are passed on to `ringer run`.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo build --release
[ -s guests/debian/vmlinuz ] && [ -s guests/debian/initrd.gz ] || scripts/fetch-debian-guest.sh
exec "${CARGO_TARGET_DIR:-target}/release/ringer" run --kernel guests/debian/vmlinuz --initrd guests/debian/initrd.gz \
    --append "console=ttyS0" -m 512M "$@"
