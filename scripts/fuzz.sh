#!/usr/bin/env bash
# Builds the fuzz targets and runs each for SECONDS from a copy of its corpus. Fails on a crash, and when there are none.
#   scripts/fuzz.sh SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
cmake --preset asan >/dev/null
all=$(ninja -C build/asan -t targets all)
mapfile -t targets < <(sed -n 's|^bin/\([^:/]*_fuzz\): .*|\1|p' <<<"$all" | sort)
((${#targets[@]})) || { echo "fuzz: the build has no fuzz targets" >&2 && exit 1; }
(($# == 0)) || targets=("$@")
ninja -C build/asan -j "$(nproc)" "${targets[@]}"

export ASAN_SYMBOLIZER_PATH=/usr/bin/llvm-symbolizer-14
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p build/asan/crashes
status=0
for target in "${targets[@]}"; do
  corpus=tests/fuzz/corpus/${target%_fuzz}
  [[ -d $corpus ]] || { echo "fuzz: $target has no seeds in $corpus" >&2 && exit 1; }
  cp -r "$corpus" "$work/$target"
  if "build/asan/bin/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/asan/crashes/$target-" "$work/$target" </dev/null >"$work/log" 2>&1; then
    echo "fuzz: $target $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log") runs"
  else
    tail -n 60 "$work/log"
    echo "fuzz: $target FAILED; what broke it is kept in build/asan/crashes"
    status=1
  fi
done
exit "$status"
