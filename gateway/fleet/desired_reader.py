"""Reads what the head office wants of this shop: some documents of the bucket `desired`, merged into one.

The documents come from elsewhere. One that cannot be read, whatever it holds, lets everything stay as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from firmware_tools.language import describe_error, join, message
from gateway.desired_settings import SettingSource
from gateway.fleet.documents import MAX_DOCUMENT_BYTES, ContentReference, DesiredState, ProductListReference
from gateway.fleet.followed_settings import WantedSetting
from gateway.fleet.subjects import CHAIN_KEY, DESIRED, bucket_stream, bucket_subject, group_key, shop_key
from gateway.protocol import json_text
from gateway.validation_texts import describe_validation_error

if TYPE_CHECKING:
    from gateway.fleet.connection import FleetConnection

MAX_PARTS: Final = 500
"""How many settings and templates are answered at most."""
MAX_NAME_CHARACTERS: Final = 100
"""How long the name of a setting may be, with its section."""
_MAX_FAULTS: Final = 5
_MAX_NAMES: Final = 10


@dataclass(frozen=True, slots=True)
class WantedState:
    """What the head office wants, from all documents that concern this shop."""

    revisions: Mapping[str, int]
    """The revisions of the documents, by key."""
    groups: Sequence[str]
    """The groups of the shop."""
    settings: Mapping[str, WantedSetting]
    """Settings by name."""
    products: ProductListReference | None
    """The list of products."""
    templates: Mapping[str, ContentReference]
    """Templates of labels by name."""
    version: tuple[str, SettingSource] | None
    """The version of the gateway, and which document wants it."""
    unknown: str
    """What this version does not know and ignores, in words; empty if there is nothing."""


class InvalidDocument(Exception):
    """Documents cannot be read. The text says which ones, and why."""

    def __init__(self, reason: str, revisions: Mapping[str, int]) -> None:
        super().__init__(reason)
        self.revisions = revisions
        """The revisions that were read, by key."""


async def read_wanted(connection: "FleetConnection", shop: str) -> WantedState | None:
    """Return what the head office wants; None if it has never said anything, as a new cluster.

    Raises `HeadOfficeUnavailable`, and `InvalidDocument` if one of the documents cannot be read.
    """
    reader = _Reader(connection)
    own = await reader.read(shop_key(shop))
    groups = list(dict.fromkeys(own.groups)) if own is not None else []
    chain = await reader.read(CHAIN_KEY)
    found = [(CHAIN_KEY, chain)]
    found += [(group_key(group), await reader.read(group_key(group))) for group in groups]
    found.append((shop_key(shop), own))
    if reader.faults:
        raise InvalidDocument(join("; ", reader.faults), reader.revisions)
    if not reader.revisions:
        return None
    return _merge([(key, state) for key, state in found if state is not None], groups, reader)


class _Reader:
    def __init__(self, connection: "FleetConnection") -> None:
        self._connection = connection
        self.revisions: dict[str, int] = {}
        self.stored_at: dict[str, str] = {}
        self.faults: list[str] = []
        self.unknown: list[str] = []

    async def read(self, key: str) -> DesiredState | None:
        """Return a document; None if there is none, or if it cannot be read, which is noted."""
        stored = await self._connection.read_message(bucket_stream(DESIRED), bucket_subject(DESIRED, key))
        if stored is None:
            return None
        self.revisions[key] = stored.revision
        self.stored_at[key] = stored.stored_at
        if not stored.payload:  # the key was deleted
            return None
        try:
            return self._parse(key, stored.payload)
        except ValidationError as exc:
            reason = _describe_faults(exc)
        except ValueError as exc:
            reason = describe_error(exc)
        self.faults.append(message("{key}: {reason}", key=key, reason=reason))
        return None

    def _parse(self, key: str, payload: bytes) -> DesiredState:
        if len(payload) > MAX_DOCUMENT_BYTES:
            raise ValueError(message("is larger than {limit} bytes", limit=MAX_DOCUMENT_BYTES))
        document = json_text.loads(payload)
        # By pydantic's own reader, which has floats as the settings need them. It knows no document that this refuses.
        state = DesiredState.model_validate_json(payload)
        if unknown := _find_unknown(document):
            names = ", ".join(unknown[:_MAX_NAMES])
            self.unknown.append(
                message("{key}: this version does not know {names}, and ignores that", key=key, names=names)
            )
        return state


def _merge(found: Sequence[tuple[str, DesiredState]], groups: Sequence[str], reader: _Reader) -> WantedState:
    """Return documents as one; what comes later wins, key by key."""
    settings: dict[str, WantedSetting] = {}
    templates: dict[str, ContentReference] = {}
    products: ProductListReference | None = None
    version: tuple[str, SettingSource] | None = None
    for key, state in found:
        source = SettingSource(key=key, revision=reader.revisions[key], stored_at=reader.stored_at[key])
        for section, values in state.settings.items():
            for name, value in values.items():
                settings[f"{section}.{name}"] = WantedSetting(value, source)
        templates |= state.templates
        products = state.products or products
        version = (state.version, source) if state.version else version
    if len(settings) + len(templates) > MAX_PARTS:
        reason = message("more than {count} settings and templates are wanted", count=MAX_PARTS)
        raise InvalidDocument(reason, reader.revisions)
    if any(len(name) > MAX_NAME_CHARACTERS for name in settings):
        reason = message("a setting has a name that is longer than {count} characters", count=MAX_NAME_CHARACTERS)
        raise InvalidDocument(reason, reader.revisions)
    return WantedState(
        revisions=reader.revisions,
        groups=groups,
        settings=settings,
        products=products,
        templates=templates,
        version=version,
        unknown=join("; ", reader.unknown),
    )


def _find_unknown(document: Any) -> list[str]:
    """Return the names of members of a document that this version does not know."""
    return sorted(name for name in document if name not in DesiredState.model_fields)


def _describe_faults(error: ValidationError) -> str:
    faults = [
        message(
            "{key}: {reason}",
            key=".".join(str(part) for part in one["loc"]) or "-",
            reason=describe_validation_error(one),
        )
        for one in error.errors()[:_MAX_FAULTS]
    ]
    return join("; ", faults)
