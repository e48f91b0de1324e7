#!/usr/bin/env bash
# Fails on an include or a call in a place where it is forbidden, with the reason. base <- keys <- vault <- sftp, cli.
#   scripts/check-layers.sh               checks this repository
#   scripts/check-layers.sh --self-test   breaks every rule in a temporary tree, and expects each break to be found
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where SecretBytes may be opened. Every new line here widens who sees keys and passwords: keep it short.
reveal_allowed='^(tests/|base/|keys/'
reveal_allowed+='|vault/(init|vault|seal|ingest|deliver|audit|certificate|access|claim|customer|search|open_recording|server_keys)[^/]*\.cpp$'
reveal_allowed+='|sftp/(login|session|contents|stream|keeper)[^/]*\.cpp$' # passwords in, audio out
reveal_allowed+='|cli/(prompt|output)\.cpp$)'                    # a passphrase in, a password shown once

# Which of sftp/ belong to the keeper, the one process that opens the vault.
keeper='^sftp/(keeper(_[^/]*)?\.(h|cpp)|callvaultd\.cpp)$'

# Each library stays in few files.
soci_allowed='^vault/(catalog[^/]*\.cpp|catalog_state\.h)$'  # the .h is for the .cpp beside it only
libssh_allowed='^(sftp/(session|login|channel|listener|rehearsal|ssh_policy)|keys/host_key)\.cpp$'
crypto_allowed='^(keys/[^/]*|base/secret|base/process)\.cpp$'

# In headers: the standard library and the system's own only.
system_header='[a-z_]+>|(sys|netinet|arpa|linux)/|(fcntl|poll|signal|unistd|time|errno)\.h>'

ours='^(base|keys|vault|sftp|cli)/'
include='^\s*#\s*include\s*'
code='^(?!\s*//).*'
none='^$'

# A rule: files in scope | what they must not hold | files that may | why | a break of the rule: its file, its line.
rules=()
rule() { rules+=("$@"); }
rule '^base/' "${include}[\"<](keys|vault|sftp|cli|tests|bench)/" "$none" \
  'base includes nothing of ours but base' base/a.h '#include "keys/aead.h"'
rule '^keys/' "${include}[\"<](vault|sftp|cli|tests|bench)/" "$none" \
  'keys stands on base alone: it knows no recordings' keys/a.cpp '#include "vault/seal.h"'
rule '^vault/' "${include}[\"<](sftp|cli|tests|bench)/" "$none" \
  'vault stands on base and keys: it knows no network and no commands' vault/a.cpp '#include "sftp/wire.h"'
rule '^sftp/' "${include}[\"<](cli|tests|bench)/" "$none" \
  'the server knows no commands' sftp/a.cpp '#include "cli/output.h"'
rule '^sftp/' "${include}[\"<]vault/(?!(metadata|record|coverage|folder_entry|file_name)\.h[\">])" "$keeper" \
  'only the keeper opens the vault; a session takes its pure parts: metadata, record, coverage, folder_entry, file_name' \
  sftp/session.cpp '#include "vault/catalog.h"'
rule '^cli/' "${include}[\"<](sftp|tests|bench)/" "$none" \
  'commands work on the vault, not through the server' cli/a.cpp '#include "sftp/keeper.h"'
rule "$ours" "${include}\"(?!(base|keys|vault|sftp|cli|tests|bench)/)" "$none" \
  'an include of ours is written from the root of the repository' vault/b.cpp '#include "../sftp/wire.h"'
rule "$ours.*\.h$" "${include}<(?!$system_header)" '^(base/path|vault/catalog_state)\.h$' \
  'libraries stay out of headers: whoever includes ours must not get theirs' keys/a.h '#include <sodium.h>'
rule '^base/path\.h$' "${include}<(?!boost/filesystem/path\.hpp>|$system_header)" "$none" \
  'base/path.h brings in the path and nothing more' base/path.h '#include <boost/filesystem.hpp>'
rule "$ours" "${include}[\"<](soci/|sqlite3)" "$soci_allowed" \
  'the catalogue alone speaks SQL' vault/retention.cpp '#include <soci/soci.h>'
