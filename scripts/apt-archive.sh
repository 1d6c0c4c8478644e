#!/bin/sh
# Makes an archive for apt in a folder: one package, greeting, with a C source in it; its list; a Release file with sums, signed by a key
# that is made for it and lies beside (key.gpg).
#
# usage: scripts/apt-archive.sh FOLDER
# needs: dpkg-deb, gpg
set -eu
mkdir -p "$1"
cd "$1"
work=$(mktemp -d)
trap 'GNUPGHOME=$work/keys gpgconf --kill all > /dev/null 2>&1 || :; rm -rf "$work"' EXIT

mkdir -p "$work/tree/DEBIAN" "$work/tree/usr/share/greeting"
cat > "$work/tree/DEBIAN/control" <<'EOF'
Package: greeting
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Section: misc
Priority: optional
Description: a program in C that greets
 It adds numbers, too.
EOF
cat > "$work/tree/usr/share/greeting/greeting.c" <<'EOF'
#include <stdio.h>

int main(void)
{
    unsigned long long sum = 0;
    for (unsigned n = 1; n <= 100000000; n++)
        sum += n;
    return printf("compiled by gcc %d: sum %llu\n", __GNUC__, sum) < 0;
}
EOF
dpkg-deb --build --root-owner-group "$work/tree" greeting_1.0_all.deb > /dev/null

sum() { sha256sum < "$1" | cut -d' ' -f1; }
size() { wc -c < "$1"; }
{
    dpkg-deb -f greeting_1.0_all.deb
    echo "Filename: ./greeting_1.0_all.deb"
    echo "Size: $(size greeting_1.0_all.deb)"
    echo "SHA256: $(sum greeting_1.0_all.deb)"
} > Packages
gzip -9 -n < Packages > Packages.gz
{
    echo "Origin: greeting"
    echo "Date: $(LC_ALL=C date -u -R)"
    echo "SHA256:"
    for file in Packages Packages.gz; do echo " $(sum $file) $(size $file) $file"; done
} > Release
export GNUPGHOME="$work/keys"
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'greeting <nobody@example.org>' ed25519 sign never
gpg --batch --export > key.gpg
gpg --batch --yes --clearsign -o InRelease Release
