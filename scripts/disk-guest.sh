#!/bin/sh
# Makes guests/debian/disk.gz (or NAME.gz with RINGER_INITRD=NAME): an initrd with busybox and those modules of Debian's 686 kernel
# that disks, CDs, their file systems, network adapters and shared folders need. What follows `ringer.run=` on the kernel's command line is run by its shell, with ~ for each space, since the
# kernel takes few words; then the guest powers off.
set -eu
cd "$(dirname "$0")/.."
out=guests/debian
[ -s $out/vmlinuz ] && ls $out/apt/debs/linux-image-*.deb >/dev/null 2>&1 || sh scripts/fetch-debian-guest.sh --force
initrd=$out/${RINGER_INITRD:-disk}.gz
[ "${1:-}" != --force ] && [ -s "$initrd" ] && [ "$initrd" -nt scripts/disk-guest.sh ] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
deb=$(ls $out/apt/debs/linux-image-*.deb | head -n 1)
echo "disk-guest: taking modules from ${deb##*/}" >&2
mkdir -p "$work/all" "$work/root"
dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/all" --wildcards './lib/modules/*'
version=$(ls "$work/all/lib/modules")
"$out/busybox" depmod -b "$work/all" "$version"
from=$work/all/lib/modules/$version
to=$work/root/lib/modules/$version

# The module files of a name, those that it needs first.
with_needs() {
    line=$(grep "/$1\.ko:" "$from/modules.dep") || return 0
    echo "$line" | tr -d : | tr ' ' '\n'
}
for name in ata_piix ahci sd_mod sr_mod ext4 isofs vfat nls_ascii nls_cp437 nls_iso8859-1 crc32c_generic virtio_pci virtio_blk floppy psmouse e1000 8139too 8139cp virtio_net virtio_console virtio_balloon virtio-rng 9pnet_virtio 9p button evdev; do
    with_needs "$name"
done | sort -u | while read -r file; do
    file=${file#"lib/modules/$version/"}
    mkdir -p "$to/$(dirname "$file")"
    cp "$from/$file" "$to/$file"
done
"$out/busybox" depmod -b "$work/root" "$version"

mkdir -p "$work/root/bin" "$work/root/proc" "$work/root/sys" "$work/root/dev" "$work/root/mnt" "$work/root/cd"
cp "$out/busybox" "$work/root/bin/busybox"
for name in $("$out/busybox" --list | grep -vx busybox); do ln -s busybox "$work/root/bin/$name"; done
cat >"$work/root/init" <<'EOF'
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
modprobe -a crc32c_generic ata_piix ahci virtio_pci virtio_blk virtio_net virtio_console virtio_balloon virtio-rng sd_mod sr_mod ext4 isofs 2>/dev/null
# Disks are found by another thread.
for n in 1 2 3 4 5 6 7 8 9 10; do
    grep -q '[sv]d[a-z]$' /proc/partitions && break
    sleep 0.1
done
run=$(sed -n 's/.*ringer\.run=//p' /proc/cmdline | tr '~' ' ')
case $run in
'') setsid cttyhack sh ;;
*) eval "$run"; echo "status $?" ;;
esac
poweroff -f
EOF
chmod +x "$work/root/init"
# What busybox's DHCP client runs.
mkdir -p "$work/root/etc/udhcpc"
cat >"$work/root/etc/udhcpc/default.script" <<'EOF'
#!/bin/sh
case $1 in
bound | renew)
    ip addr flush dev "$interface"
    ip addr add "$ip/${mask:-24}" dev "$interface"
    [ -z "$router" ] || ip route add default via "${router%% *}"
    for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
    ;;
*) ip link set "$interface" up ;;
esac
EOF
chmod +x "$work/root/etc/udhcpc/default.script"
sh scripts/pack-initramfs.sh "$work/root" >"$work/disk.cpio"
gzip -n -6 <"$work/disk.cpio" >"$initrd.new"
mv "$initrd.new" "$initrd"
echo "disk-guest: done: $initrd" >&2
