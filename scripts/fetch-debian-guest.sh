#!/bin/sh
# Obtains the guest that Ringer boots: Debian's unmodified 686 kernel and an initrd of busybox-static, both i386, into
# guests/debian/{vmlinuz,initrd.gz}.
#
# Everything apt needs (lists, cache, its own idea of the architecture) stays under guests/debian/apt, so that the
# system's architectures and lists are left as they are, and no root is needed. Mirrors, proxies and keyrings are the
# system's own. Running it again is cheap: what is there already is kept (-f fetches and builds anew).
set -eu

usage() { echo "usage: $0 [-f]    (-f: fetch and build again)"; }
say() { echo "fetch-debian-guest: $*"; }
die() { echo "fetch-debian-guest: $*" >&2; exit 1; }

force=no
case "${1-}" in
    '') ;;
    -f) force=yes ;;
    -h|--help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
out=$root/guests/debian
state=$out/apt
debs=$state/debs
tree=$out/tree
metapackage=linux-image-686

command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 ||
    die "this needs apt-get and dpkg-deb (a Debian or Debian-like system). Elsewhere, put a 32-bit kernel and an initrd at $out/vmlinuz and $out/initrd.gz yourself."

# Writes apt's configuration for the private state. It is given by -c, which apt reads after the system's configuration
# (that may name a proxy or a transport's options, or hooks that only root could run), and replaces only folders, the
# architecture and the hooks.
write_apt_config() {
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/sources.d" "$debs"
    : >"$state/status"
    : >"$state/sources.list"
    cat >"$state/apt.conf" <<EOF
Dir::State "$state";
Dir::State::status "$state/status";
Dir::State::Lists "$state/lists";
Dir::Cache "$state/cache";
Dir::Etc::SourceList "$state/sources.list";
Dir::Etc::SourceParts "$state/sources.d";
Dir::Log "$state";
APT::Architecture "i386";
#clear APT::Architectures;
APT::Architectures { "i386"; };
APT::Sandbox::User "$(id -un)";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";
EOF
}

# True of a sources file or line that is about Debian's own archive (and not some vendor's repository).
is_debian() { grep -Eq '(/debian|/debian-security)/?([[:space:]]|$)'; }

# Copies those of the system's sources that are Debian's, in both formats, without their restriction to architectures.
write_sources() {
    rm -f "$state"/sources.d/*
    : >"$state/sources.list"
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$file" ] || continue
        grep -E '^[[:space:]]*deb[[:space:]]' "$file" | while IFS= read -r line; do
            if echo "$line" | is_debian; then
                echo "$line" | sed -E 's/\barch(\+|-)?=[^] ]*//; s/\[[[:space:]]*\]//'
            fi
        done >>"$state/sources.list"
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        if grep -i '^URIs:' "$file" | is_debian; then
            grep -vi '^Architectures:' "$file" >"$state/sources.d/$(basename "$file")"
        fi
    done
    if [ ! -s "$state/sources.list" ] && [ -z "$(ls "$state/sources.d")" ]; then
        say "no Debian source in /etc/apt: using deb.debian.org"
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main" \
            >"$state/sources.list"
    fi
}

apt() { tool=$1; shift; "$tool" -c "$state/apt.conf" "$@"; }

# The package that the metapackage stands for: linux-image-6.1.0-NN-686 and the like.
kernel_package() {
    apt apt-cache depends --no-recommends --no-suggests "$metapackage" 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1
}

fetch_packages() {
    write_apt_config
    write_sources
    say "reading the package lists (in $state)"
    apt apt-get -qq update >"$state/update.log" 2>&1 ||
        say "apt-get update had trouble (see $state/update.log); going on with the lists that came"
    kernel=$(kernel_package)
    [ -n "$kernel" ] ||
        die "no $metapackage for i386 in the configured sources (Debian 13 and later have none: point /etc/apt at bookworm)"
    say "downloading $kernel and busybox-static (i386)"
    rm -f "$debs"/*.deb
    (cd "$debs" && apt apt-get -qq download "$kernel" busybox-static) >"$state/download.log" 2>&1 ||
        { cat "$state/download.log" >&2; die "apt-get download failed"; }
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
