#!/usr/bin/env bash
# Runs clang-tidy (.clang-tidy) over every source of the release build, or over those whose path holds one of the WORDs.
#   scripts/tidy.sh [WORD...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset release >/dev/null
run-clang-tidy-14 -quiet -j2 -p build/release "$@"
