"""Timestamps in JSON. The database keeps Unix seconds."""

from datetime import UTC, datetime


def utc_text(unix_s: float) -> str:
    """Return a time as ISO 8601 in UTC with whole seconds, such as `2026-11-21T23:14:38Z`."""
    return datetime.fromtimestamp(int(unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
