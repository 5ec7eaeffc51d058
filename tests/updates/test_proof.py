"""A new version proves itself before it serves: by what passed before alone, and with a verdict that lasts."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway import __version__
from gateway.api.local_socket import request_health_at
from gateway.api.server import serve
from gateway.app import Gateway
from gateway.console.site import add_console
from gateway.errors import StateError
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.runtime.supervisor import Service
from gateway.settings import Settings
from gateway.simulator.ports import find_free_port
from gateway.updates import exchange
from gateway.updates.exchange import FOLDER_VARIABLE, STATE_VARIABLE, PendingUpdate, load_pending, write_verdict
from gateway.updates.installer import Installer
from gateway.updates.machine import Places
from gateway.updates.proof import find_failures, list_checks, prove
from gateway.updates.wanted import WantedVersion
from tests.forking import start_program
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs the socket of commands")

ATTEMPT = "0123456789abcdef0123456789abcdef"
ALL = ("api", "storage", "orders", "database", "changed_settings", "services")


def make_settings(folder: Path) -> Settings:
    return Settings.model_validate(
        {
            "server": {"host": "127.0.0.1", "port": 0},
            "storage": {"directory": str(folder / "state")},
            "discovery": {"interfaces": ["lo"], "interval_s": 0},
        }
    )


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Give a gateway with changed settings that are not valid, which one of the checks finds."""
    opened = await Gateway.open(make_settings(tmp_path))
    (tmp_path / "state/settings.toml").write_text("[server]\nnothing = 1\n")
    yield opened
    await opened.close()


