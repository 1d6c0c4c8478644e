#!/bin/sh
# Real systems from real media, each driven by its script in scripts/guests to a screen or line that shows that it got there
# (docs/guests.md). What is missing is fetched or built first. One line for each, a count at the end; fails when one fails.
#
# usage: scripts/guests-check.sh [--short] [--pictures DIR] [--engine E] [--clock C] [NAME...]
#   without names: all; --short: those that CI runs, which take seconds
#   --pictures DIR: the last screen of each as DIR/NAME.png
#   --clock virtual: times are those of the instructions executed, whatever else the host does (what polls for long, as GRUB, takes long then)
# needs: apt-get and dpkg-deb for what is fetched; xorriso for isolinux; a built target/release/ringer ($RINGER is another)
set -eu
cd "$(dirname "$0")/.."
ringer=${RINGER:-$PWD/target/release/ringer}
work=$(mktemp -d)
server=
# What is judged may have ended the server already.
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || :; rm -rf "$work"' EXIT

# Name, s in --short or l, seconds at most, what is fetched (a comma between), what runs. What is unpacked or built first is in
# $work, by prepare_NAME; what is judged afterwards, by judge_NAME. A name with a colon has the script and these functions of
# what is before the colon.
table() {
    cat <<EOF
seabios        s  60 seabios       --floppy $work/blank.img
grub-floppy    s  90 seabios,grub-rescue --floppy guests/grub-rescue/grub-rescue-floppy.img
grub-cd        s  90 seabios,grub-rescue --cdrom guests/grub-rescue/grub-rescue-cdrom.iso
grub-disk      s  90 seabios,grub-rescue --snapshot --hda guests/grub-rescue/grub-rescue-cdrom.iso
grub-firmware  s  90 grub-firmware,grub-rescue --bios guests/firmware/grub.bin --snapshot --hda guests/grub-rescue/grub-rescue-cdrom.iso
u-boot         s  90 u-boot,grub-rescue --bios guests/firmware/u-boot.rom --vga none --snapshot --hda guests/grub-rescue/grub-rescue-cdrom.iso
ipxe           s  90 seabios,ipxe  --cdrom guests/ipxe/ipxe.iso
isolinux       s  90 seabios,isolinux,syslinux --cdrom $work/isolinux.iso
invaders       s  60 grub-invaders --multiboot guests/grub-invaders/invaders.exec
xen            s  60 xen           --multiboot $work/xen --append console=com1
mach           l 200 gnumach,grub-rescue --multiboot $work/gnumach --append console=com0 --snapshot --hda guests/grub-rescue/grub-rescue-cdrom.iso
memtest        l 500 memtest       -m 64M --kernel guests/memtest/memtest86+ia32.bin
memtest-cd     l 300 seabios,memtest -m 64M --cdrom guests/memtest/memtest86+ia32.iso
netboot-serial l 400 netboot       -m 512M --kernel guests/netboot/linux --initrd guests/netboot/initrd.gz --append console=ttyS0
netboot-screen l 400 netboot       -m 512M --kernel guests/netboot/linux --initrd guests/netboot/initrd.gz --append nomodeset
debian:ide     l 900 seabios       -m 512M --hda $work/disk.img
debian:ahci    l 900 seabios       -m 512M --drive file=$work/disk.img,if=ahci
debian:virtio  l 900 seabios       -m 512M --drive file=$work/disk.img,if=virtio
debian:qcow2   l 900 seabios       -m 512M --hda $work/disk.qcow2
apt:ide        l 900 seabios       -m 512M --net user --hda $work/disk.img
apt:ahci       l 900 seabios       -m 512M --net user,model=rtl8139 --drive file=$work/disk.img,if=ahci
apt:virtio-qcow2 l 900 seabios     -m 512M --net user,model=virtio-net --drive file=$work/disk.qcow2,if=virtio
EOF
}

die() { echo "guests-check: $*" >&2; exit 2; }

