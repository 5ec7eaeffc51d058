"""Reading a database that may be in use by another process, without changing it and without holding anybody up."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from firmware_tools.language import message
from gateway.errors import StateError
from gateway.storage.connection import decode_text
from gateway.storage.sqlite_errors import SQLITE_ERRORS

DEFAULT_TIMEOUT_S: Final = 5.0
"""How long a statement waits for other programs before it fails."""


@contextlib.contextmanager
def open_read_only(path: Path, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
    """Open a database for reading. Raises `StateError` where it cannot be read, also within the block."""
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=timeout_s)) as connection:
            connection.text_factory = decode_text
            yield connection
    except SQLITE_ERRORS as exc:
        raise StateError(message("{path}: cannot be read: {reason}", path=path, reason=exc)) from exc
