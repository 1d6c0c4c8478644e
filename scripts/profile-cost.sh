#!/bin/bash
# What profiling costs: runs a guest in pairs, once in each of three ways, and compares the processor's time
# (user and system) that each took.
#   bash scripts/profile-cost.sh [ROUNDS] [RINGER RUN'S OPTIONS...]
# Ways: `ringer run`; `ringer profile --sample-rate 0` (counters and ledger); `ringer profile` (samples at
# the default rate too). Each round runs all three, in an order that turns; what is told is the median of
# the rounds' ratios, which a host that is slow for a while does not move, and their quartiles. Without
# options the guest is a small one that is made here: a loop of calls and memory accesses.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-15}
[ $# -gt 0 ] && shift
ringer=${RINGER:-${CARGO_TARGET_DIR:-target}/release/ringer}
[ -x "$ringer" ] || cargo build --release -p ringer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
if [ $# -eq 0 ]; then
    cat > "$work/work.s" <<'ASM'
.code32
.globl _start
.align 4
.long 0x1badb002, 0, -0x1badb002
_start:
    mov $0x90000, %esp
    mov $150000000, %esi
1:  mov $20, %ecx
2:  mov 0x200000(,%ecx,4), %eax
    add %ecx, %eax
    mov %eax, 0x200000(,%ecx,4)
    dec %ecx
    jne 2b
    mov $far, %edx
    call *%edx
    dec %esi
    jne 1b
    xor %eax, %eax
    out %eax, $0xf4
    hlt
.align 4096
far:
    lea 3(%eax), %eax
    ret
ASM
    as --32 -o "$work/work.o" "$work/work.s"
    ld -m elf_i386 -Ttext 0x100000 -e _start -o "$work/work.elf" "$work/work.o"
    set -- --debug-exit --multiboot "$work/work.elf"
fi

# one WAY ARGS...: milliseconds of the processor's time that a run takes.
one() {
    way=$1
    shift
    case $way in
        run) set -- run "$@" ;;
        count) set -- profile --sample-rate 0 --text "$work/counts" "$@" ;;
        sample) set -- profile --text "$work/text" "$@" ;;
    esac
    TIMEFORMAT='%3U %3S'
    { time "$ringer" "$@" --serial null < /dev/null > "$work/out" 2>&1 || true; } 2>&1 | awk '{ print 1000 * ($1 + $2) }'
}

round=0
: > "$work/times"
while [ "$round" -lt "$rounds" ]; do
    case $((round % 3)) in
        0) order="run count sample" ;;
        1) order="count sample run" ;;
        *) order="sample run count" ;;
    esac
    for way in $order; do
        echo "$round $way $(one "$way" "$@")" >> "$work/times"
    done
    round=$((round + 1))
done
grep 'samples' "$work/text" || true
awk '
{ t[$1, $2] = $3; n = $1 + 1 }
function told(name, a, b,   k, j, x, r) {
    for (k = 0; k < n; k++) r[k] = t[k, a] / t[k, b]
    for (k = 1; k < n; k++) for (j = k; j > 0 && r[j - 1] > r[j]; j--) { x = r[j]; r[j] = r[j - 1]; r[j - 1] = x }
    printf "%-44s median %+6.2f %%  quartiles %+6.2f %% to %+6.2f %%\n", name, \
        100 * (r[int(n / 2)] - 1), 100 * (r[int(n / 4)] - 1), 100 * (r[int(3 * n / 4)] - 1)
}
END {
    for (k = 0; k < n; k++) sum += t[k, "run"]
    printf "%d rounds, %.3f s each without a profile\n", n, sum / n / 1e3
    told("samples, beside counters and ledger:", "sample", "count")
    told("counters and ledger, beside no profile:", "count", "run")
}' "$work/times"
