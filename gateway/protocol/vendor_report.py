"""Reports of the vendor: parses what a callback reports to an event (NOTES: Cloud events; Camera events)."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.protocol import json_text, lenient_json
from gateway.protocol.event_type import TYPE_PATTERN
from gateway.protocol.vendor_events import (
    VENDOR_EVENTS,
    UndocumentedEvent,
    UnreadableEvent,
    VendorEvent,
    payload_fields,
)

_PICTURE: Final = re.compile(r"data:image/|/9j/|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9A-Za-z+/]{2}")
_MIN_PICTURE_LENGTH: Final = 200
_MAX_CODE_LENGTH: Final = 18
_COMMON: Final = ("vendor_event", "shop_id", "sunmi_shop_no")
_BY_KEY: Final = {
    str(key): event for event in VENDOR_EVENTS for key in (event.cloud_number, event.camera_name) if key is not None
}


class VendorReport(NamedTuple):
    """A parsed report of the vendor."""

    type: str
    """The type of the event: `vendor.NAME` for one that is not documented."""
    event: VendorEvent
    """The event; pictures are replaced by their size."""
    live_payload: dict[str, Any] | None
    """The payload with its pictures; None if it has none."""
    face_id: str | None
    """The vendor's id of the face, if the payload has one."""
    camera: str
    """Serial number in the payload; empty if there is none."""
    ipc_id: str
    """The cloud's id of the camera; empty if there is none."""


def parse_report(event: str, payload: str, shop: Mapping[str, str]) -> VendorReport:
    """Parse the report in a callback.

    `event` and `payload` are as received, `shop` holds the shop keys of the callback. An unknown event becomes
    `vendor.NAME`, and a payload that is not a JSON object is kept as text.
    """
    common: dict[str, Any] = {"vendor_event": int(event) if _is_code(event) else event, **shop}
    try:
        document = _parse_payload(payload)
        stored = _without_pictures(document)
    except (ValueError, RecursionError):
        document = stored = None
    if not isinstance(document, dict):
        text = _describe_picture(payload) if _PICTURE.match(payload) else payload
        unreadable = UnreadableEvent(**common, payload=text)
        return VendorReport(unreadable.type, unreadable, None, None, "", "")
    declared = _BY_KEY.get(event, UndocumentedEvent)
    values: dict[str, Any] = {
        name: _read_value(document.get(name), meanings) for name, meanings in payload_fields(declared).items()
    }
    return VendorReport(
        type=declared.type if declared is not UndocumentedEvent else _undocumented_type(event),
        event=declared(**common, **values, payload=stored),
        live_payload=None if stored == document else document,
        face_id=_read_value(document.get("face_id")) or None,
        camera=_read_value(document.get("sn")) or _read_value(document.get("ipc_sn")) or "",
        ipc_id=_read_value(document.get("ipc_id")) or "",
    )


def erase_personal_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's data without personal data."""
    return {**{name: data[name] for name in _COMMON if name in data}, "personal_data": "erased"}


def _parse_payload(payload: str) -> Any:
    """Parse a payload, leniently where that loses nothing of it. Raises ValueError or RecursionError."""
    try:
        return json_text.make_encodable(json_text.loads(payload))
    except ValueError:
        lenient = lenient_json.loads(payload.encode("utf-8", "replace"))
        if lenient.left_out:
            raise
        return lenient.value


def _read_value(value: Any, meanings: Mapping[int, str] | None = None) -> str | None:
    """Return a value as text, a number as its word, or None if there is no value (NOTES: Identifiers)."""
    if value is None or isinstance(value, (Mapping, list, bool)):
        return None
    text = str(value)
    if meanings is None:
        return text
    return meanings.get(int(text), "unknown") if _is_code(text) else "unknown"


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_CODE_LENGTH


def _undocumented_type(event: str) -> str:
    name = f"vendor.{event}"
    return name if TYPE_PATTERN.fullmatch(name) else UndocumentedEvent.type


def _without_pictures(value: Any) -> Any:
    """Return a payload with every picture replaced by its size. Pictures are passed on and never stored."""
    match value:
        case dict():
            return {name: _without_pictures(one) for name, one in value.items()}
        case list():
            return [_without_pictures(one) for one in value]
        case str() if len(value) > _MIN_PICTURE_LENGTH and _PICTURE.match(value):
            return _describe_picture(value)
        case _:
            return value


def _describe_picture(picture: str) -> str:
    return f"(a picture of {len(picture)} characters, which is not kept)"
