#!/usr/bin/env bash
# Writes down the versions and hashes of the libraries that go into the Debian package; --upgrade takes newer ones.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
make_environment package
.venv/bin/python -m uv --quiet pip compile --universal --python-version 3.11 --extra photo --extra fleet --generate-hashes --no-annotate \
  --custom-compile-command 'bash packaging/lock.sh' --output-file packaging/locked-packages.txt "$@" pyproject.toml
