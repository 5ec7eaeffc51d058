"""Rows of the table of labels: from the database, and to it."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.labels.label import StoredLabel
from gateway.protocol import json_text
from gateway.runtime.stored_text import pack_text, unpack_text

COLUMNS: Final = (
    "number, name, esl_id, esl_code, model, content, product_id, template, changes, pixel_hash, valid_until, reports, "
    "state, problem, item, shown_hash, shown_until, changed_at, pushed_at, shown_at, reading"
)
"""The columns that a `StoredLabel` is made of."""
_NUMBERS: Final = ("status", "battery", "rssi", "contact_at", "read_at")
"""The values of a reading that are numbers."""


def read_label(row: sqlite3.Row) -> StoredLabel:
    """Return the label of a row."""
    values = {name: row[name] for name in COLUMNS.split(", ")}
    reports, reading = _parse(row["reports"]), _parse(row["reading"])
    shown_reports = [_unpack(report) for report in reports] if isinstance(reports, list) else []
    return StoredLabel(
        **{
            **values,
            "problem": read_text(row["problem"]),
            "reports": [report for report in shown_reports if report],
            "reading": _check_reading(reading) if isinstance(reading, dict) else {},
        }
    )


def _check_reading(reading: dict[str, Any]) -> dict[str, Any]:
    """Return a reading without values of another type, as a damaged row may hold them."""
    return {
        name: value
        for name, value in reading.items()
        if value is None or (type(value) is int if name in _NUMBERS else isinstance(value, str))
    }


def write_text(text: str) -> str:
    """Return a text as it is stored: each reader gets it in the own language."""
    return json_text.dumps(pack_text(text)) if text else ""


def write_reports(reports: Sequence[Mapping[str, str]]) -> str:
    """Return reports as they are stored."""
    return json_text.dumps([{name: pack_text(value) for name, value in one.items()} for one in reports])


def _parse(text: str) -> Any:
    try:
        return json_text.loads(text)
    except (ValueError, RecursionError):  # damaged: said again with the next picture, or reading
        return None


def read_text(stored: str) -> str:
    """Return a text that `write_text` has stored."""
    try:
        return unpack_text(json_text.loads(stored)) if stored else ""
    except (ValueError, RecursionError):  # damaged
        return stored


def _unpack(report: Any) -> dict[str, str]:
    try:
        return {name: unpack_text(value) for name, value in report.items()}
    except (ValueError, AttributeError):  # damaged
        return {}
