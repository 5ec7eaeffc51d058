"""What a head office knows in memory, while it is read again and again."""

import asyncio
import json
from datetime import timedelta

import pytest
from nats.aio.client import Client

from gateway.errors import Overloaded
from gateway.fleet.subjects import DESIRED, FLOW, event_subject, shop_key
from gateway.office.bucket import Bucket, Entry
from gateway.office.desired import DesiredBucket, DesiredDocument, read_entry
from gateway.office_site import event_feed
from gateway.office_site.chain_view import ChainView
from gateway.office_site.desired_sizes import DesiredSizes
from gateway.office_site.flow_table import ChainFlowTable
from gateway.runtime.clock import PeerClock
from gateway.runtime.supervisor import Supervisor
from tests.fleet.cluster import HeadOffice
from tests.office_site.chain import send_flow
from tests.waiting import until


async def test_streams_are_counted_and_ended_however_often_the_shops_are_read(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor()
    monkeypatch.setattr("gateway.office_site.chain_view.INTERVAL_S", 0.05)
    async with (
        office.connect() as connected,
        ChainView.open(connected, supervisor) as view,
        asyncio.TaskGroup() as group,
    ):
        with view.open_stream(("pages", 2), ("session anna", 1)):
            paused = group.create_task(view.pause(3600))
            read_at = view._read_at
            await until(lambda: view._read_at != read_at)
            with pytest.raises(Overloaded), view.open_stream(("pages", 2), ("session anna", 1)):
                pass
            with view.open_stream(("pages", 2), ("session bert", 1)):
                pass
            await view.close_streams()
            await paused
        with view.open_stream(("pages", 1), ("session anna", 1)):
            pass
    await supervisor.close()


async def test_what_is_wanted_is_read_once_and_then_its_changes(
    office: HeadOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def note(key: str, entry: Entry | None) -> DesiredDocument:
        read.append(key)
        return read_entry(key, entry)

    monkeypatch.setattr("gateway.office_site.desired_sizes.read_entry", note)
    async with office.connect() as connected:
        bucket, sizes = DesiredBucket(connected), DesiredSizes(connected)
        for shop in ("ulm-1", "ulm-2"):
            await bucket.change(shop_key(shop), {"settings.outbox.max_bytes": 1048576})
        await sizes.refresh()
        assert (sizes.shops(), sizes[shop_key("ulm-1")]) == (["ulm-1", "ulm-2"], 1)
        read.clear()
        await bucket.change(shop_key("ulm-2"), {"settings.outbox.max_bytes": None})
        await sizes.refresh()
        assert (sizes.shops(), read) == (["ulm-1"], [shop_key("ulm-2")])
        await bucket.change(shop_key("ulm-2"), {"settings.outbox.max_bytes": 1048576})
        await Bucket(connected, DESIRED).purge(shop_key("ulm-1"))  # as for a shop that is retired
        await sizes.refresh()
        assert sizes.shops() == ["ulm-2"]
        await Bucket(connected, DESIRED).purge(shop_key("ulm-2"))


async def test_days_of_flow_go_by_the_clock_of_most_servers(office: HeadOffice, shops: dict[str, Client]) -> None:
    """The server that has stored them may be behind, by which they would be yet to come."""
    clock = PeerClock()
    async with office.connect() as connected:
        now = await connected.read_time() + timedelta(days=20)
        clock.set(now.timestamp())
        table = ChainFlowTable(connected, clock)
        for days in (0, 2):
            await send_flow(shops["hamburg-1"], "hamburg-1", str((now + timedelta(days=days)).date()), 10)
        await table.refresh()
        assert [*table.of_shop("hamburg-1")] == [str(now.date())]
        await connected.jetstream.purge_stream(FLOW)


async def test_the_newest_events_take_bounded_memory(office: HeadOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "MAX_BYTES", 5000)
    monkeypatch.setattr(event_feed, "MAX_KEPT_BYTES", 1000)
    subject = event_subject("hamburg-1", "motion.detected")

    def make_event(number: int, size: int, **members: str) -> bytes:
        return json.dumps({"id": f"e-{number}", "data": {"payload": "x" * size}, **members}).encode()

    async with office.connect() as connected:
        feed = event_feed.EventFeed(connected)
        await feed.refresh()
        for number in range(20):
            await connected.jetstream.publish(subject, make_event(number, 700))
        await feed.refresh()
        recent = feed.recent("hamburg-1")
        assert [one.document["id"] for one in recent] == [f"e-{number}" for number in range(19, 13, -1)]
        await connected.jetstream.publish(subject, make_event(20, 2000))
        await connected.jetstream.publish(subject, make_event(21, 2000, camera="c" * 2000))
        await feed.refresh()
        lean, large = feed.recent(limit=2)[::-1]
        assert (lean.document, large.document) == ({"id": "e-20", "data": {}}, {})
        assert feed.counts["motion.detected"] == 22
        assert feed.recent("munich-1") == []
