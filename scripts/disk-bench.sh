#!/bin/sh
# Disk throughput here and in QEMU TCG, in one run: Debian's kernel reads and writes a disk of MIB from end to end, and pages of 4 KiB at
# random places past its cache, by IDE's PIO and DMA and by virtio. sh scripts/disk-bench.sh [MIB [MODE...]]
set -eu
cd "$(dirname "$0")/.."
sh scripts/disk-guest.sh
mib=${1:-64}
[ $# -eq 0 ] || shift
ringer=${CARGO_TARGET_DIR:-target}/release/ringer
guest=guests/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c "$((mib << 20))" /dev/urandom >"$work/disk.img"
# The program that goes to random places is one more file of the initrd.
mkdir -p "$work/root/bin"
as --32 -o "$work/random-io.o" scripts/bench/random-io.s
ld -m elf_i386 -o "$work/root/bin/random-io" "$work/random-io.o"
{ cat $guest/disk.gz; sh scripts/pack-initramfs.sh "$work/root" | gzip -n; } >"$work/initrd.gz"
pages=$((mib << 8))
count=4000
# Seconds by the guest's clock of one read and one write of the whole disk, which no cache holds yet, and of single pages.
measure() {
    name=$1; append=$2; disk=$3; shift 3
    script="t() { s=\$(cut -d' ' -f1 /proc/uptime); \"\$@\" 2>/dev/null; e=\$(cut -d' ' -f1 /proc/uptime); awk \"BEGIN { print \$e - \$s }\"; };
echo read \$(t dd if=/dev/$disk of=/dev/null bs=1M); echo write \$(t dd if=/dev/zero of=/dev/$disk bs=1M count=$mib conv=fsync);
echo random-read \$(t random-io /dev/$disk $pages $count r); echo random-write \$(t random-io /dev/$disk $pages $count w)"
    script=$(echo "$script" | tr '\n ' '~~')
    "$@" -append "console=ttyS0 quiet nokaslr $append ringer.run=$script" </dev/null >"$work/out" 2>/dev/null || :
    awk -v name="$name" -v mib="$mib" -v count="$count" '
        { sub("\r", ""); seconds = $2 > 0 ? $2 : 0.01 }
        /^(read|write) /{ printf "%-16s %-12s %8.1f MiB/s\n", name, $1, mib / seconds }
        /^random-/{ printf "%-16s %-12s %8.0f pages/s\n", name, $1, count / seconds }' "$work/out"
}
run_ringer() { interface=$1; shift 2; "$ringer" run --kernel $guest/vmlinuz --initrd "$work/initrd.gz" -m 256M --timeout 900 --append "$1" --drive "file=$work/disk.img,format=raw,if=$interface"; }
for mode in ${*:-pio dma virtio}; do
    append=; interface=ide; disk=sda
    case $mode in
    pio) append=libata.dma=0 ;;
    virtio) interface=virtio; disk=vda ;;
    esac
    measure "ringer $mode" "$append" $disk run_ringer $interface
    command -v qemu-system-i386 >/dev/null && measure "qemu tcg $mode" "$append" $disk timeout 900 qemu-system-i386 -accel tcg -m 256 -nographic -no-reboot \
        -kernel $guest/vmlinuz -initrd "$work/initrd.gz" -drive "file=$work/disk.img,format=raw,if=$interface"
done
