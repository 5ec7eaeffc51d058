"""The command that shows the authority, and a gateway whose clock jumps."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import RELEASED_AT
from gateway.simulator.ports import find_free_port
from tests.cli.conftest import Commands
from tests.system_clock import SystemClock, needs_faketime

TODAY = datetime.fromtimestamp(RELEASED_AT, UTC) + timedelta(days=100)


@pytest.fixture
def secure(command: Commands) -> Commands:
    """Let the gateway serve HTTPS."""
    text = command.config.read_text(encoding="utf-8").replace(
        "[server]\n", f"[server]\nhttps_port = {find_free_port()}\n"
    )
    command.config.write_text(text, encoding="utf-8")
    return command


async def test_it_is_the_same_with_and_without_a_running_gateway(secure: Commands) -> None:
    before = (await secure("authority", "--json")).json
    assert before["leaf_expires_at"] is None
    process = await secure.begin("run")
    try:
        assert process.stderr is not None
        line = ""
        while "serves on" not in line:
            line = (await process.stderr.readline()).decode()
            assert line
        told = (await secure("authority", "--json")).json
        assert {name for name in before if before[name] != told[name]} == {"leaf_expires_at", "page"}
        assert told["page"] == f"{re.findall(r'http://[^ ]*', line)[0]}authority"
        shown = await secure("authority")
    finally:
        process.terminate()
        await process.communicate()
    assert shown.status == 0
    assert re.sub("[:\n]", "", shown.output).lower().count(told["certificate_sha256"]) == 1
    assert told["page"] in shown.output
    assert told["name"] in shown.output


async def test_without_https_it_says_what_to_set(command: Commands) -> None:
    done = await command("authority")
    assert (done.status, done.output) == (1, "")
    assert "server.https_port" in done.errors


async def test_a_damaged_authority_stops_the_start(secure: Commands, tmp_path: Path) -> None:
    assert (await secure("authority")).status == 0
    file = tmp_path / "state" / "authority.pem"
    file.write_bytes(file.read_bytes()[:500])
    done = await secure("run")
    assert done.status == 1
    assert re.match(r"sunmi-gateway: .*authority\.pem: .* damaged; restore .*\n$", done.errors)


@needs_faketime
async def test_tills_of_today_trust_a_gateway_whose_clock_jumps(secure: Commands, tmp_path: Path) -> None:
    till = SystemClock(tmp_path / "till-clock", TODAY).environment
    clock = SystemClock(tmp_path / "clock", datetime(1972, 2, 29, tzinfo=UTC))
    process = await secure.begin("run", **clock.environment)
    try:
        assert process.stderr is not None
        line = ""
        while "serves on" not in line:
            line = (await process.stderr.readline()).decode()
            assert line
        plain, encrypted = re.findall(r"https?://[^ \n]*", line)
        root = tmp_path / "root.pem"
        assert await curl("-o", str(root), f"{plain}authority.pem", environment=till) == 0
        health = ("--cacert", str(root), "-o", str(tmp_path / "health"), f"{encrypted}healthz")
        assert await curl(*health, environment=till) == 0  # it is 1972 on the gateway
        clock.jump_to(TODAY + timedelta(days=9000))
        # curl's status for a certificate that is not trusted: it is not valid yet
        await until(health, 60, environment=till)
        clock.jump_to(TODAY)
        await until(health, 0, environment=till)
    finally:
        process.terminate()
        await process.communicate()


async def until(call: Sequence[str], wanted: int, *, environment: Mapping[str, str]) -> None:
    """Call until curl ends with this status."""
    while await curl(*call, environment=environment) != wanted:
        await asyncio.sleep(0.1)


async def curl(*arguments: str, environment: Mapping[str, str]) -> int:
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "--fail", "--noproxy", "*", "--max-time", "60", *arguments),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    await process.communicate()
    assert process.returncode is not None
    return process.returncode
