#!/bin/bash
# Makes docs/pictures: the profile of docs/case/counter.s, what its mending changes, and Debian's boot.
#   bash scripts/profile-pictures.sh
# Needs a browser (chromium) and binutils; the Debian guest is fetched where it is missing. RINGER names the
# binary; without it the release build is taken.
set -eu
cd "$(dirname "$0")/.."
ringer=${RINGER:-}
[ -n "$ringer" ] || { cargo build --release; ringer=${CARGO_TARGET_DIR:-target}/release/ringer; }
browser=
for name in chromium chromium-browser google-chrome; do
    command -v "$name" > /dev/null && browser=$name && break
done
[ -n "$browser" ] || { echo "no browser: install chromium" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
mkdir -p docs/pictures

# picture PAGE SECTION HEIGHT THEME NAME: one section of a page, as a browser shows it.
picture() {
    sed "s#</body>#<style>main>section:not(\#$2),nav,footer{display:none}</style><script>document.documentElement.dataset.theme='$4'</script></body>#" \
        "$1" > "$work/shown.html"
    "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/user" \
        --window-size="1180,$3" --screenshot="$work/shot.png" "file://$work/shown.html" > /dev/null 2>&1
    cp "$work/shot.png" "docs/pictures/$5.png"
}

for name in before after; do
    apart=
    [ "$name" = before ] || apart="--defsym APART=1"
    # Both are called the same: a digest tells them apart.
    as --32 $apart docs/case/counter.s -o "$work/$name.o"
    mkdir -p "$work/$name"
    ld -m elf_i386 --no-warn-rwx-segments -N -Ttext 0x100000 "$work/$name.o" -o "$work/$name/counter"
    "$ringer" profile --multiboot "$work/$name/counter" --debug-exit --timeout 300 \
        --json "$work/$name.json" --html "$work/$name.html" 2> /dev/null || [ $? -eq 1 ]
done
"$ringer" profile diff "$work/before.json" "$work/after.json" --different-guests --html "$work/diff.html"
picture "$work/before.html" ledger 620 light counter-ledger
picture "$work/before.html" blocks 560 light counter-block
picture "$work/before.html" faults 380 light counter-faults
picture "$work/diff.html" findings 760 light counter-diff

[ -s guests/debian/vmlinuz ] && [ -s guests/debian/initrd.gz ] || sh scripts/fetch-debian-guest.sh
"$ringer" profile --kernel guests/debian/vmlinuz --initrd guests/debian/initrd.gz --append console=ttyS0 \
    --serial "file:$work/console" --pass-on "list of built-in commands" --mark-text "Linux version" \
    --mark-text "Freeing unused kernel" --timeout 300 --html "$work/debian.html" 2> /dev/null || true
grep -q "Hottest blocks" "$work/debian.html"
picture "$work/debian.html" timeline 1010 light debian-timeline
picture "$work/debian.html" symbols 760 light debian-functions
picture "$work/debian.html" cache 1000 dark debian-cache
picture "$work/debian.html" blocks 1000 dark debian-block
for file in docs/pictures/*.png; do
    [ "$(wc -c < "$file")" -lt 200000 ] || { echo "$file has more than 200 KB" >&2; exit 1; }
done
ls -l docs/pictures
