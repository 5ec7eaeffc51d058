"""The command that shows the authority, and a gateway whose clock jumps."""

import asyncio
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.simulator.ports import free_port
from tests.cli.conftest import Commands

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


@pytest.fixture
def secure(command: Commands) -> Commands:
    """Have the gateway serve HTTPS."""
    text = command.config.read_text(encoding="utf-8").replace("[server]\n", f"[server]\nhttps_port = {free_port()}\n")
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
            line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
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


@pytest.mark.skipif(LIBRARY is None, reason="needs faketime (Debian: faketime)")
async def test_tills_of_today_trust_a_gateway_whose_clock_jumps(secure: Commands, tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    clock.write_text("-20000d\n")
    process = await secure.begin(
        "run",
        LD_PRELOAD=str(LIBRARY),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    try:
        assert process.stderr is not None
        line = ""
        while "serves on" not in line:
            line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
            assert line
        plain, encrypted = re.findall(r"https?://[^ \n]*", line)
        root = tmp_path / "root.pem"
        assert await curl("-o", str(root), f"{plain}authority.pem") == 0
        health = ("--cacert", str(root), "-o", str(tmp_path / "health"), f"{encrypted}healthz")
        assert await curl(*health) == 0  # it is 1972 on the gateway
        clock.write_text("+9000d\n")
        await until(health, 60)  # curl's status for a certificate that is not trusted: it is not valid yet
        clock.write_text("+0d\n")
        await until(health, 0)
    finally:
        process.terminate()
        await process.communicate()


async def until(call: Sequence[str], wanted: int) -> None:
    end = time.monotonic() + 20
    while (status := await curl(*call)) != wanted:
        assert time.monotonic() < end, f"curl ends with {status} instead of {wanted}"


async def curl(*arguments: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sS", "--fail", "--noproxy", "*", "--max-time", "10", *arguments), stderr=asyncio.subprocess.PIPE
    )
    await process.communicate()
    assert process.returncode is not None
    return process.returncode
