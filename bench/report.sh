#!/usr/bin/env bash
# Runs all side-by-side benchmarks and prints one table, also into a file.
#   bench/report.sh [--quick] [--build DIR] [--dir DIR] [--disk DIR] [--out FILE] [--noise SHARE]
# In full it takes about 40 minutes and 10 GiB of --dir (default /dev/shm); --quick shrinks every size and takes about four:
# it shows that everything runs, its figures mean little. What is compared with fsync runs in --disk (default /var/tmp):
# in memory fsync costs nothing. Exit 1: a benchmark failed, or found no clean round; the table then says so. Nothing here
# passes or fails by a figure.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")

quick=0 build=build/release dir=/dev/shm disk=/var/tmp out=build/bench-report.md noise=0.10
while (($#)); do
  case $1 in
    --quick) quick=1 && shift && continue ;;
    --build) build=$2 ;;
    --dir) dir=$2 ;;
    --disk) disk=$2 ;;
    --out) out=$2 ;;
    --noise) noise=$2 ;;
    *) sed -n '2,/^set/{/^#/s/^# \?//p}' "$0" >&2 && exit 2 ;;
  esac
  shift 2
done

rows=$(mktemp)
trap 'rm -f "$rows"' EXIT
status=0
run() {
  printf '\n== %s\n' "$*"
  "$here/$1" --build "$build" --dir "$dir" --noise "$noise" --table "$rows" "${@:2}" && return
  status=1
  echo "| $1 failed, or found no clean round | - | - | - | 0 |" >>"$rows"
}

if ((quick)); then
  run download.py --pairs 1 --large-size $((256 << 20)) --small-count 200
  run parallel.py --pairs 1 --size $((64 << 20))
  run login.py --pairs 1 --logins 32
  run idle.py --sessions 50
  run clients.py --pairs 1 --size $((128 << 20))
  run catalogue.py --pairs 1 --large 50000 --repeats 3
  run ingest.py --dir "$disk" --pairs 1 --count 500
  run rewrap.py --count 4000 --kills 1
else
  run download.py
  run parallel.py
  run login.py
  run idle.py
  run clients.py --pairs 9
  run catalogue.py
  run ingest.py --dir "$disk"
  run rewrap.py
fi

mounted() { findmnt -n -o FSTYPE,OPTIONS --target "$1" | tail -n1 | tr -s ' '; }
version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo missing; }
mkdir -p "$(dirname "$out")"
{
  if ((quick)); then printf 'A quick run with small sizes: it shows that everything runs; its figures mean little.\n\n'; fi
  echo '| what, callvault to OpenSSH internal-sftp inside the same round | target | median | range | rounds |'
  echo '|---|---|---|---|---|'
  cat "$rows"
  printf '\nMachine: %s, %s cores, %s MiB; Linux %s. Data and vaults in %s (%s), those of cp + fsync in %s (%s).\n' \
    "$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n1)" "$(nproc)" \
    "$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo)" "$(uname -r)" "$dir" "$(mounted "$dir")" \
    "$disk" "$(mounted "$disk")"
  printf 'Versions: callvault %s; openssh-server %s; libssh-4 %s; libssl3 %s; libsodium23 %s; curl %s; putty-tools %s.\n' \
    "$(git -C "$here" describe --always --dirty 2>/dev/null || echo unknown)" "$(version openssh-server)" \
    "$(version libssh-4)" "$(version libssl3)" "$(version libsodium23)" "$(version curl)" "$(version putty-tools)"
  printf 'Rounds in which others used more than %s of a core were thrown away. callvault logs in by password with raised\n' "$noise"
  printf 'limits, OpenSSH by key. %s\n' "$(date -u +%Y-%m-%d)"
} | tee "$out"
exit "$status"
