"""The head office's commands as people give them: what they print, how they end, and what reaches the shops."""

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import pytest

from gateway.fleet.documents import CommandRequest, CommandResponse
from gateway.fleet.subjects import DESIRED, SHOPS, event_subject
from gateway.labels.template import TEMPLATE_FOLDER
from gateway.office.bucket import Bucket
from gateway.office.desired import DesiredBucket
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

    async def run(
        self, *words: str, clock: SystemClock | None = None, stdout: int | IO[Any] = subprocess.PIPE
    ) -> tuple[int, str, str]:
        command = ("--no-input", "office", *words, "--folder", str(self._folder))
        environment = clock.environment if clock else None
        process = await start_program("gateway", *command, environment=environment, stdout=stdout)
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


async def test_a_list_without_shops_says_why(terminal: Terminal, connected: Office) -> None:
    _, _, errors = await terminal.run("shops")
    assert "the chain has no shop yet: `sunmi-gateway office enrol SHOP` adds one" in errors
    await put_record(connected, "north-1", state="joined")
    _, _, errors = await terminal.run("shops", "nothing like it")
    assert "no shop is like that; without SEARCH, --state and --group all are listed" in errors


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
    assert [(one["state"], one["kind"]) for one in found] == [("done", "settings")]
    document = await terminal.json("rollouts", "undo", found[0]["id"])
    assert document["state"] == "undone"
    await until_taken(shops["south-1"], PART, None)
    errors = await terminal.fail("rollouts", "pause", found[0]["id"])
    assert "pause is not possible" in errors


