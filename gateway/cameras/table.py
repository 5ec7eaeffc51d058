"""The table of cameras. Its columns are the fields of `StoredCamera`."""

import logging
from dataclasses import fields
from operator import attrgetter
from typing import Final

from gateway.cameras.record import CameraRecord, StoredCamera, is_serial_number
from gateway.storage.database import Database

_COLUMNS: Final = tuple(field.name for field in fields(StoredCamera))
_BOOLEAN_COLUMNS: Final = tuple(field.name for field in fields(StoredCamera) if field.type is bool)
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM camera ORDER BY first_seen, sn"  # noqa: S608  our own names
_UPSERT: Final = (
    f"INSERT INTO camera ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (sn) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
)
_log: Final = logging.getLogger(__name__)
_read_columns = attrgetter(*_COLUMNS)


class CameraTable:
    """Cameras in the database. Every method raises `StateError` if the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self) -> list[CameraRecord]:
        """Return all cameras, the one known longest first. One whose serial number is damaged is left out."""
        cameras: list[CameraRecord] = []
        for row in await self._database.read(_SELECT):
            if is_serial_number(row["sn"]):
                cameras.append(CameraRecord(**{**dict(row), **{name: bool(row[name]) for name in _BOOLEAN_COLUMNS}}))
            else:
                _log.error("a stored camera is left out, since its serial number is damaged: %r", row["sn"])
        return cameras

    async def save(self, *cameras: StoredCamera) -> None:
        """Add or replace cameras, all of them or none."""
        rows = [_read_columns(camera) for camera in cameras]
        await self._database.executemany(_UPSERT, rows)

    async def delete(self, *sns: str) -> None:
        """Remove cameras, all of them or none. Unknown ones are ignored."""
        await self._database.executemany("DELETE FROM camera WHERE sn = ?", [(sn,) for sn in sns])
