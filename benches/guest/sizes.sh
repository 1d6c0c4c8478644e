#!/bin/sh
# Puts into the folder $1 what guests of each size run beside our own programs: make, tcc and sort with their libraries, from
# the whole bench's folder. It is small, so that a guest with 256 MiB has room for it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
whole=$(cd "$here/../.." && pwd)/guests/bench/tree
sh "$here/build.sh"
sh "$here/own.sh" "$1"
mkdir -p "$1/lib" "$1/data/small"
cp "$whole/bin/make" "$whole/bin/tcc" "$whole/bin/sort" "$1/bin/"
for library in ld-linux.so.2 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 libcrypto.so.3; do
    cp "$whole/lib/$library" "$1/lib/"
done
