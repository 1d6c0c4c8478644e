#!/bin/sh
# Runs the corpus of real programs inside the Debian guest in lockstep, every block verified, and checks what the guest
# printed: against the expected lines in benches/corpus, and against the host, if it runs i386 programs.
#
# usage: scripts/lockstep-corpus.sh [--long] [--scale N] [--whole] [--bless]
#   --long      the long corpus (the default is the short one that CI runs)
#   --scale N   any other size (compared with the host only)
#   --whole     compares the boot too, which is 6.7 billion instructions more
#   --bless     writes the expected lines anew, from the host's run
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
scale=16 name=short from=yes bless=no
die() { echo "lockstep-corpus: $*" >&2; exit 1; }
while [ $# -gt 0 ]; do
    case $1 in
        --long) scale=120 name=long ;;
        --scale) [ $# -gt 1 ] || die "--scale needs a number"; scale=$2 name=other; shift ;;
        --whole) from=no ;;
        --bless) bless=yes ;;
        -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option $1 (try --help)" ;;
    esac
    shift
done

sh benches/corpus/build.sh
cargo build --release -p ringer
ringer=${CARGO_TARGET_DIR:-target}/release/ringer
out=guests/corpus
expected=benches/corpus/expected-$name.txt

# The same programs, natively.
native=no
if "$root/guests/debian/busybox" true 2>/dev/null; then
    native=yes
    rm -rf "$out/bin" && mkdir -p "$out/bin"
    for applet in $("$root/guests/debian/busybox" --list); do ln -sf "$root/guests/debian/busybox" "$out/bin/$applet"; done
    top=$root/$out/tree
    env -i PATH="$top/corpus/bin:$root/$out/bin" CORPUS_TOP="$top" \
        "$root/$out/bin/sh" "$top/corpus/corpus.sh" "$scale" "$top/corpus" >"$out/host.txt" 2>&1 </dev/null
    [ "$bless" = no ] || { [ "$name" != other ] || die "--bless goes with the short or the long corpus"; cp "$out/host.txt" "$expected"; }
elif [ "$bless" = yes ] || [ "$name" = other ]; then
    die "this host runs no i386 programs: nothing to compare with"
fi

set -- --serial "file:$out/console.txt" --json "$out/report.json"
[ "$from" = no ] || set -- "$@" --from "=== corpus begins"
status=0
"$ringer" verify --kernel guests/debian/vmlinuz --initrd "$out/initrd.gz" -m 256M --debug-exit \
    --append "console=ttyS0 quiet loglevel=0 corpus.scale=$scale" "$@" || status=$?
tr -d '\r' <"$out/console.txt" | sed -n '/^=== corpus begins/,/^=== corpus ends/p' | sed '1d;$d' >"$out/guest.txt"
[ "$status" = 0 ] || die "ringer verify ended with status $status"
grep -q '^=== corpus ends' "$out/console.txt" || die "the guest did not reach the corpus's end (see $out/console.txt)"
failed=0
compare() {
    if cmp -s "$1" "$out/guest.txt"; then
        echo "lockstep-corpus: the guest's $(wc -l <"$out/guest.txt") lines are $2"
    else
        diff "$1" "$out/guest.txt" || true
        echo "lockstep-corpus: the guest's output is not $2" >&2
        failed=1
    fi
}
[ "$name" = other ] || compare "$expected" "as $expected has them"
[ "$native" = no ] || compare "$out/host.txt" "the same as on the host"
echo "lockstep-corpus: $(sed -n 's/.*"instructions_compared": \([0-9]*\).*/\1/p' "$out/report.json") instructions compared"
exit $failed
