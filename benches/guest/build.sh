#!/bin/sh
# Builds what the bench runs, in guests/bench/tree: real i386 programs from Debian's archive (through the private apt state
# that fetch-debian-guest.sh made) with their libraries, busybox, and our own static programs. The bench adds the inputs and
# packs it; natively the same files run from there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/guests/bench
tree=$out/tree
state=$root/guests/debian/apt
say() { echo "bench: $*"; }
die() { echo "benches/guest/build.sh: $*" >&2; exit 1; }

"$root/scripts/fetch-debian-guest.sh"
mkdir -p "$out/debs"

packages="libc6 libgcc-s1 libstdc++6 openssl libssl3 xz-utils liblzma5 7zip gzip bzip2 libbz2-1.0 zlib1g perl-base libcrypt1
    sqlite3 libsqlite3-0 libreadline8 libtinfo6 gawk libgmp10 libmpfr6 libsigsegv2 coreutils libacl1 libattr1 libselinux1
    libpcre2-8-0 lua5.4 tcc make"
missing=
for package in $packages; do
    ls "$out/debs/${package}"_*.deb >/dev/null 2>&1 || missing="$missing $package"
done
if [ -n "$missing" ]; then
    [ -s "$state/apt.conf" ] || "$root/scripts/fetch-debian-guest.sh" -f
    say "downloading$missing (i386)"
    # shellcheck disable=SC2086
    (cd "$out/debs" && apt-get -c "$state/apt.conf" -qq download $missing) >"$out/download.log" 2>&1 ||
        { cat "$out/download.log" >&2; die "apt-get download failed"; }
fi
rm -rf "$tree" "$out/unpacked"
mkdir -p "$tree/bin" "$tree/lib" "$tree/data" "$out/unpacked"
for deb in "$out"/debs/*.deb; do dpkg-deb -x "$deb" "$out/unpacked"; done
for program in openssl xz 7zz gzip bzip2 perl sqlite3 gawk sort lua5.4 tcc make; do
    found=$(find "$out/unpacked" -type f \( -name "$program" -o -name "i386-linux-gnu-$program" \) -path '*bin/*' | head -n 1)
    [ -n "$found" ] || found=$(find "$out/unpacked" -name "$program" -path '*bin/*' | head -n 1)
    [ -n "$found" ] && cp -L "$found" "$tree/bin/$program" || die "$program is in none of the packages"
done
find "$out/unpacked" -path '*lib/*' \( -name 'lib*.so.[0-9]*' -o -name 'ld-linux.so.2' \) ! -path '*gconv*' |
    while read -r library; do cp -L "$library" "$tree/lib/$(basename "$library")"; done
rm -rf "$out/unpacked"
"$here/own.sh" "$tree"
say "built $tree"
