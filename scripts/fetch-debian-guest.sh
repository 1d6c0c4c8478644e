#!/bin/sh
# Obtains the guest that Ringer boots: Debian's unmodified 686 kernel and an initrd of busybox-static, both i386, into
# guests/debian/{vmlinuz,initrd.gz}. With `686-pae` the kernel of that flavour, too, as guests/debian/vmlinuz-686-pae. With
# `amd64` or `cloud-amd64` that 64-bit kernel and an amd64 busybox instead, into guests/debian-amd64 or guests/debian-cloud-amd64.
#
# Everything apt needs (lists, cache, its own idea of the architecture) stays under guests/debian/apt, so that the
# system's architectures and lists are left as they are, and no root is needed. Mirrors, proxies and keyrings are the
# system's own. Running it again is cheap: what is there already is kept (-f fetches and builds anew).
set -eu

usage() {
    echo "usage: $0 [-f] [686-pae | amd64 | cloud-amd64]"
    echo "  -f: fetch and build again; 686-pae: that kernel beside it; amd64, cloud-amd64: a 64-bit guest of its own"
}
say() { echo "fetch-debian-guest: $*"; }
die() { echo "fetch-debian-guest: $*" >&2; exit 1; }

force=no
other=
flavour=686
arch=i386
folder=debian
for word in "$@"; do
    case $word in
        -f) force=yes ;;
        686-pae) other=$word ;;
        amd64|cloud-amd64) flavour=$word arch=amd64 folder=debian-$word ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done

root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/guests/$folder
state=$out/apt
debs=$state/debs
tree=$out/tree

command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 ||
    die "this needs apt-get and dpkg-deb (a Debian or Debian-like system). Elsewhere, put a 32-bit kernel and an initrd at $out/vmlinuz and $out/initrd.gz yourself."

. "$root/scripts/private-apt.sh"

# The package that the metapackage of flavour $1 stands for: linux-image-6.1.0-NN-686 and the like.
kernel_package() {
    apt apt-cache depends --no-recommends --no-suggests "linux-image-$1" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1
}

fetch_packages() {
    mkdir -p "$debs"
    read_lists
    kernel=$(kernel_package "$flavour")
    [ -n "$kernel" ] ||
        die "no linux-image-$flavour for $arch in the configured sources (Debian 13 and later have none for i386: point /etc/apt at bookworm)"
    say "downloading $kernel and busybox-static ($arch)"
    rm -f "$debs"/*.deb
    (cd "$debs" && apt apt-get -qq download "$kernel" busybox-static) >"$state/download.log" 2>&1 ||
        { cat "$state/download.log" >&2; die "apt-get download failed"; }
}

# The kernel of another flavour, from a folder of packages of its own.
fetch_other() {
    read_lists
    kernel=$(kernel_package "$other")
    [ -n "$kernel" ] || die "no linux-image-$other for i386 in the configured sources"
    say "downloading $kernel (i386)"
    work=$state/$other
    rm -rf "$work"
    mkdir -p "$work"
    (cd "$work" && apt apt-get -qq download "$kernel") >"$state/download.log" 2>&1 ||
        { cat "$state/download.log" >&2; die "apt-get download failed"; }
    dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$work" --wildcards './boot/*'
    mv "$work"/boot/vmlinuz-* "$out/vmlinuz-$other"
    rm -rf "$work"
    say "done: $out/vmlinuz-$other"
}

extract() {
    rm -rf "$tree"
    mkdir -p "$tree/kernel" "$tree/busybox"
    for deb in "$debs"/linux-image-*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tree/kernel" --wildcards './boot/*'
    done
    for deb in "$debs"/busybox-static_*.deb; do dpkg-deb -x "$deb" "$tree/busybox"; done
    busybox=$tree/busybox/bin/busybox
    [ -x "$busybox" ] || busybox=$tree/busybox/usr/bin/busybox
    [ -x "$busybox" ] || die "busybox is not where it was in its package"
    cp "$busybox" "$out/busybox"
    busybox=$out/busybox
}


# /init of the initrd. With `ringer.bench` on the kernel's command line it runs /bench and powers off; otherwise it
# leaves the user in a shell with job control on the console.
write_init() {
    cat >"$1" <<'EOF'
#!/bin/sh
export PATH=/bin:/sbin HOME=/root TERM="${TERM:-linux}"
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
hostname ringer
if grep -qw ringer.bench /proc/cmdline; then
    [ -x /bench ] && /bench || echo "bench: no /bench in this initrd"
    poweroff -f
fi
read -r up rest </proc/uptime
echo
echo "Debian's kernel $(uname -r) is up after $up s. This is busybox's shell; \`poweroff -f\` ends the session."
cd /root
export PS1='ringer:\w# '
while :; do setsid -c sh -i </dev/console >/dev/console 2>&1; done
EOF
    chmod 755 "$1"
}

build_initrd() {
    say "building the initrd"
    dir=$tree/initrd
    mkdir -p "$dir/bin" "$dir/sbin" "$dir/proc" "$dir/sys" "$dir/dev" "$dir/root" "$dir/tmp" "$dir/etc"
    cp "$busybox" "$dir/bin/busybox"
    chmod 755 "$dir/bin/busybox"
    # Links for every applet; the host may be unable to run busybox, so the names that matter are listed for that case.
    applets=$("$busybox" --list 2>/dev/null) || applets="sh ash cat chmod cp date dd df dmesg echo env false find free
        grep halt head hostname id kill ln ls mkdir mknod more mount mv poweroff ps pwd reboot rm rmdir sed seq setsid
        sleep sort stat stty sync tail test time top touch true tty umount uname uptime vi wc"
    for applet in $applets; do
        [ "$applet" = busybox ] || ln -sf busybox "$dir/bin/$applet"
    done
    write_init "$dir/init"
    "$root/scripts/pack-initramfs.sh" "$dir" >"$tree/initrd.cpio"
    gzip -n -9 <"$tree/initrd.cpio" >"$out/initrd.gz.new"
    mv "$out/initrd.gz.new" "$out/initrd.gz"
}

if [ -n "$other" ]; then
    if [ "$force" = no ] && [ -s "$out/vmlinuz-$other" ]; then
        say "$out/vmlinuz-$other is there already (-f fetches it again)"
    else
        fetch_other
    fi
fi
if [ "$force" = no ] && [ -s "$out/vmlinuz" ] && [ -s "$out/initrd.gz" ]; then
    say "$out is complete (-f builds it again)"
    exit 0
fi
ls "$debs"/linux-image-*.deb "$debs"/busybox-static_*.deb >/dev/null 2>&1 && [ "$force" = no ] || fetch_packages
extract
build_initrd
cp "$tree"/kernel/boot/vmlinuz-* "$out/vmlinuz.new"
mv "$out/vmlinuz.new" "$out/vmlinuz"
rm -rf "$tree"
say "done: $out/vmlinuz, $out/initrd.gz"
