"""`office enrol` in the head office and `fleet join` in the shop, as people type them."""

import asyncio
import base64
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.api.fleet_actions import FleetActions
from gateway.app import Gateway
from gateway.changed_settings import load_all_settings
from gateway.doctor.check import CheckContext, run_checks
from gateway.doctor.checks import CHECKS
from gateway.events.event import NewEvent
from gateway.fleet import link
from gateway.fleet.credentials import CredentialFiles, load_credentials
from gateway.fleet.pending_join import PendingJoin
from gateway.membership import LINK_SERVICE
from gateway.office.join import JoinService
from gateway.office.nkey import KeyKind, encode_public_key
from gateway.runtime.supervisor import Supervisor
from tests.fleet.cluster import HeadOffice
from tests.forking import start_program
from tests.office.test_enrolment import serve
from tests.waiting import until


@pytest.fixture(scope="module")
async def serving(office: HeadOffice) -> AsyncIterator[HeadOffice]:
    async with office.connect() as connected:
        port = office.chain.plan.join_address.port
        async with serve(JoinService(connected).make_app(), office.chain, port):
            yield office


class Shop:
    """A machine with the gateway's command."""

    def __init__(self, folder: Path, chain: Path, settings: str = "") -> None:
        self.config, self.state, self._chain = folder / "gateway.toml", folder / "state", chain
        lines = [f'[storage]\ndirectory = "{self.state}"', '[discovery]\ninterfaces = ["lo"]\ninterval_s = 0', settings]
        self.config.write_text("\n".join(lines))

    async def run(self, *words: str, program: str = "gateway") -> tuple[int, str, str]:
        environment = {"SUNMI_GATEWAY_CONFIG": str(self.config), "SUNMI_OFFICE_FOLDER": str(self._chain)}
        process = await start_program(program, *words, environment=environment)
        output, errors = await process.communicate()
        return process.returncode or 0, output.decode(), errors.decode()

    async def run_json(self, *words: str) -> dict[str, Any]:
        status, output, errors = await self.run(*words, "--json")
        assert status == 0, errors
        return dict(json.loads(output))


async def test_from_the_code_to_a_connected_gateway(serving: HeadOffice, tmp_path: Path) -> None:
    shop = Shop(tmp_path, serving.chain.path, "[fleet]\npeople = true\n")
    made = await shop.run_json("office", "enrol", "east-1", "--title", "East", "--group", "east", "--expires", "2")
    assert (made["shop"], made["valid_days"]) == ("east-1", 2)
    status, output, errors = await shop.run("fleet", "join", made["code"])
    assert status == 0, errors
    assert "belongs to its chain now, as east-1" in output
    assert "sudo systemctl restart sunmi-gateway" in output
    assert "gets events about people, too" in output
    files = {name: (shop.state / name).stat().st_mode & 0o777 for name in os.listdir(shop.state)}
    assert {name: mode for name, mode in files.items() if name.startswith("fleet")} == dict.fromkeys(
        ["fleet.toml", "fleet-ca.pem", "fleet-shop.pem", "fleet-shop.key", "fleet-shop.jwt"], 0o600
    )
    assert not [name for name in files if name.startswith("joining")]
    settings = load_all_settings(shop.config).settings
    assert (settings.fleet.shop, settings.fleet.people) == ("east-1", True)
    gateway = await Gateway.open(settings, Supervisor(initial_delay_s=0.01, max_delay_s=0.05))
    try:
        await gateway.start(port=1, https_port=0)
        gateway.start_fleet_link(FleetActions(gateway))
        await until(
            lambda: [one.state for one in gateway.supervisor.reports() if one.name == "head office link"] == ["running"]
        )
        while not await serving.read_state("east-1"):
            pass
    finally:
        await gateway.close()
    shown = await shop.run_json("fleet", "status")
    assert (shown["shop"], shown["link"], "the gateway does not run" in shown["reason"]) == ("east-1", None, True)
    other = (await shop.run_json("office", "enrol", "east-5"))["code"]
    code, _, errors = await shop.run("fleet", "join", other)
    assert (code, "is east-1 of its chain, and the code is for east-5" in errors) == (1, True)
    assert load_all_settings(shop.config).settings.fleet.shop == "east-1"
    status, _, errors = await shop.run("fleet", "leave", "--no-input")
    assert (status, "needs a new join code to come back" in errors, "Use --yes to confirm" in errors) == (1, True, True)
    assert load_all_settings(shop.config).settings.fleet.shop == "east-1"
    await shop.run_json("fleet", "leave", "--yes")
    assert (await shop.run_json("fleet", "join", other))["shop"] == "east-5"


