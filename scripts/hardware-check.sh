#!/bin/sh
# What one kernel finds in Ringer and in QEMU's PC (TCG): ports, interrupts, PCI functions, beside each other.
#
#   scripts/hardware-check.sh [FOLDER]
#
# Three kernels are booted in both with an IDE disk, a CD, AHCI, a network adapter and the display, by `--kernel` or `--multiboot` and with `--cpu max`:
# Debian's, of which /proc/ioports, /proc/interrupts and each PCI function (as lspci -vv decodes it) are looked at; GNU Mach, of which all that it says on
# its console; and scripts/hardware/kernel.s, which lists PCI functions with their regions and what ACPI's tables say. That is left in FOLDER (target/hardware)
# for both; what differs is printed, and compared with the lines of docs/hardware.md, where each difference stands with its reason. The status is 1 if there
# is one more or one less.
set -eu
cd "$(dirname "$0")/.."
out=${1:-target/hardware}
for tool in qemu-system-i386 lspci; do
    command -v "$tool" >/dev/null || { echo "hardware-check: no $tool (apt-get install qemu-system-x86 pciutils)" >&2; exit 2; }
done
sh scripts/disk-guest.sh
[ -n "${RINGER:-}" ] || cargo build --release --quiet -p ringer
ringer=${RINGER:-$PWD/${CARGO_TARGET_DIR:-target}/release/ringer}
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

mkdir "$work/root"
# The kernel's texts between marks, and PCI functions as lspci reads them.
cat >"$work/root/facts" <<'EOF'
dmesg -n 1
echo "@ioports"; cat /proc/ioports
echo "@interrupts"; cat /proc/interrupts
echo "@pci"
for f in /sys/bus/pci/devices/*; do
    echo "${f##*/0000:} function"
    hexdump -v -e '"%02_ax:" 16/1 " %02x" "\n"' "$f/config"
    echo
done
echo "@end"
EOF
sh scripts/pack-initramfs.sh "$work/root" | gzip -n >"$work/facts.gz"
cat guests/debian/disk.gz "$work/facts.gz" >"$work/initrd.gz"
truncate -s 16M "$work/disk.img" "$work/sata.img"
truncate -s 1M "$work/cd.iso"
append="console=ttyS0 quiet ringer.run=sh~/facts"

sh scripts/fetch-guests.sh gnumach >/dev/null
gunzip -c guests/gnumach/gnumach-1.8-486.gz >"$work/gnumach"
include=test-roms/roms/include
as --32 -I $include -o "$work/kernel.o" scripts/hardware/kernel.s
ld -m elf_i386 --no-warn-rwx-segments -T $include/multiboot.ld -o "$work/kernel" "$work/kernel.o"

# The machine that is looked at: ringer NAME OPTIONS..., and the same by QEMU.
here() {
    name=$1; shift
    "$ringer" run -m 256M --cpu max --drive "file=$work/disk.img,format=raw" --cdrom "$work/cd.iso" --drive "file=$work/sata.img,format=raw,if=ahci" \
        --net user --timeout 120 "$@" >"$work/ringer$name" 2>"$work/said" </dev/null || :
}
there() {
    name=$1; shift
    timeout 300 qemu-system-i386 -accel tcg -machine pc -cpu max -m 256 -nodefaults -vga std -display none -serial stdio -monitor none -no-reboot \
        -drive "file=$work/disk.img,format=raw,if=ide,index=0" -drive "file=$work/cd.iso,format=raw,media=cdrom,if=ide,index=2" \
        -device ich9-ahci,id=ahci,addr=1f.0 -drive "file=$work/sata.img,format=raw,if=none,id=sata" -device ide-hd,drive=sata,bus=ahci.0 \
        -netdev user,id=net -device e1000,netdev=net "$@" >"$work/qemu$name" </dev/null || :
}
here '' --kernel guests/debian/vmlinuz --initrd "$work/initrd.gz" --append "$append"
there '' -kernel guests/debian/vmlinuz -initrd "$work/initrd.gz" -append "$append"
here .own --multiboot "$work/kernel" --debug-exit
there .own -kernel "$work/kernel" -device isa-debug-exit,iobase=0xf4
# It has nothing to boot, says so, and stays.
nothing='loaded with the kernel!'
here .mach --multiboot "$work/gnumach" --append console=com0 --pass-on "$nothing"
there .mach -kernel "$work/gnumach" -append console=com0 -pidfile "$work/pid" &
for n in $(seq 100); do
    ! grep -q "$nothing" "$work/qemu.mach" 2>/dev/null || break
    sleep 0.5
done
kill "$(cat "$work/pid")"
wait

# The part of a side's output behind @$2, to the next mark.
part() { tr -d '\r' <"$work/$1" | sed -n "/^@$2\$/,/^@/{/^@/d;p}"; }
for side in ringer qemu; do
    tr -d '\r' <"$work/$side" | grep -q '^@end$' || { echo "hardware-check: no answer in $side:" >&2; tail -n 20 "$work/$side" >&2; exit 1; }
    part $side ioports >"$out/$side.ioports"
    part $side interrupts >"$out/$side.interrupts"
    part $side pci >"$out/$side.hex"
    lspci -F "$out/$side.hex" -vv >"$out/$side.lspci" 2>/dev/null
    # How often an interrupt came, and at what address firmware puts a region, are no property of the hardware.
    sed -E 's/^( *[0-9A-Z]+:) +[0-9]+ +/\1 /' "$out/$side.interrupts" >"$work/$side.facts"
    sed -E 's/^ +//; s/^[c-f][0-9a-f]{3}-[c-f][0-9a-f]{3} /(moved) /' "$out/$side.ioports" >>"$work/$side.facts"
    sed -E 's/at [0-9a-f]{4,}/at (moved)/; s/irq [0-9]+/irq N/; s/IRQ [0-9]+/IRQ N/' "$out/$side.lspci" >>"$work/$side.facts"
    for kernel in own mach; do
        tr -d '\r' <"$work/$side.$kernel" >"$out/$side.$kernel"
        [ -s "$out/$side.$kernel" ] || { echo "hardware-check: $kernel says nothing in $side: $(cat "$work/said")" >&2; exit 1; }
        # Times, what was free, the last line, whose end is cut off, addresses that firmware gives out; and the interrupt of a
        # diskette controller that left its reset, for which Mach has a handler by then or not.
        sed -E '/^(RTC time is|vm_page:|panic|intnull\(6\))/d; s/ at 0x[0-9a-f]+(-0x[0-9a-f]+)?/ at (moved)/; s/^/'$kernel': /' "$out/$side.$kernel" >>"$work/$side.facts"
    done
done
diff -U0 "$work/qemu.facts" "$work/ringer.facts" | grep -E '^[-+]' | grep -Ev '^(\+\+\+|---)' | sed -E 's/[[:space:]]+/ /g' | sort >"$out/differences" || true
sed -n '/^```diff$/,/^```$/{/^```/d;p}' docs/hardware.md | sort >"$work/known"
if ! diff -u "$work/known" "$out/differences"; then
    echo "hardware-check: what differs is not what docs/hardware.md lists ($out has both sides)" >&2
    echo "0 passed, 1 failed"
    exit 1
fi
echo "hardware-check: $(wc -l <"$out/differences") lines differ, each as docs/hardware.md says"
echo "1 passed, 0 failed"
