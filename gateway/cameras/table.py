"""What is kept of cameras."""

from dataclasses import astuple, dataclass, fields
from typing import Final, Literal

from gateway.storage.database import Database

Activation = Literal["unknown", "not_activated", "activated", "other_owner"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCamera:
    """One row: who a camera is and how it is reached and trusted. Unknown texts are empty."""

    sn: str
    managed: bool
    address: str
    mac: str
    model: str
    name: str
    software_version: str
    activation: Activation
    certificate_sha256: str
    first_seen: int


_COLUMNS: Final = tuple(field.name for field in fields(StoredCamera))
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM camera ORDER BY first_seen, sn"  # noqa: S608  our own names
_UPSERT: Final = (
    f"INSERT INTO camera ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (sn) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)


class CameraTable:
    """Cameras in the database. Every method raises `StateError` when the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load_all(self) -> list[StoredCamera]:
        """Return all cameras, the one known longest first."""
        rows = await self._database.read(_SELECT)
        return [StoredCamera(**{**dict(row), "managed": bool(row["managed"])}) for row in rows]

    async def save(self, *cameras: StoredCamera) -> None:
        """Add or replace cameras, all of them or none."""
        async with self._database.write() as connection:
            await connection.executemany(_UPSERT, [astuple(camera) for camera in cameras])

    async def delete(self, *sns: str) -> None:
        """Remove cameras, all of them or none; those not there are gone already."""
        async with self._database.write() as connection:
            await connection.executemany("DELETE FROM camera WHERE sn = ?", [(sn,) for sn in sns])
