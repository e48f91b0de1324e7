#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests. Its last line is "N passed, N failed, N skipped".
#   scripts/test.sh [--preset release|debug|asan|tsan]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=release
case "${1:-}" in
  --preset) preset=${2:?--preset needs a name} ;;
  "") ;;
  *) echo "usage: scripts/test.sh [--preset NAME]" >&2 && exit 2 ;;
esac

scripts/setup.sh
cmake --preset "$preset"
cmake --build --preset "$preset" --parallel "$(nproc)"

jobs=6 # many tests wait for clocks and lines; with sanitizers they compute
[[ $preset != *san ]] || jobs=4
results=build/$preset/results.xml
rm -f "$results"
status=0
ctest --preset "$preset" -j "$jobs" --output-junit "$PWD/$results" </dev/null || status=$?
scripts/count-tests.py "$results" || status=1
exit "$status"
