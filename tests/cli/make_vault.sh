#!/usr/bin/env bash
# The vault that all tests of the command line copy: customers acme and beta, no recordings. What init and the first
# `customer add` printed stands in init.out, init.err, add.out, add.err.
#   make_vault.sh FOLDER-OF-THE-PROGRAMS FOLDER   FOLDER is made anew
set -euo pipefail
bin=$1 folder=$2

rm -rf "$folder"
mkdir "$folder"
(umask 077 && echo 'correct horse battery' >"$folder/passphrase")
"$bin/callvault" init "$folder/vault" --operator "Test Telecom" --identity-out "$folder/it.age" \
  --recovery-out "$folder/recovery.txt" --passphrase-file "$folder/passphrase" --json \
  >"$folder/init.out" 2>"$folder/init.err"
"$bin/light_identity" "$folder/it.age" "$folder/passphrase"
manager() {
  "$bin/callvault" --vault "$folder/vault" --identity "$folder/it.age" --passphrase-file "$folder/passphrase" --json "$@"
}
manager customer add acme --name "Acme Pelargonium Ltd" --linger 5 >"$folder/add.out" 2>"$folder/add.err"
manager customer add beta >/dev/null
