#!/bin/sh
# Debian's kernel on disks and a CD, by IDE, AHCI and virtio: it finds them, makes, mounts and fills file systems, and what the host then finds in the
# images is clean and the same. Read-only images, snapshots, a full disk and a cut-off image: the guest sees an I/O error, the
# user one line. sh scripts/disk-check.sh [STEP...]
set -eu
cd "$(dirname "$0")/.."
sh scripts/disk-guest.sh
ringer=$(realpath "${CARGO_TARGET_DIR:-target}")/release/ringer
guest=$PWD/guests/debian
for tool in mke2fs e2fsck debugfs qemu-img xorriso; do
    command -v $tool >/dev/null || { echo "disk-check: needs $tool" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "disk-check: $step: $*" >&2; tail -n 40 out >&2; exit 1; }
# Runs the guest with the script $1 and the options behind it; output in `out`, what Ringer says in `said`.
boot() {
    script=$(echo "$1" | tr '\n ' '~~'); shift
    "$ringer" run --kernel "$guest/vmlinuz" --initrd "$guest/disk.gz" -m 128M --timeout 300 \
        --append "console=ttyS0 quiet nokaslr ringer.run=$script" "$@" </dev/null >out 2>said ||
        fail "the run ended with $?: $(cat said)"
}
expect() { grep -q -- "$1" out || fail "the guest did not say \"$1\""; }
said() { [ "$(grep -c image said)" = "$1" ] || fail "not $1 lines for the user: $(cat said)"; }
clean() { e2fsck -fn "$1" >fsck 2>&1 || { cat fsck >&2; fail "e2fsck is not content with $1"; }; }
same() { debugfs -R "cat $2" "$1" 2>/dev/null | cmp -s - "$3" || fail "$2 in $1 is not what was written"; }
image() { rm -f "$1"; truncate -s "$2" "$1"; mke2fs -q -F -t ext4 "$1"; }

# Files from a CD at interface $2 to a raw and a qcow2 disk on the interface $1, called /dev/$3a and b, which the guest makes file
# systems on, too. (Which is which its size says: Debian looks at the ports of an AHCI adapter all at once, and calls first what answers first.)
files() {
    image raw.img 32M
    qemu-img create -q -f qcow2 disk.qcow2 64M
    mkdir -p cd
    head -c 3000000 /dev/urandom >cd/data
    xorriso -as mkisofs -quiet -V CD -o cd.iso cd
    boot "raw=/dev/$3a other=/dev/$3b; [ \$(cat /sys/block/$3a/size) = 65536 ] || { raw=/dev/$3b; other=/dev/$3a; };
        mount -t ext4 \$raw /mnt && mount -t iso9660 -o ro /dev/sr0 /cd && cp /cd/data /mnt/data && umount /mnt &&
        mke2fs \$other >/dev/null && mount -t ext4 \$other /mnt && cp /cd/data /mnt/one && cp /mnt/one /mnt/two && umount /mnt && umount /cd" \
        --drive "file=raw.img,format=raw,if=$1" --drive "file=disk.qcow2,if=$1" --drive "file=cd.iso,media=cdrom,if=$2"
    expect '^status 0'
    said 0
    clean raw.img
    same raw.img data cd/data
    qemu-img check -q disk.qcow2 || fail "qemu-img is not content"
    qemu-img convert -O raw disk.qcow2 disk.raw
    clean disk.raw
    same disk.raw two cd/data
}

ide() { files ide ide sd; }
ahci() { files ahci ahci sd; }
virtio() { files virtio ide vd; }

protected() {
    image raw.img 16M
    cp raw.img before.img
    boot 'dd if=/dev/zero of=/dev/sda bs=64k count=4 conv=fsync 2>/dev/null || echo refused' \
        --drive file=raw.img,readonly=on
    expect '^refused'
    said 0
    cmp -s raw.img before.img || fail "a read-only image was written"
    boot 'mount -t ext4 /dev/sda /mnt && cp /bin/busybox /mnt && sync && umount /mnt && mount -t ext4 /dev/sda /mnt && cmp /bin/busybox /mnt/busybox' \
        --hda raw.img --snapshot
    expect '^status 0'
    cmp -s raw.img before.img || fail "an image under a snapshot was written"
}

full() {
    rm -f raw.img
    truncate -s 512M raw.img
    # Beyond 192 MiB, or 384 where the shell counts otherwise, the host refuses to write, as a full disk would; guest memory is a
    # file, too.
    (ulimit -f 393216
    boot 'dd if=/dev/zero of=/dev/sda bs=1M seek=400 count=8 conv=fsync 2>/dev/null || echo refused; dd if=/dev/sda of=/dev/null bs=1M count=4 && echo reads' \
        --drive file=raw.img,format=raw)
    expect '^refused'
    expect '^reads'
    said 1
    grep -q 'cannot write the image raw.img' said || fail "$(cat said)"
}

cut() {
    qemu-img create -q -f qcow2 disk.qcow2 16M
    boot 'dd if=/dev/urandom of=/dev/sda bs=1M count=12 conv=fsync' --hda disk.qcow2
    truncate -s 6M disk.qcow2
    boot 'dd if=/dev/sda of=/dev/null bs=64k count=16 && echo early; dd if=/dev/sda of=/dev/null bs=64k skip=160 count=1 2>/dev/null || echo refused' \
        --hda disk.qcow2
    expect '^early'
    expect '^refused'
    said 1
    grep -q 'cut off' said || fail "$(cat said)"
}

for step in ${*:-ide ahci virtio protected full cut}; do
    $step
    echo "disk-check: $step: all is well"
done
