"""A gateway and its head office: what arrives there, once, and what never leaves the shop."""

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

import nats.errors
import pytest

from gateway.app import Gateway
from gateway.errors import StateError
from gateway.events.event import NewEvent
from gateway.events.log import EventLog
from gateway.fleet import connection as fleet_connection
from gateway.fleet import link, link_throttle, reported_state
from gateway.fleet.connection import FleetConnection
from gateway.fleet.cursor_table import FleetCursorTable
from gateway.fleet.presence import PresenceWatch
from gateway.fleet.reported_state import StateReporter
from gateway.fleet.uplink import EventUplink
from gateway.fleet_settings import FleetSettings
from gateway.runtime.supervisor import Supervisor
from gateway.storage.database import Database
from gateway.storage.uptime_table import Uptime
from tests.fleet.cluster import HeadOffice, issue, make_chain
from tests.fleet.conftest import Open
from tests.waiting import until

NODES = 3


async def append(gateway: Gateway, *events: NewEvent) -> list[str]:
    """Append events and return their ids."""
    return [event.id for new in events if (event := await gateway.event_log.append(new)) is not None]


def motion(number: int) -> NewEvent:
    return NewEvent("camera.motion", "camera", {"number": number}, camera="FM02D96S00001")


def face(number: int) -> NewEvent:
    return NewEvent("face.seen", "cloud", {"face_id": str(number)}, personal=True, face_id=str(number))


async def settle(office: HeadOffice, shop: str, last_id: str) -> list[str]:
    """Wait until an event is at the head office; return the ids of all that are there."""
    while True:
        ids = [event["id"] for _, event in await office.read_events(shop)]
        if last_id in ids:
            return ids


def make_presence(gateway: Gateway, shop: str) -> PresenceWatch:
    """Return one that has heard nobody."""

    async def save() -> None:
        pass

    return PresenceWatch(
        shop,
        gateway.clock,
        gateway.event_log,
        report=gateway.system_events.add,
        find_addresses=set,
        save_cursor=save,
        on_change=lambda: None,
    )


def make_uplink(settings: FleetSettings, event_log: EventLog, database: Database) -> EventUplink:
    return EventUplink(settings, event_log, FleetCursorTable(database), is_busy=lambda: False, report=lambda _: None)


def report(gateway: Gateway) -> tuple[str, str]:
    """Return the state of the link, and why it failed last."""
    [link] = [one for one in gateway.supervisor.reports() if one.name == "head office link"]
    return link.state, link.last_failure or ""