async def test_a_shop_that_leaves_and_comes_back_by_a_new_code_sends_everything_once(
    serving: HeadOffice, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, serving.chain.path)
    sent: list[str] = []

    async def run(number: int) -> None:
        settings = load_all_settings(shop.config).settings
        gateway = await Gateway.open(settings, Supervisor(initial_delay_s=0.01, max_delay_s=0.05))
        try:
            await gateway.start(port=1, https_port=0)
            if settings.fleet.servers:
                gateway.start_fleet_link(FleetActions(gateway))
            event = await gateway.event_log.append(NewEvent("camera.motion", "camera", {"number": number}))
            assert event is not None
            sent.append(event.id)
            while settings.fleet.servers and sent[-1] not in await read():
                await asyncio.sleep(0.05)
        finally:
            await gateway.close()

    async def read() -> list[str]:
        return [event["id"] for _, event in await serving.read_events("east-31")]

    for number, words in enumerate((["--title", "East"], ["--again"])):
        code = (await shop.run_json("office", "enrol", "east-31", *words))["code"]
        _, output, _ = await shop.run("fleet", "join", code)
        assert "about people" not in output
        await run(2 * number)
        await shop.run_json("fleet", "leave", "--yes")
        await run(2 * number + 1)
    assert await read() == sent[:3]


async def test_what_goes_wrong_is_said(serving: HeadOffice, tmp_path: Path) -> None:
    shop = Shop(tmp_path, serving.chain.path)
    status, _, errors = await shop.run("fleet", "join", "nonsense")
    assert (status, "must look as `sunmi-gateway office enrol` has printed it" in errors) == (2, True)
    status, output, _ = await shop.run("fleet", "status")
    assert (status, "belongs to no chain" in output) == (0, True)
    status, _, errors = await shop.run("fleet", "leave")
    assert (status, "has joined no chain" in errors) == (1, True)
    code = (await shop.run_json("office", "enrol", "east-2"))["code"]
    status, _, errors = await shop.run("office", "enrol", "east-2")
    assert (status, "--again makes a new code" in errors) == (1, True)
    newer = (await shop.run_json("office", "enrol", "east-2", "--again"))["code"]
    pasted = (newer[:40], newer[40:].lower())  # with a line break, which a shell takes for a blank
    status, _, errors = await shop.run("fleet", "join", code)
    assert (status, "the head office refuses shop east-2" in errors) == (1, True)
    assert not list(shop.state.glob("joining-*"))
    assert (await shop.run_json("fleet", "join", *pasted))["servers"] == serving.servers
    status, _, errors = await shop.run("office", "retire", "east-2")
    assert (status, "Use --yes to confirm" in errors) == (1, True)
    assert await shop.run_json("office", "retire", "east-2", "--yes") == {"shop": "east-2", "retired": True}
    _, output, _ = await shop.run("fleet", "leave", "--yes")
    assert "belongs to no chain any more" in output
    assert not [name for name in os.listdir(shop.state) if name.startswith("fleet")]
    status, _, errors = await shop.run("office", "enrol", "east.2")
    assert (status, "letters, digits, - or _" in errors) == (2, True)
    status, _, errors = await shop.run("office", "retire", "east-2", "--yes", "--folder", str(tmp_path))
    assert (status, "is no folder of a head office" in errors) == (1, True)


async def test_the_same_code_again_changes_nothing_and_advises_nothing_bad(serving: HeadOffice, tmp_path: Path) -> None:
    shop = Shop(tmp_path, serving.chain.path)
    earlier = (await shop.run_json("office", "enrol", "east-6"))["code"]
    code = (await shop.run_json("office", "enrol", "east-6", "--again"))["code"]
    await shop.run_json("fleet", "join", code)
    key = (shop.state / "fleet-shop.key").read_bytes()
    status, output, errors = await shop.run("fleet", "join", code)
    assert (status, "is east-6 of its chain already" in output, errors) == (0, True, "")
    assert "restart" not in output
    assert (await shop.run_json("fleet", "join", code))["shop"] == "east-6"
    status, _, errors = await shop.run("fleet", "join", earlier)
    assert (status, "is east-6 of its chain already, and stays so" in errors) == (1, True)
    assert (shop.state / "fleet-shop.key").read_bytes() == key
    assert not list(shop.state.glob("joining-*"))
    # A boot partition that has the same code makes no second attempt.
    (shop.state / "join-code").write_text(code)
    supervisor = Supervisor()
    PendingJoin(shop.state, supervisor, lambda: None).start()
    await until(lambda: not (shop.state / "join-code").exists())
    await supervisor.close()
    assert (shop.state / "fleet-shop.key").read_bytes() == key


