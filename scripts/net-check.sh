#!/bin/sh
# Debian's kernel on the network, by each adapter: a lease, a ping, a file by HTTP from a server on this host's loopback, another by
# hostfwd out of the guest, both with their checksums; the same by iPXE's ROM, which fetches that kernel; and how fast it is, beside
# QEMU's TCG in the same run. Traffic stays on loopback. sh scripts/net-check.sh [STEP...]  (steps: MODEL, MODEL-ipxe, MODEL-speed; models: e1000,
# rtl8139, virtio-net)
set -eu
cd "$(dirname "$0")/.."
RINGER_INITRD=net sh scripts/disk-guest.sh
ringer=$(realpath "${CARGO_TARGET_DIR:-target}")/release/ringer
guest=$PWD/guests/debian
firmware=$PWD/guests/firmware
busybox=$guest/busybox
"$busybox" true 2>/dev/null || { echo "net-check: this host runs no i386 programs" >&2; exit 2; }
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"

fail() { echo "net-check: $step: $*" >&2; tail -n 40 out >&2; exit 1; }
# A port that nobody has.
free() {
    port=$(($$ % 20000 + 20000))
    while "$busybox" nc -z 127.0.0.1 "$port" 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}
mkdir www
head -c 5000000 /dev/urandom >www/file
sum=$(sha256sum <www/file | cut -d' ' -f1)
port=$(free)
"$busybox" httpd -f -p "127.0.0.1:$port" -h www &
server=$!

# The kernel module of an adapter.
module() {
    case $1 in
        e1000) echo e1000 ;;
        rtl8139) echo '8139too 8139cp' ;;
        virtio-net) echo 'virtio_pci virtio_net' ;;
    esac
}
# What the guest does first.
up() {
    echo "modprobe -a $(module "$1") 2>/dev/null; ip link set eth0 up; udhcpc -q -n -t 8 -i eth0 >/dev/null && ip addr show eth0 | grep inet;"
}
# Runs the guest with the script $1 and the options behind it.
boot() {
    script=$(echo "$1" | tr '\n ' '~~'); shift
    "$ringer" run --kernel "$guest/vmlinuz" --initrd "$guest/net.gz" -m 256M --timeout 300 \
        --append "console=ttyS0 quiet nokaslr ringer.run=$script" "$@" </dev/null >out 2>said ||
        fail "the run ended with $?: $(cat said)"
}
expect() { grep -q -- "$1" out || fail "the guest did not say \"$1\""; }

# A lease, a ping, a file in, with its checksum, and one out.
files() {
    fetch=$((port + 1))
    while "$busybox" nc -z 127.0.0.1 "$fetch" 2>/dev/null; do fetch=$((fetch + 1)); done
    (
        # Until the guest answers.
        for n in $(seq 300); do
            "$busybox" wget -q -O got "http://127.0.0.1:$fetch/bin/busybox" 2>/dev/null && break
            sleep 0.2
        done
        "$busybox" wget -q -O /dev/null "http://127.0.0.1:$fetch/done" 2>/dev/null || true
    ) &
    fetcher=$!
    boot "$(up "$1") ping -c 3 10.0.2.2; wget -q -O /f http://10.0.2.2:$port/file && sha256sum /f; \
        httpd -p 80 -h /; for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1; netstat -tn | grep -q ':80 .*TIME_WAIT' && break; done; true" \
        --net "user,model=$1,hostfwd=tcp::$fetch-:80" --pcap frames.pcap
    wait "$fetcher"
    expect 'inet 10.0.2.15/24'
    expect '3 packets received'
    expect "$sum"
    cmp -s got "$busybox" || fail "what came by hostfwd is not what the guest has"
    [ "$(head -c 4 frames.pcap | od -An -tx1 | tr -d ' ')" = d4c3b2a1 ] || fail "frames.pcap is no record"
}

# iPXE's ROM gets a lease with the URL of a script, and fetches a kernel and its initrd; that has the network, too.
ipxe() {
    case $1 in virtio-net) rom=pxe-virtio.rom ;; *) rom=pxe-$1.rom ;; esac
    (cd "$OLDPWD" && sh scripts/fetch-guests.sh seabios ipxe-roms >/dev/null)
    cp "$guest/vmlinuz" "$guest/net.gz" www/
    script="$(up "$1") wget -q -O /f http://10.0.2.2:$port/file && sha256sum /f"
    cat >www/boot.ipxe <<END
#!ipxe
kernel vmlinuz console=ttyS0 quiet nokaslr ringer.run=$(echo "$script" | tr '\n ' '~~')
initrd net.gz
boot
END
    "$ringer" run --bios "$firmware/bios-256k.bin" --option-rom "$firmware/$rom" --boot n -m 256M --timeout 300 \
        --net "user,model=$1,bootfile=http://10.0.2.2:$port/boot.ipxe" </dev/null >out 2>said ||
        fail "the run ended with $?: $(cat said)"
    expect 'vmlinuz'
    expect "$sum"
}

# Seconds for 100 MiB, by the guest's clock: here and under QEMU.
speed() {
    [ -s www/big ] || head -c 104857600 /dev/zero >www/big
    script="$(up "$1") wget -q -O /dev/null http://10.0.2.2:$port/file; cat /proc/uptime; wget -q -O /dev/null http://10.0.2.2:$port/big; cat /proc/uptime"
    boot "$script" --net "user,model=$1"
    here=$(seconds)
    case $1 in virtio-net) device=virtio-net-pci ;; *) device=$1 ;; esac
    qemu-system-i386 -accel tcg -m 256M -display none -serial stdio -no-reboot -nic "user,model=$device" \
        -kernel "$guest/vmlinuz" -initrd "$guest/net.gz" \
        -append "console=ttyS0 quiet nokaslr ringer.run=$(echo "$script" | tr '\n ' '~~')" </dev/null >out 2>said ||
        fail "QEMU ended with $?: $(cat said)"
    there=$(seconds)
    echo "$1: 100 MiB by HTTP in $here s, under QEMU's TCG in $there s"
}
seconds() { awk '/^[0-9.]+ [0-9.]+\r?$/ { if (n++) print $1 - t; t = $1 }' out | head -n 1; }

[ $# -gt 0 ] || set -- e1000 e1000-ipxe e1000-speed rtl8139 rtl8139-ipxe virtio-net virtio-net-ipxe
for step in "$@"; do
    case $step in
        *-ipxe) ipxe "${step%-ipxe}" ;;
        *-speed) speed "${step%-speed}" ;;
        *) files "$step" ;;
    esac
    echo "net-check: $step: well"
done
