#!/bin/sh
# Disk throughput here and in QEMU TCG, in one run: Debian's kernel reads and writes a disk of MIB from end to end, and pages of 4 KiB at
# random places past its cache, by IDE's PIO and DMA, by AHCI and by virtio, ROUNDS times here and there in turn. Medians, by the guest's
# clock, and the least and most of them.
# sh scripts/disk-bench.sh [ROUNDS [MIB [MODE...]]]  (modes: pio, dma, ahci, virtio)
set -eu
cd "$(dirname "$0")/.."
sh scripts/disk-guest.sh
rounds=${1:-3} mib=${2:-64}
[ $# -lt 2 ] || shift
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- pio dma ahci virtio
ringer=${RINGER:-${CARGO_TARGET_DIR:-target}/release/ringer}
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
count=16000
# Seconds by the guest's clock of one read and one write of the whole disk, which no cache holds yet, and of single pages.
script() {
    echo "t() { s=\$(cut -d' ' -f1 /proc/uptime); \"\$@\" 2>/dev/null; e=\$(cut -d' ' -f1 /proc/uptime); awk \"BEGIN { print \$e - \$s }\"; };
echo read \$(t dd if=/dev/$1 of=/dev/null bs=1M); echo write \$(t dd if=/dev/zero of=/dev/$1 bs=1M count=$mib conv=fsync);
echo random-read \$(t random-io /dev/$1 $pages $count r); echo random-write \$(t random-io /dev/$1 $pages $count w)" | tr '\n ' '~~'
}
here() {
    "$ringer" run --kernel $guest/vmlinuz --initrd "$work/initrd.gz" -m 256M --timeout 900 --append "$1" \
        --drive "file=$work/disk.img,format=raw,if=$2"
}
there() {
    drive=file=$work/disk.img,format=raw
    case $2 in
        ahci) drive="-device ich9-ahci,id=ahci -drive $drive,if=none,id=disk -device ide-hd,drive=disk,bus=ahci.0" ;;
        *) drive="-drive $drive,if=$2" ;;
    esac
    # shellcheck disable=SC2086
    timeout 900 qemu-system-i386 -accel tcg -m 256 -nographic -no-reboot -kernel $guest/vmlinuz -initrd "$work/initrd.gz" -append "$1" $drive
}
# Appends what a run did a second to the file for its side and its kind: measure SIDE COMMAND-LINE INTERFACE
measure() {
    "$1" "$2" "$3" </dev/null >"$work/out" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
    # Hundredths are what the clock shows.
    awk -v mib="$mib" -v count="$count" '
        { sub("\r", ""); seconds = $2 > 0 ? $2 : 0.01 }
        /^(read|write) /{ print $1, mib / seconds }
        /^random-/{ print $1, count / seconds }' "$work/out" >"$work/figures"
    [ "$(wc -l <"$work/figures")" = 4 ] || { echo "disk-bench: $1 says nothing by $3:" >&2; tail -n 5 "$work/out" >&2; exit 1; }
    while read -r kind figure; do echo "$figure" >>"$work/$1.$kind"; done <"$work/figures"
}
# Median, least and most of a file's numbers.
spread() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2; printf "%.0f (%.0f to %.0f)", m, v[1], v[NR] }'
}
for mode in "$@"; do
    append=; interface=ide; disk=sda
    case $mode in
        pio) append=libata.dma=0 ;;
        dma) ;;
        ahci) interface=ahci ;;
        virtio) interface=virtio; disk=vda ;;
        *) echo "disk-bench: $mode: no such mode (pio, dma, ahci, virtio)" >&2; exit 2 ;;
    esac
    append="console=ttyS0 quiet nokaslr $append ringer.run=$(script $disk)"
    rm -f "$work"/here.* "$work"/there.*
    for _ in $(seq "$rounds"); do
        measure here "$append" $interface
        ! command -v qemu-system-i386 >/dev/null || measure there "$append" $interface
    done
    for kind in read write random-read random-write; do
        case $kind in random-*) unit=pages/s ;; *) unit=MiB/s ;; esac
        tcg=
        [ ! -f "$work/there.$kind" ] || tcg=", under QEMU's TCG $(spread "$work/there.$kind")"
        echo "$mode $kind: $(spread "$work/here.$kind") $unit$tcg"
    done
done
