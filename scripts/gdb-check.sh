#!/bin/sh
# Debugs kernels by others with gdb: GNU Mach and grub-invaders from Debian's packages, and Debian's Linux kernel with the
# addresses of its own /proc/kallsyms. Each is stopped by address, walked through, watched, and gone back in.
#
# What it needs: gdb, apt-get, and scripts/fetch-debian-guest.sh's files (which it runs). It downloads 1.3 MB.
set -eu

usage() { echo "usage: $0 [mach] [invaders] [debian]    (default: all)"; }
say() { echo "gdb-check: $*"; }
die() { echo "gdb-check: $*" >&2; exit 1; }

for word in "$@"; do
    case "$word" in
        mach|invaders|debian) ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
done
guests=${*:-mach invaders debian}

root=$(cd "$(dirname "$0")/.." && pwd)
ringer=${RINGER:-$root/target/release/ringer}
debian=$root/guests/debian
[ -x "$ringer" ] || die "no $ringer: cargo build --release makes it"
command -v gdb >/dev/null 2>&1 || die "gdb is not installed (apt-get install gdb)"
sh "$root/scripts/fetch-debian-guest.sh" >/dev/null

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Unpacks Debian's i386 package $1 into the working folder, by the private apt that fetch-debian-guest.sh has set up.
fetch() {
    (cd "$work" && apt-get -qq -c "$debian/apt/apt.conf" download "$1" >/dev/null)
    for deb in "$work/$1"_*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work"; done
}

# Runs ringer with the options given, and gdb with the script on standard input; what gdb says goes to $work/said.
debug() {
    cat >"$work/script"
    rm -f "$work/gdb"
    "$ringer" run --serial "file:$work/serial" --clock virtual --timeout 300 --gdb "unix:$work/gdb" -S "$@" \
        2>"$work/errors" &
    machine=$!
    for _ in $(seq 200); do
        [ -S "$work/gdb" ] && break
        sleep 0.05
    done
    [ -S "$work/gdb" ] || { cat "$work/errors" >&2; die "ringer does not listen"; }
    gdb -nx -q -batch -ex 'set confirm off' -ex 'set pagination off' -ex 'set architecture i386' \
        -ex "target remote $work/gdb" -x "$work/script" >"$work/said" 2>&1 </dev/null || true
    wait "$machine" || true
}

# What gdb said must have a line like $1.
expect() {
    grep -Eq -- "$1" "$work/said" || { cat "$work/said" >&2; die "$guest: gdb did not say: $1"; }
}

# The linear address of text $2 in ELF file $1, as its program headers have it.
address_of() {
    offset=$(grep -abo -m1 -- "$2" "$1" | head -n1 | cut -d: -f1)
    [ -n "$offset" ] || die "$1 has no text $2"
    readelf -lW "$1" | awk -v at="$offset" '
        function number(text,   value, k) {
            value = 0
            text = tolower(substr(text, 3))
            for (k = 1; k <= length(text); k++) value = value * 16 + index("0123456789abcdef", substr(text, k, 1)) - 1
            return value
        }
        $1 == "LOAD" && at >= number($2) && at < number($2) + number($5) { printf "0x%x\n", number($3) + at - number($2) }'
}

mach() {
    fetch gnumach-image-1.8-486
    gunzip -c "$work"/boot/gnumach-1.8-486.gz >"$work/gnumach"
    version=$(address_of "$work/gnumach" 'GNU Mach 1.8')
    # Early on its segments begin at 40000000h, so that what it is linked for, above C0000000h, is memory's start.
    linear=$(printf '0x%x' $(((version + 0x40000000) & 0xffffffff)))
    say "GNU Mach: its version, linked at $version, is read at linear $linear; what it pushes is written, and not yet again"
    debug -m 64M --multiboot "$work/gnumach" --append console=com0 <<END
rwatch *(char *) $linear
continue
print/x \$ds_base
x/2i (unsigned) \$cs_base + (unsigned) \$eip
print \$cr0
monitor walk $linear
delete
watch -l *(int *) ((unsigned) \$ss_base + (unsigned) \$esp - 4)
continue
reverse-continue
stepi
print/x \$eip
delete
monitor where
monitor gdt
kill
END
    expect 'Hardware read watchpoint 1'
    expect "Value = 71 'G'"
    expect '= 0x40000000'
    expect 'paging is off: physical'
    expect 'Hardware watchpoint 2: -location'
    expect 'Old value = '
    expect 'at a write of 4 bytes'
    expect '32-bit code'
}

invaders() {
    fetch grub-invaders
    say "grub-invaders: a thousand steps and back"
    debug -m 16M --multiboot "$work/boot/invaders.exec" <<'END'
print $eip
stepi 1000
print/x $eip
set var $there = $eip
set var $sum = $eax + $ebx + $ecx + $edx + $esp
stepi 200
reverse-stepi 200
print $eip == $there && $sum == $eax + $ebx + $ecx + $edx + $esp
watch -l *(int *) ($esp - 4)
continue
monitor device timer
kill
END
    expect '^\$1 = .*0x100024'
    expect '^\$3 = 1$'
    expect 'Hardware watchpoint 1: -location'
    expect 'Old value = '
    expect 'Counter'
}

# The address of symbol $1 in what the guest has printed.
symbol() { tr -d '\r' <"$work/kallsyms" | awk -v name="$1" '$3 == name { print "0x" $1; exit }'; }

debian() {
    say "Debian's kernel: its own list of symbols first"
    set -- --kernel "$debian/vmlinuz" --initrd "$debian/initrd.gz" --append 'console=ttyS0 nokaslr quiet' -m 256M
    : >"$work/kallsyms"
    {
        for _ in $(seq 300); do
            grep -q "Enter 'help'" "$work/kallsyms" && break
            sleep 0.2
        done
        echo 'grep -wE "kernel_clone|do_exit" /proc/kallsyms; poweroff -f'
    } | "$ringer" run --timeout 120 "$@" >"$work/kallsyms" 2>"$work/errors" || true
    clone=$(symbol kernel_clone)
    if [ -z "$clone" ]; then
        cat "$work/kallsyms" >&2
        die "the guest does not list its symbols"
    fi
    say "kernel_clone is at $clone; back to who filled in its argument"
    debug "$@" <<END
hbreak *$clone
continue
continue
print/x \$cr3
print \$cr0
monitor walk $clone
delete
watch -l *(int *) \$eax
reverse-continue
x/i \$pc
monitor where
monitor history
delete
hbreak *$clone
continue
print \$pc == $clone
reverse-stepi
stepi
print \$pc == $clone
kill
END
    expect 'PG \]'
    expect "linear $clone is physical"
    expect 'Hardware watchpoint 2: -location'
    expect 'Old value = '
    expect 'at a write of [1248] bytes'
    expect 'guest memory in them'
    expect '^\$3 = 1$'
    expect '^\$4 = 1$'
}

for guest in $guests; do
    "$guest"
    say "$guest: as it should be"
done
