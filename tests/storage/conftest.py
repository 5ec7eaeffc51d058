from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.storage.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Give a new database, closed also after a failure: its thread would outlive the tests."""
    opened = await Database.open(tmp_path / "gateway.db")
    yield opened
    await opened.close()


@pytest.fixture
def file_bytes(tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Give what is in the database's files now, by name."""
    return lambda: {file.name: file.read_bytes() for file in tmp_path.iterdir()}
