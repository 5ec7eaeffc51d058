"""The list of shops: how each is, as servers and shops say it, and since when."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path

import pytest

from gateway.errors import NotFound
from gateway.fleet.connection import FleetConnection
from gateway.fleet.failures import HeadOfficeUnavailable
from gateway.office import connections, stored_messages
from gateway.office.bucket import Bucket
from gateway.office.connections import read_connections, read_ends
from gateway.office.office import Office
from gateway.office.shop_facts import ShopHealth
from gateway.office.shops import ShopList, load_shop, load_shops
from tests.fleet.cluster import HeadOffice
from tests.office.simulated_shop import put_record, read_public_key, simulate_shops


@pytest.fixture
async def connected(office: HeadOffice) -> AsyncIterator[Office]:
    async with office.connect() as connected:
        yield connected


async def test_each_shop_is_shown_as_it_is_the_worst_first(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    names = {"fine": ("north",), "ill": ("north", "south"), "gone": ("south",), "twin": ()}
    async with simulate_shops(office, connected, tmp_path, names) as shops:
        await put_record(connected, "new", state="invited", title="Market Square")
        await put_record(connected, "old", state="retired")
        await shops["fine"].report(cameras=[{"sn": "1", "online": True}, {"sn": "2", "online": False}])
        await shops["ill"].report(failing={"outbox": "the disk is full"}, version="2.0.0")
        await shops["twin"].report(cloned={"host": "pi-2", "addresses": ["192.168.1.5"], "since": "x"})
        await shops["gone"].disconnect()
        found = await load_shops(connected)
        await found.refresh(asks=True)
        assert [(one.shop, one.health.value) for one in found.search()] == [
            ("twin", "cloned"), ("ill", "trouble"), ("gone", "away"), ("new", "never_joined"), ("fine", "ok"),
        ]  # fmt: skip
        assert found.counts()[ShopHealth.RETIRED] == 1
        assert found.groups() == {"north": 2, "south": 2}
        assert [one.shop for one in found.search("market")] == ["new"]
        assert [one.shop for one in found.search("DISK")] == ["ill"]
        assert [one.shop for one in found.search(groups=["north"], healths=[ShopHealth.OK])] == ["fine"]
        assert [one.shop for one in found.search(healths=[ShopHealth.RETIRED])] == ["old"]
        fine, gone = found.get("fine").describe(), found.get("gone").describe()
        assert (fine["cameras"], fine["cameras_offline"], fine["version"]) == (2, 1, "1.0.0")
        assert fine["since"].endswith("Z")
        assert gone["since"] >= fine["since"]

        # What changes is seen with the next look.
        await shops["gone"].connect()
        await shops["gone"].report()
        await shops["ill"].report(failing={})
        await shops["ill"].report_findings({"check": "disk", "status": "failed", "text": "the disk is full"})
        await found.refresh(asks=True)
        assert found.get("gone").health is ShopHealth.OK
        assert [(one.kind, one.name) for one in found.get("ill").troubles] == [("check", "disk")]
        await shops["ill"].report_findings()
        await found.refresh(asks=True)
        assert found.get("ill").health is ShopHealth.OK
        with pytest.raises(NotFound, match="no shop is called nowhere"):
            found.get("nowhere")


async def test_a_shop_can_be_retired_while_the_servers_are_asked_since_when_it_is_away(
    office: HeadOffice, connected: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def wait(office: Office, users: Collection[str]) -> Mapping[str, str]:
        asked.set()
        await go_on.wait()
        return await read_ends(office, users)

    monkeypatch.setattr("gateway.office.shops.read_ends", wait)
    async with simulate_shops(office, connected, tmp_path, {"leaving": ()}) as shops:
        await shops["leaving"].disconnect()
        found = ShopList(connected)
        async with asyncio.TaskGroup() as group:
            group.create_task(found.refresh())
            await asked.wait()
            await put_record(connected, "leaving", state="retired")
            again = group.create_task(found.refresh())
            await asyncio.wait({again}, timeout=0.5)  # as far as it comes
            go_on.set()
        assert found.get("leaving").health is ShopHealth.RETIRED


async def test_names_with_numbers_are_in_the_order_that_people_expect(connected: Office) -> None:
    for name in ("extra-10", "extra-2", "extra-1"):
        await put_record(connected, name, state="invited", groups=(f"group-{name}",))
    found = await load_shops(connected)
    assert [one.shop for one in found.search("extra-")] == ["extra-1", "extra-2", "extra-10"]
    groups = [group for group in found.groups() if group.startswith("group-extra")]
    assert groups == ["group-extra-1", "group-extra-2", "group-extra-10"]


async def test_one_shop_is_shown_whole(office: HeadOffice, connected: Office, tmp_path: Path) -> None:
    async with simulate_shops(office, connected, tmp_path, {"whole": ("east",)}) as shops:
        await shops["whole"].report()
        await Bucket(connected, "desired").change("group.east", lambda _: b'{"version": "3.0.0"}')
        document = await load_shop(connected, "whole")
        assert document["health"] == "ok"
        assert document["reported"]["state"]["version"] == "1.0.0"
        assert document["desired"]["group.east"]["document"] == {"version": "3.0.0"}
        assert "code_sha256" not in document["record"]
        await shops["whole"].disconnect()
        document = await load_shop(connected, "whole")
        assert (document["health"], document["since"] is not None) == ("away", True)
    with pytest.raises(NotFound):
        await load_shop(connected, "nowhere")


async def test_a_shop_that_takes_the_name_of_another_is_known_by_its_key(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    async with simulate_shops(office, connected, tmp_path, {"liar": (), "victim": ()}, connected=False) as shops:
        settings = shops["liar"]._settings.model_copy(update={"shop": "victim"})
        connection = await FleetConnection.open(settings, on_lost=lambda: None)
        found = await load_shops(connected)
        await connection.close()
        assert found.get("victim").health is ShopHealth.AWAY
        assert found.get("liar").health is ShopHealth.OK


async def test_many_connections_and_keys_are_read_page_by_page(
    office: HeadOffice, connected: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PAGE", 5)
    monkeypatch.setattr(connections, "CLOSED_PAGE", 5)
    monkeypatch.setattr(connections, "OVERLAP", 2)
    monkeypatch.setattr(stored_messages, "BATCH", 3)
    monkeypatch.setattr(stored_messages, "MAX_SUBJECTS", 4)
    names = {f"page-{number}": () for number in range(13)}
    async with simulate_shops(office, connected, tmp_path, names) as shops:
        keys = {name: read_public_key(shop._settings.private_key) for name, shop in shops.items()}
        found = await read_connections(connected)
        assert {*keys.values()} <= {*found.since}
        assert (found.servers, found.expected) == (1, 1)
        bucket = Bucket(connected, "shops")
        assert {*names} <= {entry.key async for entry in bucket.entries()}
        assert {*names} == {*await bucket.read([*names])}
        for shop in shops.values():
            await shop.disconnect()
        assert {*await read_ends(connected, keys.values())} == {*keys.values()}
        assert not {*keys.values()} & {*(await read_connections(connected)).since}


async def test_no_question_to_the_servers_goes_on_when_another_one_has_failed(
    connected: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    async def wait(_: Office) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("who is connected")

    async def fail(_: Office) -> None:
        raise HeadOfficeUnavailable("the servers are away")

    monkeypatch.setattr("gateway.office.shops.read_connections", wait)
    monkeypatch.setattr("gateway.office.shops.read_revoked", fail)
    with pytest.raises(HeadOfficeUnavailable, match="the servers are away"):
        await ShopList(connected).refresh(asks=True)
    assert ended == ["who is connected"]
