#!/bin/sh
# Packs the folder $1 as an initramfs (a newc cpio archive) on standard output, with the system's cpio or the one in the
# guest's busybox, which a host that runs i386 programs can use.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
busybox=$root/guests/debian/busybox
cd "$1"
if [ -x "$busybox" ] && "$busybox" true 2>/dev/null; then
    find . | LC_ALL=C sort | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null
elif command -v cpio >/dev/null 2>&1; then
    find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet
else
    echo "pack-initramfs: this host runs no i386 programs and has no cpio (apt-get install cpio)" >&2
    exit 1
fi
