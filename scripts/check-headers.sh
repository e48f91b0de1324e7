#!/usr/bin/env bash
# Each header brings in what it needs. The build shows it of a header that its own source includes first (alone, and with
# all flags) unless something precompiled stands before it. Every other header is compiled alone here, with the flags
# of the release build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh >&2 # on a new machine; else it does nothing
cmake --preset release >/dev/null
commands=build/release/compile_commands.json
flags=$(python3 - "$commands" <<'PY'
import json, shlex, sys
entry = next(e for e in json.load(open(sys.argv[1])) if e["file"].endswith("base/bytes.cpp"))
words = shlex.split(entry["command"])
start = next(i for i, word in enumerate(words) if word.startswith("-"))  # after the compiler
print(" ".join(words[start:words.index("-o")]))
PY
)
others=$(git ls-files -z '*.h' | python3 -c '
import json, os, re, sys
built = {os.path.relpath(e["file"]) for e in json.load(open(sys.argv[1])) if "cmake_pch" not in e["command"]}
for header in filter(None, sys.stdin.read().split("\0")):
    source = header[:-2] + ".cpp"
    first = re.search(r"^\s*#\s*(.*)$", open(source).read(), re.M) if source in built else None
    if first is None or first[1] != f"include \"{header}\"":
        print(header)
' "$commands")
[[ -n $others ]] || { echo "check-headers: no header is left to compile; the search is broken" >&2 && exit 1; }
# shellcheck disable=SC2016 # expanded by the inner shell
xargs -d '\n' -n1 -P2 sh -c 'echo "#include \"$2\"" | g++ $1 -DCALLVAULT_SOURCE_DIR=\"\" -I tests -fsyntax-only -x c++ - ||
    { echo "$2 does not compile alone" >&2; exit 1; }' check "$flags" <<<"$others"
echo "check-headers: the build shows $(($(git ls-files '*.h' | wc -l) - $(wc -l <<<"$others"))), $(wc -l <<<"$others") were compiled alone"
