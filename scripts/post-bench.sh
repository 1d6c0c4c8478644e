#!/bin/sh
# How long it takes from the start of the process, through SeaBIOS, to a boot sector that ends the run: here and in QEMU TCG,
# in turn, with the same firmware and media. Fails when the median here is half a second or more, or not below QEMU's.
#
# usage: scripts/post-bench.sh [ROUNDS]     (9 without)
# needs: binutils, qemu-system-i386, SeaBIOS in guests/firmware (scripts/fetch-guests.sh seabios); a built target/release/ringer
# ($RINGER is another)
set -eu
cd "$(dirname "$0")/.."
ringer=${RINGER:-$PWD/target/release/ringer}
rounds=${1:-9}
firmware=guests/firmware
[ -s $firmware/bios-256k.bin ] || sh scripts/fetch-guests.sh seabios
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The boot sector of the tests; its text begins with '!', so it waits for no key.
as --32 -o "$work/boot.o" crates/cli/tests/boot_media/booted.s
ld -m elf_i386 -T test-roms/roms/include/bootsector.ld --oformat binary -o "$work/boot.bin" "$work/boot.o"
printf '!read\r\n' > "$work/text"
truncate -s 1440K "$work/floppy.img"
truncate -s 8M "$work/disk.img"
for image in floppy disk; do
    dd if="$work/boot.bin" of="$work/$image.img" conv=notrunc status=none
    dd if="$work/text" of="$work/$image.img" bs=512 seek=1 conv=notrunc status=none
done

now() { date +%s%N; }

# Runs a command, which must end with the boot sector's status, and prints its milliseconds.
timed() {
    from=$(now)
    status=0
    timeout 60 "$@" > "$work/out" 2>&1 || status=$?
    to=$(now)
    [ $status = 1 ] || { echo "$1 ended with status $status:" >&2; cat "$work/out" >&2; exit 1; }
    echo $(((to - from) / 1000000))
}

median() { sort -n "$1" | sed -n "$(((rounds + 1) / 2))p"; }

peer() { timed qemu-system-i386 -accel tcg -m 128 -display none -serial null -bios $firmware/bios-256k.bin \
    -device isa-debug-exit,iobase=0xf4 -net none -drive "format=raw,file=$work/$2,if=$1"; }
ours() { timed "$ringer" run -m 128M --serial null --debug-exit "$1" "$work/$2"; }

failed=0
for medium in floppy:--floppy:floppy.img ide:--hda:disk.img; do
    IFS=: read -r interface option image <<END
$medium
END
    rm -f "$work/ours" "$work/peer"
    round=0
    while [ $round -lt "$rounds" ]; do
        round=$((round + 1))
        ours "$option" "$image" >> "$work/ours"
        peer "$interface" "$image" >> "$work/peer"
    done
    here=$(median "$work/ours")
    there=$(median "$work/peer")
    verdict=ok
    if [ "$here" -ge 500 ] || [ "$here" -ge "$there" ]; then verdict=FAILED; failed=1; fi
    echo "$verdict  POST to a boot sector from $interface: $here ms, QEMU TCG $there ms (medians of $rounds)"
done
exit $failed
