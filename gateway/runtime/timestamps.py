"""Timestamps in JSON. The database keeps Unix seconds."""

from datetime import UTC, datetime
from typing import Final

_MAX_UNIX_S: Final = 253_402_300_799
"""The last second of the year 9999."""


def utc_text(unix_s: float) -> str:
    """Return a time as ISO 8601 in UTC with whole seconds, such as `2026-11-21T23:14:38Z`.

    A time before 1970 or after the year 9999, as a damaged row may hold it, becomes the first or last of that range.
    """
    return datetime.fromtimestamp(int(max(0, min(unix_s, _MAX_UNIX_S))), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
