#!/usr/bin/env bash
# Installs what building, testing, the demo and the benchmarks need on Debian 12. Does nothing when all of it is there.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config git
  libssl-dev libsodium-dev libssh-dev libseccomp-dev libboost-filesystem-dev libsoci-dev libsqlite3-dev libcli11-dev
  libtomlplusplus-dev nlohmann-json3-dev libhowardhinnant-date-dev tzdata libspdlog-dev libgtest-dev libbenchmark-dev
  # checks: a second compiler, fuzzing, format, memory
  clang-14 libclang-rt-14-dev llvm-14 clang-tidy-14 clang-format-14 valgrind
  # tests, demo and benchmarks: peers to compare with, speech to record, tools to look inside
  age openssh-client openssh-server espeak-ng sox asterisk-core-sounds-en-wav
  putty-tools curl lftp rclone python3-paramiko python3-asyncssh sshfs fuse3 # clients under test
  filezilla xvfb xdotool # one more, in its window: a screen that nobody sees, its mouse and keys
  baresip-core # a telephone that records its calls
  gvfs-backends libglib2.0-bin dbus-daemon # what GNOME Files fetches with, and the bus it needs
  python3 strace sqlite3 procps iproute2 binutils systemd ssh-audit
)

as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi; }

# Those of its arguments that are not installed, a line each. One question for all: one for each takes three seconds.
not_installed() {
  local known
  known=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null) || true # it complains of unknown names
  grep -Fxv -f <(sed -n 's/^installed //p' <<<"$known") < <(printf '%s\n' "$@") || true # none is left
}

# Installing openssh-server must not start a server: a policy of the machine is kept, else ours holds while we install.
policy=/usr/sbin/policy-rc.d
remove_policy() { as_root rm -f "$policy"; }
forbid_starting_services() {
  [[ -e $policy ]] && return
  trap remove_policy EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}

# Older builds of these two have holes that matter to us (docs/threat-model.md), and tests would fail on them.
least_libssh=0.10.6-0+deb12u3
least_libssl=3.0.22
version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true; }
at_least() { dpkg --compare-versions "$(version "$1")" ge "$2"; }

mapfile -t missing < <(not_installed "${packages[@]}")
have() { command -v "$1" >/dev/null; }
have node && have npm || missing+=(nodejs npm) # a machine may have them from elsewhere
at_least libssh-4 "$least_libssh" || missing+=(libssh-4 libssh-dev)
at_least libssl3 "$least_libssl" || missing+=(libssl3 libssl-dev)
if ((${#missing[@]})); then
  echo "setup: installing ${missing[*]}"
  forbid_starting_services
  as_root apt-get update -q </dev/null
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
fi

require() {
  at_least "$1" "$2" && return
  echo "setup: $1 is $(version "$1"), but $2 or newer is needed: enable Debian's security archive (bookworm-security)," \
    "then run this again" >&2
  exit 1
}
require libssh-4 "$least_libssh"
require libssl3 "$least_libssl"

# Clients under test that come from npm. Without them their tests are skipped; nothing else needs them.
clients=$(dirname "${BASH_SOURCE[0]}")/../tests/e2e/node
if [[ ! -d $clients/node_modules/ssh2-sftp-client ]]; then
  (cd "$clients" && npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund </dev/null) ||
    echo "setup: npm cannot fetch the clients ssh2 and ssh2-sftp-client: their tests will be skipped" >&2
fi