async def test_events_and_state_arrive_and_people_stay_in_the_shop(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-1"))
    events = [motion(number) if number % 3 else face(number) for number in range(1, 101)]
    ids = await append(gateway, *events)
    expected = [event_id for event_id, event in zip(ids, events, strict=True) if not event.personal]
    assert await settle(office, "shop-1", expected[-1]) == expected
    subject, event = (await office.read_events("shop-1"))[0]
    assert subject == "fleet.v1.shop-1.event.camera.motion"
    assert (event["camera"], event["data"]) == ("FM02D96S00001", {"number": 1})
    while not (state := await office.read_state("shop-1")):  # it follows the events
        await asyncio.sleep(0.01)
    assert state["outbox"] == {"depth": 0, "held": False, "away": None}
    assert (state["cameras"], state["failing"], len(state["settings_digest"])) == ([], {}, 64)


async def test_events_about_people_go_up_if_the_settings_say_so(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-2", people=True))
    ids = await append(gateway, face(1), motion(2))
    assert await settle(office, "shop-2", ids[-1]) == ids


async def test_a_gateway_that_was_off_goes_on_where_it_was(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-3"))
    first = await append(gateway, *map(motion, range(50)))
    await settle(office, "shop-3", first[-1])
    await gateway.close()
    gateway = await open_gateway(office.settings("shop-3"))
    second = await append(gateway, *map(motion, range(50, 60)))
    assert await settle(office, "shop-3", second[-1]) == first + second


async def test_what_the_servers_do_not_take_is_skipped_and_said(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-4"))
    large = NewEvent("camera.motion", "camera", {"text": "店" * 1_000_000})
    ids = await append(gateway, motion(1), large, NewEvent("camera..motion", "camera"), motion(2))
    assert await settle(office, "shop-4", ids[-1]) == ids
    [first, skipped, odd, last] = await office.read_events("shop-4")
    assert {subject for subject, _ in (first, last)} == {"fleet.v1.shop-4.event.camera.motion"}
    assert {subject for subject, _ in (skipped, odd)} == {"fleet.v1.shop-4.event.fleet.skipped"}
    assert skipped[1]["data"] == {"type": "camera.motion", "reason": "too_large", "bytes": 3_000_011}
    assert odd[1]["data"] == {"type": "camera..motion", "reason": "subject_refused", "bytes": 2}


async def test_a_shop_with_the_certificate_of_another_skips_nothing_and_says_so(
    office: HeadOffice, open_gateway: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_connection, "ACKNOWLEDGEMENT_TIMEOUT_S", 0.3)  # for what it asks the stream
    other = office.settings("shop-6")
    files = {key: getattr(other, key) for key in ("certificate", "private_key", "user_jwt")}
    gateway = await open_gateway(office.settings("shop-5", **files))
    await append(gateway, motion(1))
    await until(lambda: "permissions violation" in report(gateway)[1])
    assert report(gateway)[0] == "failing"
    assert await office.read_events("shop-5") == await office.read_events("shop-6") == []


async def test_the_servers_keep_shops_apart(office: HeadOffice) -> None:
    async with office.client("shop-6") as client:
        jetstream = client.jetstream(timeout=0.3)
        for subject in ("fleet.v1.shop-7.event.camera.motion", "$KV.reported.shop-7"):
            with pytest.raises(nats.errors.TimeoutError):
                await jetstream.publish(subject, b"{}")
        for subject in ("fleet.v1.shop-7.event.>", "fleet.v1.*.event.>"):
            with pytest.raises(nats.errors.TimeoutError):
                await jetstream.get_last_msg("events", subject, direct=True)
        heard = await client.subscribe("fleet.v1.shop-7.event.>")
        async with office.client("shop-7") as other:
            await other.jetstream().publish(
                "fleet.v1.shop-7.event.camera.motion", b'{"id":"a-1"}', headers={"Nats-Msg-Id": "shop-7/a-1"}
            )
        with pytest.raises(nats.errors.TimeoutError):
            await heard.next_msg(timeout=0.1)


async def test_a_head_office_that_is_away_is_said_and_found_again(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-8", servers=["127.0.0.1:1"]))
    [first] = await append(gateway, motion(1))
    await until(lambda: report(gateway)[0] == "failing")
    assert report(gateway)[1].startswith("nothing of shop shop-8 gets to the head office, so it is tried again")
    await gateway.close()
    gateway = await open_gateway(office.settings("shop-8"))
    assert await settle(office, "shop-8", first) == [first]
    assert report(gateway)[0] == "running"


async def test_without_the_client_library_only_the_link_is_missing(
    office: HeadOffice, open_gateway: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nats.aio.client", None)
    monkeypatch.delitem(sys.modules, "gateway.fleet.connection")
    gateway = await open_gateway(office.settings("shop-9"))
    await until(lambda: report(gateway)[0] == "failing")
    assert "pip install '.[fleet]' in the folder" in report(gateway)[1]


@pytest.mark.parametrize("answers", [[True, True, False], [True] * 1000], ids=["calls end", "calls never end"])
async def test_calls_of_tills_come_first_for_a_while(
    office: HeadOffice, database: Database, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, answers: list[bool]
) -> None:
    monkeypatch.setattr(link_throttle, "MAX_YIELD_S", 0.2)
    asked = iter(answers)
    event_log = await EventLog.open(database, await Uptime.open(database, supervisor), supervisor)
    connection = await FleetConnection.open(office.settings("shop-7"), on_lost=lambda: None)
    uplink = EventUplink(
        office.settings("shop-7"),
        event_log,
        FleetCursorTable(database),
        is_busy=lambda: next(asked),
        report=lambda _: None,
    )
    await uplink.begin(connection)
    event = await event_log.append(motion(1))
    await until(lambda: uplink.is_behind)
    await uplink.send_batch(connection)
    left = list(asked)
    assert left == [] if False in answers else 0 < len(left) < 999
    assert event is not None
    assert event.id in await settle(office, "shop-7", event.id)
    await connection.close()
    await event_log.close()


async def test_a_link_that_is_connecting_ends_at_once(
    office: HeadOffice, open_gateway: Open, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        gateway = await open_gateway(office.settings("shop-8"))
        await gateway.close()
    assert "does not end" not in caplog.text


async def test_the_state_is_reported_when_it_has_changed_and_not_too_often(
    office: HeadOffice, open_gateway: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await open_gateway(FleetSettings())
    settings = gateway.settings.model_copy(update={"fleet": office.settings("shop-8")})
    parts = (gateway.registry, gateway.outbox, gateway.cloud, gateway.supervisor)
    reporter = StateReporter(settings, *parts, make_presence(gateway, "shop-8"))
    connection = await FleetConnection.open(settings.fleet, on_lost=lambda: None)
    await reporter.work(connection)
    first = await office.read_state("shop-8")
    await gateway.registry.manage("FM02D96S00001", "127.0.0.1:10443")
    await reporter.work(connection)
    assert await office.read_state("shop-8") == first
    monkeypatch.setattr(reported_state, "MIN_INTERVAL_S", 0)
    await reporter.work(connection)
    [camera] = (await office.read_state("shop-8"))["cameras"]
    assert (camera["sn"], camera["address"]) == ("FM02D96S00001", "127.0.0.1:10443")
    await connection.close()


async def test_a_service_that_works_again_is_soon_reported(
    office: HeadOffice, open_gateway: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await open_gateway(FleetSettings())
    settings = gateway.settings.model_copy(update={"fleet": office.settings("shop-10")})
    parts = (gateway.registry, gateway.outbox, gateway.cloud, gateway.supervisor)
    reporter = StateReporter(settings, *parts, make_presence(gateway, "shop-10"))
    connection = await FleetConnection.open(settings.fleet, on_lost=lambda: None)
    works = asyncio.Event()

    async def work() -> None:
        if not works.is_set():
            raise StateError("the disk is full")

    gateway.supervisor.start_periodic("till", work, interval_s=0.01, run_at_start=True)
    await until(lambda: "till" in reporter._find_failing())
    await reporter.work(connection)
    assert (await office.read_state("shop-10"))["failing"] == {"till": "the disk is full"}
    works.set()
    await until(lambda: not reporter._find_failing())
    await reporter.work(connection)
    assert (await office.read_state("shop-10"))["failing"], "not at once"
    monkeypatch.setattr(reported_state, "RECOVERY_INTERVAL_S", 0)
    await reporter.work(connection)
    assert (await office.read_state("shop-10"))["failing"] == {}
    await connection.close()


async def test_the_events_that_wait_are_counted_without_a_connection(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-4"))
    ids = await append(gateway, *map(motion, range(5)))
    await settle(office, "shop-4", ids[-1])
    await gateway.close()
    gateway = await open_gateway(office.settings("shop-4", certificate="/nowhere/shop.pem"))
    await until(lambda: report(gateway)[0] == "failing")
    assert gateway.fleet_link is not None
    assert (gateway.fleet_link.status().last_event, gateway.fleet_link.status().events_waiting) == (ids[-1], 0)


async def test_a_certificate_that_cannot_be_read_is_named(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-9", certificate="/nowhere/shop.pem"))
    await until(lambda: report(gateway)[0] == "failing")
    assert report(gateway)[1].startswith("fleet.certificate: /nowhere/shop.pem")


async def test_a_certificate_of_another_authority_is_refused(
    office: HeadOffice, open_gateway: Open, tmp_path: Path
) -> None:
    files = issue(make_chain(tmp_path / "other"), "shop-9", tmp_path)
    changes = files._asdict() | {"ca_file": office.settings("shop-9").ca_file}
    gateway = await open_gateway(office.settings("shop-9", **changes))
    await until(lambda: report(gateway)[0] == "failing")
    assert "unknown ca" in report(gateway)[1].lower()


async def test_servers_of_another_authority_get_nothing(office: HeadOffice, open_gateway: Open, tmp_path: Path) -> None:
    other = make_chain(tmp_path / "other")
    gateway = await open_gateway(office.settings("shop-9", ca_file=other.office_files.ca_file))
    await until(lambda: report(gateway)[0] == "failing")
    assert "certificate verify failed" in report(gateway)[1]


async def test_shops_that_are_copies_of_each_other_do_not_hide_their_events(
    office: HeadOffice, open_gateway: Open
) -> None:
    gateway = await open_gateway(office.settings("shop-9"))
    ids = await append(gateway, motion(1))
    assert await settle(office, "shop-9", ids[-1]) == ids
    await gateway.close()
    # A copy of its card from before it joined.
    with contextlib.closing(sqlite3.connect(gateway.database.path)) as connection, connection:
        connection.execute("DELETE FROM fleet_cursor")
    gateway = await open_gateway(office.settings("shop-6"))
    assert await settle(office, "shop-6", ids[-1]) == ids


async def test_a_shop_sends_no_events_of_the_shop_that_it_was_before(office: HeadOffice, open_gateway: Open) -> None:
    gateway = await open_gateway(office.settings("shop-9"))
    before = await append(gateway, motion(1), motion(2))
    sent_before = await settle(office, "shop-9", before[-1])
    known = [event["id"] for _, event in await office.read_events("shop-8")]
    await gateway.close()
    # As on a copied card. It is connected some time after its start, and has started more than once by then.
    gateway = await open_gateway(office.settings("shop-8", certificate="/nowhere/shop.pem"))
    after = await append(gateway, motion(3))
    await until(lambda: report(gateway)[0] == "failing")
    assert gateway.fleet_link is not None
    assert (gateway.fleet_link.status().last_event, gateway.fleet_link.status().events_waiting) == (None, 1)
    await gateway.close()
    gateway = await open_gateway(office.settings("shop-8"))
    after += await append(gateway, motion(4))
    after = [f"{gateway.event_log.epoch}-{one.partition('-')[2]}" for one in after]
    assert await settle(office, "shop-8", after[-1]) == [*known, *after]
    await gateway.close()
    gateway = await open_gateway(office.settings("shop-9"))
    status = gateway.fleet_link.status if gateway.fleet_link is not None else None
    await until(lambda: status is not None and status().connected_since)
    again = await append(gateway, motion(6))
    assert (await settle(office, "shop-9", again[-1])) == [*sent_before, *again]


async def test_a_shop_of_the_same_name_in_another_chain_sends_no_events_of_before(
    office: HeadOffice, database: Database, supervisor: Supervisor, tmp_path: Path
) -> None:
    uptime = await Uptime.open(database, supervisor)
    event_log = await EventLog.open(database, uptime, supervisor)
    await event_log.append(motion(1))
    await event_log.close()
    settings = office.settings("shop-10")
    await make_uplink(settings, event_log, database).load()
    event_log = await EventLog.open(database, uptime, supervisor)
    await event_log.append(motion(2))
    other = make_chain(tmp_path / "other").office_files.ca_file
    uplink = make_uplink(settings.model_copy(update={"ca_file": other}), event_log, database)
    await uplink.load()
    assert uplink.waiting == 1
    uplink = make_uplink(settings.model_copy(update={"ca_file": "/nowhere"}), event_log, database)
    await uplink.load()
    assert uplink.waiting == 1
    await event_log.close()


async def test_a_shop_that_left_and_comes_back_sends_what_happened_meanwhile_once(
    office: HeadOffice, open_gateway: Open
) -> None:
    gateway = await open_gateway(office.settings("shop-10"))
    ids = await append(gateway, motion(1))
    await settle(office, "shop-10", ids[-1])
    await gateway.close()
    gateway = await open_gateway(FleetSettings())
    ids += await append(gateway, motion(2))
    await gateway.close()
    gateway = await open_gateway(office.settings("shop-10"))
    ids += await append(gateway, motion(3))
    assert await settle(office, "shop-10", ids[-1]) == ids


async def test_a_link_that_works_again_is_not_reported_as_failing(
    office: HeadOffice, open_gateway: Open, tmp_path: Path
) -> None:
    certificate = tmp_path / "shop.pem"
    gateway = await open_gateway(office.settings("shop-12", certificate=str(certificate)))
    await until(lambda: report(gateway)[0] == "failing")
    certificate.symlink_to(office.settings("shop-12").certificate)
    while not (state := await office.read_state("shop-12")):
        await asyncio.sleep(0.01)
    assert state["failing"] == {}


@pytest.mark.parametrize("patience_s", [60.0, 0.0], ids=["for a moment", "for long"])
async def test_a_stream_that_is_away_costs_no_connection_at_once(
    office: HeadOffice, open_gateway: Open, monkeypatch: pytest.MonkeyPatch, patience_s: float
) -> None:
    monkeypatch.setattr(link, "STREAM_RETRY_S", 0.05)
    monkeypatch.setattr(link, "STREAM_PATIENCE_S", patience_s)
    gateway = await open_gateway(office.settings("shop-11"))
    await settle(office, "shop-11", (await append(gateway, motion(1)))[-1])
    assert gateway.fleet_link is not None
    connection = gateway.fleet_link._connection
    async with office.client() as client:
        config = (await client.jetstream().stream_info("events")).config
        await client.jetstream().update_stream(config, subjects=["fleet.v1.nobody.event.>"])
        [event_id] = await append(gateway, motion(2))
        await until(lambda: report(gateway)[0] == "failing" and "no response from stream" in report(gateway)[1])
        if patience_s == 0:
            await until(lambda: gateway.fleet_link is not None and gateway.fleet_link._connection is not connection)
        await client.jetstream().update_stream(config, subjects=config.subjects)
    await settle(office, "shop-11", event_id)
    await until(lambda: report(gateway)[0] == "running")
    assert (gateway.fleet_link._connection is connection) == (patience_s > 0)


async def test_a_bucket_for_reports_that_is_away_costs_no_connection(
    office: HeadOffice, open_gateway: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link, "STREAM_RETRY_S", 0.05)
    monkeypatch.setattr(reported_state, "MIN_INTERVAL_S", 0)
    gateway = await open_gateway(office.settings("shop-5"))
    while not await office.read_state("shop-5"):
        await asyncio.sleep(0.01)
    assert gateway.fleet_link is not None
    connection = gateway.fleet_link._connection
    failures = {one.name: one.failures for one in gateway.supervisor.reports()}["head office link"]
    async with office.client() as client:
        config = (await client.jetstream().stream_info("KV_reported")).config
        await client.jetstream().update_stream(config, subjects=["nobody.>"])
        caplog.set_level("INFO")
        caplog.clear()
        await gateway.registry.manage("FM02D96S00001", "127.0.0.1:10443")
        while {one.name: one.failures for one in gateway.supervisor.reports()}["head office link"] < failures + 4:
            await append(gateway, motion(1))
            await asyncio.sleep(0.01)
        assert report(gateway)[0] == "failing"
        [event_id] = await append(gateway, motion(2))
        await settle(office, "shop-5", event_id)
        assert report(gateway)[0] == "failing"
        assert [one for one in caplog.messages if "head office link" in one and "resolved" in one] == []
        await client.jetstream().update_stream(config, subjects=config.subjects)
    await until(lambda: report(gateway)[0] == "running")
    assert len([one for one in caplog.messages if "service 'head office link' failed" in one]) == 2  # and resolved
    assert gateway.fleet_link._connection is connection
    while not (state := await office.read_state("shop-5"))["cameras"]:
        await asyncio.sleep(0.01)
    assert state["failing"] == {}


async def test_a_stream_that_cannot_be_read_at_first_costs_no_connection(
    office: HeadOffice, open_gateway: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "STREAM_RETRY_S", 0.05)
    async with office.client() as client:
        config = (await client.jetstream().stream_info("events")).config
        await client.jetstream().update_stream(config, allow_direct=False)
        gateway = await open_gateway(office.settings("shop-2"))
        await until(lambda: report(gateway)[0] == "failing" and "no respon" in report(gateway)[1])
        assert gateway.fleet_link is not None
        connection = gateway.fleet_link._connection
        [event_id] = await append(gateway, motion(1))
        await client.jetstream().update_stream(config, allow_direct=True)
    await settle(office, "shop-2", event_id)
    assert gateway.fleet_link._connection is connection is not None


async def test_events_wait_while_there_is_no_room_and_all_else_goes_on(
    office: HeadOffice, open_gateway: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "NO_ROOM_PAUSE_S", 0.2)
    monkeypatch.setattr(link, "CHECK_INTERVAL_S", 0.2)  # when it tries again, if nothing happens
    gateway = await open_gateway(office.settings("shop-9", may=["token_revoke"]))
    own_link = gateway.fleet_link
    assert own_link is not None
    await settle(office, "shop-9", (await append(gateway, motion(1)))[0])
    since = own_link.status().connected_since
    async with office.client() as client:
        jetstream = client.jetstream(timeout=30)
        info = await jetstream.stream_info("events")
        await jetstream.update_stream(info.config, max_bytes=info.state.bytes + 1)
        [waiting] = await append(gateway, motion(2))
        await until(lambda: own_link._uplink in own_link._resumes_at)
        assert (await office.command("shop-9", "token_revoke", {"name": "nobody"}))["outcome"] == "refused"
        assert own_link.status().events_waiting
        await jetstream.update_stream(info.config)
    await settle(office, "shop-9", waiting)
    assert own_link.status().connected_since == since
