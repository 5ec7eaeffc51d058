"""`office enrol` in the head office and `fleet join` in the shop, as people type them."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.changed_settings import load_all_settings
from gateway.office.join import JoinService
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

    async def run(self, *words: str) -> tuple[int, str, str]:
        environment = {"SUNMI_GATEWAY_CONFIG": str(self.config), "SUNMI_OFFICE_FOLDER": str(self._chain)}
        process = await start_program("gateway", *words, environment=environment)
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
    await shop.run_json("fleet", "leave")
    assert (await shop.run_json("fleet", "join", other))["shop"] == "east-5"


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
    status, _, errors = await shop.run("fleet", "join", code)
    assert (status, "the head office refuses shop east-2" in errors) == (1, True)
    assert (await shop.run_json("fleet", "join", newer))["servers"] == serving.servers
    assert await shop.run_json("office", "retire", "east-2") == {"shop": "east-2", "retired": True}
    _, output, _ = await shop.run("fleet", "leave")
    assert "belongs to no chain any more" in output
    assert not [name for name in os.listdir(shop.state) if name.startswith("fleet")]
    status, _, errors = await shop.run("office", "enrol", "east.2")
    assert (status, "letters, digits, - or _" in errors) == (2, True)
    status, _, errors = await shop.run("office", "retire", "east-2", "--folder", str(tmp_path))
    assert (status, "is no folder of a head office" in errors) == (1, True)


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write into another user's folder")
async def test_root_writes_nothing_into_the_folder_of_the_service(serving: HeadOffice, tmp_path: Path) -> None:
    """It would follow the links that the service has put there."""
    shop = Shop(tmp_path, serving.chain.path)
    made = await shop.run_json("office", "enrol", "east-9")
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
