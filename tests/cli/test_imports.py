"""The running gateway imports nothing that only other commands need."""

import subprocess
import sys

from tests.forking import run_program

_NOT_NEEDED = (
    "rich",
    "cryptography",
    "gateway.simulator",
    "gateway.cli.output",
    "gateway.doctor.checks",
    "gateway.backup",
    "segno",
)


def test_running_needs_no_tables_and_no_simulated_store() -> None:
    given = "import sys, gateway.cli.main, gateway.cli.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", given], check=True, capture_output=True, text=True)
    modules = done.stdout.split()
    assert "gateway.api.server" in modules
    assert [one for one in modules if one.startswith(_NOT_NEEDED)] == []


def test_every_command_is_found_without_being_used() -> None:
    done = run_program("gateway", "--help")
    named = {line.split()[0] for line in done.stdout.partition("Commands:\n")[2].splitlines()}
    assert {
        "run",
        "discover",
        "cameras",
        "catalogue",
        "sign",
        "token",
        "simulate",
        "restore",
        "support-bundle",
    } <= named
