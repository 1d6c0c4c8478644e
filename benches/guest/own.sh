#!/bin/sh
# Puts what needs no package beside the guest's own into the folder $1/bin: busybox, and our static programs. They are built
# without a C library, so any gcc that knows -m32 will do.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
command -v gcc >/dev/null 2>&1 || { echo "benches/guest/own.sh: gcc is not installed (apt-get install gcc)" >&2; exit 1; }
mkdir -p "$1/bin" "$root/guests/bench"
cp "$root/guests/debian/busybox" "$1/bin/busybox"
for program in timeit kernels kwork; do
    gcc -m32 -O2 -std=gnu11 -Wall -Wextra -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector \
        -fno-asynchronous-unwind-tables -fcf-protection=none -march=pentium4 -mno-sse -mno-mmx \
        -fno-tree-loop-distribute-patterns -Wl,--build-id=none -o "$1/bin/$program" "$here/$program.c"
done
# For the host itself.
gcc -O2 -Wall -Wextra -o "$root/guests/bench/hostfaults" "$here/hostfaults.c"
