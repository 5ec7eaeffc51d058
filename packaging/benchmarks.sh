#!/usr/bin/env bash
# Installs the peers and runs every benchmark; each prints ratios measured in the same run. Ends with the list of those that
# missed a figure or failed. Network namespaces need root.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
need_packages nginx-light nmap iproute2 openssl procps gcc libc6-dev mosquitto
make_environment test
make_environment benchmark
missed=()
for benchmark in $(grep -l __main__ tests/benchmarks/*.py); do
  echo "== $benchmark"
  .venv/bin/python "$benchmark" || missed+=("$benchmark")
done
if [ ${#missed[@]} -gt 0 ]; then
  printf '== missed a figure, or failed:\n'
  printf '%s\n' "${missed[@]}"
  exit 1
fi
