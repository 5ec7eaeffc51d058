"""The head office while its servers are put back to an earlier state, as from a backup of yesterday."""

import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.fleet.documents import ShopRecord
from gateway.fleet.subjects import REPORTED, SHOPS, answer_key, bucket_subject, shop_key
from gateway.office.bucket import Bucket, Entry
from gateway.office.desired import DesiredBucket
from gateway.office.enrolment import Enrolment
from gateway.office.readers import add_reader, revoke_reader
from gateway.office.revoked_members import list_revoked_members
from gateway.office.shop_facts import ShopHealth
from gateway.office.shops import ShopList, load_shop
from gateway.office_site.event_feed import EventFeed, find_resumption, read_events
from tests.fleet.cluster import HeadOffice
from tests.forking import start_program
from tests.office_site.chain import TIME, describe_state, find_user, send_event, send_flow, visit
from tests.waiting import until


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[HeadOffice]:
    office = HeadOffice(tmp_path, "ulm-1", "ulm-2", nodes=1)
    try:
        await office.start()
        yield office
    finally:
        await office.stop()


async def _put(office: HeadOffice, shop: str, title: str = "", version: str = "1.0") -> None:
    async with office.client() as client:
        record = ShopRecord(state="joined", title=title, since=TIME, public_key=f"U{shop}")
        await client.jetstream().publish(bucket_subject(SHOPS, shop), record.model_dump_json().encode())
        await client.jetstream().publish(bucket_subject(REPORTED, shop), describe_state(version=version))


async def _publish(office: HeadOffice, subject: str, document: object) -> None:
    async with office.client() as client:
        await client.jetstream().publish(subject, json.dumps(document).encode())


async def _events(office: HeadOffice, *numbers: int) -> None:
    async with office.client() as client:
        for number in numbers:
            await send_event(client, "ulm-1", number)


@contextlib.asynccontextmanager
async def _restored(office: HeadOffice, backup: Path) -> AsyncIterator[None]:
    """Put the servers back to what they were when the block began, and start them after it."""
    node = office.nodes[0]
    await node.kill()
    shutil.copytree(node.folder / "jetstream", backup)
    await node.start()
    yield
    await node.kill()
    shutil.rmtree(node.folder / "jetstream")
    shutil.copytree(backup, node.folder / "jetstream")
    await node.start()


async def test_all_that_is_shown_follows_the_servers_back(office: HeadOffice, tmp_path: Path) -> None:
    await _put(office, "ulm-1", "before")
    await _events(office, 1)
    async with visit(office) as visitor:
        view, connected = visitor.site.view, visitor.site.office
        kept = await view.access.create_token("kept", "view")
        async with _restored(office, tmp_path / "backup"):
            await _put(office, "ulm-1", "after", "2.0")
            await _put(office, "ulm-2")
            lost = await view.access.create_token("lost", "admin")
            await DesiredBucket(connected).change(shop_key("ulm-2"), {"settings.outbox.max_bytes": 1048576})
            answer = {"revisions": {}, "answers": {"products": {"outcome": "refused"}}, "time": TIME}
            await _publish(office, bucket_subject(REPORTED, answer_key("ulm-1")), answer)
            await _events(office, *range(2, 30))
            async with office.client() as client:
                await send_flow(client, "ulm-1", "2026-01-05", 40)
            await view.flow.refresh()
            await view.desired.refresh()
            await until(lambda: len(view.events.recent("ulm-1")) == 29)
            await until(lambda: view.shops.find("ulm-2") and view.shops.get("ulm-1").answers)
            assert (view.flow.days(), view.desired.shops()) == (["2026-01-05"], ["ulm-2"])
            assert (await visitor.call("GET", "/api/v1/shops", lost))[0] == 200
        await until(lambda: view.shops.find("ulm-2") is None and not view.access.has("lost"))
        await until(lambda: not view.shops.get("ulm-1").answers and len(view.events.recent("ulm-1")) == 1)
        facts = view.shops.get("ulm-1")
        assert facts.record is not None
        assert (facts.record.title, facts.version) == ("before", "1.0")
        assert (await visitor.call("GET", "/api/v1/shops", lost))[0] == 401
        assert (await visitor.call("GET", "/api/v1/shops", kept))[0] == 200
        await view.flow.refresh()
        await view.desired.refresh()
        assert (view.flow.days(), view.desired.shops()) == ([], [])
        # What comes now is shown, though it has numbers that others had before. Programs that have those go back, too.
        await _events(office, 50)
        await _put(office, "ulm-1", version="3.0")
        await until(lambda: len(view.events.recent("ulm-1")) == 2 and view.shops.get("ulm-1").version == "3.0")
        assert view.events.counts["camera.offline"] == 29
        after = await find_resumption(connected, 29)
        page = [one async for one in read_events(connected, "*", None, after)]
        assert [one.document["id"] for one in page] == ["e-1", "e-50"]


