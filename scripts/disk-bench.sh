#!/bin/sh
# Disk throughput here and in QEMU TCG, in one run: Debian's dd over an IDE disk, by PIO and by DMA. sh scripts/disk-bench.sh [MIB]
set -eu
cd "$(dirname "$0")/.."
sh scripts/disk-guest.sh
mib=${1:-64}
ringer=${CARGO_TARGET_DIR:-target}/release/ringer
guest=guests/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c "$((mib << 20))" /dev/urandom >"$work/disk.img"
# Seconds by the guest's clock of one read and one write of the whole disk, which no cache holds yet.
script="t() { s=\$(cut -d' ' -f1 /proc/uptime); \"\$@\" 2>/dev/null; e=\$(cut -d' ' -f1 /proc/uptime); awk \"BEGIN { print \$e - \$s }\"; };
echo read \$(t dd if=/dev/sda of=/dev/null bs=1M); echo write \$(t dd if=/dev/zero of=/dev/sda bs=1M count=$mib conv=fsync)"
script=$(echo "$script" | tr '\n ' '~~')
measure() {
    name=$1; append=$2; shift 2
    "$@" -append "console=ttyS0 quiet nokaslr $append ringer.run=$script" </dev/null >"$work/out" 2>/dev/null || :
    awk -v name="$name" -v mib="$mib" '/^(read|write) /{ sub("\r", ""); printf "%-16s %-6s %8.1f MiB/s\n", name, $1, mib / ($2 > 0 ? $2 : 0.01) }' "$work/out"
}
run_ringer() { shift; "$ringer" run --kernel $guest/vmlinuz --initrd $guest/disk.gz -m 256M --timeout 600 --append "$1" --drive "file=$work/disk.img,format=raw"; }
for mode in pio dma; do
    [ $mode = pio ] && append=libata.dma=0 || append=
    measure "ringer $mode" "$append" run_ringer
    command -v qemu-system-i386 >/dev/null && measure "qemu tcg $mode" "$append" timeout 900 qemu-system-i386 -accel tcg -m 256 -nographic -no-reboot \
        -kernel $guest/vmlinuz -initrd $guest/disk.gz -drive "file=$work/disk.img,format=raw,if=ide"
done
