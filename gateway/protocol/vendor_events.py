"""Events that the vendor reports, one class for each (NOTES: Cloud events; Camera events).

The cloud numbers its events, cameras name theirs. The payload of a camera's event is not public. It is read as the
cloud's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Final

from gateway.protocol.event_type import EVENT_TYPES, EventType
from gateway.protocol.models import CameraModel


def coded_field(meanings: Mapping[int, str]) -> Any:
    """Declare a field whose value the vendor sends as a number, with the word for each number."""
    return field(default=None, metadata={"meanings": meanings})


@dataclass(frozen=True, kw_only=True)
class VendorEvent(EventType):
    """An event of the vendor. The fields that a subclass adds are those of the payload that the vendor documents."""

    cloud_number: ClassVar[int | None] = None
    """The cloud's number for it; None if the cloud does not report it."""
    camera_name: ClassVar[str | None] = None
    """The cameras' name for it; None if cameras do not report it."""
    model: ClassVar[CameraModel | None] = None
    """The only model whose cameras report it; None for all."""
    personal: ClassVar[bool] = False
    """Whether it is about a person."""

    vendor_event: int | str
    """The vendor's number or name of the event."""
    shop_id: str | None = None
    """The vendor's id of the shop."""
    sunmi_shop_no: str | None = None
    """The vendor's number of the shop."""
    payload: Any = None
    """What the vendor reported. A picture is passed on to connected readers; its size is stored in its place."""
    related_to: str | None = None
    """The id of an earlier event that the other source (cloud or camera) reported, likely of the same thing."""

    @property
    def data(self) -> dict[str, Any]:
        """The event's details, as readers get them; what is not known is left out."""
        values = super().data
        last = {name: values.pop(name) for name in ("payload", "related_to")}
        return {name: value for name, value in (values | last).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class MotionDetected(VendorEvent):
    """A camera noticed motion or sound."""

    type = "motion.detected"
    cloud_number = 1010
    camera_name = "dynamic_detect_event"

    motion_type: str | None = coded_field({1: "motion", 2: "sound"})
    """`motion`, `sound` or `unknown`."""
    video_url: str | None = None
    """Where the vendor has a video of it."""


@dataclass(frozen=True, kw_only=True)
class FaceAdded(VendorEvent):
    """The result of adding a face."""

    type = "face.added"
    cloud_number = 1100
    personal = True

    face_id: str | None = None
    """The vendor's id of the face."""
    code: str | None = None
    """The vendor's code of the result."""


@dataclass(frozen=True, kw_only=True)
class FaceSeen(VendorEvent):
    """A camera recognised a face."""

    type = "face.seen"
    cloud_number = 2001
    camera_name = "face_recog_event"
    model = "FM020"
    personal = True

    face_id: str | None = None
    """The vendor's id of the face."""
    gender: str | None = coded_field({0: "unknown", 1: "male", 2: "female"})
    """`male`, `female` or `unknown`."""
    age_range: str | None = coded_field(
        {1: "0-6", 2: "7-12", 3: "13-18", 4: "19-28", 5: "29-35", 6: "36-45", 7: "46-55", 8: "56-"}
    )
    """The age in years, such as `19-28`, or `unknown`."""
    group_id: str | None = None
    """The vendor's id of the face's group."""
    group_name: str | None = None
    """The name of the face's group."""
    group_type: str | None = coded_field({1: "stranger", 2: "regular", 3: "staff", 5: "custom"})
    """`stranger`, `regular`, `staff`, `custom` or `unknown`."""


@dataclass(frozen=True, kw_only=True)
class PriceChanged(VendorEvent):
    """A price changed."""

    type = "price.changed"
    cloud_number = 4100


@dataclass(frozen=True, kw_only=True)
class ReceiptText(VendorEvent):
    """A cloud printer printed a receipt: its text."""

    type = "receipt.text"
    cloud_number = 6001
    personal = True


@dataclass(frozen=True, kw_only=True)
class ReceiptImage(VendorEvent):
    """A cloud printer printed a receipt: its picture."""

    type = "receipt.image"
    cloud_number = 6002
    personal = True


@dataclass(frozen=True, kw_only=True)
class ReceiptParsed(VendorEvent):
    """A cloud printer printed a receipt: its items."""

    type = "receipt.parsed"
    cloud_number = 6003
    personal = True


@dataclass(frozen=True, kw_only=True)
class UndocumentedEvent(VendorEvent):
    """An event that the vendor does not document; its type is `vendor.` and the vendor's number or name of it."""

    type = "vendor.unknown"
    personal = True


@dataclass(frozen=True, kw_only=True)
class UnreadableEvent(VendorEvent):
    """An event of the vendor whose payload is no JSON object; `payload` is its text."""

    type = "vendor.unreadable"
    personal = True


VENDOR_EVENTS: Final = tuple(declared for declared in EVENT_TYPES.values() if issubclass(declared, VendorEvent))
"""All events of the vendor."""

CLOUD_EVENTS: Final = tuple(event.cloud_number for event in VENDOR_EVENTS if event.cloud_number is not None)
"""Events that the cloud can report, by number."""


def list_camera_events(model: str) -> tuple[str, ...]:
    """Return the names of the events that a model can report. An unknown model may report all."""
    return tuple(
        event.camera_name
        for event in VENDOR_EVENTS
        if event.camera_name is not None and (event.model is None or model in ("", event.model))
    )


def payload_fields(event: type[VendorEvent]) -> dict[str, Mapping[int, str] | None]:
    """Return the documented fields of an event's payload, with the words for coded values."""
    common = {one.name for one in fields(VendorEvent)}
    return {one.name: one.metadata.get("meanings") for one in fields(event) if one.name not in common}
