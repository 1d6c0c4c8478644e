#!/bin/sh
# Runs the test ROMs on QEMU's TCG: an independent machine to develop them against. Not part of the tests: QEMU is known
# to differ from the SDM in places (it checks no segment limits, for one); the ROMs leave those checks out when the symbol
# QEMU is defined, as it is here and nowhere else.
#
# usage: scripts/roms-on-qemu.sh [name-or-path ...]     (all ROMs without arguments)
set -eu
roms=$(cd "$(dirname "$0")/../test-roms/roms" && pwd)
qemu=${QEMU:-qemu-system-i386}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The value of key $2 in the head of source $1, quotes taken off.
head_value() {
    sed -n "s/^#![[:space:]]*$2[[:space:]]*=[[:space:]]*//p" "$1" | sed 's/^"\(.*\)"$/\1/' | head -n 1
}

# Assembles $1 to $work/image by its load kind $2.
build() {
    case $2 in
        multiboot) script=multiboot.ld defs='' format='' ;;
        flat) script=multiboot.ld defs='--defsym FLAT_IMAGE=1' format='--oformat binary' ;;
        rom) script=rom.ld defs='' format='--oformat binary' ;;
        bootsector) script=bootsector.ld defs='' format='--oformat binary' ;;
        *) echo "$1: unknown load kind '$2'" >&2; return 1 ;;
    esac
    # shellcheck disable=SC2086
    as --32 --fatal-warnings --defsym QEMU=1 $defs -I "$roms/include" -o "$work/object" "$1" &&
        ld -m elf_i386 -static -nostdlib --build-id=none -z max-page-size=4096 --no-warn-rwx-segments \
            -T "$roms/include/$script" $format -o "$work/image" "$work/object"
}

# The arguments that load the image, and QEMU's model for the head's `cpu`.
machine_args() {
    case $2 in
        multiboot|flat) echo "-kernel $work/image" ;;
        rom) echo "-bios $work/image" ;;
        bootsector) echo "-drive file=$work/image,format=raw,if=floppy" ;;
    esac
    case $(head_value "$1" cpu) in
        486) echo "-cpu 486" ;;
        pentium) echo "-cpu pentium" ;;
        pentium3) echo "-cpu pentium3" ;;
        max|x86-64-v*) echo "-cpu max" ;;
        *) echo "-cpu pentium3,+sse2,+clflush" ;;
    esac
    echo "-m $(head_value "$1" memory | grep . || echo 32M)"
}

# The status QEMU must end with: (value << 1) | 1 for isa-debug-exit, 0 for a power-off or a reset under -no-reboot.
wanted_status() {
    value=$(head_value "$1" debug-exit)
    case $(head_value "$1" end) in
        poweroff|triple-fault|reset) echo 0 ;;
        *) echo $(( (${value:-0} << 1) | 1 )) ;;
    esac
}

# Runs one ROM; prints a line; fails if its end or its serial text is not what the head says.
run_rom() {
    load=$(head_value "$1" load)
    build "$1" "$load" || { echo "not built   $1"; return 1; }
    no_reboot=-no-reboot
    [ "$(head_value "$1" reboot)" != true ] || no_reboot=
    status=0
    # Long mode is the other program's.
    case $(head_value "$1" cpu) in x86-64-v*) peer=qemu-system-x86_64 ;; *) peer=$qemu ;; esac
    # shellcheck disable=SC2046
    timeout -s KILL "$(head_value "$1" timeout | grep . || echo 10)" "$peer" -accel tcg -display none -monitor none \
        -serial "file:$work/serial" $no_reboot -device isa-debug-exit,iobase=0xf4,iosize=4 \
        $(machine_args "$1" "$load") </dev/null >"$work/messages" 2>&1 || status=$?
    wanted=$(head_value "$1" serial)
    problem=
    [ "$status" = "$(wanted_status "$1")" ] || problem="status $status, not $(wanted_status "$1")"
    if [ -n "$wanted" ]; then
        printf "$(printf '%s' "$wanted" | sed 's/%/%%/g')" >"$work/wanted"
        # SeaBIOS writes nothing to the serial port, so the text can be compared whole.
        cmp -s "$work/wanted" "$work/serial" || problem="$problem serial differs"
    fi
    if [ -z "$problem" ]; then echo "ok          $(basename "$1" .s)"; return 0; fi
    echo "FAILED      $(basename "$1" .s): $problem"
    sed 's/^/    /' "$work/serial" "$work/messages"
    return 1
}

[ $# -gt 0 ] || set -- "$roms"/*.s
failed=0
for rom in "$@"; do
    [ -f "$rom" ] || rom=$roms/$(basename "$rom" .s).s
    run_rom "$rom" || failed=$((failed + 1))
done
echo "$failed failed"
[ "$failed" = 0 ]
