#!/bin/sh
# How long guests by others take from the start of the process to a line on the serial port (where SeaBIOS shows its texts and
# those that guests have it show), here and in QEMU TCG, in turn: by the clock, and the processor's time that the process took.
# The table of docs/guests.md.
#
# usage: scripts/guests-bench.sh [ROUNDS [NAME...]]     (3 without)
# needs: qemu-system-i386; a built target/release/ringer ($RINGER is another); what is missing of the guests is fetched
set -eu
cd "$(dirname "$0")/.."
ringer=${RINGER:-$PWD/target/release/ringer}
rounds=${1:-3}
[ $# = 0 ] || shift
names=${*:-grub-floppy grub-cd u-boot ipxe mach netboot debian}
work=$(mktemp -d)
pid=''
trap 'if [ -n "$pid" ]; then kill "$pid" 2> /dev/null || true; fi; rm -rf "$work"' EXIT
netboot='--kernel guests/netboot/linux --initrd guests/netboot/initrd.gz --append console=ttyS0'
rescue=guests/grub-rescue/grub-rescue

# Name, what is fetched, the text, our options, QEMU's.
row() {
    case $1 in
        grub-floppy) fetch='seabios grub-rescue' text='GNU GRUB' ours="--floppy $rescue-floppy.img"
            peer="-drive if=floppy,format=raw,readonly=on,file=$rescue-floppy.img" ;;
        grub-cd) fetch='seabios grub-rescue' text='GNU GRUB' ours="--cdrom $rescue-cdrom.iso" peer="-cdrom $rescue-cdrom.iso" ;;
        u-boot) fetch='u-boot' text='Hit any key' ours='--bios guests/firmware/u-boot.rom --vga none'
            peer='-bios guests/firmware/u-boot.rom' ;;
        ipxe) fetch='seabios ipxe' text='Features: ' ours='--cdrom guests/ipxe/ipxe.iso' peer='-cdrom guests/ipxe/ipxe.iso' ;;
        mach) fetch='gnumach' text='No bootstrap code' ours="--multiboot $work/mach --append console=com0"
            peer="-kernel $work/mach -append console=com0"
            [ -s guests/gnumach/gnumach-1.8-486.gz ] || scripts/fetch-guests.sh gnumach > "$work/log"
            gunzip -c guests/gnumach/gnumach-1.8-486.gz > "$work/mach" ;;
        debian) fetch='seabios' text='ringer login:' ours='--snapshot --hda guests/debian-disk/disk.img'
            scripts/debian-disk.sh > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
            peer='-snapshot -drive file=guests/debian-disk/disk.img,format=raw,if=ide' ;;
        netboot) fetch='netboot' text='Select a language' ours=$netboot
            peer=$(echo "$netboot" | sed 's/--/-/g') ;;
        *) echo "$0: $1 is none of $names" >&2; exit 2 ;;
    esac
}

# Seconds until $text is in the output of a command, which is ended then, and those of the processor.
seconds() {
    from=$(date +%s%N)
    : > "$work/out"
    "$@" > "$work/out" 2>&1 < /dev/null &
    pid=$!
    until grep -aq "$text" "$work/out"; do
        kill -0 $pid 2> /dev/null || { echo "$1 ended without \"$text\":" >&2; tail -n 5 "$work/out" >&2; exit 1; }
        sleep 0.01
    done
    to=$(date +%s%N)
    # User's and system's, in hundredths.
    ticks=$(cut -d' ' -f14,15 "/proc/$pid/stat")
    kill $pid
    wait $pid 2> /dev/null || true
    pid=''
    echo "$((to - from)) $ticks" | awk '{ printf "%.2f s (%.2f)\n", $1 / 1e9, ($2 + $3) / 100 }'
}

median() { sort -n "$1" | sed -n "$(((rounds + 1) / 2))p"; }

for name in $names; do
    row "$name"
    # shellcheck disable=SC2086
    scripts/fetch-guests.sh $fetch > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    rm -f "$work/ours" "$work/peer"
    round=0
    while [ $round -lt "$rounds" ]; do
        round=$((round + 1))
        # shellcheck disable=SC2086
        seconds "$ringer" run -m 512M $ours >> "$work/ours"
        # shellcheck disable=SC2086
        seconds qemu-system-i386 -accel tcg -M pc,graphics=off -m 512M -nographic -monitor none -serial stdio -net none $peer \
            >> "$work/peer"
    done
    echo "$name: $(median "$work/ours"), QEMU TCG $(median "$work/peer"), to \"$text\""
done
