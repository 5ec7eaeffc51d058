"""Events: before they are in the log, as the log holds them, and which of them a reader wants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol import json_text
from gateway.protocol.event_type import TYPE_PATTERN, EventType, Source

FAMILY_SUFFIX: Final = ".*"
"""Ends the name of a family of types: `camera.*` stands for every type that begins with `camera.`."""

MAX_TYPES: Final = 100
"""How many types a filter names: the database searches for each."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened, before it is in the log."""

    type: str
    """What happened, such as `face.seen`."""
    source: Source
    """Who reports it."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The details that are stored."""
    camera: str | None = None
    """The serial number of the camera, if it is about one."""
    live: Mapping[str, Any] | None = None
    """What readers that are connected get in place of `data`: it may hold pictures. None if they get `data`."""
    personal: bool = False
    """Whether it is about a person: then `data` is erased earlier than other events are removed."""
    face_id: str | None = None
    """The vendor's id of the face, by which a person can have `data` erased."""

    @classmethod
    def by_gateway(cls, event: EventType, camera: str | None = None) -> Self:
        """Return an event that the gateway itself reports; `camera` is a serial number."""
        return cls(event.type, "gateway", event.data, camera)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the log."""

    epoch: str
    """The epoch of the log: numbers of different epochs have nothing to do with each other."""
    number: int
    """Its place in the order of the epoch."""
    time_ms: int
    """When it happened, in Unix milliseconds."""
    type: str
    """What happened."""
    source: str
    """Who reported it."""
    camera: str | None
    """The serial number of the camera."""
    data: str
    """The details as a JSON object."""
    live: str | None = None
    """The details for readers that are connected, as a JSON object; None if they get `data`."""
    personal: bool = False
    """Whether it says something about a person: not any more after that was erased."""

    @property
    def id(self) -> str:
        """The id by which readers resume."""
        return f"{self.epoch}-{self.number}"

    def to_json(self, *, live: bool = False) -> str:
        """Return it as the JSON object `{id, time, type, source, camera, data}`."""
        data = self.live if live and self.live is not None else self.data
        time = datetime.fromtimestamp(self.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
        return (
            f'{{"id":"{self.id}","time":"{time.replace("+00:00", "Z")}","type":"{self.type}",'
            f'"source":"{self.source}","camera":{json_text.dumps(self.camera)},"data":{data}}}'
        )


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a reader wants."""

    types: frozenset[str] = frozenset()
    """Types (`face.seen`) and families of types (`face.*`); empty for all."""
    camera: str = ""
    """The serial number of a camera; empty for all events."""

    @classmethod
    def parse(cls, types: str, camera: str) -> Self:
        """Parse a query: `types` are separated by commas. Raises `InvalidRequest`."""
        names = frozenset(name.strip() for name in types.split(",") if name.strip())
        if len(names) > MAX_TYPES:
            raise InvalidRequest(
                [FieldError("types", message("must be at most {max_types} types", max_types=MAX_TYPES))]
            )
        for name in names:
            if not TYPE_PATTERN.fullmatch(name.removesuffix(FAMILY_SUFFIX)):
                raise InvalidRequest(
                    [
                        FieldError(
                            "types", message("{name!r} is no type such as face.seen, or family face.*", name=name[:80])
                        )
                    ]
                )
        return cls(names, camera)

    def matches(self, event: Event) -> bool:
        """Return whether the reader wants this event."""
        if self.camera and event.camera != self.camera:
            return False
        return not self.types or any(
            event.type.startswith(name[:-1]) if name.endswith(FAMILY_SUFFIX) else event.type == name
            for name in self.types
        )
