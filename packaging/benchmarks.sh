#!/usr/bin/env bash
# Installs the peers and runs every benchmark; each prints ratios measured in the same run. Network namespaces need root.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
need_packages nginx-light nmap iproute2 openssl procps gcc libc6-dev
make_environment benchmark
for benchmark in $(grep -l __main__ tests/benchmarks/*.py); do
  echo "== $benchmark"
  .venv/bin/python "$benchmark"
done