prepare_seabios() { truncate -s 1440K "$work/blank.img"; }
prepare_xen() { gunzip -c guests/xen/xen-4.17-amd64.gz > "$work/xen"; }
prepare_mach() { gunzip -c guests/gnumach/gnumach-1.8-486.gz > "$work/gnumach"; }
prepare_isolinux() {
    command -v xorriso > /dev/null || { echo "xorriso is not installed"; return 1; }
    mkdir -p "$work/tree/isolinux"
    cp guests/syslinux/*.c32 guests/syslinux/isolinux.bin "$work/tree/isolinux"
    printf 'SERIAL 0 115200\nPROMPT 1\nLABEL hdt\n  KERNEL hdt.c32\n' > "$work/tree/isolinux/isolinux.cfg"
    xorriso -as mkisofs -quiet -o "$work/isolinux.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat \
        -no-emul-boot -boot-load-size 4 -boot-info-table "$work/tree" > "$work/log" 2>&1 || { cat "$work/log"; return 1; }
}

# A copy of the disk, which the guest writes.
prepare_debian() {
    rm -f "$work"/disk.*
    scripts/debian-disk.sh > "$work/log" 2>&1 || { tail -n 1 "$work/log"; return 1; }
    cp --sparse=always guests/debian-disk/disk.img "$work/disk.img"
    case $name in
        *qcow2)
            command -v qemu-img > /dev/null || { echo "qemu-img is not installed"; return 1; }
            qemu-img convert -O qcow2 "$work/disk.img" "$work/disk.qcow2"
            rm "$work/disk.img" ;;
    esac
}

# Nothing is wrong with the image and the file system that the guest leaves.
judge_debian() {
    if [ -f "$work/disk.qcow2" ]; then
        qemu-img check -q "$work/disk.qcow2" || return 1
        qemu-img convert -O raw "$work/disk.qcow2" "$work/disk.img"
    fi
    dd if="$work/disk.img" of="$work/part.img" bs=1M skip=1 conv=sparse status=none
    e2fsck -fn "$work/part.img" > "$work/log" 2>&1 || { tail -n 3 "$work/log"; return 1; }
    rm -f "$work/part.img"
}

# The same disk, and a server on this host's loopback with an archive of one package, signed by a key of its own. The guest's script
# has the server's port in it.
prepare_apt() {
    prepare_debian || return 1
    for tool in gpg dpkg-deb; do command -v $tool > /dev/null || { echo "$tool is not installed"; return 1; }; done
    scripts/fetch-debian-guest.sh > "$work/log" 2>&1 || { tail -n 1 "$work/log"; return 1; }
    archive=$work/archive
    if ! [ -d "$archive" ]; then
        scripts/apt-archive.sh "$archive" > "$work/log" 2>&1 || { tail -n 1 "$work/log"; return 1; }
    fi
    port=$(($$ % 20000 + 20000))
    while guests/debian/busybox nc -z 127.0.0.1 "$port" 2> /dev/null; do port=$((port + 1)); done
    guests/debian/busybox httpd -f -p "127.0.0.1:$port" -h "$archive" > /dev/null 2>&1 &
    echo $! > "$work/server"
    sed "s/PORT/$port/g" scripts/guests/apt.script > "$work/apt.script"
}

judge_apt() {
    kill "$server" 2> /dev/null; server=
    judge_debian
}

now() { date +%s%N; }

short=no pictures='' engine=bt clock=real names=''
while [ $# -gt 0 ]; do
    case $1 in
        --short) short=yes ;;
        --pictures) pictures=${2:?}; shift; mkdir -p "$pictures" ;;
        --engine) engine=${2:?}; shift ;;
        --clock) clock=${2:?}; shift ;;
        -h|--help) sed -n '2,10p' "$0"; table | cut -d' ' -f1; exit 0 ;;
        -*) die "$1: no such option (try -h)" ;;
        *) table | grep -q "^$1[ :]" || die "no guest is called $1 (try -h)"; names="$names $1" ;;
    esac
    shift
done
[ -x "$ringer" ] || die "$ringer is not built (cargo build --release)"

passed=0 failed=0
while read -r name length limit fetched options; do
    case "$names" in
        '') [ $short = no ] || [ "$length" = s ] || continue ;;
        *) case "$names " in *" $name "* | *" ${name%%:*} "*) ;; *) continue ;; esac ;;
    esac
    # shellcheck disable=SC2046
    if ! scripts/fetch-guests.sh $(echo "$fetched" | tr , ' ') > "$work/log" 2>&1 < /dev/null; then
        failed=$((failed + 1))
        echo "FAILED  $name: cannot be fetched: $(tail -n 1 "$work/log")"
        continue
    fi
    kind=${name%%:*}
    if command -v "prepare_$kind" > /dev/null && ! why=$("prepare_$kind"); then
        failed=$((failed + 1))
        echo "FAILED  $name: cannot be prepared: $why"
        continue
    fi
    script=scripts/guests/$kind.script
    if [ -f "$work/$kind.script" ]; then script=$work/$kind.script; fi
    if [ -f "$work/server" ]; then
        [ -z "$server" ] || kill "$server" 2> /dev/null || :
        server=$(cat "$work/server")
        rm "$work/server"
    fi
    [ -f "$script" ] || die "there is no $script"
    if [ -n "$pictures" ]; then options="$options --screenshot $pictures/$kind.png"; fi
    from=$(now)
    status=0
    # shellcheck disable=SC2086
    timeout $((limit + 10)) "$ringer" run --engine "$engine" --clock "$clock" --timeout "$limit" --script "$script" $options \
        > "$work/out" 2> "$work/err" < /dev/null || status=$?
    seconds=$(awk -v ns=$(($(now) - from)) 'BEGIN { printf "%.1f", ns / 1e9 }')
    # The step that ends it, or the guest itself; Xen halts.
    if [ "$name" = xen ]; then wanted=78; else wanted=0; fi
    if [ $status = $wanted ] && command -v "judge_$kind" > /dev/null && ! why=$("judge_$kind"); then
        failed=$((failed + 1))
        echo "FAILED  $name: what it left is damaged: $why"
    elif [ $status = $wanted ]; then
        passed=$((passed + 1))
        echo "ok      $name: $(sed -n '1s/^# //p' "$script") ($seconds s)"
    else
        failed=$((failed + 1))
        echo "FAILED  $name: status $status after $seconds s: $(head -n 1 "$work/err")"
        sed -n '2,40p' "$work/err"
    fi
done <<EOF
$(table)
EOF
echo "guests-check: $passed passed, $failed failed"
[ $failed = 0 ]
