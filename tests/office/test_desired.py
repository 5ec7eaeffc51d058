"""What is desired of shops: documents changed part by part, by several at the same time, and what is wrong in them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.desired_settings import PUSHABLE
from gateway.errors import InvalidRequest, StateError
from gateway.office.bucket import Bucket, RevisionConflict
from gateway.office.desired import (
    DesiredBucket,
    DesiredDocument,
    apply_parts,
    check_settings,
    find_field,
    parse_setting,
)
from gateway.office.office import Office
from tests.fleet.cluster import HeadOffice


@pytest.fixture
async def connected(office: HeadOffice) -> AsyncIterator[Office]:
    async with office.connect() as connected:
        await connected.jetstream.purge_stream("KV_desired")
        yield connected


def test_parts_are_set_and_taken_out_and_nothing_else_changes() -> None:
    document = {"groups": ["a"], "settings": {"video": {"max_streams": 1}}, "of a newer version": 1}
    parts = {"settings.discovery.interval_s": 2.5, "templates.price": {"sha256": "x"}, "version": "2"}
    changed = apply_parts(document, parts)
    assert changed == {
        **document,
        "settings": {"video": {"max_streams": 1}, "discovery": {"interval_s": 2.5}},
        "templates": {"price": {"sha256": "x"}},
        "version": "2",
    }
    assert DesiredDocument("chain", changed, 1).read([*parts, "products"]) == {**parts, "products": None}
    assert apply_parts(changed, dict.fromkeys(parts)) == document


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("discovery.interval_s", "inf", "must be a valid number"),
        ("cameras.timeout_s", "1e999", "must be a valid number"),
        ("cloud.shop_id", "\udcff", "must be valid Unicode"),
        ("discovery.interfaces", '["\\ud800"]', "must be valid Unicode"),
        ("discovery.interfaces", "[" * 100_000, "must be a JSON array"),
    ],
)
def test_what_no_shop_could_read_is_refused(name: str, text: str, reason: str) -> None:
    """With an infinite number in it, shops would refuse the whole document."""
    with pytest.raises(InvalidRequest, match=reason):
        parse_setting(name, text)


async def test_no_document_gets_what_no_shop_could_read(connected: Office) -> None:
    refused: list[dict[str, Any]] = [{"settings.x.y": float("inf")}, {"templates.a\udcff": {}}]
    for parts in refused:
        with pytest.raises(InvalidRequest):
            await DesiredBucket(connected).change("chain", parts)


async def test_many_change_one_document_at_the_same_time_and_nothing_is_lost(connected: Office) -> None:
    bucket = DesiredBucket(connected)
    await asyncio.gather(*(bucket.change("chain", {f"settings.s{number}.key": number}) for number in range(12)))
    assert len((await bucket.get("chain")).document["settings"]) == 12


async def test_a_key_is_changed_only_at_the_revision_that_was_read(connected: Office) -> None:
    bucket = Bucket(connected, "desired")
    revision = await bucket.put("chain", b"{}", 0)
    with pytest.raises(RevisionConflict):
        await bucket.put("chain", b"{}", 0)
    deleted = await bucket.delete("chain", revision)
    assert (await bucket.get("chain"))[1:3] == (None, deleted)
    assert await bucket.read(["chain"]) == {}
    assert [(entry.key, entry.value) async for entry in bucket.entries()] == [("chain", None)]
    assert await bucket.put("chain", b"{}", deleted) > deleted


async def test_a_document_that_somebody_has_damaged_is_named(connected: Office) -> None:
    await Bucket(connected, "desired").put("chain", b'{"settings": 1}', 0)
    with pytest.raises(StateError, match=r"desired of all shops is damaged.* unset document --all"):
        await DesiredBucket(connected).change("chain", {"version": "1"})
    assert [one.document async for one in DesiredBucket(connected).read_all()] == [{}]


async def test_a_document_that_no_shop_would_read_is_not_stored(connected: Office) -> None:
    for version, reason in (("x" * 300_000, "is larger than"), ("x" * 65, "version: must have at most 64")):
        with pytest.raises(InvalidRequest, match=reason):
            await DesiredBucket(connected).change("chain", {"version": version})
    assert (await DesiredBucket(connected).get("chain")).revision == 0


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("discovery.interval_s", "2.5", 2.5),
        ("discovery.methods", '["mdns"]', ["mdns"]),
        ("server.pos_deletes_products", "true", True),
        ("provisioning.ssid", "12345678", "12345678"),
        ("fleet.servers", '["a.example:4222"]', ["a.example:4222"]),
    ],
)
def test_a_setting_that_is_typed_gets_the_type_that_it_has(name: str, text: str, value: Any) -> None:
    assert parse_setting(name, text) == value


@pytest.mark.parametrize("name", [name for name in PUSHABLE if find_field(name).annotation is float])
def test_a_number_that_shops_cannot_read_is_no_value(name: str) -> None:
    with pytest.raises(InvalidRequest, match=name):
        parse_setting(name, "inf")


def test_every_setting_that_is_wrong_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_settings({"video.max_streams": 99, "cloud.app_id": "1", "video.nothing": 1, "cloud.shop_id": "5"})
    assert [one.parameter for one in caught.value.field_errors] == [
        "video.max_streams",
        "cloud.app_id",
        "video.nothing",
    ]
