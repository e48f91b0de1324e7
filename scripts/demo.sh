#!/usr/bin/env bash
# The whole way of a recording on this machine: installs, builds, makes recordings of speech, takes them in, hands them over
# with callvaultd and OpenSSH's sftp, and proves each step. Leaves nothing behind but the build.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target callvault callvaultd
bin=$PWD/build/release/bin
PATH=$bin:$PATH

work=$(mktemp -d /tmp/callvault-demo-XXXXXX)
daemon=
finish() {
  if [ -n "$daemon" ] && kill "$daemon" 2>/dev/null; then wait "$daemon" || true; fi
  rm -rf "$work"
}
trap finish EXIT
step() { printf '\n== %s\n' "$*"; }
proof() { printf '   proof: %s\n' "$*"; }
fail() { printf 'demo: %s\n' "$*" >&2; exit 1; }
json() { python3 -c 'import json,sys; d=json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
until_erased() {  # COUNT: waits up to 5 s
  for _ in $(seq 50); do
    erased=$(callvault list --state erased --json | json 'len(d)')
    [ "$erased" = "$1" ] && return
    sleep 0.1
  done
  fail "only $erased of $1 recordings are erased"
}

step 'Recordings, as recorders make them'
scripts/make-recordings.sh "$work/spool"
count=$(find "$work/spool" -type f | wc -l)
(cd "$work/spool" && find . -type f -printf '%f\n' | sort)
(cd "$work/spool" && find . -type f -exec sha256sum {} + | cut -d' ' -f1 | sort) >"$work/before"

step '1. A vault'
export CALLVAULT_DIR=$work/vault
identity=$work/it-manager.age
(umask 077 && head -c 18 /dev/urandom | base64 >"$work/passphrase")
unlock=(--identity "$identity" --passphrase-file "$work/passphrase")
callvault init "$work/vault" --operator 'Demo Telecom' --identity-out "$identity" \
  --recovery-out "$work/recovery.txt" "${unlock[@]}"
sed -i 's/^idle_after_all = .*/idle_after_all = "2s"/' "$work/vault/callvault.toml"  # a demo does not wait a minute
callvault customer add acme --name 'Acme Ltd' "${unlock[@]}"

step '2. Ingest, without any passphrase'
callvault ingest "$work/spool" --customer acme --remove-source --json >"$work/ingest.json"
[ "$(json 'len(d)' <"$work/ingest.json")" = "$count" ] || fail 'not all were taken in'
[ -z "$(find "$work/spool" -type f)" ] || fail 'sources are left'
proof "$count recordings are in the vault, their sources are removed"
json '"\n".join(sorted(r["sha256"] for r in d))' <"$work/ingest.json" | cmp - "$work/before" && proof 'hashes are those of the sources'
callvault list
callvault verify
for needle in 02079460 07700900 'Acme Ltd'; do
  if grep -rlaF "$needle" "$work/vault"; then fail "\"$needle\" lies in the vault in clear"; fi
done
proof 'no number, no file name, no customer name lies in the vault in clear'

step '3. Only an identity opens one'
first=$(json 'd[0]["id"]' <"$work/ingest.json")
callvault get "$first" -o "$work/one.wav" "${unlock[@]}"
[ "$(sha256sum <"$work/one.wav" | cut -d' ' -f1)" = "$(json 'd[0]["sha256"]' <"$work/ingest.json")" ] || fail 'get differs'
proof "callvault get: $first has the hash of its source"
callvault get --age "$first" -o "$work/one.age" --identity "$work/recovery.txt"
age -d -i "$work/recovery.txt" "$work/one.age" >"$work/two.wav"
cmp "$work/one.wav" "$work/two.wav" && proof 'get --age: the stock age tool opens it, with the same bytes inside'
callvault open "$work/one.age" -o "$work/three.wav" --identity "$work/recovery.txt"
cmp "$work/one.wav" "$work/three.wav" && proof 'callvault open: the same'

step '4. The SFTP site'
callvaultd --vault "$work/vault" --listen 127.0.0.1:0 >"$work/listening" 2>"$work/daemon.log" &
daemon=$!
for _ in $(seq 100); do [ -s "$work/listening" ] && break; sleep 0.1; done
[ -s "$work/listening" ] || { cat "$work/daemon.log" >&2; fail 'callvaultd does not start'; }
cat "$work/listening"

step '5. A delivery'
(umask 077 && callvault deliver acme --all --json "${unlock[@]}" >"$work/delivery.json")
json '"delivery %s for %s: %d recordings, %d bytes" % (d[0]["delivery"], d[0]["account"], d[0]["recordings"], d[0]["bytes"])' \
  <"$work/delivery.json"
(umask 077 && json 'd[0]["password"]' <"$work/delivery.json" >"$work/password")
printf '#!/bin/sh\nexec cat %s\n' "$work/password" >"$work/askpass"
chmod 700 "$work/askpass"
port=$(json 'd[0]["port"]' <"$work/delivery.json")
customer() {
  SSH_ASKPASS=$work/askpass SSH_ASKPASS_REQUIRE=force sftp -q -F /dev/null -o StrictHostKeyChecking=no \
    -o UserKnownHostsFile=/dev/null -o NumberOfPasswordPrompts=1 -o LogLevel=ERROR -P "$port" acme@127.0.0.1
}

step '6. The customer fetches it with sftp'
mkdir "$work/got"
(cd "$work/got" && customer <<<'get -r .' >/dev/null)
(cd "$work/got" && sha256sum --quiet -c SHA256SUMS) && proof 'SHA256SUMS fits'
find "$work/got" -type f ! -name READ-ME-FIRST.txt ! -name SHA256SUMS -exec sha256sum {} + | cut -d' ' -f1 | sort |
  cmp - "$work/before" && proof "$count files, all hashes are those of the sources"

step '7. And it is gone'
until_erased "$count"
[ -z "$(find "$work/vault/objects" -type f)" ] || fail 'objects are left'
proof "$count recordings erased, no object is left"
if callvault get "$first" -o "$work/again.wav" "${unlock[@]}"; then fail 'an erased recording opens'; fi
proof 'the IT Manager cannot open it any more either'
sleep 3
if customer <<<'ls' >"$work/second" 2>&1; then cat "$work/second"; fail 'the password works a second time'; fi
proof 'the password is refused the second time'
callvault audit verify
callvault check
kill "$daemon" && wait "$daemon"
daemon=
printf '\nAll steps are proved.\n'
