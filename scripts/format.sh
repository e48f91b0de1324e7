#!/usr/bin/env bash
# Formats every C++ file that git tracks; with --check it only says what it would change, and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  --check) how=(--dry-run -Werror) ;;
  "") how=(-i) ;;
  *) echo "usage: scripts/format.sh [--check]" >&2 && exit 2 ;;
esac

command -v clang-format-14 >/dev/null || scripts/setup.sh >&2
git ls-files -z '*.h' '*.cpp' | xargs -0 -n20 -P"$(nproc)" clang-format-14 --style=file "${how[@]}"
