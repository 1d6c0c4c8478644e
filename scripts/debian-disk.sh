#!/bin/sh
# Makes guests/debian-disk/disk.img: a disk with a small Debian for i386 that GRUB boots, a getty on the screen and on the first
# serial port, root's password ringer, a C compiler (gcc), a network adapter that asks for a lease. mmdebstrap makes the root file system, mke2fs the file system; no
# root is needed, nothing is mounted. Copies of it: disk.qcow2 where qemu-img is installed.
#
# usage: scripts/debian-disk.sh [-f]      (-f: anew)
# needs: mmdebstrap, fakeroot, e2fsprogs, qemu-utils for the qcow2 image (Debian's packages of these names)
set -eu
cd "$(dirname "$0")/.."
out=guests/debian-disk
[ "${1:-}" = -f ] || ! [ -s $out/disk.img ] || { echo "debian-disk: $out/disk.img is there already"; exit 0; }
say() { echo "debian-disk: $*" >&2; }
die() { say "$*"; exit 1; }
for tool in mmdebstrap fakeroot mke2fs; do
    command -v $tool > /dev/null || die "$tool is not installed"
done
mkdir -p $out
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mebibytes=1024
# The partition's first sector: behind it are the boot sector and GRUB's core.
first=2048

packages=linux-image-686,systemd-sysv,udev,kmod,initramfs-tools,e2fsprogs,grub-pc-bin,grub-common,gcc,libc6-dev,login,passwd,procps,pciutils
say "building the root file system (some minutes)"
mmdebstrap --quiet --skip=check/qemu --architectures=i386 --variant=minbase --include=$packages \
    --customize-hook='echo root:ringer | chroot "$1" chpasswd' \
    --customize-hook='echo ringer > "$1/etc/hostname"' \
    --customize-hook='printf "[Match]\nType=ether\n[Network]\nDHCP=ipv4\n" > "$1/etc/systemd/network/lease.network"' \
    --customize-hook='chroot "$1" systemctl -q enable systemd-networkd && chroot "$1" systemctl -q disable systemd-networkd-wait-online' \
    --customize-hook='printf "LABEL=ringer / ext4 errors=remount-ro 0 1\n" > "$1/etc/fstab"' \
    bookworm "$work/root.tar" 'deb http://deb.debian.org/debian bookworm main'

cat > "$work/grub.cfg" <<'EOF'
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=1
menuentry 'Debian' {
    search --set=root --label ringer
    linux /vmlinuz root=LABEL=ringer ro nomodeset console=ttyS0,115200 console=tty0
    initrd /initrd.img
}
EOF

say "making the image"
truncate -s ${mebibytes}M "$work/disk.img"
# As root in a way: owners and device files are those of the archive.
fakeroot sh -eu <<EOF
mkdir "$work/root"
tar -x -C "$work/root" -f "$work/root.tar"
mkdir -p "$work/root/boot/grub"
cp "$work/grub.cfg" "$work/root/boot/grub/grub.cfg"
mke2fs -q -F -t ext4 -L ringer -d "$work/root" -E offset=$((first * 512)) "$work/disk.img" $((mebibytes * 1024 - first / 2 - 64))
EOF

# GRUB by the program that is in the root file system: it is for this processor, and for no system in particular.
modules="$work/root/usr/lib/grub/i386-pc"
"$work/root"/lib/ld-linux.so.2 --library-path "$work/root/lib/i386-linux-gnu:$work/root/usr/lib/i386-linux-gnu" \
    "$work/root/usr/bin/grub-mkimage" -O i386-pc -d "$modules" -p '(hd0,msdos1)/boot/grub' -o "$work/core.img" \
    biosdisk part_msdos ext2 linux normal search search_label serial terminal configfile echo ls cat reboot halt
[ "$(wc -c < "$work/core.img")" -le $(((first - 1) * 512)) ] || die "GRUB's core does not fit before the partition"

# The boot sector, whose default is a core from the next sector on; then the partition table.
dd if="$modules/boot.img" of="$work/disk.img" bs=440 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$work/disk.img" bs=512 seek=1 conv=notrunc status=none
# A number as four bytes, the lowest first.
word() { printf "\\$(printf %o $(($1 & 255)))\\$(printf %o $(($1 >> 8 & 255)))\\$(printf %o $(($1 >> 16 & 255)))\\$(printf %o $(($1 >> 24 & 255)))"; }
{
    printf '\200\376\377\377\203\376\377\377'
    word $first
    word $((mebibytes * 2048 - first))
} | dd of="$work/disk.img" bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of="$work/disk.img" bs=1 seek=510 conv=notrunc status=none

mv "$work/disk.img" $out/disk.img
if command -v qemu-img > /dev/null; then
    qemu-img convert -O qcow2 $out/disk.img "$work/disk.qcow2"
    mv "$work/disk.qcow2" $out/disk.qcow2
fi
say "done: $out"
