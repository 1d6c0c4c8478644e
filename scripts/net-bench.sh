#!/bin/sh
# How fast the network is beside QEMU's TCG, in one run: Debian's kernel fetches MIB by HTTP from a server on this host's loopback,
# by each adapter, ROUNDS times here and there in turn. Medians of seconds, by the guest's clock, and all of them.
# sh scripts/net-bench.sh [ROUNDS [MIB [MODEL...]]]  (models: e1000, rtl8139, virtio)
set -eu
cd "$(dirname "$0")/.."
RINGER_INITRD=net sh scripts/disk-guest.sh
ringer=$(realpath "${CARGO_TARGET_DIR:-target}")/release/ringer
guest=$PWD/guests/debian
busybox=$guest/busybox
rounds=${1:-3} mib=${2:-100}
[ $# -lt 2 ] || shift
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- e1000 rtl8139 virtio
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
mkdir www
head -c "$((mib << 20))" /dev/zero >www/big
head -c 1000000 /dev/zero >www/small
port=$(($$ % 20000 + 20000))
while "$busybox" nc -z 127.0.0.1 "$port" 2>/dev/null; do port=$((port + 1)); done
"$busybox" httpd -f -p "127.0.0.1:$port" -h www &
server=$!

# A little first, so that all that is in the way has been there.
script() {
    case $1 in
        e1000) module=e1000 ;;
        rtl8139) module='8139cp 8139too' ;;
        virtio) module='virtio_pci virtio_net' ;;
    esac
    echo "modprobe -a $module 2>/dev/null; ip link set eth0 up; udhcpc -q -n -t 8 -i eth0 >/dev/null; from=http://10.0.2.2:$port; \
        wget -q -O /dev/null \$from/small; s() { cut -d' ' -f1 /proc/uptime; }; a=\$(s); wget -q -O /dev/null \$from/big; b=\$(s); echo in \$a \$b;" | tr -s '\n ' '~~'
}
# Seconds between the two numbers behind "in".
seconds() { awk '/^in /{ sub("\r", ""); print $3 - $2 }' out; }
here() {
    "$ringer" run --kernel "$guest/vmlinuz" --initrd "$guest/net.gz" -m 256M --timeout 300 --net "user,model=$(echo "$1" | sed s/virtio/virtio-net/)" \
        --append "console=ttyS0 quiet nokaslr ringer.run=$2" </dev/null >out 2>said || { cat said >&2; exit 1; }
    seconds
}
there() {
    timeout 300 qemu-system-i386 -accel tcg -m 256M -display none -serial stdio -no-reboot -nic "user,model=$(echo "$1" | sed s/virtio/virtio-net-pci/)" \
        -kernel "$guest/vmlinuz" -initrd "$guest/net.gz" -append "console=ttyS0 quiet nokaslr ringer.run=$2" </dev/null >out 2>said || { cat said >&2; exit 1; }
    seconds
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.2f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
for model in "$@"; do
    run=$(script "$model")
    rm -f here there
    for _ in $(seq "$rounds"); do
        here "$model" "$run" >>here
        there "$model" "$run" >>there
    done
    echo "$model: $mib MiB by HTTP in $(median here) s ($(sort -n here | tr '\n' ' ' | sed 's/ $//')), under QEMU's TCG in $(median there) s ($(sort -n there | tr '\n' ' ' | sed 's/ $//'))"
done
