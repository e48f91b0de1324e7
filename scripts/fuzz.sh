#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS from a copy of its corpus, as many at once as there are cores. Fails on
# a crash, and when there are none.
#   scripts/fuzz.sh SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
cmake --preset asan >/dev/null
all=$(ninja -C build/asan -t targets all)
mapfile -t targets < <(sed -n 's|^bin/\([^:/]*_fuzz\): .*|\1|p' <<<"$all" | sort)
((${#targets[@]})) || { echo "fuzz: the build has no fuzz targets" >&2 && exit 1; }
(($# == 0)) || targets=("$@")
ninja -C build/asan -j "$(nproc)" "${targets[@]}"

export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-14
work=$(mktemp -d)
export work
trap 'rm -rf "$work"' EXIT
mkdir -p build/asan/crashes

run_one() {
  local target=$1 corpus=tests/fuzz/corpus/${1%_fuzz}
  [[ -d $corpus ]] || { echo "fuzz: $target has no seeds in $corpus" >&2 && return 1; }
  cp -r "$corpus" "$work/$target"
  if "build/asan/bin/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/asan/crashes/$target-" "$work/$target" </dev/null >"$work/$target.log" 2>&1; then
    echo "fuzz: $target $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log") runs"
  else
    tail -n 60 "$work/$target.log"
    echo "fuzz: $target FAILED; what broke it is kept in build/asan/crashes"
    return 1
  fi
}
export -f run_one
printf '%s\0' "${targets[@]}" | xargs -0 -n1 -P"$(nproc)" bash -c 'run_one "$1"' run