async def test_who_was_revoked_since_the_backup_is_shown_as_that(office: HeadOffice, tmp_path: Path) -> None:
    async with office.client() as client:
        for shop in ("ulm-1", "ulm-2"):
            record = ShopRecord(state="joined", since=TIME, public_key=find_user(office, shop))
            await client.jetstream().publish(bucket_subject(SHOPS, shop), record.model_dump_json().encode())
    async with visit(office) as visitor, office.client("ulm-2"):
        connected, shops = visitor.site.office, visitor.site.view.shops
        await add_reader(connected, "erp", mqtt=True)
        async with _restored(office, tmp_path / "backup"):
            await Enrolment(connected).retire("ulm-1")
            await revoke_reader(connected, "erp")
            await until(lambda: shops.get("ulm-1").health is ShopHealth.RETIRED)
        await until(lambda: shops.get("ulm-1").health is ShopHealth.REVOKED)
        await until(lambda: shops.get("ulm-2").health is ShopHealth.OK)
        await visitor.sign_in()
        for path in ("", "shops/ulm-1", "readers"):
            assert "listed, but revoked" in (await visitor.get(path))[1], path
        assert (await load_shop(connected, "ulm-1"))["health"] == "revoked"
        process = await start_program("gateway", "office", "init", str(office.chain.path))
        output = b"".join(await process.communicate()).decode()
        assert "revoked, but on the list of shops" in output
        assert "backup: ulm-1. Their" in output
        assert "backup: erp. They" in output
        assert await list_revoked_members(connected) == (["ulm-1"], ["erp"])
        await Enrolment(connected).retire("ulm-1")
        await revoke_reader(connected, "erp")
        assert await list_revoked_members(connected) == ([], [])


async def test_numbers_that_have_caught_up_before_the_next_look_hide_nothing(
    office: HeadOffice, tmp_path: Path
) -> None:
    for shop in ("ulm-1", "ulm-2"):
        await _put(office, shop)
    async with office.connect() as connected:
        shops, feed = ShopList(connected), EventFeed(connected)
        async with _restored(office, tmp_path / "backup"):
            await _put(office, "ulm-2", version="2.0")
            await _events(office, 1, 2)
            await shops.refresh()
            await feed.refresh()
        for version in ("3.0", "4.0"):
            await _put(office, "ulm-1", version=version)
        await _put(office, "ulm-2", version="3.0")
        await _events(office, 3, 4, 5)
        await shops.refresh()
        await feed.refresh()
        assert {one.shop: one.version for one in shops} == {"ulm-1": "4.0", "ulm-2": "3.0"}
        assert [one.document["id"] for one in feed.recent()] == ["e-5", "e-4", "e-3"]


async def test_a_lost_line_alone_has_nothing_read_anew(office: HeadOffice) -> None:
    await _put(office, "ulm-1")
    async with office.connect() as connected:
        bucket, read = Bucket(connected, SHOPS).follow(), list[Entry]()
        assert await bucket.read(read.append) == {"ulm-1"}
        await office.nodes[0].kill()
        await until(lambda: not connected.client.is_connected)
        await office.nodes[0].start()
        await until(lambda: connected.client.stats["reconnects"] == 1 and connected.client.is_connected)
        assert await bucket.read(read.append) is None
        assert len(read) == 1
        await Bucket(connected, SHOPS).purge("ulm-1")
        assert await bucket.read(read.append) is None
        await _put(office, "ulm-2")
        assert await bucket.read(read.append) is None
        assert [one.key for one in read] == ["ulm-1", "ulm-2"]
