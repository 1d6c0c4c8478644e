#!/bin/sh
# Saves Debian's boot under the virtual clock at random instructions, loads each state in a new process, and compares serial output
# and final state with the unbroken run's: sh scripts/state-check.sh [--saves N] [--seed S] [--instructions N] [--engine E] [-- OPTIONS]
#
# Behind -- stand the options of another machine, and its boot is saved: -- --cdrom guests/grub-rescue/grub-rescue-cdrom.iso
set -eu
cd "$(dirname "$0")/.."
saves=20
seed=$(date +%s)
limit=10000000000
engine=bt
while [ $# -gt 0 ]; do
    case $1 in
        --saves) saves=$2 ;;
        --seed) seed=$2 ;;
        --instructions) limit=$2 ;;
        --engine) engine=$2 ;;
        --) shift; break ;;
        *) echo "state-check: unknown option $1" >&2; exit 2 ;;
    esac
    shift 2
done
if [ $# -eq 0 ]; then
    [ -s guests/debian/vmlinuz ] && [ -s guests/debian/initrd.gz ] || sh scripts/fetch-debian-guest.sh
    set -- --kernel guests/debian/vmlinuz --initrd guests/debian/initrd.gz -m 128M --append console=ttyS0
fi
ringer=${RINGER:-${CARGO_TARGET_DIR:-target}/release/ringer}
[ -n "${RINGER:-}" ] || cargo build --release -q -p ringer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "state-check: seed $seed, $saves saves in $limit instructions, saved by $engine"

# Drives are not in a state, so they are given again: the options that name one.
drives() {
    while [ $# -gt 0 ]; do
        case $1 in
            --cdrom | --floppy | --fda | --fdb | --hd[abcd] | --drive) printf '%s %s ' "$1" "$2"; shift ;;
            --snapshot) printf '%s ' "$1" ;;
        esac
        shift
    done
}
drives=$(drives "$@")

# A run to the limit, whose status is 68: run NAME OPTIONS...
run() {
    name=$1
    shift
    status=0
    "$ringer" run --max-instructions "$limit" --serial "file:$work/$name.serial" --report "$work/$name.json" "$@" \
        >/dev/null 2>"$work/$name.err" </dev/null || status=$?
    case $status in
        0 | 68) ;;
        *) echo "state-check: $name ended with status $status:" >&2; cat "$work/$name.err" >&2; exit 1 ;;
    esac
}

of() { sed -n "s/^  \"$2\": \"\{0,1\}\([^\",]*\).*/\1/p" "$work/$1.json"; }

same() {
    for field in end instructions digest; do
        [ "$(of "$1" $field)" = "$(of whole $field)" ] || {
            echo "state-check: $1: $field is $(of "$1" $field), unbroken $(of whole $field)" >&2
            diff "$work/whole.json" "$work/$1.json" >&2 || true
            exit 1
        }
    done
}

run whole --engine "$engine" --clock virtual "$@"
length=$(of whole instructions)
points=$(awk -v n="$saves" -v seed="$seed" -v length_="$length" \
    'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "%.0f\n", 1 + int(rand() * (length_ - 1)) }' | sort -nu)
options=
for n in $points; do options="$options --save-at $n $work/$n.state"; done
run saved --engine "$engine" --clock virtual "$@" $options
same saved
cmp "$work/whole.serial" "$work/saved.serial"

for n in $points; do
    # The other engine would take minutes for a whole boot; tests on ROMs cross over.
    run "$n" --load "$work/$n.state" --engine "$engine" $drives
    same "$n"
    rest=$(wc -c <"$work/$n.serial")
    tail -c "$rest" "$work/whole.serial" | cmp - "$work/$n.serial"
    echo "state-check: saved at $n, loaded: $rest bytes of output and the final state are the same"
    rm "$work/$n.state"
done
echo "state-check: all well; digest $(of whole digest)"