async def test_what_is_taken_back_in_waves_is_called_what_it_is(
    terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    await terminal.json("set", "discovery.interval_s=40", "--all", "--yes")
    for name, kind in (("version", "version"), ("discovery.interval_s", "settings")):
        document = await terminal.json("unset", name, "--shop", "north-1", "--waves", "100")
        assert (document["kind"], document["title"]) == (kind, f"without {name}")
    errors = await terminal.fail("unset", "version", "products", "--all", "--waves", "100", status=2)
    assert "all of one kind" in errors
    await terminal.json("unset", "settings.discovery.interval_s", "--all", "--yes")
    assert (await DesiredBucket(connected).get("chain")).document == {}
    assert (await terminal.json("unset", "version", "products", "--all", "--yes"))["unchanged"]


async def test_what_is_taken_back_must_be_a_part_and_set(
    terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    await terminal.json("set", "discovery.interval_s=40", "--shop", "north-1")
    for name in ("discovery.intervall_s", "fleet.people"):
        errors = await terminal.fail("unset", "discovery.interval_s", name, "--shop", "north-1")
        assert f"{name}: is " in errors
    _, output, errors = await terminal.run("unset", "version", "discovery.interval_s", "--shop", "north-1")
    assert ("1 shop is told" in output, "version is not set in shop.north-1" in errors) == (True, True), errors
    _, output, errors = await terminal.run("unset", "discovery.interval_s", "--shop", "north-1")
    assert output == "Nothing changes.\n"
    assert "discovery.interval_s is not set in shop.north-1" in errors
    bucket = Bucket(connected, DESIRED)
    before = await bucket.get("shop.north-1")
    await bucket.put("shop.north-1", b'{"settings": {"old": {"setting": 1}}}', before.revision)  # of a later version
    assert (await terminal.json("unset", "old.setting", "--shop", "north-1"))["told"] == 1


async def test_a_damaged_document_is_emptied_by_the_command_that_its_error_names(
    terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    await terminal.json("groups", "add", "late", "--shop", "north-1")
    bucket = Bucket(connected, DESIRED)
    await bucket.put("shop.north-1", b'{"version": 5}', (await bucket.get("shop.north-1")).revision)
    errors = await terminal.fail("set", "discovery.interval_s=30", "--shop", "north-1")
    assert "the shop north-1 is damaged" in errors
    status, output, errors = await terminal.run("show", "north-1")
    assert status == 0, errors
    assert "shop.north-1 is damaged: `sunmi-gateway office unset document` empties it" in output
    assert "alone" in await terminal.fail("unset", "document", "version", "--shop", "north-1", status=2)
    _, output, _ = await terminal.run("unset", "document", "--shop", "north-1")
    assert output == "nothing is desired in shop.north-1 any more\n"
    document = (await terminal.json("show", "north-1"))["desired"]["shop.north-1"]["document"]
    assert document == {"groups": ["canary", "late"]}
    await terminal.json("set", "discovery.interval_s=30", "--shop", "north-1")
    assert "3 shops would be told at once" in await terminal.fail("unset", "document", "--all")
    assert (await terminal.json("unset", "document", "--all", "--yes")) == {"documents": ["chain"]}


async def test_a_rollout_that_fails_ends_with_status_1_and_says_where(
    terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    for shop in shops.values():
        shop.refused[PART] = ("refused", "must be less")
    errors = await terminal.fail("set", "discovery.interval_s=50", "--all", "--waves", "10,100")
    assert "must be less" in errors
    [rollout] = (await terminal.json("rollouts", "list"))["rollouts"]
    assert (rollout["failed"], rollout["began"] <= rollout["counted_at"]) == (1, True)
    _, output, _ = await terminal.run("rollouts", "list")
    assert re.search(rf"FAILED +AS OF.*\n.* 1 +{rollout['counted_at']}", output)
    assert (rollout["state"], "stopped by failures" in output) == ("stopped", True)
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


async def test_what_there_is_not_is_said_before_anybody_is_asked(
    terminal: Terminal, shops: dict[str, SimulatedShop]
) -> None:
    assert "no shop is called nowhere" in await terminal.fail("retire", "nowhere")
    assert "no reader is called nobody" in await terminal.fail("readers", "revoke", "nobody")
    assert "no reader is called *" in await terminal.fail("readers", "revoke", "*")
    assert "Use --yes to confirm" in await terminal.fail("retire", "south-1")


async def test_a_name_with_wildcards_is_no_name(
    terminal: Terminal, connected: Office, shops: dict[str, SimulatedShop]
) -> None:
    for word in ("*", ">"):
        assert f"no shop is called {word}" in await terminal.fail("show", word)
        assert f"no shop is called {word}" in await terminal.fail("groups", "add", "late", "--shop", word)
        assert f"no roll-out {word}" in await terminal.fail("rollouts", "pause", word)
    assert [entry.key async for entry in Bucket(connected, SHOPS).entries() if entry.key not in shops] == []


async def test_times_and_numbers_that_mean_nothing_are_refused(
    terminal: Terminal, shops: dict[str, SimulatedShop]
) -> None:
    for text in ("9999-12-31T23:59-14:00", "2026-13-01", "7", "-1d", "24h30"):
        assert "--since" in await terminal.fail("events", "--since", text, status=2)
    for text in ("0001-01-01T00:00+14:00", "0001-01-01", "999999d"):
        assert (await terminal.run("audit", "--since", text))[0] == 0
    for text in ("nan", "inf", "0"):
        assert "--deadline" in await terminal.fail("run", "doctor", "--all", "--deadline", text, status=2)
    for text in ("nan", "inf", "-1"):
        assert "--wait" in await terminal.fail("update", "1.0", "--all", "--wait", text, status=2)
        assert "--stop-at" in await terminal.fail("update", "1.0", "--all", "--stop-at", text, status=2)


async def test_names_of_what_there_is_not_are_said(terminal: Terminal, shops: dict[str, SimulatedShop]) -> None:
    for shop in ("nowhere", "a.b", ">"):
        assert f"no shop is called {shop}" in await terminal.fail("events", "--shop", shop)
    for text in ("cam*", "a..b", "a b", ">.x", ""):
        assert "--type" in await terminal.fail("events", "--type", text, status=2)
    assert "no shop is in the group nobody" in await terminal.fail("shops", "--group", "canary", "--group", "nobody")
    assert "letters" in await terminal.fail("groups", "remove", "a.b", "--shop", "north-1")


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
    terminal: Terminal, shops: dict[str, SimulatedShop], monkeypatch: pytest.MonkeyPatch
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
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    _, output, errors = await terminal.run("run", "doctor", "--shop", "north-2", "--shop", "north-1")
    assert re.search(r"^north-2 +被拒绝 ", output, re.MULTILINE)
    assert re.search(r"^\d/2  north-1: 已完成$", errors, re.MULTILINE)


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
    assert "failed: 1, warnings: 0" in output
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
            await client.jetstream(timeout=60).publish(event_subject(shop, kind), json.dumps(event).encode())
    for family in ("camera.*", "camera", "*.motion", "camera.>"):
        status, output, errors = await terminal.run("events", "--type", family)
        assert status == 0, errors
        assert [line.split()[1] for line in output.splitlines()] == ["north-1", "north-2"]
    status, output, _ = await terminal.run("events", "--shop", "north-1", "--json", "--since", "1970-01-01")
    assert [json.loads(line)["event"]["data"]["n"] for line in output.splitlines()] == [0, 2]
    assert (await terminal.run("events", "--since", "2100-01-01"))[1] == ""


async def test_who_reads_no_further_is_told_nothing_wrong(office: HeadOffice, connected: Office) -> None:
    await connected.jetstream.publish(event_subject("north-1", "a.b"), b"{}")
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` does when it has enough
    command = ("--json", "office", "events", "--folder", str(office.chain.path))
    process = await start_program("gateway", *command, stdout=writing)
    os.close(writing)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (1, b"")


@needs_faketime
@pytest.mark.parametrize("days", [-30, 30])
async def test_times_are_those_of_the_servers(
    office: HeadOffice, terminal: Terminal, shops: dict[str, SimulatedShop], tmp_path: Path, days: int
) -> None:
    """A head office whose clock is wrong finds the events of the last hour, and its commands are not too late."""
    clock = SystemClock(tmp_path / "clock", datetime.now(UTC) + timedelta(days=days))
    async with office.client() as client:
        await client.jetstream(timeout=60).publish(event_subject("north-1", f"clock.{days}"), b"{}")
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


@pytest.mark.parametrize("flags", [(), ("--json",)])
async def test_a_full_disk_of_the_reader_is_not_taken_for_servers_that_are_away(
    connected: Office, terminal: Terminal, flags: tuple[str, ...]
) -> None:
    await put_record(connected, "full-1", state="retired")
    with open("/dev/full", "wb") as full:  # noqa: ASYNC230  a device
        status, _, errors = await terminal.run("shops", "--state", "retired", *flags, stdout=full)
    assert (status, "standard output cannot be written" in errors) == (1, True), errors
    reading, writing = os.pipe()
    os.close(reading)
    status, _, errors = await terminal.run("shops", "--state", "retired", *flags, stdout=writing)
    os.close(writing)
    assert (status, errors) == (1, "")


async def test_a_file_whose_name_is_no_text_and_arguments_without_end_are_no_failures(
    connected: Office, terminal: Terminal, tmp_path: Path
) -> None:
    await put_record(connected, "failed-2", state="joined")
    file = tmp_path / "list-\udce4\udcf6.csv"  # as an old disk has it
    file.write_text("id,name,price\n1,Tea,3.50\n")
    made = await terminal.json("push", "products", str(file), "--shop", "failed-2")
    assert made["told"] == 1
    entries = (await terminal.json("audit", "list-??.csv"))["entries"]
    assert ("file", "list-??.csv") in [(one["action"], one["object"]) for one in entries]
    deep = "methods=" + "[" * 20_000
    assert "--argument methods" in await terminal.fail("run", "discover", "--all", "--argument", deep, status=2)


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("show", "nobody"), 1, "not_found"),
        (("enrol", "failed-1", "--title", "x" * 201), 1, "invalid_request"),
        (("retire", "failed-2"), 1, None),
        (("run", "nonsense", "--all"), 2, None),
        (("shops", "--limit", "x"), 2, None),
        (("nonsense",), 2, None),
        (("run", "doctor", "--shop", "failed-2", "--deadline", "1"), 1, None),
    ],
)
async def test_what_fails_is_one_document_with_json(
    connected: Office, terminal: Terminal, words: tuple[str, ...], status: int, code: str | None
) -> None:
    await put_record(connected, "failed-2", state="joined")
    ended, output, errors = await terminal.run(*words, "--json")
    assert ended == status, errors
    document = json.loads(output)
    assert document.get("code") == code
    assert "calls" in document or document["detail"] in " ".join(errors.split())
