#!/bin/sh
# The pictures of guests in docs/pictures: the last screens of five runs of scripts/guests-check.sh.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
names='grub-cd ipxe isolinux memtest-cd netboot-screen'
# shellcheck disable=SC2086
scripts/guests-check.sh --pictures "$work" $names
for name in $names; do cp "$work/$name.png" "docs/pictures/guest-$name.png"; done
