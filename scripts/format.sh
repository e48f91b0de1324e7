#!/usr/bin/env bash
# Formats every C++ file that git tracks; with --check it only names those that it would change, and fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  --check) check=true ;;
  "") check=false ;;
  *) echo "usage: scripts/format.sh [--check]" >&2 && exit 2 ;;
esac

# Without it every file would be called badly formatted.
command -v clang-format-14 >/dev/null || scripts/setup.sh >&2

status=0
while IFS= read -r -d '' file; do
  formatted=$(clang-format-14 --style=file "$file" && echo end) # "end" keeps the last newline
  [[ $formatted == "$(cat "$file" && echo end)" ]] && continue
  if $check; then
    echo "$file: not formatted; run scripts/format.sh" >&2
    status=1
  else
    clang-format-14 --style=file -i "$file"
  fi
done < <(git ls-files -z '*.h' '*.cpp')
exit "$status"
