#!/bin/sh
# Feeds the targets of fuzz/ to libFuzzer, one after the other, each for so long, with a bound on what it may hold.
#
#   scripts/fuzz.sh [--minutes N] [--rss MIB] [TARGET...]
#
# Without a target: all of them; with no minutes: they are built. It takes no more than the stable toolchain and a C++ compiler: the instrumentation is asked
# of the compiler directly. What is found lies in fuzz/artifacts/TARGET; what is learnt, in fuzz/corpus/TARGET.
set -eu
cd "$(dirname "$0")/../fuzz"

minutes=1
rss=1024
while [ $# -gt 0 ]; do
    case $1 in
        --minutes) minutes=$2; shift 2 ;;
        --rss) rss=$2; shift 2 ;;
        -h|--help) sed -n '2,7s/^# \{0,1\}//p' "../scripts/$(basename "$0")"; exit 0 ;;
        -*) echo "fuzz.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
        *) break ;;
    esac
done
all=$(sed -n 's/^name = "\([a-z]*\)"$/\1/p' Cargo.toml)
[ $# -gt 0 ] || set -- $all

# What cargo-fuzz asks for, but for the address sanitizer, which needs another toolchain.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1"
export RUSTFLAGS
host=$(rustc -vV | sed -n 's/^host: //p')
# With a target of its own, build scripts and macros are not instrumented.
cargo build --release --target "$host"
(unset RUSTFLAGS; cd ..; cargo run -q --release -p ringer-fuzzing --example seeds -- fuzz)
[ "$minutes" != 0 ] || exit 0

failed=
for name in "$@"; do
    mkdir -p "corpus/$name" "artifacts/$name"
    echo "== $name: $minutes min, $rss MiB"
    "target/$host/release/$name" "corpus/$name" -dict="dictionaries/$name" -artifact_prefix="artifacts/$name/" -max_total_time=$((minutes * 60)) \
        -rss_limit_mb="$rss" -malloc_limit_mb="$rss" -timeout=20 -max_len=65536 -print_final_stats=1 -verbosity=0 2>"artifacts/$name/log" \
        || failed="$failed $name"
    grep -E '^stat::(number_of_executed_units|peak_rss_mb|new_units_added)|^(SUMMARY|MS|panicked)|ERROR' "artifacts/$name/log" || true
done
[ -z "$failed" ] || { echo "found something:$failed (fuzz/artifacts)" >&2; exit 4; }
