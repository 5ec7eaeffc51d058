"""The running gateway imports nothing that only other commands need, nor does the head office."""

import fcntl
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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


def test_the_head_office_needs_no_gateway() -> None:
    given = "import sys, gateway.cli.office, gateway.office_site.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", given], check=True, capture_output=True, text=True)
    modules = done.stdout.split()
    assert "gateway.office_site.site" in modules
    assert [one for one in modules if one in ("gateway.app", "gateway.cli.run", "gateway.console.page")] == []


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


@pytest.mark.skipif(sys.platform != "linux", reason="sizes of pipes are Linux's")
def test_an_interrupt_while_a_command_is_imported_ends_it_without_a_traceback() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, name = project["project"]["scripts"]["sunmi-gateway"].partition(":")
    command = [sys.executable, "-X", "importtime", "-c", f"from {module} import {name}; {name}()", "catalogue"]
    receiving, sending = os.pipe()
    fcntl.fcntl(sending, fcntl.F_SETPIPE_SZ, 4096)  # it gets no further than some modules while nobody reads
    with open(receiving, "rb", buffering=0) as errors:
        process = subprocess.Popen(["env", "--default-signal=INT", *command], stdout=subprocess.DEVNULL, stderr=sending)
        os.close(sending)
        assert any(line.split()[-1:] == [b"click"] for line in errors)
        process.send_signal(signal.SIGINT)
        rest = errors.read()
        status = process.wait()
    assert (status, b"Traceback" in rest) == (-signal.SIGINT, False)
