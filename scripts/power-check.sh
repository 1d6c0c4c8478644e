#!/bin/sh
# Debian's kernel and the power button: pressed by a script it is an interrupt of ACPI's and a key of the device "Power Button"; then the
# guest switches itself off. Pressed again, or where nobody listens, it pulls the plug. sh scripts/power-check.sh
set -eu
cd "$(dirname "$0")/.."
RINGER_INITRD=share sh scripts/disk-guest.sh
ringer=${CARGO_TARGET_DIR:-target}/release/ringer
guest=guests/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "power-check: $step: $*" >&2; tail -n 40 "$work/out" "$work/said" >&2; exit 1; }
boot() {
    append=$(echo "$1" | tr '\n ' '~~')
    printf '%s\n' "$2" >"$work/script"
    "$ringer" run --kernel $guest/vmlinuz --initrd $guest/share.gz -m 256M --timeout 120 --script "$work/script" \
        --append "console=ttyS0 quiet nokaslr ringer.run=$append" </dev/null >"$work/out" 2>"$work/said" || fail "the run ended with $?"
}
listen='modprobe button; modprobe evdev; for e in /sys/class/input/event*; do grep -q Power $e/device/name && d=/dev/input/${e##*/}; done; exec 3<$d; n() { awk "/acpi/{print \"sci\",\$2}" /proc/interrupts; };'
step=pressed
boot "$listen n; echo ready; dd bs=16 count=1 2>/dev/null <&3 | od -An -tx2 | sed s/^/event/; n" 'wait serial "ready" within 60s
power button
wait serial "status 0" within 20s'
grep -q 'event.* 0001 0074 0001 0000' "$work/out" || fail "no press of KEY_POWER came"
grep -q '^sci 0' "$work/out" && grep -q '^sci 1' "$work/out" || fail "the SCI did not come once"
echo "power-check: $step: well"
step=twice
boot "$listen echo ready; sleep 100; echo late" 'wait serial "ready" within 60s
power button
sleep 1s
power button
sleep 5s
expect serial not "late"'
echo "power-check: $step: well"
step=unheard
boot "echo ready; sleep 100; echo late" 'wait serial "ready" within 60s
power button
sleep 5s'
echo "power-check: $step: well"
