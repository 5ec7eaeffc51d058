"""Host names as they can be looked up."""

from typing import Final
from urllib.parse import urlsplit

_MAX_LENGTH: Final = 253


def is_host_name(name: str) -> bool:
    """Return whether a name can be looked up: its labels have 1 to 63 characters, and all of it at most 253.

    What it returns False for makes the lookup raise `UnicodeError`, which few libraries expect.
    """
    try:
        return 0 < len(name.encode("idna").rstrip(b".")) <= _MAX_LENGTH
    except UnicodeError:
        return False


def names_host(url: str) -> bool:
    """Return whether a URL has a host that can be looked up, and no impossible port or blank."""
    try:
        parts = urlsplit(url)
        return is_host_name(parts.hostname or "") and parts.port != 0 and not any(char.isspace() for char in url)
    except ValueError:
        return False
