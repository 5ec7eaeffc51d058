"""The cameras that a gateway knows, as `sunmi-gateway cameras list --json` writes them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.language import message
from firmware_tools.size import MIB, format_size

_MAX_BYTES: Final = 4 * MIB
_MAX_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class KnownCamera:
    """What a gateway knows of a camera."""

    mac: str
    """The MAC address; empty if the gateway has not seen it."""
    model: str
    """The model; empty if the gateway does not know it."""


def find_known(cameras: Mapping[str, KnownCamera], sn: str) -> KnownCamera:
    """Return what is known of a camera by its serial number, in capitals or not; empty texts if that is nothing."""
    return cameras.get(sn.casefold(), KnownCamera("", ""))


def read_known_cameras(path: Path) -> dict[str, KnownCamera]:
    """Read what a gateway has written: its cameras, by their serial numbers in small letters.

    Raises:
        InvalidInput: there is no such file, or it is something else.
        IOFailed: it cannot be read.

    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InvalidInput(message("{path}: there is no such list", path=path)) from error
    except OSError as error:
        raise IOFailed.from_os_error(message("reading"), str(path), error) from error
    if len(data) > _MAX_BYTES:
        raise InvalidInput(
            message("{name}: the list is larger than {size}; split it", name=path, size=format_size(_MAX_BYTES))
        )
    try:
        document = json.loads(data)
        listed = document["cameras"]
        return {str(one["sn"]).casefold(): KnownCamera(_read(one, "mac"), _read(one, "model")) for one in listed}
    except (ValueError, RecursionError, TypeError, LookupError) as error:
        raise InvalidInput(
            message("{path}: this is not what `sunmi-gateway cameras list --json` writes", path=path)
        ) from error


def _read(camera: Mapping[str, Any], name: str) -> str:
    value = camera.get(name)
    return value[:_MAX_CHARACTERS] if isinstance(value, str) else ""
