#!/usr/bin/env bash
# Makes .venv, installs the gateway into it and runs the demo; arguments go to the demo (such as --once).
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
make_environment
exec .venv/bin/sunmi-gateway demo "$@"