rule "$ours" "${include}[\"<]libssh/" "$libssh_allowed" \
  'SSH is spoken in the files of one connection only' sftp/keeper.cpp '#include <libssh/server.h>'
rule "$ours" "${include}[\"<](openssl/|sodium)" "$crypto_allowed" \
  'cryptography lies in keys, and memory protection in base/secret and base/process' \
  vault/seal.cpp '#include <openssl/evp.h>'
rule '' "$code\bEVP_Cipher\s*\(" "$none" \
  'EVP_Cipher does not check the tag: only EVP_DecryptFinal_ex() == 1 means verified' \
  keys/b.cpp 'EVP_Cipher(context, out, in, size);'
rule '' "$code\breveal\s*\(" "$reveal_allowed" \
  'a secret is opened only where it is used (the list stands in scripts/check-layers.sh)' \
  vault/store.cpp 'write(key.reveal());'
rule '' "$code\b(localtime|gmtime|asctime|ctime|strtok)\s*\(" "$none" \
  'not safe with threads: take the call that ends in _r' base/b.cpp 'auto* t = localtime(&now);'

# Prints every break in the tree below the working folder; true when there is none.
check() {
  local i files found broken=0
  for ((i = 0; i < ${#rules[@]}; i += 6)); do
    files=$(find . -path ./build -prune -o \( -name '*.h' -o -name '*.cpp' \) -printf '%P\n' | sort |
      grep -P -e "${rules[i]}" | grep -vP -e "${rules[i + 2]}") || continue
    found=$(xargs -d '\n' grep -HnP -e "${rules[i + 1]}" <<<"$files") || continue
    printf '%s:\n%s\n' "${rules[i + 3]}" "$found"
    broken=1
  done
  return "$broken"
}

self_test() {
  local tree i found wrong=0
  tree=$(mktemp -d)
  # shellcheck disable=SC2064 # the name is known now
  trap "rm -rf '$tree'" EXIT
  cd "$tree"
  mkdir base keys vault sftp cli tests
  # Everything that is allowed stays silent.
  printf '#include <boost/filesystem/path.hpp>\n#include <string>\n' >base/path.h
  printf '#include "base/secret.h"\n#include <sodium.h>\nuse(key.reveal());\n' >base/secret.cpp
  printf '#include "base/secret.h"\n#include <sys/stat.h>\n#include <vector>\n// EVP_Cipher( is forbidden\n' >keys/aead.h
  printf '#include "keys/aead.h"\n#include <openssl/evp.h>\nEVP_CipherUpdate(context);\n' >keys/aead.cpp
  printf '#include "keys/aead.h"\n#include <soci/soci.h>\n' >vault/catalog_items.cpp
  printf '#include "vault/coverage.h"\n#include <libssh/server.h>\nsend(out.reveal());\n' >sftp/session.cpp
  printf '#include "vault/catalog.h"\n' | tee sftp/keeper.h sftp/keeper_timers.cpp >sftp/callvaultd.cpp
  printf '#include "vault/catalog.h"\n#include <CLI/CLI.hpp>\n' >cli/main.cpp
  printf '#include "sftp/wire.h"\n#include <gtest/gtest.h>\nuse(key.reveal());\n' | tee tests/a.h >tests/a_test.cpp
  check || { echo "self-test: found a break where there is none" && wrong=1; }
  for ((i = 0; i < ${#rules[@]}; i += 6)); do
    rm -rf base keys vault sftp cli tests
    mkdir -p "$(dirname "${rules[i + 4]}")"
    echo "${rules[i + 5]}" >"${rules[i + 4]}"
    found=$(check) || true
    [[ $found == *"${rules[i + 3]}:"$'\n'"${rules[i + 4]}:1:${rules[i + 5]}"* ]] && continue
    echo "self-test: not found: ${rules[i + 5]} in ${rules[i + 4]}"
    wrong=1
  done
  ((wrong == 0)) && echo "self-test: $((${#rules[@]} / 6)) rules, each break found"
}

case "${1:-}" in
  --self-test) self_test ;;
  "") check ;;
  *) echo "usage: scripts/check-layers.sh [--self-test]" >&2 && exit 2 ;;
esac
