#!/usr/bin/env bash
# Fails on tabs in sources, trailing blanks, a missing newline at the end, and files over 1 MiB.
# Test vectors and fuzz seeds are bytes, not text: only their size is looked at.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

git rev-parse --is-inside-work-tree >/dev/null # where git does not answer, nothing would be found
text=(. ':!tests/vectors' ':!tests/fuzz/corpus' ':!tests/golden')
status=0
fail() { sed "s|\$|: $1|" >&2 && status=1; }

found=$(git grep -nIP '\t' -- '*.h' '*.cpp' '*.sh' '*.py' '*.json' '*.txt' ':!tests/vectors' ':!tests/fuzz/corpus') &&
  fail "a tab" <<<"$found"
found=$(git grep -nIP '[ \t\r]+$' -- "${text[@]}") && fail "blanks at the end of the line" <<<"$found"
while IFS= read -r -d '' file; do
  [[ -z $(tail -c1 "$file") ]] || fail "no newline at the end" <<<"$file"
done < <(git grep -zIl '' -- "${text[@]}")
while IFS= read -r -d '' file; do
  [[ ! -f $file ]] || (($(stat -c %s "$file") <= 1048576)) || fail "over 1 MiB" <<<"$file"
done < <(git ls-files -z)
exit "$status"
