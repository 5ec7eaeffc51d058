"""The doctor from the command line: with a gateway, without one, with one that hangs, and with wrong settings."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gateway.doctor.checks import CHECKS
from gateway.settings import DOCUMENTED_FILE
from gateway.simulator.account import SECRET_KEY
from gateway.simulator.store import SimulatedStore


def by_check(document: Any) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for one in document["findings"]:
        assert set(one) == {"check", "status", "what", "evidence", "what_to_do"}
        found.setdefault(one["check"], []).append(one)
    return found


def failed(found: dict[str, list[dict[str, str]]]) -> set[str]:
    return {name for name, some in found.items() if any(one["status"] == "failed" for one in some)}


@pytest.fixture
def private(command: Any) -> Any:
    """Return the command, its settings file readable by its owner alone."""
    command.config.chmod(0o600)
    return command


async def test_without_a_gateway_every_check_is_run(private: Any) -> None:
    done = await private("doctor", "--json")
    found = by_check(done.json)
    assert list(found) == ["settings", "gateway", *(check.name for check in CHECKS)]
    assert done.status == int(bool(failed(found))), done.output
    del found["second_gateway"]  # other tests run gateways on loopback
    assert {one["status"] for some in found.values() for one in some} == {"ok", "skipped"}
    assert "no gateway runs" in found["gateway"][0]["what"]
    assert SECRET_KEY not in done.output + done.errors


async def test_the_running_gateway_runs_the_checks(running: str, private: Any, store: SimulatedStore) -> None:
    await store.cloud.stop()
    done = await private("doctor", "--json")
    assert done.status == 1
    found = by_check(done.json)
    assert found["gateway"][0]["what"] == "a gateway runs"
    assert running in found["server_ports"][0]["what"]
    assert failed(found) - {"second_gateway"} == {"cloud_tls"}, "other tests run gateways on loopback"


async def test_advice_is_printed_for_a_person(private: Any) -> None:
    done = await private("doctor", SUNMI_GATEWAY__CLOUD__SECRET_KEY="wrong-key")
    assert done.status == 1
    lines = [line for line in done.output.splitlines() if line.startswith("failed")]
    assert [line for line in lines if "credentials" in line]
    assert "-> compare cloud.environment" in done.output
    assert f"{len(lines)} failed" in done.output.splitlines()[-1]
    assert "wrong-key" not in done.output + done.errors


@pytest.mark.parametrize(("text", "word"), [("[cloud\n", "TOML"), ("[cloud]\nsecret = 1\n", "cloud.secret")])
async def test_settings_that_cannot_be_loaded_are_a_finding(command: Any, text: str, word: str) -> None:
    command.config.write_text(text)
    done = await command("doctor", "--json")
    assert done.status == 1
    [found] = done.json["findings"]
    assert (found["check"], found["status"]) == ("settings", "failed")
    assert word in found["what"]
    assert str(command.config) in found["what"]
    assert DOCUMENTED_FILE.is_file()
    assert str(DOCUMENTED_FILE) in found["what_to_do"]


async def test_a_gateway_that_cannot_start_is_a_finding_among_others(private: Any, tmp_path: Path) -> None:
    file = tmp_path / "openapi.p12"
    file.write_bytes(b"no container")
    done = await private("doctor", "--json", SUNMI_GATEWAY__CAMERAS__CLIENT_CERTIFICATE=str(file))
    assert done.status == 1
    found = by_check(done.json)
    assert failed(found) == {"gateway", "client_certificate"}
    assert str(file) in found["gateway"][0]["evidence"]
    assert found["credentials"][0]["status"] == "ok"
    assert found["cameras"][0]["status"] == "skipped"


async def test_a_state_directory_that_is_a_file(private: Any, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    found = by_check((await private("doctor", "--json")).json)
    assert "not a directory" in found["gateway"][0]["evidence"]


async def test_a_gateway_that_hangs(private: Any) -> None:
    process = await private.begin("run")
    try:
        assert process.stderr is not None
        await process.stderr.readline()
        os.kill(process.pid, signal.SIGSTOP)
        done = await private("doctor", "--json")
    finally:
        process.kill()
        await process.communicate()
    assert done.status == 1
    found = by_check(done.json)
    assert "does not respond" in found["gateway"][0]["what"]
    assert found["credentials"][0]["status"] == "ok"
    assert found["database"][0]["status"] == "ok"


async def test_a_settings_file_that_others_can_read(private: Any) -> None:
    private.config.chmod(0o644)
    found = by_check(json.loads((await private("doctor", "--json")).output))
    assert [one["status"] for one in found["settings"]] == ["warning", "ok"]
    assert "chmod" in found["settings"][0]["what_to_do"]
