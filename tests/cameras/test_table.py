import sqlite3
from dataclasses import replace

import pytest

from gateway.cameras.table import CameraTable, StoredCamera
from gateway.storage.database import Database

CAMERA = StoredCamera(
    sn="SS101D8BS00087",
    managed=True,
    address="10.0.0.7:443",
    mac="0C:25:76:AA:BB:CC",
    model="FM010",
    name="Kasse 1, über der Tür",
    software_version="1.2.6",
    activation="activated",
    certificate_sha256="ab" * 32,
    first_seen=1_700_000_000,
)


async def test_what_is_saved_is_loaded(database: Database) -> None:
    table = CameraTable(database)
    found = replace(CAMERA, sn="FS101D8BS00106", managed=False, address="", first_seen=1_600_000_000)
    await table.save(CAMERA, found)
    assert await CameraTable(database).load_all() == [found, CAMERA]
    renamed = replace(CAMERA, name="Eingang")
    await table.save(renamed)
    assert await table.load_all() == [found, renamed]
    await table.delete(CAMERA.sn, "never there")
    assert await table.load_all() == [found]


async def test_several_are_saved_together_or_not_at_all(database: Database) -> None:
    table = CameraTable(database)
    nonsense = replace(CAMERA, sn="other", activation="perhaps")  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        await table.save(CAMERA, nonsense)
    assert await table.load_all() == []
