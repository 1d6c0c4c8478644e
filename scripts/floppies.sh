#!/bin/sh
# FAT diskettes of every size, made by mtools, with a boot sector of ours that loads a file and prints it: each must print all
# of it. Two ways: as the bare image over the built-in BIOS, and with SeaBIOS from a floppy drive, where every sector comes
# through the floppy controller and the DMA controller. One of the twenty cannot: SeaBIOS takes a drive of 1440K to have 18 sectors
# a track, so INT 13h refuses sector 19 of a diskette with 21 (1680K). It must end where it does on QEMU, in the same words.
#
# usage: scripts/floppies.sh [built-in|seabios ...]     (both without arguments)
# needs: mtools, binutils, qemu-system-i386 for that one; a built target/release/ringer ($RINGER is another)
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
ringer=${RINGER:-$here/target/release/ringer}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

as --32 -o "$work/boot.o" "$here/scripts/floppies/fat12.s"
ld -m elf_i386 -T "$here/test-roms/roms/include/bootsector.ld" --oformat binary -o "$work/boot.bin" "$work/boot.o"
# Longer than a cluster of any size, and different in each line.
i=0
while [ $i -lt 400 ]; do i=$((i + 1)); echo "line $i of a file on a diskette"; done > "$work/hello.txt"

# Cylinders, heads and sectors a track.
sizes='160:40:1:8 180:40:1:9 320:40:2:8 360:40:2:9 640:80:2:8 720:80:2:9 1200:80:2:15 1440:80:2:18 1680:80:2:21 2880:80:2:36'
failed=0

# SeaBIOS on the image, here and on QEMU: the lines before the first sector that it refuses, and the boot sector's FAIL.
refused() {
    command -v qemu-system-i386 > /dev/null || { echo "skipped seabios ${kib}K: no qemu-system-i386 to compare with"; return; }
    rm -f "$work/qemu"
    timeout 60 qemu-system-i386 -accel tcg -nodefaults -vga std -display none -device isa-debug-exit,iobase=0xf4 \
        -device isa-debugcon,iobase=0xe9,chardev=log -chardev "file,id=log,path=$work/qemu" \
        -drive "file=$image,if=floppy,format=raw" -boot a || true
    sed -n '/^line 1 /,$p' "$work/log" > "$work/end"
    sed -n '/^line 1 /,$p' "$work/qemu" > "$work/end.qemu"
    if cmp -s "$work/end" "$work/end.qemu" && tail -n 1 "$work/end" | grep -q FAIL; then
        echo "ok      $way ${kib}K: SeaBIOS refuses sectors 19 to 21 of a track, as on QEMU, after $(grep -c '^line' "$work/end") lines of the file"
    else
        failed=1
        echo "FAILED  $way ${kib}K: not as on QEMU: $(tail -c 100 "$work/end" "$work/end.qemu" | tr '\r\n' '  ')"
    fi
}

for way in ${*:-built-in seabios}; do
    case $way in
        built-in) options='' ;;
        seabios) options='--floppy' ;;
        *) echo "$0: $way is neither built-in nor seabios" >&2; exit 2 ;;
    esac
    for size in $sizes; do
        IFS=: read -r kib cylinders heads sectors <<END
$size
END
        image=$work/$kib.img
        rm -f "$image" "$work/log"
        mformat -C -i "$image" -t "$cylinders" -h "$heads" -s "$sectors" -B "$work/boot.bin" ::
        mcopy -i "$image" "$work/hello.txt" ::HELLO.TXT
        # shellcheck disable=SC2086
        (cd "$here" && timeout 60 "$ringer" run --debug-exit --serial null --debugcon "file:$work/log" $options "$image") \
            > "$work/out" 2> "$work/err" || true
        if [ "$way $kib" = 'seabios 1680' ]; then
            refused
            continue
        fi
        # SeaBIOS's own log comes before it.
        tail -c "$(wc -c < "$work/hello.txt")" "$work/log" > "$work/end"
        if cmp -s "$work/hello.txt" "$work/end"; then
            echo "ok      $way ${kib}K"
        else
            failed=1
            echo "FAILED  $way ${kib}K: $(tail -c 200 "$work/err" "$work/log" | tr '\r\n' '  ')"
        fi
    done
done
exit $failed
