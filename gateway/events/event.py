"""Events of the journal: what is recorded, what a reader gets, and the ids by which readers go on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from gateway.errors import Fault, InvalidRequest
from gateway.protocol import json_text
from gateway.protocol.events import TYPE_PATTERN, Source

_ID: Final = re.compile(r"([0-9a-f]{6})-([0-9]{1,18})")
_FAMILY: Final = ".*"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened, before it is in the journal.

    `camera` is a serial number, `data` is kept, `live` is what present readers get in its place: it may hold pictures.
    `personal` data is erased earlier than the rest, or by its `face_id`.
    """

    type: str
    source: Source
    data: Mapping[str, Any] = field(default_factory=dict)
    camera: str | None = None
    live: Mapping[str, Any] | None = None
    personal: bool = False
    face_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """An event that is in the journal. `time_ms` are Unix milliseconds, `data` and `live` are JSON texts."""

    epoch: str
    number: int
    time_ms: int
    type: str
    source: str
    camera: str | None
    data: str
    live: str | None = None

    @property
    def id(self) -> str:
        """The id that readers see and go on after."""
        return f"{self.epoch}-{self.number}"

    def text(self, *, live: bool = False) -> str:
        """Return it as the JSON object `{id, time, type, source, camera, data}`."""
        data = self.live if live and self.live is not None else self.data
        time = datetime.fromtimestamp(self.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
        return (
            f'{{"id":"{self.id}","time":"{time.replace("+00:00", "Z")}","type":"{self.type}",'
            f'"source":"{self.source}","camera":{json_text.dumps(self.camera)},"data":{data}}}'
        )


class Notice(NamedTuple):
    """Why a reader may have missed events, or gets some again; machine-readable reason and a sentence."""

    reason: str
    detail: str


class Position(NamedTuple):
    """Where a reader goes on: after the event of this number; `notice` where that is not where it wanted to."""

    after: int
    notice: Notice | None = None


class Span(NamedTuple):
    """What there is to read: the epoch, the numbers of the oldest and the newest event; newest < oldest: nothing."""

    epoch: str
    oldest: int
    newest: int

    def id(self, number: int) -> str:
        """Return the id of an event by its number."""
        return f"{self.epoch}-{number}"

    def resume(self, last_id: str) -> Position:
        """Return where a reader goes on that has read up to `last_id`; `0` stands for the oldest event that is kept.

        Raises `InvalidRequest` for what is no id.
        """
        if last_id == "0":
            return Position(self.oldest - 1)
        match = _ID.fullmatch(last_id)
        if match is None:
            raise InvalidRequest([Fault("after", f"{last_id[:80]!r} is no id of an event; 0 stands for the oldest")])
        epoch, number = match[1], int(match[2])
        again = "every event that is kept follows"
        if epoch != self.epoch:
            return Position(
                self.oldest - 1,
                Notice("new_epoch", f"the journal was restored or repaired, its ids have begun anew: {again}"),
            )
        if number > self.newest:
            return Position(self.oldest - 1, Notice("from_the_future", f"there is no event {last_id} yet: {again}"))
        if number < self.oldest - 1:
            lost = f"the events after {last_id} are not kept any more up to {self.id(self.oldest - 1)}"
            return Position(self.oldest - 1, Notice("pruned", f"{lost}: {again}"))
        return Position(number)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a reader wants: of these types (`face.seen`, or `face.*`), of this camera; empty means any."""

    types: frozenset[str] = frozenset()
    camera: str = ""

    @classmethod
    def of(cls, types: str, camera: str) -> "EventFilter":
        """Read `types`, separated by commas, and `camera` from a query. Raises `InvalidRequest`."""
        names = frozenset(name.strip() for name in types.split(",") if name.strip())
        for name in names:
            if not TYPE_PATTERN.fullmatch(name.removesuffix(_FAMILY)):
                raise InvalidRequest([Fault("types", f"{name[:80]!r} is no type such as face.seen, or family face.*")])
        return cls(names, camera)

    def fits(self, event: Event) -> bool:
        """Tell whether the reader wants this event."""
        if self.camera and event.camera != self.camera:
            return False
        return not self.types or any(
            event.type.startswith(name[:-1]) if name.endswith(_FAMILY) else event.type == name for name in self.types
        )

    @property
    def condition(self) -> tuple[str, list[str]]:
        """The same as a condition of SQL with its parameters."""
        parts, parameters = ["1"], []
        if self.types:
            parts.append(f"({' OR '.join(['type GLOB ?'] * len(self.types))})")
            parameters += sorted(self.types)
        if self.camera:
            parts.append("camera = ?")
            parameters.append(self.camera)
        return " AND ".join(parts), parameters
