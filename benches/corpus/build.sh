#!/bin/sh
# Builds the lockstep corpus: the C program, the Debian guest's initrd with the corpus added (guests/corpus/initrd.gz), and
# guests/corpus/tree, from which the same programs run on the host. perl-base and what it needs (i386) come from Debian's
# archive, through the private apt state that fetch-debian-guest.sh made.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/guests/corpus
tree=$out/tree
state=$root/guests/debian/apt
say() { echo "corpus: $*"; }
die() { echo "benches/corpus/build.sh: $*" >&2; exit 1; }

"$root/scripts/fetch-debian-guest.sh"
command -v gcc >/dev/null 2>&1 || die "gcc is not installed (apt-get install gcc)"
mkdir -p "$out/debs"

# Files of the packages in the tree; the archive's files are kept, so only the first build downloads.
packages="libc6 libcrypt1 libgcc-s1 perl-base"
if ! ls "$out"/debs/perl-base_*.deb "$out"/debs/libc6_*.deb "$out"/debs/libcrypt1_*.deb >/dev/null 2>&1; then
    [ -s "$state/apt.conf" ] || "$root/scripts/fetch-debian-guest.sh" -f
    say "downloading $packages (i386)"
    # shellcheck disable=SC2086
    (cd "$out/debs" && apt-get -c "$state/apt.conf" -qq download $packages) >"$out/download.log" 2>&1 ||
        { cat "$out/download.log" >&2; die "apt-get download failed"; }
fi
rm -rf "$tree" "$out/unpacked"
mkdir -p "$tree/corpus/bin" "$tree/lib" "$out/unpacked"
for deb in "$out"/debs/*.deb; do dpkg-deb -x "$deb" "$out/unpacked"; done
for library in ld-linux.so.2 libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 libcrypt.so.1; do
    found=$(find "$out/unpacked" -name "$library" | head -n 1)
    [ -n "$found" ] && cp -L "$found" "$tree/lib/" || die "$library is in none of the packages"
done
cp "$out/unpacked/usr/bin/perl" "$tree/corpus/perl"
for module in strict.pm warnings.pm; do
    cp "$(find "$out/unpacked/usr/lib/i386-linux-gnu/perl-base" -name $module | head -n 1)" "$tree/corpus/$module"
done
rm -rf "$out/unpacked"
gcc -m32 -O2 -std=gnu11 -Wall -Wextra -static -nostdlib -ffreestanding -fno-pie -no-pie -fno-stack-protector \
    -fno-asynchronous-unwind-tables -fcf-protection=none -march=pentium4 -mfpmath=sse \
    -fno-tree-loop-distribute-patterns -Wl,--build-id=none -o "$tree/corpus/bin/corpus" "$here/corpus.c"
cp "$here/corpus.sh" "$here/corpus.pl" "$tree/corpus/"
# The one loader by its place in this tree: the same wrapper serves the guest, where the tree's root is /.
cat >"$tree/corpus/bin/perl" <<'PERL'
#!/bin/sh
top=${CORPUS_TOP:-}
# A random seed would make the guest's kernel gather entropy for a billion instructions.
export PERL_HASH_SEED=0 PERL_INTERNAL_RAND_SEED=1
exec "$top/lib/ld-linux.so.2" --library-path "$top/lib" "$top/corpus/perl" -I"$top/corpus" "$@"
PERL
chmod 755 "$tree/corpus/bin/perl"

# /init of the guest: the corpus at the scale that the kernel's command line names, between two lines that mark it.
cat >"$tree/init" <<'INIT'
#!/bin/sh
export PATH=/corpus/bin:/bin:/sbin HOME=/root
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
scale=$(sed -n 's/.*corpus\.scale=\([0-9]*\).*/\1/p' /proc/cmdline)
stty -onlcr </dev/console
echo "=== corpus begins"
sh /corpus/corpus.sh "${scale:-10}" /corpus
echo "=== corpus ends"
# The debug-exit port ends the run at once; the kernel's way to S5 would be half a billion instructions of waiting.
[ -e /dev/port ] || mknod /dev/port c 1 4
printf '\000' | dd of=/dev/port bs=1 seek=244 2>/dev/null
poweroff -f
INIT
chmod 755 "$tree/init"
"$root/scripts/pack-initramfs.sh" "$tree" | gzip -n -9 >"$out/overlay.gz"
cat "$root/guests/debian/initrd.gz" "$out/overlay.gz" >"$out/initrd.gz"
say "built $out/initrd.gz"
