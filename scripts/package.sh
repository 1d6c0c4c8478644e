#!/bin/sh
# Packs Ringer and tries what it packed: a static binary (its symbols in a file of their own), manual pages, completions,
# an archive of them, a .deb, and the root file system that Containerfile takes.
#
# usage: sh scripts/package.sh [--target TRIPLE] [--no-deb] [--no-suite]
#
# Without --target the binary is linked with musl if rustc has that target's library, else statically with glibc. The .deb is
# made by cargo-deb, which is installed below target/tools if it is not there. All comes to target/packages.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
target= deb=yes suite=yes
while [ $# -gt 0 ]; do
    case $1 in
        --target) target=${2:?--target needs a triple}; shift ;;
        --no-deb) deb=no ;;
        --no-suite) suite=no ;;
        *) echo "usage: sh scripts/package.sh [--target TRIPLE] [--no-deb] [--no-suite]" >&2; exit 2 ;;
    esac
    shift
done
build=${CARGO_TARGET_DIR:-target}
out=target/packages
say() { echo "package: $*"; }
fail() { echo "package: $*" >&2; exit 1; }

if [ -z "$target" ]; then
    target=x86_64-unknown-linux-musl
    library=$(rustc --print target-libdir --target "$target" 2>/dev/null || true)
    ls "$library"/libstd-*.rlib >/dev/null 2>&1 || target=x86_64-unknown-linux-gnu
fi
say "building for $target"
# musl is linked so by default; flags for a target do not reach build scripts.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo build --quiet --profile dist --locked -p ringer --target "$target"
built=$build/$target/dist/ringer
rm -rf "$out"
mkdir -p "$out/completions" "$out/rootfs/tmp" "$out/rootfs/usr/bin"

# The symbols go into ringer.debug, which gdb and perf find by the link in the binary.
objcopy --only-keep-debug --compress-debug-sections=zlib "$built" "$out/ringer.debug"
(cd "$out" && objcopy --strip-all --add-gnu-debuglink=ringer.debug "$root/$built" ringer)
binary=$root/$out/ringer
if readelf -lW "$binary" | grep -q INTERP || readelf -dW "$binary" | grep -q NEEDED; then
    fail "$binary is not static"
fi
"$binary" --version | grep -q ', static$' || fail "$binary does not say that it is static"

"$binary" man "$out/man"
for page in "$out"/man/*.1; do
    if command -v man >/dev/null && command -v groff >/dev/null; then
        complaints=$(MANROFFSEQ='' LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -l -Tutf8 "$page" 2>&1 >/dev/null)
        [ -z "$complaints" ] || fail "$page: $complaints"
    fi
done
"$binary" completions bash > "$out/completions/ringer.bash"
"$binary" completions zsh > "$out/completions/_ringer"
"$binary" completions fish > "$out/completions/ringer.fish"
bash -n "$out/completions/ringer.bash"

version=$("$binary" -V | cut -d' ' -f2)
say "the binary in an otherwise empty root, as in a container"
cp "$binary" "$out/rootfs/usr/bin/ringer"
chmod 1777 "$out/rootfs/tmp"
if [ "$(id -u)" = 0 ]; then
    chroot "$out/rootfs" /usr/bin/ringer demo >/dev/null
elif unshare --map-root-user true 2>/dev/null; then
    unshare --map-root-user chroot "$out/rootfs" /usr/bin/ringer demo >/dev/null
else
    say "not tried: neither root nor user namespaces"
fi
if [ "$suite" = yes ]; then
    say "the test ROMs with it"
    "$binary" test test-roms/roms
fi

archive=ringer-$version-$target
mkdir "$out/$archive"
cp -R "$binary" "$out/ringer.debug" "$out/man" "$out/completions" README.md CHANGELOG.md LICENSE "$out/$archive"
tar -C "$out" -czf "$out/$archive.tar.gz" "$archive"
rm -rf "${out:?}/$archive"

if [ "$deb" = yes ]; then
    PATH=$PATH:$root/target/tools/bin
    if ! command -v cargo-deb >/dev/null; then
        say "installing cargo-deb"
        cargo install --quiet --locked --root target/tools cargo-deb
    fi
    RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" cargo deb --quiet --no-build --profile dist --target "$target" \
        -p ringer --output "$out/" >/dev/null
    package=$(ls "$out"/*.deb)
    dpkg-deb --info "$package" > "$out/deb.txt"
    mkdir "$out/unpacked"
    dpkg-deb --extract "$package" "$out/unpacked"
    for file in usr/bin/ringer usr/share/man/man1/ringer-run.1.gz usr/share/bash-completion/completions/ringer; do
        [ -s "$out/unpacked/$file" ] || fail "$package has no $file"
    done
    [ "$("$out/unpacked/usr/bin/ringer" --version)" = "$("$binary" --version)" ] || fail "$package has another binary"
    "$out/unpacked/usr/bin/ringer" demo >/dev/null
    rm -rf "$out/unpacked" "$out/deb.txt"
fi

say "in $out:"
for file in "$built" "$out/ringer" "$out/ringer.debug" "$out"/*.tar.gz "$out"/*.deb; do
    [ ! -f "$file" ] || printf '%10d KiB  %s\n' $(($(wc -c < "$file") / 1024)) "$file"
done
