"""Files for shops: stored once, read by shops without a consumer, and removed when nothing names them any more."""

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import Conflict, InvalidRequest
from gateway.fleet.connection import FleetConnection
from gateway.fleet.content_download import ContentDownload
from gateway.fleet.link_throttle import LinkThrottle
from gateway.fleet.subjects import CHAIN_KEY
from gateway.office import content as office_content
from gateway.office.content import ContentStore
from gateway.office.desired import DesiredBucket
from gateway.office.office import Office
from tests.fleet.cluster import HeadOffice


@pytest.fixture
async def connected(office: HeadOffice) -> AsyncIterator[Office]:
    async with office.connect() as connected:
        for stream in ("KV_desired", "KV_rollouts", "OBJ_content"):
            await connected.jetstream.purge_stream(stream)
        yield connected


async def count(office: Office) -> int:
    return (await office.jetstream.stream_info("OBJ_content")).state.messages


async def test_a_file_is_stored_once_and_a_shop_reads_it_by_direct_gets(
    office: HeadOffice, connected: Office, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 1300  # three parts
    store = ContentStore(connected)
    reference = await store.put("list.csv", io.BytesIO(content))
    assert (reference.parts, reference.size) == (3, len(content))
    stored = await count(connected)
    assert await store.put("another name.csv", io.BytesIO(content)) == reference.model_copy(
        update={"name": "another name.csv"}
    )
    assert await count(connected) == stored == 6
    connection = await FleetConnection.open(office.settings("shop-1"), on_lost=lambda: None)
    read = b""
    for number in range(reference.parts):
        name = base64.urlsafe_b64encode(f"{reference.sha256}.{number}".encode()).decode()
        meta = await connection.read_message("OBJ_content", f"$O.content.M.{name}")
        assert meta is not None
        part = await connection.read_message("OBJ_content", f"$O.content.C.{json.loads(meta.payload)['nuid']}")
        assert part is not None
        read += part.payload
    await connection.close()
    assert hashlib.sha256(read).hexdigest() == reference.sha256
    # The servers' own client reads it, too.
    objects = await connected.jetstream.object_store("content")
    assert (await objects.get(f"{reference.sha256}.0")).data == content[: office_content.PART_BYTES]


async def test_what_nothing_names_is_removed_after_a_while(connected: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ContentStore(connected)
    kept = await store.put("kept", io.BytesIO(b"kept"))
    await store.put("gone", io.BytesIO(b"gone"))
    await DesiredBucket(connected).change(CHAIN_KEY, {"products": kept.model_dump(mode="json")})
    assert await store.remove_unused() == 0
    assert await store.remove_unused(keep_s=0) == 1
    assert await count(connected) == 2
    # One that is pushed again is marked as new.
    monkeypatch.setattr(office_content, "RENEW_AFTER_S", -1)
    before = (await connected.jetstream.stream_info("OBJ_content")).state.last_seq
    await store.put("kept", io.BytesIO(b"kept"))
    assert (await connected.jetstream.stream_info("OBJ_content")).state.last_seq == before + 1
    assert await count(connected) == 2


async def test_a_file_that_is_pushed_again_while_old_ones_are_removed_stays(
    office: HeadOffice, connected: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office_content, "RENEW_AFTER_S", -1)
    store = ContentStore(connected)
    for number in range(60):
        await store.put("old", io.BytesIO(b"%d" % number))
    before = await count(connected)
    removing = asyncio.create_task(store.remove_unused(keep_s=0))
    while await count(connected) == before:
        await asyncio.sleep(0)
    async with office.connect() as other:
        again = await ContentStore(other).put("wanted", io.BytesIO(b"59"))
    await removing
    connection = await FleetConnection.open(office.settings("shop-1"), on_lost=lambda: None)
    content = io.BytesIO()
    await ContentDownload(again, content).receive(connection, LinkThrottle(lambda: False))
    await connection.close()
    assert content.getvalue() == b"59"
    assert await count(connected) == 2


async def test_what_a_killed_push_has_left_is_removed_after_a_while(
    connected: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ContentStore(connected)
    await store.put("whole", io.BytesIO(b"whole"))
    await store._put_chunk(b"half")
    await store.remove_unused()
    assert await count(connected) == 3
    monkeypatch.setattr(office_content, "KEEP_NAMELESS_S", -1)
    await store.remove_unused()
    assert await count(connected) == 2
    objects = await connected.jetstream.object_store("content")
    assert (await objects.get(f"{hashlib.sha256(b'whole').hexdigest()}.0")).data == b"whole"


async def test_a_push_that_stood_still_for_long_names_nothing_that_was_removed(
    connected: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ContentStore(connected)
    monkeypatch.setattr(office_content, "KEEP_NAMELESS_S", -1)
    chunk = await store._put_chunk(b"slow")
    await store.remove_unused()
    with pytest.raises(Conflict, match="has stood still for too long: push it again"):
        await store._name_chunk("slow", b"slow", chunk)
    assert await count(connected) == 0


async def test_a_file_that_no_shop_could_read_is_refused(connected: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(office_content, "MAX_CONTENT_BYTES", 3)
    for content in (b"", b"four"):
        with pytest.raises(InvalidRequest, match="must have 1 to 3"):
            await ContentStore(connected).put("file", io.BytesIO(content))
