"""Host names as they can be looked up."""

import re
from typing import Final
from urllib.parse import urlsplit

from firmware_tools.language import message

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_HOST_AND_PORT: Final = re.compile(r"([^:/\s]+):([1-9][0-9]{0,4})")
_MAX_LENGTH: Final = 253
MAX_PORT: Final = 65535


def is_host_name(name: str) -> bool:
    """Return whether a name can be looked up: its labels have 1 to 63 characters, and all of it at most 253.

    What it returns False for makes the lookup raise `UnicodeError`, which few libraries expect.
    """
    try:
        return 0 < len(name.encode("idna").rstrip(b".")) <= _MAX_LENGTH
    except UnicodeError:
        return False


def parse_host_and_port(text: str) -> tuple[str, int]:
    """Return the host and the port of `host:port`. Raises `ValueError`."""
    match = _HOST_AND_PORT.fullmatch(text)
    if match is None or not is_host_name(match[1]) or int(match[2]) > MAX_PORT:
        reason = message("{server!r} must be a host and a port, such as office.example:4222", server=text)
        raise ValueError(reason)
    return match[1], int(match[2])


def names_host(url: str) -> bool:
    """Return whether a URL has a host that can be looked up, and no impossible port or blank."""
    try:
        parts = urlsplit(url)
        return is_host_name(parts.hostname or "") and parts.port != 0 and not any(char.isspace() for char in url)
    except ValueError:
        return False


def parse_host_names(names: list[str], *, example: str) -> list[str]:
    """Return host names in lower case. Raises `ValueError` for what is none."""
    for name in names:
        if not (_HOST_NAME.fullmatch(name) and is_host_name(name)):
            reason = message(
                "{name!r} is not a host name such as {example}, without scheme and port", name=name, example=example
            )
            raise ValueError(reason)
    return [name.lower() for name in names]
