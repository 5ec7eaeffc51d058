"""The head office's commands as people give them: what they print, how they end, and what reaches the shops."""

import asyncio
import base64
import hashlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.fleet.documents import CommandRequest, CommandResponse
from gateway.fleet.subjects import event_subject
from gateway.labels.template import TEMPLATE_FOLDER
from gateway.office.office import Office
from tests.fleet.cluster import HeadOffice
from tests.forking import start_program
from tests.office.simulated_shop import SimulatedShop, put_record, simulate_shops
from tests.system_clock import SystemClock, needs_faketime
from tests.waiting import until

PART = "settings.discovery.interval_s"


class Terminal:
    """Gives commands of the head office."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, *words: str, clock: SystemClock | None = None) -> tuple[int, str, str]:
        command = ("--no-input", "office", *words, "--folder", str(self._folder))
        process = await start_program("gateway", *command, environment=clock.environment if clock else None)
        output, errors = await process.communicate()
        return process.returncode or 0, output.decode(), errors.decode()

    async def json(self, *words: str) -> dict[str, Any]:
        status, output, errors = await self.run(*words, "--json")
        assert status == 0, errors
        return dict(json.loads(output))

    async def fail(self, *words: str, status: int = 1) -> str:
        ended, _, errors = await self.run(*words)
        assert ended == status, errors
        return errors


@pytest.fixture
def terminal(office: HeadOffice) -> Terminal:
    return Terminal(office.chain.path)


@pytest.fixture
async def connected(office: HeadOffice) -> AsyncIterator[Office]:
    async with office.connect() as connected:
        for stream in ("KV_shops", "KV_reported", "KV_desired", "KV_rollouts"):
            await connected.jetstream.purge_stream(stream)
        yield connected


@pytest.fixture
async def shops(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> AsyncIterator[dict[str, SimulatedShop]]:  # fmt: skip
    names = {"north-1": ("canary",), "north-2": (), "south-1": ()}
    async with simulate_shops(office, connected, tmp_path, names) as shops:
        await asyncio.gather(*(shop.report() for shop in shops.values()))
        yield shops


async def until_taken(shop: SimulatedShop, part: str, value: object) -> None:
    while shop.values.get(part) != value:
        await asyncio.sleep(0.01)


async def test_the_shops_are_listed_searched_and_shown(
    terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    await put_record(connected, "new-1", state="invited", title="Market Square")
    await shops["south-1"].report(failing={"outbox": "the disk is full"})
    status, output, errors = await terminal.run("shops")
    assert status == 0, errors
    lines = output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["south-1", "new-1", "north-1", "north-2"]
    assert "outbox: the disk is full" in lines[1]
    assert "trouble 1" in errors
    document = await terminal.json("shops", "market", "--state", "never_joined")
    assert [shop["title"] for shop in document["shops"]] == ["Market Square"]
    assert "there are 3 more" in (await terminal.run("shops", "--limit", "1"))[2]
    assert "no shop is like that" in (await terminal.run("shops", "nowhere"))[2]
    assert (await terminal.json("show", "north-1"))["groups"] == ["canary"]
    assert "disk is full" in (await terminal.run("show", "south-1"))[1]
    assert "no shop is called nowhere" in await terminal.fail("show", "nowhere")
    await terminal.json("set", f"{PART.removeprefix('settings.')}=45", "--group", "canary")
    status, output, errors = await terminal.run("show", "north-1")
    assert status == 0, errors
    assert re.search(rf"{PART} +45(.0)? +group.canary", output)


async def test_settings_reach_the_shops_at_once_or_in_waves(
    terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    document = await terminal.json("set", "discovery.interval_s=30", "--shop", "north-1")
    assert (document["told"], document["documents"]) == (1, ["shop.north-1"])
    await until_taken(shops["north-1"], PART, 30.0)
    errors = await terminal.fail("set", "discovery.interval_s=40", "--all")
    assert "3 shops would be told at once" in errors
    document = await terminal.json("set", "discovery.interval_s=40", "--all", "--waves", "canary,50,100")
    assert (document["state"], document["outcomes"], document["own"]) == ("done", {"applied": 2}, 1)
    await until_taken(shops["south-1"], PART, 40.0)
    document = await terminal.json("unset", "discovery.interval_s", "--shop", "north-1")
    await until_taken(shops["north-1"], PART, 40.0)
    found = (await terminal.json("rollouts", "list"))["rollouts"]
    assert [one["state"] for one in found] == ["done"]
    document = await terminal.json("rollouts", "undo", found[0]["id"])
    assert document["state"] == "undone"
    await until_taken(shops["south-1"], PART, None)
    errors = await terminal.fail("rollouts", "pause", found[0]["id"])
    assert "pause is not possible" in errors


async def test_a_rollout_that_fails_ends_with_status_1_and_says_where(
    terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    for shop in shops.values():
        shop.refused[PART] = ("refused", "must be less")
    errors = await terminal.fail("set", "discovery.interval_s=50", "--all", "--waves", "10,100")
    assert "must be less" in errors
    [rollout] = (await terminal.json("rollouts", "list"))["rollouts"]
    status, output, _ = await terminal.run("rollouts", "show", rollout["id"])
    assert status == 0
    assert "refused" in output
    assert "stopped" in output


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["cloud.secret_key=x"], "cloud.secret_key: is a secret"),
        (["fleet.people=true"], "fleet.people: is set in the shop alone"),
        (["nothing.at_all=1"], "nothing.at_all: is not a setting"),
        (["discovery.interval_s=soon"], "discovery.interval_s: must be a valid number"),
        (["discovery.interval_s=-1"], "greater than or equal to 0"),
        (["discovery.methods=mdns"], "must be a JSON array"),
        (['discovery.methods=["magic"]'], "discovery.methods"),
    ],
)
async def test_what_no_shop_could_take_is_refused_here(
    terminal: Terminal, connected: Office, words: list[str], reason: str
) -> None:
    assert reason in await terminal.fail("set", *words, "--all", "--yes")


async def test_wrong_usage_is_named(terminal: Terminal, connected: Office) -> None:
    assert "say for which shops" in await terminal.fail("set", "discovery.interval_s=1", status=2)
    assert "is no percentage" in await terminal.fail(
        "set", "discovery.interval_s=1", "--all", "--stop-at", "few", status=2
    )
    assert "waves" in await terminal.fail("set", "discovery.interval_s=1", "--all", "--waves", "10")
    assert "neither an age" in await terminal.fail("events", "--since", "yesterday", status=2)
    assert "no shop of these has joined" in await terminal.fail("run", "doctor", "--all")
    assert "there are camera_call, discover" in await terminal.fail("run", "dance", "--all", status=2)
    assert "timeout_s" in await terminal.fail("run", "discover", "--all", "--argument", "timeout_s=soon", status=2)
    assert "is not a setting" not in await terminal.fail("run", "doctor", "--all", "--argument", "x=1", status=2)
    assert "no roll-out is called x" in await terminal.fail("rollouts", "show", "x")


async def test_lists_and_templates_are_read_here_before_they_are_pushed(
    terminal: Terminal, shops: dict[str, SimulatedShop], tmp_path: Path
) -> None:
    good, bad = tmp_path / "products.csv", tmp_path / "bad.csv"
    good.write_text("id,name,price\n1,Cola,1.50\n2,Tea,2.00\n")
    bad.write_text("id,name,price\n1,Cola,free\n")
    errors = await terminal.fail("push", "products", str(bad), "--all", "--yes")
    assert "nothing was sent" in errors
    document = await terminal.json("push", "products", str(good), "--all", "--yes")
    assert document["documents"] == ["chain"]
    while (taken := shops["north-2"].values.get("products")) is None:
        await asyncio.sleep(0.01)
    assert (taken["name"], taken["parts"], taken["complete"]) == ("products.csv", 1, True)
    template = TEMPLATE_FOLDER / "price.toml"
    await terminal.json("push", "templates", str(template), "--group", "canary")
    while "templates.price" not in shops["north-1"].values:
        await asyncio.sleep(0.01)
    bad.write_text("name = 1\n")
    assert "bad.csv" in await terminal.fail("push", "templates", str(bad), "--group", "canary")


async def test_groups_are_changed_in_record_and_desired_state(
    terminal: Terminal, shops: dict[str, SimulatedShop]
) -> None:
    await terminal.json("groups", "add", "late", "--shop", "south-1", "--shop", "north-2")
    found = (await terminal.json("groups", "list"))["groups"]
    assert found == [{"group": "canary", "shops": 1}, {"group": "late", "shops": 2}]
    assert (await terminal.json("show", "south-1"))["desired"]["shop.south-1"]["document"] == {"groups": ["late"]}
    await terminal.json("groups", "remove", "late", "--shop", "south-1")
    assert (await terminal.json("show", "south-1"))["groups"] == []
    assert "no shop is in the group nobody" in await terminal.fail("set", "discovery.interval_s=1", "--group", "nobody")
    assert "letters" in await terminal.fail("groups", "add", "a.b", "--shop", "south-1")


async def test_commands_are_given_until_each_shop_has_said_what_became_of_it(
    terminal: Terminal, shops: dict[str, SimulatedShop]
) -> None:
    def act(name: str, request: CommandRequest) -> CommandResponse:
        if len(shops["north-1"].commands) < 2:
            return CommandResponse(id=request.id, outcome="running")
        return CommandResponse(id=request.id, outcome="done", result={"command": name, **request.arguments})

    shops["north-1"].act = act
    document = await terminal.json("run", "discover", "--shop", "north-1", "--argument", "timeout_s=2.5")
    [call] = document["calls"]
    assert (call["outcome"], call["result"]) == ("done", {"command": "discover", "timeout_s": 2.5})
    assert len({request.id for _, request in shops["north-1"].commands}) == 1
    shops["north-2"].act = lambda _, request: CommandResponse(
        id=request.id, outcome="refused", reason="the shop's setting fleet.may does not list doctor"
    )
    await shops["south-1"].disconnect()
    status, output, errors = await terminal.run("run", "doctor", "--all", "--deadline", "2")
    assert status == 1
    assert "2 shops have not done it" in errors
    assert "fleet.may" in output
    assert "away until the deadline" in output


async def test_a_command_whose_process_was_killed_is_repeated_safely(
    terminal: Terminal, office: HeadOffice, shops: dict[str, SimulatedShop]
) -> None:
    shop = shops["north-1"]
    shop.act = lambda _, request: CommandResponse(id=request.id, outcome="running")
    line = ("run", "outbox_retry", "--shop", "north-1")
    process = await start_program("gateway", "office", *line, "--folder", str(office.chain.path))
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    [run_id] = re.findall(r"^id ([0-9a-f]{16}): .* --id \1$", said.strip())
    await until(lambda: shop.commands)
    process.kill()
    await process.wait()
    shop.act = lambda _, request: CommandResponse(id=request.id, outcome="done")
    document = await terminal.json(*line, "--id", run_id)
    assert (document["id"], document["calls"][0]["outcome"]) == (run_id, "done")
    [given] = {request.id for _, request in shop.commands}
    await terminal.json("run", "camera_call", "--shop", "north-1", "--argument", "sn=FM1", "--argument",
                        "endpoint=device/getInfo", "--id", run_id)  # fmt: skip
    assert shop.commands[-1][1].id != given
    assert "8 to 40 letters" in await terminal.fail(*line, "--id", "x y", status=2)


async def test_results_are_shown_so_that_people_can_read_them(
    terminal: Terminal, shops: dict[str, SimulatedShop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        {"check": "disk", "status": "failed", "what": "the disk is full", "what_to_do": "delete something"},
        {"check": "dns", "status": "ok", "what": "x" * 1000},
    ]
    content = b"a bundle"
    digest, text = hashlib.sha256(content).hexdigest(), base64.b64encode(content).decode()
    bundle = {"file": "../b", "sha256": digest, "base64": text}
    results: dict[str, dict[str, Any]] = {
        "doctor": {"findings": findings},
        "support_bundle": bundle,
        "discover": {"cameras": ["x" * 1000]},
    }
    for shop in shops.values():
        shop.act = lambda name, request: CommandResponse(id=request.id, outcome="done", result=results[name])
    _, output, _ = await terminal.run("run", "doctor", "--all")
    assert "1 failed, 0 warnings" in output
    assert output.count("the disk is full; delete something") == len(shops)
    _, output, _ = await terminal.run("run", "discover", "--all")
    assert max(map(len, output.splitlines())) < 200
    monkeypatch.chdir(tmp_path)
    _, output, _ = await terminal.run("run", "support_bundle", "--shop", "north-1")
    assert "north-1-support.tar.gz" in output
    assert (tmp_path / "north-1-support.tar.gz").read_bytes() == content


async def test_events_are_printed_by_shop_type_and_time(
    terminal: Terminal, office: HeadOffice, shops: dict[str, SimulatedShop]
) -> None:
    for number, (shop, kind) in enumerate(
        [("north-1", "camera.motion"), ("north-2", "camera.motion"), ("north-1", "a.b")]
    ):
        event = {
            "id": f"x-{number}",
            "time": "t",
            "type": kind,
            "source": "camera",
            "camera": "SN",
            "data": {"n": number},
        }
        async with office.client() as client:
            await client.jetstream(timeout=5).publish(event_subject(shop, kind), json.dumps(event).encode())
    status, output, errors = await terminal.run("events", "--type", "camera.*")
    assert status == 0, errors
    assert [line.split()[1] for line in output.splitlines()] == ["north-1", "north-2"]
    status, output, _ = await terminal.run("events", "--shop", "north-1", "--json", "--since", "1970-01-01")
    assert [json.loads(line)["event"]["data"]["n"] for line in output.splitlines()] == [0, 2]
    assert (await terminal.run("events", "--since", "2100-01-01"))[1] == ""


@needs_faketime
@pytest.mark.parametrize("days", [-30, 30])
async def test_times_are_those_of_the_servers(
    office: HeadOffice, terminal: Terminal, shops: dict[str, SimulatedShop], tmp_path: Path, days: int
) -> None:
    """A head office whose clock is wrong finds the events of the last hour, and its commands are not too late."""
    clock = SystemClock(tmp_path / "clock", datetime.now(UTC) + timedelta(days=days))
    async with office.client() as client:
        await client.jetstream(timeout=5).publish(event_subject("north-1", f"clock.{days}"), b"{}")
    status, output, errors = await terminal.run("events", "--type", f"clock.{days}", clock=clock)
    assert status == 0, errors
    arrived_at, shop, kind, *_ = output.split()
    assert (shop, kind) == ("north-1", f"clock.{days}")
    status, _, errors = await terminal.run("run", "doctor", "--shop", "north-1", "--deadline", "60", clock=clock)
    assert status == 0, errors
    [(_, request)] = shops["north-1"].commands
    ahead = datetime.fromisoformat(request.deadline) - datetime.fromisoformat(arrived_at)
    assert timedelta(seconds=59) <= ahead < timedelta(hours=1)


async def test_a_version_reaches_the_shops_if_the_repository_has_it(
    office: HeadOffice, terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    assert "cannot be a version" in await terminal.fail("update", "1;reboot", "--all", status=2)
    shops["south-1"].refused["version"] = ("rolled_back", "0.2.0 does not work here")
    document = await terminal.json("update", "0.2.0", "--shop", "north-1", "--waves", "100")
    assert (document["kind"], document["title"], document["outcomes"]) == ("version", "0.2.0", {"applied": 1})
    await until_taken(shops["north-1"], "version", "0.2.0")
    errors = await terminal.fail("update", "0.2.0", "--all", "--waves", "canary,100", "--stop-at", "10%")
    assert "0.2.0 does not work here" in errors
    index = office.chain.path / "repository/public/dists/stable/main/binary-arm64/Packages"
    index.parent.mkdir(parents=True)
    try:
        index.write_text("Package: sunmi-gateway\nVersion: 0.2.0\n")
        errors = await terminal.fail("update", "0.3.0", "--all", "--yes")
        assert "which has 0.2.0" in errors
        await terminal.json("update", "0.2.0", "--all", "--yes")
    finally:
        shutil.rmtree(office.chain.path / "repository")
