#!/usr/bin/env bash
# Installs what the tests need and runs all of them, with lint and types; then those that use the time once more, with a
# clock that is 400 days ahead. Arguments go to pytest, which then runs once.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
. packaging/run-tests.sh
need_packages $(sed 's/#.*//' packaging/test-packages.txt) || echo "Tests that need these packages are skipped." >&2
make_environment test
make_typescript_environment || echo "The tests of clients in TypeScript and JavaScript are skipped." >&2
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
run_tests "$@"
[ $# -eq 0 ] || exit 0

echo "== Second run: signatures, certificates, clocks, customer flow, events, webhooks, doctor"
run_tests_with_clock_ahead -m "not slow" tests/test_system_clock.py tests/{authority,cloud,doctor,events,simulator} \
  tests/api/test_{callbacks,events,flow,system_events,tls,webhooks}.py tests/outbox/test_events.py
