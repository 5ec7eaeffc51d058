"""What the driver of SQLite raises."""

import sqlite3
from typing import Final

SQLITE_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""The second one is raised where SQLite's message quotes a damaged schema whose text is not UTF-8."""


def get_error_code(error: Exception) -> int:
    """Return SQLite's primary error code; that of a damaged database for a message that cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return sqlite3.SQLITE_CORRUPT
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