async def test_a_gateway_whose_shop_is_retired_says_so(
    serving: HeadOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LISTEN_S", 0.0)
    shop = Shop(tmp_path, serving.chain.path)
    await shop.run_json("fleet", "join", (await shop.run_json("office", "enrol", "east-7"))["code"])
    gateway = await Gateway.open(
        load_all_settings(shop.config).settings, Supervisor(initial_delay_s=0.01, max_delay_s=0.05)
    )
    try:
        await gateway.start(port=1, https_port=0)
        gateway.start_fleet_link(FleetActions(gateway))
        while not await serving.read_state("east-7"):
            pass
        await shop.run_json("office", "retire", "east-7", "--yes")

        def report() -> str:
            [one] = [one for one in gateway.supervisor.reports() if one.name == LINK_SERVICE]
            return (one.last_failure or "") if one.state == "failing" else ""

        await until(lambda: "no longer takes this gateway as shop east-7" in report())
        assert "fleet join CODE" in report()
        assert "fleet leave" in report()
        assert "Broken pipe" not in report()
        checks = [check for check in CHECKS if check.name in ("head_office", "services")]
        findings = await run_checks(CheckContext(gateway.settings, gateway), checks)
        about = {one.check: one for one in findings if "no longer takes" in one.what}
        assert "office enrol SHOP --again" in about["head_office"].what_to_do
        assert "fleet leave" in about["head_office"].what_to_do
        assert "head_office" in about["services"].what_to_do
        assert "restarted" not in about["services"].what_to_do
    finally:
        await gateway.close()


async def test_servers_in_the_settings_file_win(serving: HeadOffice, tmp_path: Path) -> None:
    shop = Shop(tmp_path, serving.chain.path, serving.section("shop-1"))
    code = (await shop.run_json("office", "enrol", "east-3"))["code"]
    status, _, errors = await shop.run("fleet", "join", code)
    assert (status, "remove servers from [fleet] there" in errors) == (1, True)


async def test_a_membership_that_cannot_be_read_stops_no_gateway(serving: HeadOffice, tmp_path: Path) -> None:
    shop = Shop(tmp_path, serving.chain.path)
    shop.state.mkdir()
    for text in ("servers = 3", "nonsense", 'shop = "x"\nservers = ["a.example:1"]\nother = 1'):
        (shop.state / "fleet.toml").write_text(text)
        assert load_all_settings(shop.config, sets_aside=True).settings.fleet.servers == []


async def test_a_backup_holds_the_membership(serving: HeadOffice, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = Shop(tmp_path / "old", serving.chain.path), Shop(tmp_path / "new", serving.chain.path)
    await old.run_json("fleet", "join", (await old.run_json("office", "enrol", "east-4"))["code"])
    gateway = await Gateway.open(load_all_settings(old.config).settings, Supervisor())
    await gateway.close()
    archive = str(tmp_path / "backup.tar.gz")
    made = await old.run_json("backup", archive)
    assert {"state/fleet.toml", "state/fleet-shop.key"} <= {*made["files"]}
    assert not [name for name in made["files"] if name.startswith("files/")]
    await new.run_json("restore", archive)
    assert (new.state / "fleet-shop.key").read_bytes() == (old.state / "fleet-shop.key").read_bytes()
    assert load_all_settings(new.config).settings.fleet.shop == "east-4"


def _find_user(shop: Shop) -> str:
    """Return the user whose key a shop has."""
    key = load_pem_private_key((shop.state / "fleet-shop.key").read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return encode_public_key(KeyKind.U, key.public_key().public_bytes_raw())


def _find_token_user(shop: Shop) -> str:
    """Return the user for whom a shop's token is."""
    claims = (shop.state / "fleet-shop.jwt").read_text().split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])


@pytest.mark.slow
async def test_kill_9_at_each_step_leaves_a_gateway_that_has_joined_or_has_not(
    serving: HeadOffice, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, serving.chain.path)
    code = (await shop.run_json("office", "enrol", "east-9"))["code"]
    await shop.run_json("fleet", "join", code)
    ends = list[bool]()
    while True:  # each time anew, in a gateway that belongs to the chain by an earlier code
        code = (await shop.run_json("office", "enrol", "east-9", "--again"))["code"]
        status, _, _ = await shop.run(str(len(ends)), "fleet", "join", code, program="tests.office.killed_command")
        fleet = load_all_settings(shop.config).settings.fleet
        ends.append(bool(fleet.servers))
        if fleet.servers:
            load_credentials(CredentialFiles.of(fleet))  # the certificate is for the key
            assert _find_token_user(shop) == _find_user(shop)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        assert (await shop.run_json("fleet", "join", code))["shop"] == "east-9"
        assert not list(shop.state.glob("joining-*"))
    assert set(ends) == {True, False}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write into another user's folder")
async def test_root_writes_nothing_into_the_folder_of_the_service(serving: HeadOffice, tmp_path: Path) -> None:
    """It would follow the links that the service has put there."""
    shop = Shop(tmp_path, serving.chain.path)
    made = await shop.run_json("office", "enrol", "east-20")
    shop.state.mkdir()
    os.chown(shop.state, 65534, 65534)
    status, _, errors = await shop.run("fleet", "join", made["code"])
    assert status == 1
    assert "run this as that user: sudo -u" in errors
    assert os.listdir(shop.state) == []


async def test_what_is_wrong_with_a_shop_is_said_by_field(serving: HeadOffice, tmp_path: Path) -> None:
    shop = Shop(tmp_path, serving.chain.path)
    for title in ("x" * 201, "a\x1b[2Jb"):
        status, _, errors = await shop.run("office", "enrol", "east-8", "--title", title)
        assert status == 1
        assert "title" in errors
        assert "must be at most 200 printable characters" in errors
        assert "Traceback" not in errors
