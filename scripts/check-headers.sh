#!/usr/bin/env bash
# Compiles each header alone, with the flags of the release build: a header brings in what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset release >/dev/null
flags=$(python3 - build/release/compile_commands.json <<'PY'
import json, shlex, sys
entry = next(e for e in json.load(open(sys.argv[1])) if e["file"].endswith("base/bytes.cpp"))
words = shlex.split(entry["command"])
start = next(i for i, word in enumerate(words) if word.startswith("-"))  # after the compiler
print(" ".join(words[start:words.index("-o")]))
PY
)
# shellcheck disable=SC2016 # expanded by the inner shell
git ls-files -z '*.h' |
  xargs -0 -n1 -P2 sh -c 'echo "#include \"$2\"" | g++ $1 -DCALLVAULT_SOURCE_DIR=\"\" -I tests -fsyntax-only -x c++ - ||
    { echo "$2 does not compile alone" >&2; exit 1; }' check "$flags"
