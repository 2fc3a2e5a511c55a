#!/bin/sh
# Fuzzes one target for some seconds: fuzz/run.sh TARGET SECONDS
#
# Works with the plain stable toolchain: the coverage that libFuzzer steers by comes from compiler passes that
# stable has too; only the sanitizers need nightly, and without `unsafe` there is little for them to find.
#
# FUZZ_TARGET_DIR: where to build (default fuzz/target). FUZZ_CORPUS: where found inputs are kept (default
# fuzz/corpus/TARGET). A crasher is written to fuzz/artifacts/TARGET; the exit code is then not 0.
set -eu
target=${1:?"usage: fuzz/run.sh TARGET SECONDS (targets: h1_head h1_chunked proxy_header site_path language fastcgi)"}
seconds=${2:-60}
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
build=${FUZZ_TARGET_DIR:-$PWD/target}
corpus=${FUZZ_CORPUS:-corpus/$target}
mkdir -p "$corpus" "artifacts/$target"
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Clink-dead-code=no" \
    CARGO_TARGET_DIR=$build cargo build --release --quiet --target "$host" --bin "$target"
dictionary=
if [ -f "seeds/$target.dict" ]; then dictionary=-dict=seeds/$target.dict; fi
exec "$build/$host/release/$target" "$corpus" "seeds/$target" $dictionary -artifact_prefix="artifacts/$target/" \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1
