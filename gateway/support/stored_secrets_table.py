"""The secrets that a database has to keep as they are, so that whoever shows something can keep them out of it."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.errors import StateError


def plain_secrets(path: Path) -> set[str]:
    """Return the passwords and numbers of jobs under way and the secrets of webhooks. Raises `StateError`.

    Of tokens there are only hashes.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)) as opened:
            found = {row[0] for row in opened.execute("SELECT secret FROM webhook")}
            for (state,) in opened.execute("SELECT state FROM provisioning_job"):
                found |= set(_inside(json.loads(state)))
    except (sqlite3.Error, ValueError) as exc:
        raise StateError(f"{path}: cannot be looked at: {exc}") from exc
    return found


def _inside(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("password", "activation_number") and isinstance(inner, str):
                yield inner
            yield from _inside(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _inside(inner)
