"""That this gateway belongs to a chain: what it got when it joined, in the state directory.

The service may not write the settings file, and joins all the same: with a code from the boot partition. What the
settings file says of the servers wins.
"""

import base64
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from firmware_tools.language import describe_error, message
from gateway.errors import SettingsError, StateError
from gateway.fleet_settings import FleetSettings
from gateway.protocol import json_text
from gateway.settings import Settings, describe_errors
from gateway.storage.private_file import write_private
from gateway.storage.state_directory import DESIRED_SETTINGS_FILE, MEMBERSHIP_FILE, MEMBERSHIP_FILES

LINK_SERVICE: Final = "head office link"
"""The name of the service that is the link to the head office."""
JOIN_SERVICE: Final = "joining the chain"
"""The name of the service that joins with a code from the boot partition."""
MAX_BYTES: Final = 65536
_DIGEST_DIGITS: Final = 32
_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")
_HEADING: Final = "# This gateway's chain. Written by `sunmi-gateway fleet join`.\n"


class Membership(NamedTuple):
    """What a gateway got when it joined a chain. The last four are the texts of the files that the settings name."""

    shop: str
    """Its name at the head office."""
    servers: list[str]
    """Where it connects to."""
    ca_file: str
    """The chain's authority, in PEM."""
    certificate: str
    """Its certificate, in PEM."""
    private_key: str
    """The key of that, in PEM."""
    user_jwt: str
    """Its token."""


def save_membership(directory: Path, membership: Membership) -> None:
    """Write it into a state directory; the file that makes it count comes last. Raises `StateError`.

    An earlier membership ends first, so that what is left after a crash is never made of both.
    """
    _delete(directory, MEMBERSHIP_FILE, DESIRED_SETTINGS_FILE)  # another chain may have wanted it
    lines = [f"{key} = {json_text.dumps(getattr(membership, key))}" for key in ("shop", "servers")]
    texts = {file: getattr(membership, key) for key, file in MEMBERSHIP_FILES.items()}
    texts[MEMBERSHIP_FILE] = "\n".join([_HEADING, *lines, ""])
    for name, text in texts.items():
        try:
            write_private(directory / name, text.encode())
        except OSError as exc:
            raise StateError(
                message("{path}: cannot be written: {reason}", path=directory / name, reason=describe_error(exc))
            ) from exc


def delete_membership(directory: Path) -> None:
    """Forget the chain, and what its head office wanted. Raises `StateError`."""
    _delete(directory, MEMBERSHIP_FILE, *MEMBERSHIP_FILES.values(), DESIRED_SETTINGS_FILE)


def _delete(directory: Path, *names: str) -> None:
    for name in names:
        try:
            (directory / name).unlink(missing_ok=True)
        except OSError as exc:
            raise StateError(
                message("{path}: cannot be removed: {reason}", path=directory / name, reason=describe_error(exc))
            ) from exc


def find_member(fleet: FleetSettings) -> str:
    """Return which shop of which chain a gateway with these settings is: its name, and a digest of the authority.

    What is stored for one is never used, or told, as another's. Raises `SettingsError` if the authority's file cannot
    be read.
    """
    try:
        with Path(fleet.ca_file).open("rb") as stream:
            found = _CERTIFICATE.search(stream.read(MAX_BYTES))
        if found is None:
            raise ValueError(message("it has no certificate in PEM"))
        digest = hashlib.sha256(base64.b64decode(found[1])).hexdigest()
    except (OSError, ValueError) as exc:
        raise SettingsError(
            message(
                "fleet.{key}: {file} cannot be used, so there is no link to the head office: {reason}",
                key="ca_file",
                file=fleet.ca_file,
                reason=exc,
            )
        ) from exc
    return f"{fleet.shop} {digest[:_DIGEST_DIGITS]}"


def is_member(fleet: FleetSettings, stored: str) -> bool:
    """Return whether what was stored for a shop of a chain is of the one of these settings.

    Where the authority cannot be read now, the name of the shop counts.
    """
    try:
        return find_member(fleet) == stored
    except SettingsError:
        return stored.partition(" ")[0] == fleet.shop


def apply_membership(settings: Settings) -> Settings:
    """Return the settings with the chain that this gateway has joined, unless they name servers themselves.

    Raises `SettingsError`.
    """
    file = settings.state_directory / MEMBERSHIP_FILE
    if settings.fleet.servers:
        return settings
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return settings
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(message("{path}: cannot be read: {reason}", path=file, reason=exc)) from exc
    values: dict[str, Any] = settings.fleet.model_dump(exclude_unset=True)
    values |= {key: str(file.with_name(name)) for key, name in MEMBERSHIP_FILES.items()}
    try:
        fleet = FleetSettings(**values | tomllib.loads(text[:MAX_BYTES]))
    except ValidationError as exc:
        raise SettingsError(message("{where}: {reason}", where=file, reason=describe_errors(exc))) from exc
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(message("{where}: is not valid TOML: {reason}", where=file, reason=exc)) from exc
    return settings.model_copy(update={"fleet": fleet})
