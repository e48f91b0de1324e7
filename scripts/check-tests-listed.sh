#!/usr/bin/env bash
# Finds test and fuzz sources that no target builds: a test that is not run proves nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset release >/dev/null
built=$(grep -o '"file": "[^"]*"' build/release/compile_commands.json)
status=0
while read -r file; do
  grep -qF "/$file\"" <<<"$built" && continue
  echo "$file: no CMakeLists.txt names it" >&2
  status=1
done < <(find tests -name '*_test.cpp' -o -name '*_fuzz.cpp' | sort)
exit "$status"
