#!/bin/sh
# Fetches firmware and small guests from Debian's archive into guests/NAME (firmware into guests/firmware), by name.
# apt checks what it downloads against the archive's signed lists. What is there already is kept (-f fetches it anew).
# No root is needed, and the system's packages are left as they are.
set -eu

# Name, architecture, package, folder under guests/, and the files that are taken out of the package.
table() {
    cat <<'EOF'
seabios all seabios firmware usr/share/seabios/bios.bin usr/share/seabios/bios-256k.bin usr/share/seabios/vgabios-stdvga.bin
grub-firmware all grub-firmware-qemu firmware usr/share/qemu/grub.bin
u-boot all u-boot-qemu firmware usr/lib/u-boot/qemu-x86/u-boot.rom
bochsbios all bochsbios firmware usr/share/bochs/BIOS-bochs-latest usr/share/bochs/BIOS-bochs-legacy
ipxe-roms all ipxe-qemu firmware usr/lib/ipxe/qemu/pxe-e1000.rom usr/lib/ipxe/qemu/pxe-rtl8139.rom usr/lib/ipxe/qemu/pxe-ne2k_pci.rom usr/lib/ipxe/qemu/pxe-virtio.rom
ipxe all ipxe ipxe usr/lib/ipxe/ipxe.iso boot/ipxe.lkrn usr/lib/ipxe/undionly.kpxe
memtest amd64 memtest86+ memtest boot/memtest86+ia32.bin usr/lib/memtest86+/memtest86+ia32.iso
grub-rescue all grub-rescue-pc grub-rescue usr/lib/grub-rescue/grub-rescue-floppy.img usr/lib/grub-rescue/grub-rescue-cdrom.iso
grub-invaders amd64 grub-invaders grub-invaders boot/invaders.exec
isolinux all isolinux syslinux usr/lib/ISOLINUX/isolinux.bin
syslinux all syslinux-common syslinux usr/lib/syslinux/memdisk usr/lib/syslinux/modules/bios/ldlinux.c32 usr/lib/syslinux/modules/bios/hdt.c32 usr/lib/syslinux/modules/bios/libcom32.c32 usr/lib/syslinux/modules/bios/libgpl.c32 usr/lib/syslinux/modules/bios/libmenu.c32 usr/lib/syslinux/modules/bios/libutil.c32
netboot all debian-installer-12-netboot-i386 netboot usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/linux usr/lib/debian-installer/images/12/i386/text/debian-installer/i386/initrd.gz
gnumach i386 gnumach-image-1.8-486 gnumach boot/gnumach-1.8-486.gz
tboot amd64 tboot tboot boot/tboot.gz
xen amd64 xen-hypervisor-4.17-amd64 xen boot/xen-4.17-amd64.gz
EOF
}

usage() {
    names=$(table | cut -d' ' -f1 | tr '\n' ' ')
    echo "usage: $0 [-f] NAME...    (-f: fetch again; names: $names)"
}
say() { echo "fetch-guests: $*"; }
die() { echo "fetch-guests: $*" >&2; exit 1; }

force=no
case "${1-}" in
    -f) force=yes; shift ;;
    -h|--help) usage; exit 0 ;;
esac
[ $# -gt 0 ] || { usage >&2; exit 2; }

root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/private-apt.sh"
command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 ||
    die "this needs apt-get and dpkg-deb (a Debian or Debian-like system)"

# Whether all files of a row are there.
complete() {
    folder=$1; shift
    for file in "$@"; do [ -s "$root/guests/$folder/$(basename "$file")" ] || return 1; done
}

# Fetches one package and takes its files out.
fetch() {
    arch=$1; package=$2; folder=$3; shift 3
    [ "$arch" = all ] && arch=amd64
    state=$root/guests/apt/$arch
    # The lists of one run are good for all of its packages.
    case " ${read_for-} " in
        *" $arch "*) write_apt_config ;;
        *) read_lists; read_for="${read_for-} $arch" ;;
    esac
    debs=$state/debs/$package
    rm -rf "$debs"
    mkdir -p "$debs/tree" "$root/guests/$folder"
    say "downloading $package"
    (cd "$debs" && apt apt-get -qq download "$package") >"$state/download.log" 2>&1 ||
        { cat "$state/download.log" >&2; die "cannot download $package"; }
    for deb in "$debs"/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$debs/tree"
    done
    for file in "$@"; do
        [ -s "$debs/tree/$file" ] || die "$package has no $file any more"
        cp "$debs/tree/$file" "$root/guests/$folder/.new"
        mv "$root/guests/$folder/.new" "$root/guests/$folder/$(basename "$file")"
    done
    rm -rf "$debs"
}

for name in "$@"; do
    row=$(table | grep "^$name ") || die "no guest is called $name (try -h)"
    set -- $row
    arch=$2; package=$3; folder=$4
    shift 4
    if [ "$force" = no ] && complete "$folder" "$@"; then
        say "$name is in guests/$folder already"
    else
        fetch "$arch" "$package" "$folder" "$@"
        say "done: $name in guests/$folder"
    fi
done
