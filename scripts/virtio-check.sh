#!/bin/sh
# Debian's drivers on the smaller virtio devices: random numbers are read, the console is written and typed at, memory that the guest
# has freed is no longer the host's to hold. (Disks: scripts/disk-check.sh virtio.) sh scripts/virtio-check.sh
set -eu
cd "$(dirname "$0")/.."
sh scripts/disk-guest.sh
ringer=${CARGO_TARGET_DIR:-target}/release/ringer
guest=guests/debian
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The console is opened first: its driver throws away what comes in while nobody has it open.
script='exec 4<>/dev/hvc0; cat /sys/class/misc/hw_random/rng_current; dd if=/dev/hwrng bs=64 count=2 2>/dev/null | wc -c; echo written to the console >&4;
dd if=/dev/zero of=/big bs=1M count=96 2>/dev/null; echo full; sleep 1; rm /big; sleep 4; echo free; read word <&4; echo "typed: $word"'
script=$(echo "$script" | tr '\n ' '~~')
mkfifo "$work/typed"
"$ringer" run --kernel $guest/vmlinuz --initrd $guest/disk.gz -m 256M --timeout 120 --virtio-rng --virtio-console --virtio-balloon=16M \
    --append "console=ttyS0 quiet nokaslr ringer.run=$script" <"$work/typed" >"$work/out" 2>"$work/said" &
run=$!
exec 3>"$work/typed"
fail() { echo "virtio-check: $*" >&2; cat "$work/out" "$work/said" >&2; kill $run 2>/dev/null; exit 1; }
await() { for _ in $(seq 600); do grep -q "$1" "$work/out" && return; sleep 0.1; done; fail "the guest did not say $1"; }
# MiB of the memory files of the process.
held() { for fd in /proc/$run/fd/*; do case $(readlink "$fd") in /memfd:*) stat -L -c '%b %B' "$fd" ;; esac; done | sort -u | awk '{ sum += $1 * $2 } END { print int(sum / 1048576) }'; }
await '^full'
full=$(held)
await '^free'
free=$(held)
echo word >&3
wait $run || fail "the run ended with $?"
exec 3>&-
for line in '^virtio_rng' '^128' '^written to the console' '^typed: word' '^status 0'; do
    grep -q "$line" "$work/out" || fail "no line $line"
done
[ "$full" -gt 110 ] && [ "$free" -lt $((full - 80)) ] || fail "of $full MiB of guest memory $free MiB are held after 96 MiB were freed"
echo "virtio-check: random numbers, console and balloon are well: $full MiB of guest memory held, $free MiB after 96 MiB were freed"
