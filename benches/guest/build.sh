#!/bin/sh
# Builds the user program of the side-by-side runs to guests/bench/bench (a static i386 executable that also runs on the
# host) and guests/bench/initrd.gz: the Debian guest's initrd with /bench added. Booted with `ringer.bench` on the kernel's
# command line, it runs the program and powers off.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/guests/bench
initrd=$root/guests/debian/initrd.gz
mkdir -p "$out"
die() { echo "benches/guest/build.sh: $*" >&2; exit 1; }

command -v gcc >/dev/null 2>&1 || die "gcc is not installed (apt-get install gcc)"
gcc -m32 -O2 -std=gnu11 -Wall -Wextra -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector \
    -fno-asynchronous-unwind-tables -fcf-protection=none -march=pentium4 -mno-sse -mno-mmx -fno-tree-loop-distribute-patterns \
    -Wl,--build-id=none -o "$out/bench" "$here/bench.c"
[ -f "$initrd" ] || "$root/scripts/fetch-debian-guest.sh"

# The kernel unpacks several archives one after the other, so the overlay is simply appended.
overlay=$(mktemp -d)
trap 'rm -rf "$overlay"' EXIT
cp "$out/bench" "$overlay/bench"
"$root/scripts/pack-initramfs.sh" "$overlay" | gzip -n -9 >"$out/overlay.gz"
cat "$initrd" "$out/overlay.gz" >"$out/initrd.gz"
echo "built $out/bench and $out/initrd.gz"
