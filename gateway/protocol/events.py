"""Events that the vendor reports: their types, the meaning of their fields, and which of them are personal data.

The cloud numbers its events, cameras name theirs (NOTES: Cloud events; Camera events). The payload of a camera's event
is not public. It is read as the cloud's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from gateway.protocol import json_text
from gateway.protocol.models import CameraModel

Source = Literal["cloud", "camera", "gateway"]

TYPE_PATTERN: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""The form of an event's type, such as `face.seen`."""

_GENDERS: Final = {0: "unknown", 1: "male", 2: "female"}
_AGES: Final = {1: "0-6", 2: "7-12", 3: "13-18", 4: "19-28", 5: "29-35", 6: "36-45", 7: "46-55", 8: "56-"}
_GROUPS: Final = {1: "stranger", 2: "regular", 3: "staff", 5: "custom"}
_MOTIONS: Final = {1: "motion", 2: "sound"}
_PICTURE: Final = re.compile(r"data:image/|/9j/|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9A-Za-z+/]{2}")
_PICTURE_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Field:
    """A documented field of a payload."""

    name: str
    """Its name, which the event keeps."""
    meanings: Mapping[int, str] | None = None
    """Words for the vendor's numbers; None if the field is text."""

    def read(self, value: Any) -> str | None:
        """Return the value as text, a number as its word, or None if there is no value (NOTES: Identifiers)."""
        if value is None or isinstance(value, (Mapping, list, bool)):
            return None
        text = str(value)
        if self.meanings is None:
            return text
        return self.meanings.get(int(text), "unknown") if text.isascii() and text.isdigit() else "unknown"


@dataclass(frozen=True, slots=True)
class VendorEvent:
    """One event of the vendor."""

    keys: tuple[int | str, ...]
    """The cloud's number and the cameras' name for it."""
    type: str
    """Its type in the gateway."""
    title: str
    """What happened, for people."""
    fields: tuple[Field, ...] = ()
    """The documented fields of its payload."""
    personal: bool = False
    """Whether it is about a person."""
    model: CameraModel | None = None
    """The only model whose cameras report it; None for all."""


_FACE: Final = (
    Field("face_id"),
    Field("gender", _GENDERS),
    Field("age_range", _AGES),
    Field("group_id"),
    Field("group_name"),
    Field("group_type", _GROUPS),
)

VENDOR_EVENTS: Final = (
    VendorEvent(
        (1010, "dynamic_detect_event"),
        "motion.detected",
        "A camera noticed motion or sound",
        (Field("motion_type", _MOTIONS), Field("video_url")),
    ),
    VendorEvent((1100,), "face.added", "The result of adding a face", (Field("face_id"), Field("code")), personal=True),
    VendorEvent(
        (2001, "face_recog_event"), "face.seen", "A camera recognised a face", _FACE, personal=True, model="FM020"
    ),
    VendorEvent((4100,), "price.changed", "A price changed"),
    VendorEvent((6001,), "receipt.text", "A cloud printer printed a receipt: its text", personal=True),
    VendorEvent((6002,), "receipt.image", "A cloud printer printed a receipt: its picture", personal=True),
    VendorEvent((6003,), "receipt.parsed", "A cloud printer printed a receipt: its items", personal=True),
)

CLOUD_EVENTS: Final = tuple(key for event in VENDOR_EVENTS for key in event.keys if isinstance(key, int))
"""Events that the cloud can report, by number."""


def camera_events(model: str) -> tuple[str, ...]:
    """Return the names of the events that a model can report. An unknown model may report all."""
    return tuple(
        key
        for event in VENDOR_EVENTS
        if event.model is None or model in ("", event.model)
        for key in event.keys
        if isinstance(key, str)
    )


_BY_KEY: Final = {str(key): event for event in VENDOR_EVENTS for key in event.keys}