@pytest.fixture
async def session(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    async with serve(gateway, add_pages=add_console) as urls, aiohttp.ClientSession(urls[0]) as http:
        yield http


def read_verdict(gateway: Gateway) -> Any:
    return json.loads((gateway.directory.path / "update/verdict.json").read_bytes())


def pending(*checks: str, version: str = __version__) -> PendingUpdate:
    return PendingUpdate(attempt=ATTEMPT, version=version, checks=checks)


async def start_nothing() -> None:
    """Start no background work."""


async def test_callers_are_told_to_wait_and_health_still_tells(
    gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    token = await gateway.tokens.create("till", "pos")
    session.headers["Authorization"] = f"Bearer {token}"
    gateway.readiness.hold("version 2 proves itself before it serves")
    order = {"order_list": [{"order_no": "1", "order_type": 1, "received_amount": 1}]}
    for method, path in (
        *(("POST", "/api/v1/cloud/order/update"), ("GET", "/api/v1/cameras"), ("GET", "/healthz")),
        *(("POST", "/hooks/cloud"), ("GET", "/nothing"), ("GET", "/console/"), ("GET", "/docs")),
    ):
        async with session.request(method, path, json=order if method == "POST" else None) as response:
            assert response.status == 503, path
            assert response.headers["Retry-After"] == "5"
            assert "version 2 proves itself before it serves" in await response.text()  # a page of the console, too
    for path in ("/metrics", "/api/v1/status"):
        async with session.get(path) as response:
            assert response.status == 200, path
    assert (await gateway.outbox.stats()).depth == 0
    gateway.readiness.release()
    async with session.get("/healthz") as response:
        assert response.status == 200
    async with session.get("/api/v1/cameras") as response:
        assert response.status == 200


async def test_what_failed_before_does_not_count(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    assert session is not None
    gateway.readiness.hold("…")
    failures = await find_failures(gateway)
    assert set(failures) & set(ALL) == {"changed_settings"}
    before = list_checks(failures)
    assert set(ALL) - set(before) == {"changed_settings"}
    started = []

    async def start() -> None:
        assert gateway.readiness.is_held
        started.append(True)

    assert await prove(gateway, pending(*before, "a_check_that_is_gone"), start, asyncio.Event())
    assert started == [True]
    verdict = read_verdict(gateway)
    assert verdict == {"attempt": ATTEMPT, "version": __version__, "passed": True, "served": True, "reason": ""}
    assert exchange.has_passed(gateway.directory.path, pending())


async def test_what_passed_before_has_to_pass(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    assert session is not None
    assert not await prove(gateway, pending(*ALL), start_nothing, asyncio.Event(), limit_s=0.1)
    verdict = read_verdict(gateway)
    assert (verdict["passed"], verdict["served"]) == (False, False)
    assert "server.nothing" in verdict["reason"] or "0.1 s" in verdict["reason"]


async def test_a_line_that_is_lost_meanwhile_rolls_nothing_back(
    gateway: Gateway, session: aiohttp.ClientSession
) -> None:
    assert session is not None

    async def lose_the_line(_: Service) -> None:
        raise HeadOfficeUnavailable("no line")

    async def start() -> None:
        gateway.supervisor.start_service("head office link", lose_the_line)
        await until(lambda: [one for one in gateway.supervisor.reports() if one.state == "failing"])

    before = list_checks(await find_failures(gateway))
    assert await prove(gateway, pending(*before), start, asyncio.Event())


@pytest.mark.parametrize(
    ("failure", "vital"),
    [(HeadOfficeUnavailable("away"), True), (KeyError("row"), False), (StateError("a table is missing"), False)],
)
async def test_a_service_that_fails_through_the_version_does(
    gateway: Gateway, session: aiohttp.ClientSession, failure: Exception, vital: bool
) -> None:
    assert session is not None

    async def fail(_: Service) -> None:
        raise failure

    async def start() -> None:
        gateway.supervisor.start_service("labels of the new version", fail, vital=vital)
        await until(lambda: [one for one in gateway.supervisor.reports() if one.state == "failing"])

    assert not await prove(gateway, pending("services"), start, asyncio.Event(), limit_s=4)
    assert "labels of the new version" in read_verdict(gateway)["reason"]


async def test_ports_at_which_nobody_answers_do_not_pass(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    assert session is not None
    assert "ports" in list_checks(await find_failures(gateway))
    gateway.check_api = partial(request_health_at, [f"http://127.0.0.1:{find_free_port()}/"])
    assert "ports" in await find_failures(gateway)


async def test_work_that_cannot_start_is_no_success(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    assert session is not None

    async def start() -> None:
        raise RuntimeError("a row of another version")

    assert not await prove(gateway, pending("api", "storage"), start, asyncio.Event())
    assert "a row of another version" in read_verdict(gateway)["reason"]


async def test_a_gateway_that_is_stopped_says_nothing(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    assert session is not None
    stop = asyncio.Event()
    stop.set()
    assert not await prove(gateway, pending("api"), start_nothing, stop)
    assert not (gateway.directory.path / "update").exists()


def test_that_some_version_has_served_is_never_forgotten(tmp_path: Path) -> None:
    write_verdict(tmp_path, pending(version="9.9.9"), "0.1.0", serves=True)
    write_verdict(tmp_path, pending(version="9.9.9"), "9.9.9", serves=False, reason="x" * 5000)
    verdict = json.loads((tmp_path / "update/verdict.json").read_bytes())
    assert (verdict["version"], verdict["passed"], verdict["served"]) == ("9.9.9", False, True)
    assert len(verdict["reason"]) == 1000
    another = PendingUpdate(attempt="f" * 32, version="9.9.9", checks=())
    write_verdict(tmp_path, another, "9.9.9", serves=False)
    assert json.loads((tmp_path / "update/verdict.json").read_bytes())["served"] is False


@pytest.mark.parametrize("content", ["", "[]", "{", '{"attempt": "x"}', "[" * 5000])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "pending.json").write_text(content)
    assert load_pending(tmp_path) is None


@pytest.mark.parametrize("version", [__version__, "9.9.9"])
async def test_the_service_proves_itself_where_it_is_the_new_version(tmp_path: Path, version: str) -> None:
    """Any other version serves at once, and says so first."""
    settings = tmp_path / "gateway.toml"
    settings.write_text(
        f'[server]\nhost = "127.0.0.1"\nport = 0\n[storage]\ndirectory = "{tmp_path}/state"\n'
        '[discovery]\ninterfaces = ["lo"]\ninterval_s = 0\n'
    )
    told = {"attempt": ATTEMPT, "version": version, "checks": ALL}
    (tmp_path / "pending.json").write_text(json.dumps(told))
    environment = {FOLDER_VARIABLE: str(tmp_path), STATE_VARIABLE: str(tmp_path / "state")}
    process = await start_program("gateway", "--config", str(settings), "run", environment=environment)
    try:
        assert process.stderr is not None
        url = ""
        async for line in process.stderr:
            url = line.decode().partition("serves on ")[2].strip()
            if url:
                break
        async with aiohttp.ClientSession(url) as session:
            while True:
                async with session.get("/healthz") as response:
                    if response.status == 200:
                        break
                    assert response.status == 503
                await asyncio.sleep(0.05)
        verdict = json.loads((tmp_path / "state/update/verdict.json").read_bytes())
        assert (verdict["passed"], verdict["served"]) == (version == __version__, True)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
async def wanted(
    gateway: Gateway, session: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> WantedVersion:
    assert session is not None
    monkeypatch.setenv(STATE_VARIABLE, str(gateway.directory.path))
    (tmp_path / "own").mkdir()
    (tmp_path / "chain.sources").touch()
    return WantedVersion(gateway, tmp_path / "own", source=tmp_path / "chain.sources", retry_interval_s=0)


def say(folder: Path, attempt: str, outcome: str, reason: str) -> None:
    status = {"attempt": attempt, "version": "9.9.9", "outcome": outcome, "reason": reason, "time": ""}
    (folder / "own/status.json").write_text(json.dumps(status))


async def test_a_version_is_asked_for_once(gateway: Gateway, wanted: WantedVersion, tmp_path: Path) -> None:
    request = gateway.directory.path / "update/request.json"
    assert (await wanted.want(__version__, "7")).outcome == "applied"
    assert not request.exists()
    assert (await wanted.want("9.9.9", "7")).outcome == "pending"
    asked = json.loads(request.read_bytes())
    assert asked["version"] == "9.9.9"
    assert set(ALL) - set(asked["checks"]) == {"changed_settings"}
    places = Places(own=tmp_path / "own", state=gateway.directory.path)
    assert Installer(places)._take_request() is not None  # it is what the installer takes
    say(tmp_path, asked["attempt"], "unreachable", "no line")
    answer = await wanted.want("9.9.9", "7")
    assert answer.outcome == "pending"
    assert request.exists()  # it is asked for again
    request.unlink()
    for outcome in ("refused", "rolled_back"):
        say(tmp_path, asked["attempt"], outcome, "it does not start")
        for _ in range(2):
            answer = await wanted.want("9.9.9", "7")
            assert (answer.outcome, answer.reason) == (outcome, "it does not start")
            assert not request.exists()
    say(tmp_path, asked["attempt"], "applied", "")
    answer = await wanted.want("9.9.9", "7")
    assert (answer.outcome, f"but {__version__} runs now" in answer.reason) == ("refused", True)
    assert not request.exists()
    assert (await wanted.want("9.9.9", "8")).outcome == "pending"
    assert json.loads(request.read_bytes())["attempt"] != asked["attempt"]


async def test_without_the_chains_repository_nobody_is_asked_until_it_is_there(
    gateway: Gateway, wanted: WantedVersion, tmp_path: Path
) -> None:
    (tmp_path / "chain.sources").unlink()
    for at_once in (False, True):
        answer = await wanted.want("9.9.9", "7", at_once=at_once)
        assert (answer.outcome, "chain.sources is missing" in answer.reason) == ("refused", True)
    assert not (gateway.directory.path / "update").exists()
    (tmp_path / "chain.sources").touch()
    assert (await wanted.want("9.9.9", "7")).outcome == "pending"
    assert (gateway.directory.path / "update/request.json").exists()


async def test_at_once_asks_without_the_pause_but_not_while_the_installer_is_at_work(
    gateway: Gateway, wanted: WantedVersion, tmp_path: Path
) -> None:
    patient = WantedVersion(gateway, tmp_path / "own", source=tmp_path / "chain.sources")
    request = gateway.directory.path / "update/request.json"
    await patient.want("9.9.9", "7")
    attempt = json.loads(request.read_bytes())["attempt"]
    request.unlink()
    (tmp_path / "own/journal.json").touch()
    await patient.want("9.9.9", "7", at_once=True)
    assert not request.exists()
    (tmp_path / "own/journal.json").unlink()
    say(tmp_path, attempt, "unreachable", "no line")
    assert (await patient.want("9.9.9", "7")).reason == "no line; tried again"
    assert not request.exists()
    answer = await patient.want("9.9.9", "7", at_once=True)
    assert (answer.outcome, answer.reason) == ("pending", "it is being fetched")
    assert json.loads(request.read_bytes())["attempt"] == attempt
    request.unlink()
    say(tmp_path, attempt, "rolled_back", "it does not start")
    assert (await patient.want("9.9.9", "7", at_once=True)).outcome == "rolled_back"
    assert not request.exists()


async def test_at_once_says_if_the_installer_cannot_be_asked(gateway: Gateway, wanted: WantedVersion) -> None:
    (gateway.directory.path / "update").write_text("no folder")
    assert "cannot be asked" in (await wanted.want("9.9.9", "7")).reason
    with pytest.raises(StateError, match="cannot be written"):
        await wanted.want("9.9.9", "7", at_once=True)


@pytest.mark.parametrize("version", ["", "-o", "1 2", "../1", "1;reboot", "x" * 64])
async def test_what_cannot_be_a_version_is_refused(gateway: Gateway, wanted: WantedVersion, version: str) -> None:
    assert (await wanted.want(version, "1")).outcome == "refused"
    assert not (gateway.directory.path / "update").exists()


async def test_another_state_directory_is_refused(wanted: WantedVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, "/var/lib/sunmi-gateway")
    answer = await wanted.want("9.9.9", "1")
    assert answer.outcome == "refused"
    assert "storage.directory" in answer.reason
