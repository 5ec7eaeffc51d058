"""The clock with which the tests run: this machine's, or another where the whole run has one."""

import os
import subprocess
import sys
import time

import pytest

from tests.system_clock import AHEAD_S

SHOW_CLOCKS = "import time; print(time.time(), time.monotonic())"


def read_clocks(environment: dict[str, str]) -> list[float]:
    """Return the system clock and the monotonic clock of a process in this environment."""
    command = [sys.executable, "-c", SHOW_CLOCKS]
    return [float(word) for word in subprocess.check_output(command, env=environment, text=True).split()]


def test_the_tests_and_their_processes_have_the_clock_of_the_run() -> None:
    true_s, true_monotonic_s = read_clocks({})
    for now_s, monotonic_s in ((time.time(), time.monotonic()), read_clocks(dict(os.environ))):
        assert now_s - true_s == pytest.approx(AHEAD_S, abs=300)
        assert monotonic_s - true_monotonic_s == pytest.approx(0, abs=300)