GATEWAY_EVENTS: Final[Mapping[str, str]] = {
    "camera.found": "A camera was seen for the first time",
    "camera.moved": "A camera is at another address now",
    "camera.offline": "A camera has not answered for a while",
    "camera.online": "A camera answers again",
    "camera.trusted": "A camera's certificate is remembered from now on",
    "camera.certificate_changed": "A camera shows another certificate than the remembered one; nothing is sent to it",
    "camera.activated": "A camera is activated by this account now",
    "camera.not_activated": "A camera is not activated by this account (any more)",
    "outbox.refused": "The cloud refused a queued item for good; a person has to look at it",
    "outbox.blocked": "An item has been failing while the cloud answers others",
    "cloud.lost": "The cloud cannot be reached; calls for it wait",
    "cloud.back": "The cloud answers again",
    "clock.wrong": "This machine's clock differs from the cloud's",
    "clock.right": "This machine's clock agrees with the cloud's again",
    "disk.low": "The disk that holds the state is nearly full",
    "disk.ok": "The disk that holds the state has room again",
    "events.erased": "Personal data of a face was erased from the journal",
    "webhook.test": "A person tests whether a till receives events",
}
"""The gateway's own events: type and meaning."""

EVENT_TYPES: Final = frozenset(GATEWAY_EVENTS) | {event.type for event in VENDOR_EVENTS}
"""Every type of event that has a documented meaning."""


class Report(NamedTuple):
    """A parsed report of the vendor."""

    type: str
    """Type of the event in the gateway."""
    data: dict[str, Any]
    """What is stored: pictures are replaced by their size."""
    live: dict[str, Any] | None
    """What is passed on at once, pictures included; None if it equals `data`."""
    personal: bool
    """Whether it is about a person."""
    face_id: str | None
    """Identifier of the face, if the payload has one."""
    camera: str
    """Serial number in the payload; empty if there is none."""
    ipc_id: str
    """The cloud's identifier of the camera; empty if there is none."""


def read_report(event: str, payload: str, shop: Mapping[str, str]) -> Report:
    """Parse the report in a callback.

    `event` and `payload` are as received, `shop` holds the shop keys of the callback. An unknown event becomes
    `vendor.NAME`, and a payload that is not a JSON object is kept as text.
    """
    known = _BY_KEY.get(event)
    try:
        document: Any = _writable(json_text.loads(payload))
        slim = _without_pictures(document)
    except (ValueError, RecursionError):
        document = None
    head: dict[str, Any] = {"vendor_event": int(event) if event.isascii() and event.isdigit() else event, **shop}
    if not isinstance(document, dict):
        kept = payload if not _PICTURE.match(payload) else _told(payload)
        return Report("vendor.unreadable", {**head, "payload": kept}, None, True, None, "", "")
    fields = known.fields if known is not None else ()
    for field in fields:
        if (value := field.read(document.get(field.name))) is not None:
            head[field.name] = value
    return Report(
        type=known.type if known is not None else _unknown_type(event),
        data={**head, "payload": slim},
        live=None if slim == document else {**head, "payload": document},
        # An undocumented event may be about a person.
        personal=known is None or known.personal,
        face_id=_text(document.get("face_id")) or None,
        camera=_text(document.get("sn")) or _text(document.get("ipc_sn")),
        ipc_id=_text(document.get("ipc_id")),
    )


def erased(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's data without personal data."""
    kept = {name: data[name] for name in ("vendor_event", "shop_id", "sunmi_shop_no") if name in data}
    return {**kept, "personal_data": "erased"}


def _unknown_type(event: str) -> str:
    name = f"vendor.{event}"
    return name if TYPE_PATTERN.fullmatch(name) else "vendor.unknown"


def _text(value: Any) -> str:
    return Field("").read(value) or ""


def _writable(document: Any) -> Any:
    """Return a document that can be encoded: `?` stands for a lone surrogate. Raises as `json_text.dumps`."""
    try:
        json_text.dumps(document)
    except UnicodeEncodeError:
        return _with_whole_characters(document)
    return document


def _with_whole_characters(value: Any) -> Any:
    match value:
        case dict():
            return {_with_whole_characters(name): _with_whole_characters(one) for name, one in value.items()}
        case list():
            return [_with_whole_characters(one) for one in value]
        case str():
            return value.encode("utf-8", "replace").decode()
        case _:
            return value


def _without_pictures(value: Any) -> Any:
    """Return a payload with every picture replaced by its size. Pictures are passed on and never stored."""
    match value:
        case dict():
            return {name: _without_pictures(one) for name, one in value.items()}
        case list():
            return [_without_pictures(one) for one in value]
        case str() if len(value) > _PICTURE_LENGTH and _PICTURE.match(value):
            return _told(value)
        case _:
            return value


def _told(picture: str) -> str:
    return f"(a picture of {len(picture)} characters, which is not kept)"
