#!/bin/sh
# A state and the image of its moment go on as if nothing had been: Debian's kernel writes patterns to a disk, by dd in
# blocks of several sizes, flushes, drops its cache and reads back; the run is ended at random instructions of that and its state saved; a new process loads each
# beside a copy of the image as it is then, and must end with the same output, the same state and the same bytes on the disk.
#
# usage: sh scripts/state-disk-check.sh [--saves N] [--seed S] [--engine E] [INTERFACE:FORMAT...]
#   (without: 20 saves each of ide:raw, ahci:raw, virtio:raw and ide:qcow2; formats are raw and qcow2, ide-pio is IDE without DMA)
# needs: qemu-img for qcow2; a built target/release/ringer ($RINGER is another). Two minutes for 20 saves.
set -eu
cd "$(dirname "$0")/.."
saves=20 seed=$(date +%s) engine=bt
while [ $# -gt 0 ]; do
    case $1 in
        --saves) saves=$2 ;;
        --seed) seed=$2 ;;
        --engine) engine=$2 ;;
        -*) echo "state-disk-check: unknown option $1" >&2; exit 2 ;;
        *) break ;;
    esac
    shift 2
done
[ $# -gt 0 ] || set -- ide:raw ahci:raw virtio:raw ide:qcow2
RINGER_INITRD=disk sh scripts/disk-guest.sh
ringer=${RINGER:-${CARGO_TARGET_DIR:-target}/release/ringer}
ringer=$(realpath "$ringer")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Copies: a state wants the very files that it was booted from, whoever makes them anew meanwhile.
cp guests/debian/vmlinuz guests/debian/disk.gz "$work"
cd "$work"

fail() { echo "state-disk-check: $*" >&2; exit 1; }
# What the guest does to its disk: bytes that it can make again, so that it sees itself whether they came back.
writes='d=/dev/[sv]da; seq 1 90000 >/p; seq 7 60000 >/q; dd if=/p of=$d bs=4k 2>/dev/null; sync; dd if=/q of=$d bs=64k seek=20 conv=sync,fsync 2>/dev/null;
    dd if=/p of=$d bs=512 count=300 seek=9000 conv=fsync 2>/dev/null; echo 3 >/proc/sys/vm/drop_caches;
    head -c $(wc -c </p) $d | cmp - /p && dd if=$d bs=64k skip=20 2>/dev/null | head -c $(wc -c </q) | cmp - /q &&
    dd if=$d bs=512 count=300 skip=9000 2>/dev/null | md5sum'
writes=$(echo "$writes" | tr -s '\n ' '~~')

field() { sed -n "s/^  \"$2\": \"\{0,1\}\([^\",]*\).*/\1/p" "$1.json"; }

# The image of a run as plain bytes.
plain() { qemu-img convert -O raw "$1" "$1.plain"; }

# A new image, whose contents are none of zeros only.
image() {
    [ -f first.img ] || { seq 1 2000000 | head -c 8388608 >first.img; }
    if [ "$format" = qcow2 ]; then qemu-img convert -f raw -O qcow2 first.img "$1"; else cp first.img "$1"; fi
}

# run NAME IMAGE STATUS OPTIONS...
run() {
    name=$1 file=$2 wanted=$3; shift 3
    status=0
    "$ringer" run --engine "$engine" --timeout 600 --serial "file:$name.serial" --report "$name.json" \
        --drive "file=$file,format=$format,if=$interface" "$@" >/dev/null 2>"$name.err" </dev/null || status=$?
    [ $status = "$wanted" ] || { cat "$name.err" >&2; fail "$name ended with status $status"; }
}
# The same with the guest: boot NAME IMAGE STATUS SCRIPT OPTIONS...
boot() {
    name=$1 file=$2 wanted=$3 script=$4; shift 4
    run "$name" "$file" "$wanted" --clock virtual --kernel vmlinuz --initrd disk.gz -m 96M \
        --append "console=ttyS0 quiet nokaslr $more ringer.run=$script" "$@"
}

check() {
    interface=${1%%:*} format=${1#*:} more=
    case $interface in ide-pio) interface=ide more='libata.dma=0' ;; esac
    image boot.img
    boot boot boot.img 0 true
    begin=$(field boot instructions)
    image whole.img
    boot whole whole.img 0 "$writes"
    grep -q '^status 0' whole.serial || { cat whole.serial >&2; fail "$1: the guest does not read what it has written"; }
    length=$(field whole instructions)
    plain whole.img
    points=$(awk -v n="$saves" -v seed="$seed" -v from="$begin" -v to="$length" \
        'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "%.0f\n", from + 1 + int(rand() * (to - from - 1)) }' | sort -nu)
    # The boot is run once: the others go on from a state behind it.
    image before.img
    boot before before.img 68 "$writes" --save-at "$begin" before.state --max-instructions "$begin"
    for n in $points; do
        cp before.img one.img
        run saved one.img 68 --load before.state --save-at "$n" state --max-instructions "$n"
        cp one.img kept.img
        run loaded kept.img 0 --load state
        for what in end instructions digest; do
            [ "$(field loaded $what)" = "$(field whole $what)" ] ||
                { diff whole.json loaded.json >&2 || :; fail "$1: saved at $n: $what is not as in the unbroken run"; }
        done
        cat before.serial saved.serial loaded.serial | cmp - whole.serial || fail "$1: saved at $n: another output"
        plain kept.img
        cmp kept.img.plain whole.img.plain || fail "$1: saved at $n: other bytes on the disk"
        rm -f state
    done
    echo "state-disk-check: $1: $(echo "$points" | wc -l) states between instructions $begin and $length go on to the same end, disk and output"
}

echo "state-disk-check: seed $seed, $saves saves each, by $engine"
for case in "$@"; do check "$case"; done
