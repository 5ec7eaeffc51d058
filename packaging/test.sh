#!/usr/bin/env bash
# Installs what the tests need and runs all of them, with lint and types. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
need_packages $(sed 's/#.*//' packaging/test-packages.txt) || echo "Tests that need these packages are skipped." >&2
make_environment test
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
# Hundreds of processes start; compiled once, each does so in half the time.
unset PYTHONDONTWRITEBYTECODE
# Most of the time is spent waiting, so more workers than processors.
exec .venv/bin/python -m pytest -n 5 --dist loadfile "$@"
