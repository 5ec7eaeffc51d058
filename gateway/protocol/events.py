"""Events that the vendor reports: what each is called here, which of its fields mean what, and what is about a person.

The cloud numbers its events, cameras name theirs (NOTES: Cloud events; Camera events). The payload of a camera's event
is not public. It is read as the cloud's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from gateway.protocol import json_text
from gateway.protocol.models import Model

Source = Literal["cloud", "camera", "gateway"]

TYPE_PATTERN: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What the type of an event looks like: `face.seen`."""

_GENDERS: Final = {0: "unknown", 1: "male", 2: "female"}
_AGES: Final = {1: "0-6", 2: "7-12", 3: "13-18", 4: "19-28", 5: "29-35", 6: "36-45", 7: "46-55", 8: "56-"}
_GROUPS: Final = {1: "stranger", 2: "regular", 3: "staff", 5: "custom"}
_MOTIONS: Final = {1: "motion", 2: "sound"}
_PICTURE: Final = re.compile(r"data:image/|/9j/|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9A-Za-z+/]{2}")
_PICTURE_LENGTH: Final = 200


@dataclass(frozen=True, slots=True)
class Field:
    """A documented field of a payload. `meanings` maps the vendor's numbers to words; without, it is a text."""

    name: str
    meanings: Mapping[int, str] | None = None

    def read(self, value: Any) -> str | None:
        """Return the value as a text (ids come as numbers and as texts), a word for a number, or None: not given."""
        if value is None or isinstance(value, (Mapping, list, bool)):
            return None
        text = str(value)
        if self.meanings is None:
            return text
        return self.meanings.get(int(text), "unknown") if text.isascii() and text.isdigit() else "unknown"


@dataclass(frozen=True, slots=True)
class VendorEvent:
    """One event: the vendor's numbers and names for it, its type here, its documented fields.

    `personal`: what it reports is about a person. `model` is the only one whose cameras report it, if there is one.
    """

    keys: tuple[int | str, ...]
    type: str
    title: str
    fields: tuple[Field, ...] = ()
    personal: bool = False
    model: Model | None = None


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
"""What the cloud can be asked to report."""


def camera_events(model: str) -> tuple[str, ...]:
    """Return what a camera can be asked to report; one of an unknown model may know everything."""
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
"""The gateway's own events by type, with what each means."""

EVENT_TYPES: Final = frozenset(GATEWAY_EVENTS) | {event.type for event in VENDOR_EVENTS}
"""Every type of event that has a documented meaning."""


class Report(NamedTuple):
    """A vendor's report, read: `data` is kept, `live` is what is passed on now, pictures included (None: the same).

    `camera` is the serial number that the payload names, `ipc_id` the cloud's number of the camera; empty if not given.
    """

    type: str
    data: dict[str, Any]
    live: dict[str, Any] | None
    personal: bool
    face_id: str | None
    camera: str
    ipc_id: str


def read_report(event: str, payload: str, shop: Mapping[str, str]) -> Report:
    """Read what a callback reports. `event` and `payload` are as they came, `shop` the keys of the shop that it named.

    What is not documented is kept as it is: an unknown event as `vendor.NAME`, a payload that is no JSON as text.
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
        # What nobody has documented may be about anybody.
        personal=known is None or known.personal,
        face_id=_text(document.get("face_id")) or None,
        camera=_text(document.get("sn")) or _text(document.get("ipc_sn")),
        ipc_id=_text(document.get("ipc_id")),
    )


def erased(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what remains of an event's data when what is about a person has to go."""
    kept = {name: data[name] for name in ("vendor_event", "shop_id", "sunmi_shop_no") if name in data}
    return {**kept, "personal_data": "erased"}


def _unknown_type(event: str) -> str:
    name = f"vendor.{event}"
    return name if TYPE_PATTERN.fullmatch(name) else "vendor.unknown"


def _text(value: Any) -> str:
    return Field("").read(value) or ""


def _writable(document: Any) -> Any:
    """Return a document as it can be written: with `?` for half a surrogate pair. Raises as `json_text.dumps`."""
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
    """Return a payload in which every picture is replaced by its size: pictures are passed on and never kept."""
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
