#!/bin/sh
# Builds Ringer, obtains the Debian guest if it is not there yet, and leaves you in the guest's shell.
# `poweroff -f` in the guest ends the session; Ctrl-A X leaves it at once. Arguments are passed on to `ringer run`.
# With --64 as the first one it is Debian's cloud-amd64 kernel, which only the interpreter can run so far: that takes minutes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
cargo build --release
guest=debian flavour=
if [ "${1:-}" = --64 ]; then
    shift
    guest=debian-cloud-amd64 flavour=cloud-amd64
    set -- --cpu x86-64-v1 "$@"
fi
[ -s "guests/$guest/vmlinuz" ] && [ -s "guests/$guest/initrd.gz" ] || sh scripts/fetch-debian-guest.sh $flavour
exec "${CARGO_TARGET_DIR:-target}/release/ringer" run --kernel "guests/$guest/vmlinuz" --initrd "guests/$guest/initrd.gz" \
    --append "console=ttyS0" -m 512M "$@"
