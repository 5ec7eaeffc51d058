import sqlite3
from dataclasses import fields
from typing import Any

import pytest

from gateway.cameras.record import CameraRecord, StoredCamera
from gateway.cameras.table import CameraTable
from gateway.storage.database import Database


def camera(**changes: Any) -> CameraRecord:
    stored: dict[str, Any] = {
        "sn": "SS101D8BS00087",
        "managed": True,
        "address": "10.0.0.7:443",
        "mac": "0C:25:76:AA:BB:CC",
        "model": "FM010",
        "name": "Kasse 1, über der Tür",
        "software_version": "1.2.6",
        "activation": "activated",
        "certificate_sha256": "ab" * 32,
        "first_seen": 1_700_000_000,
    }
    return CameraRecord(**{**stored, **changes})


async def test_the_columns_are_the_fields_of_a_stored_camera(database: Database) -> None:
    columns = await database.read("SELECT name FROM pragma_table_info('camera')")
    assert {column["name"] for column in columns} == {field.name for field in fields(StoredCamera)}


async def test_what_is_saved_is_loaded(database: Database) -> None:
    table = CameraTable(database)
    found = camera(sn="FS101D8BS00106", managed=False, address="", first_seen=1_600_000_000)
    await table.save(camera(), found)
    assert await CameraTable(database).load_all() == [found, camera()]
    await table.save(camera(name="Eingang"))
    assert await table.load_all() == [found, camera(name="Eingang")]
    await table.delete(camera().sn, "never there")
    assert await table.load_all() == [found]


async def test_whether_it_answers_is_not_stored(database: Database) -> None:
    table = CameraTable(database)
    answering = camera(online=True, last_seen=1_700_000_001.0, verified_address="10.0.0.7:443", hotspot=True)
    answering.ensure_address("10.0.0.8:443", "eth0", "mdns")
    await table.save(answering)
    assert await table.load_all() == [camera()]
    assert [loaded.candidate_addresses() for loaded in await table.load_all()] == [["10.0.0.7:443"]]


async def test_several_are_saved_together_or_not_at_all(database: Database) -> None:
    table = CameraTable(database)
    with pytest.raises(sqlite3.IntegrityError):
        await table.save(camera(), camera(sn="other", activation="perhaps"))
    assert await table.load_all() == []
