#!/bin/sh
# kill -9 while a guest writes its disk: sh scripts/disk-kill.sh [ROUNDS]. After each round the image is clean once the guest's
# journal has been replayed, and every file that the guest had flushed and told of is there. Long: half a minute a round.
set -eu
cd "$(dirname "$0")/.."
sh scripts/disk-guest.sh
ringer=$(realpath "${CARGO_TARGET_DIR:-target}")/release/ringer
guest=$PWD/guests/debian
rounds=${1:-50}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# The guest goes on with the numbers of the files that are there. It keeps far more of them than are looked at: what it said last may be lost with
# the process, so it may be some files ahead of what was read.
script='mount -t ext4 /dev/sda /mnt || exit; cd /mnt; n=$(ls | grep -c ^f); while n=$((n+1)); do seq $n $((n+4000)) >f$n; sync; echo "ack $n"; [ $n -gt 60 ] && rm -f f$((n-60)); done'
script=$(echo "$script" | tr ' ' '~')

round() {
    format=$1
    rm -f out
    "$ringer" run --kernel "$guest/vmlinuz" --initrd "$guest/disk.gz" -m 128M \
        --append "console=ttyS0 quiet nokaslr ringer.run=$script" --drive "file=disk.$format,format=$format" </dev/null >out 2>said &
    pid=$!
    until grep -q '^ack' out 2>/dev/null; do
        kill -0 $pid 2>/dev/null || { cat out said >&2; exit 1; }
        sleep 0.1
    done
    sleep "$(awk -v seed="$2" 'BEGIN { srand(seed); print rand() * 3 }')"
    kill -9 $pid
    wait $pid 2>/dev/null || :
    if [ "$format" = qcow2 ]; then
        # Clusters that nothing refers to are lost room and no damage.
        qemu-img check disk.qcow2 >check 2>&1 || [ $? = 3 ] || { cat check >&2; exit 1; }
        qemu-img convert -O raw disk.qcow2 after.img
    else
        cp disk.raw after.img
    fi
    e2fsck -fy after.img >fsck 2>&1 || [ $? = 1 ] || { cat fsck >&2; exit 1; }
    e2fsck -fn after.img >fsck 2>&1 || { cat fsck >&2; exit 1; }
    last=$(tr -d '\r' <out | sed -n 's/^ack //p' | tail -n 1)
    m=$((last > 18 ? last - 18 : 1))
    while [ "$m" -le "$last" ]; do
        debugfs -R "cat f$m" after.img 2>/dev/null >file
        seq "$m" "$((m + 4000))" | cmp -s - file || { echo "disk-kill: f$m was flushed and is not there" >&2; exit 1; }
        m=$((m + 1))
    done
    echo "disk-kill: $format, round $2: $last files flushed, all there"
}

n=0
while [ $n -lt "$rounds" ]; do
    n=$((n + 1))
    for format in raw qcow2; do
        truncate -s 0 fresh.img
        truncate -s 64M fresh.img
        mke2fs -q -F -t ext4 fresh.img
        rm -f "disk.$format"
        qemu-img convert -f raw -O "$format" fresh.img "disk.$format"
        round $format $n
    done
done
