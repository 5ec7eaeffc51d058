"""Two gateways with one certificate, as from a copied SD card: both notice, and nothing of either is lost or mixed."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.subscription import Subscription

from gateway.api.fleet_actions import FleetActions
from gateway.app import Gateway
from gateway.doctor.check import CheckContext, Finding, run_checks
from gateway.doctor.checks import CHECKS
from gateway.events.event import EventFilter, NewEvent
from gateway.fleet import link, presence
from gateway.fleet.documents import Presence
from gateway.fleet.link import FleetLink
from gateway.fleet.subjects import present_subject
from gateway.fleet_settings import FleetSettings
from gateway.runtime.supervisor import Supervisor
from gateway.settings import DiscoverySettings, Settings, StorageSettings
from tests.fleet.cluster import HeadOffice
from tests.waiting import until

NODES = 3


@asynccontextmanager
async def start(folder: Path, fleet: FleetSettings) -> AsyncIterator[Gateway]:
    settings = Settings(
        storage=StorageSettings(directory=str(folder)),
        discovery=DiscoverySettings(interfaces=["lo"], interval_s=0),
        fleet=fleet,
    )
    gateway = await Gateway.open(settings, Supervisor(initial_delay_s=0.01, max_delay_s=0.05))
    try:
        await gateway.start(port=1, https_port=0)
        gateway.start_fleet_link(FleetActions(gateway))
        await until(lambda: link_of(gateway).status().connected_since)
        yield gateway
    finally:
        await gateway.close()


def link_of(gateway: Gateway) -> FleetLink:
    assert gateway.fleet_link is not None
    return gateway.fleet_link


async def append(gateway: Gateway, text: str) -> str:
    event = await gateway.event_log.append(NewEvent("camera.motion", "camera", {"text": text}))
    assert event is not None
    return event.id


async def send(gateway: Gateway, text: str) -> None:
    """Append an event, and wait until the head office has it."""
    event_id = await append(gateway, text)
    await until(lambda: link_of(gateway).status().last_event == event_id)


async def read_texts(office: HeadOffice, shop: str) -> list[str]:
    return [event["data"]["text"] for _, event in await office.read_events(shop) if "text" in event["data"]]


async def list_types(gateway: Gateway) -> list[str]:
    page = await gateway.event_log.read(0, EventFilter.parse("fleet.*", ""), limit=100)
    return [event.type for event in page.events]


async def check_link(gateway: Gateway) -> Finding:
    [check] = [check for check in CHECKS if check.name == "head_office"]
    [finding] = await run_checks(CheckContext(gateway.settings, gateway), [check])
    return finding


async def wait_for_state(office: HeadOffice, shop: str, *, cloned: bool) -> dict[str, Any]:
    while (
        (await office.read_state(shop)).get("cloned", None) is None
        if cloned
        else ((await office.read_state(shop)).get("cloned", "never reported") is not None)
    ):
        pass
    return await office.read_state(shop)


async def test_both_are_told_stop_and_go_on_when_one_is_left(
    office: HeadOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = office.settings("shop-1", may=["token_revoke"])
    async with start(tmp_path / "first", fleet) as gateway:
        await send(gateway, "before")
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    async with start(tmp_path / "first", fleet) as first:
        await send(first, "the first alone")
        async with start(tmp_path / "second", fleet) as second:
            await until(lambda: link_of(first).status().cloned)
            await until(lambda: link_of(second).status().cloned)
            # Both give the same number to something else.
            ids = [await append(first, "of the first"), await append(second, "of the second")]
            assert ids[0] != ids[1]
            for gateway in (first, second):
                await until(lambda: link_of(gateway).status().events_waiting)  # noqa: B023
            state = await wait_for_state(office, "shop-1", cloned=True)
            assert state["cloned"].keys() == {"host", "addresses", "since"}
            for gateway in (first, second):
                assert (await check_link(gateway)).status == "failed"
                while "fleet.cloned" not in await list_types(gateway):
                    pass
            response = await office.command("shop-1", "token_revoke", {"name": "till 1"})
            assert response["outcome"] == "refused"
            assert "another gateway has this shop's certificate" in response["reason"]
            assert await read_texts(office, "shop-1") == ["before", "the first alone"]
        # The first one is broken, say: the copy stays.
    monkeypatch.setattr(presence, "GONE_AFTER_S", 0.0)
    async with start(tmp_path / "second", fleet) as second:
        while "of the second" not in await read_texts(office, "shop-1"):
            pass
        assert await read_texts(office, "shop-1") == ["before", "the first alone", "of the second"]
        assert (await check_link(second)).status == "ok"
    async with start(tmp_path / "first", fleet) as first:  # and that one, too, has lost nothing
        while "of the first" not in await read_texts(office, "shop-1"):
            pass
    assert sorted(await read_texts(office, "shop-1")) == ["before", "of the first", "of the second", "the first alone"]


async def test_the_other_one_is_forgotten_when_it_was_not_heard(
    office: HeadOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = office.settings("shop-2")
    async with start(tmp_path / "state", fleet) as gateway:
        own_link = link_of(gateway)
        async with office.client("shop-2") as other:
            for noise in (b"", b"{}", b"\xff", b"[1]", b'{"instance":5}', b"x" * 100_000):
                await other.publish("fleet.v1.shop-2.present", noise)
            while not own_link.status().cloned:  # the first ones come before the gateway has said that it is there, too
                for number in range(50):
                    said = Presence(instance=f"{number}", host="copy", addresses=("192.0.2.7",), started="")
                    await other.publish("fleet.v1.shop-2.present", office.sign_presence("shop-2", said))
                await other.flush()
        cloned = own_link.status().cloned
        assert cloned is not None
        assert (cloned["host"], cloned["addresses"]) == ("copy", ["192.0.2.7"])
        waits = await append(gateway, "while cloned")
        monkeypatch.setattr(presence, "GONE_AFTER_S", 0.0)
        own_link.wake()
        await until(lambda: own_link.status().cloned is None)
        while "fleet.clone_gone" not in await list_types(gateway):
            pass
        while waits not in [event["id"] for _, event in await office.read_events("shop-2")]:
            pass
        assert (await wait_for_state(office, "shop-2", cloned=False))["cloned"] is None


async def test_a_gateway_that_restarts_is_no_other_one(office: HeadOffice, tmp_path: Path) -> None:
    fleet = office.settings("shop-3")
    for _number in range(2):
        async with start(tmp_path / "state", fleet) as gateway:
            await send(gateway, "x")
            assert link_of(gateway).status().cloned is None
    assert await read_texts(office, "shop-3") == ["x", "x"]


async def test_a_late_message_of_the_process_before_is_no_other_gateway(office: HeadOffice, tmp_path: Path) -> None:
    async with start(tmp_path / "gateway", office.settings("shop-9")) as gateway:
        epoch = gateway.event_log.epoch
        before = Presence(instance="0" * 32, host="store", addresses=("192.168.1.2",), started="2026-11-29T12:00:00Z")
        async with office.client("shop-9") as client:
            heard = await client.subscribe(present_subject("shop-9"))
            await client.publish(present_subject("shop-9"), office.sign_presence("shop-9", before))
            said = [Presence.model_validate_json((await heard.next_msg(timeout=60)).data) for _ in range(2)]
        assert said[0].instance == before.instance
        assert said[1].instance != before.instance
        await send(gateway, "after it")
        assert link_of(gateway).status().cloned is None
        assert gateway.event_log.epoch == epoch


async def have_sent(sender: Client, subject: str, heard: Subscription, said: bytes) -> None:
    """Have a server send what is stored to a listener, until it is heard."""
    while True:
        await sender.publish(subject, b"", reply=heard.subject)
        with contextlib.suppress(nats.errors.TimeoutError):
            if (await heard.next_msg(timeout=1)).data == said:
                return


async def test_another_shop_does_not_pass_for_a_copy(
    office: HeadOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream answers to whatever subject the sender of a message names, with what it was sent before."""
    monkeypatch.setattr(link, "CHECK_INTERVAL_S", 0.05)
    false = Presence(instance="f" * 32, host="false", started="2026-11-29T12:00:00Z")
    event, present = "fleet.v1.shop-1.event.false", present_subject("shop-9")
    one = office.servers[:1]  # what a server sends for a shop does not always get to the others
    async with start(tmp_path / "gateway", office.settings("shop-9", servers=one)) as gateway:
        monkeypatch.setattr(HeadOffice, "servers", one)
        async with office.client("shop-1") as other, office.client("shop-9") as own:
            heard = await own.subscribe(present)
            await own.flush()
            for said in (false.model_dump_json().encode(), office.sign_presence("shop-1", false)):
                await other.request(event, said, timeout=60)
                for _ in range(2):  # after the second one the gateway would take it for a copy
                    await have_sent(other, f"$JS.API.DIRECT.GET.events.{event}", heard, said)
                    link_of(gateway).wake()
        await send(gateway, "after it")
        assert link_of(gateway).status().cloned is None
