#!/bin/sh
# Installs QEMU, which tests and benches compare with, and its disk tool, unless both are there. A qemu-utils of another
# release than the emulator's (from backports, say) conflicts with it and is replaced.
set -eu
if command -v qemu-system-i386 && command -v qemu-img; then
    exit 0
fi
apt-get update -qq
install() { apt-get install -y -qq --no-install-recommends --allow-downgrades "$@"; }
install qemu-system-x86 qemu-utils && exit 0
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
install "qemu-system-x86/$release" "qemu-system-common/$release" "qemu-utils/$release"
