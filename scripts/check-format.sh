#!/usr/bin/env bash
# Fails when a C++ file is not formatted.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/format.sh" --check
