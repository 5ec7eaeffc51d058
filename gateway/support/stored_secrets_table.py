"""The secrets in a database, so that whoever shows something can redact them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway.storage.read_only import open_read_only

_NAMES: Final = ("password", "activation_number")
"""The members of a provisioning job's state that are secrets."""
_STRING: Final = re.compile(r'"((?:[^"\\]|\\.)+)"')


def load_stored_secrets(path: Path) -> set[str]:
    """Return the passwords and numbers of provisioning jobs and of the site plan, and the secrets of webhooks.

    Of tokens, only hashes are stored. Raises `StateError`.
    """
    with open_read_only(path) as connection:
        secrets = {row[0] for row in connection.execute("SELECT secret FROM webhook")}
        secrets |= {
            str(row[0], "utf-8", "replace") for row in connection.execute("SELECT secret FROM site_plan_secret")
        }
        states = [row[0] for row in connection.execute("SELECT state FROM provisioning_job")]
    for state in states:
        try:
            secrets |= set(_find_secrets(json.loads(state)))
        except (ValueError, RecursionError):  # damaged: any string in it may be one
            secrets |= set(_STRING.findall(state))
    return secrets


def _find_secrets(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in _NAMES and isinstance(inner, str):
                yield inner
            yield from _find_secrets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _find_secrets(inner)
