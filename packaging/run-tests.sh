# How pytest is run, with this machine's clock or with another. Sourced by the scripts that run tests.

# Hundreds of processes start; compiled once, each does so in half the time.
unset PYTHONDONTWRITEBYTECODE

# Runs pytest. Most of the time is spent waiting, so there are more workers than processors. tests/conftest.py has the order.
run_tests() {
  # In a new checkout, the tests are compiled once, before all workers would do so at the same time. What fails here is
  # told by the run.
  if [ ! -d tests/__pycache__ ]; then
    .venv/bin/python -m pytest --collect-only -qq tests/[a-c]* >/dev/null 2>&1 &
    .venv/bin/python -m pytest --collect-only -qq tests/[d-z]* >/dev/null 2>&1 || true
    wait $! || true
  fi
  .venv/bin/python -m pytest -n 7 --dist loadfile --no-loadscope-reorder "$@"
}

# Runs pytest with the system clock 400 days ahead, in all its processes; the monotonic clock is true.
# Without libfaketime it does not run, which is a failure in CI only.
run_tests_with_clock_ahead() (
  library=$(find /usr/lib -path '*/faketime/libfaketime.so.1' -print -quit)
  if [ -z "$library" ]; then
    echo "Not run with another clock: libfaketime is missing (Debian: faketime)" >&2
    [ -z "${CI:-}" ]
    exit
  fi
  clock=$(mktemp)
  trap 'rm -f "$clock"' EXIT
  echo +400d >"$clock"
  # In a file and not in FAKETIME, so that a test can give a process another clock. A process reads the file once.
  export LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$clock FAKETIME_CACHE_DURATION=1000000000 \
    FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_FORCE_MONOTONIC_FIX=0 TEST_CLOCK_AHEAD_S=$((400 * 86400)) \
    PYTHONPATH=$PWD/tests/clock_ahead
  echo "== With the system clock 400 days ahead: $(date -u '+%Y-%m-%d %H:%M UTC')"
  run_tests "$@"
)
