"""The line at which a face camera counts visitors, as the camera says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from firmware_tools.language import describe_error, message
from gateway.cameras.cameras import Cameras
from gateway.cameras.record import CameraRecord
from gateway.errors import GatewayError
from gateway.protocol.catalogue import CATALOGUE

LINE_SIZES: Final = {0: (1920, 1080), 1: (1280, 720)}
"""Width and height that the coordinates refer to, by the vendor's `resolution`."""
_GET_DOOR_LINE: Final = CATALOGUE.get("camera", "peopleFlow/getDoorLine")
_FACE_MODEL: Final = "FM020"
_COORDINATES: Final = ("start_x", "start_y", "end_x", "end_y")

DoorLineState = Literal["drawn", "not_drawn", "unknown"]


@dataclass(frozen=True, slots=True)
class SheetDoorLine:
    """The door line of a camera."""

    state: DoorLineState
    """`unknown` if the camera could not be asked."""
    detail: str = ""
    """Why it is not known, for people."""
    width: int | None = None
    """The width of the picture that the coordinates refer to, in pixels."""
    height: int | None = None
    """The height of that picture."""
    start_x: int | None = None
    """The left end, from the left."""
    start_y: int | None = None
    """The left end, from the top."""
    end_x: int | None = None
    """The right end, from the left."""
    end_y: int | None = None
    """The right end, from the top."""

    def describe(self) -> dict[str, Any]:
        """Return it as the REST API shows it."""
        return {name: getattr(self, name) for name in self.__slots__}


async def find_door_line(cameras: Cameras, record: CameraRecord) -> SheetDoorLine | None:
    """Ask a camera for its line; None for one that counts no visitors."""
    if record.model != _FACE_MODEL:
        return None
    if not record.can_prove_serial_number:
        return SheetDoorLine("unknown", message("the camera is not set up yet"))
    try:
        response = await cameras.call(record.sn, _GET_DOOR_LINE.encode({}))
    except GatewayError as exc:
        return SheetDoorLine("unknown", describe_error(exc))
    return read_door_line(response.data)


def read_door_line(data: Any) -> SheetDoorLine:
    """Return the line in a camera's response; what is outside the picture is no line."""
    values = data if isinstance(data, Mapping) else {}
    resolution = values.get("resolution")
    size = LINE_SIZES.get(resolution) if type(resolution) is int else None
    found = [values.get(name) for name in _COORDINATES]
    if size is None or any(type(one) is not int for one in found):
        return SheetDoorLine("unknown", message("the camera says none"))
    width, height = size
    start_x, start_y, end_x, end_y = (int(str(one)) for one in found)
    is_inside = all(0 <= x <= width for x in (start_x, end_x)) and all(0 <= y <= height for y in (start_y, end_y))
    if not is_inside or (start_x, start_y) == (end_x, end_y):
        return SheetDoorLine("not_drawn", message("the camera has none"))
    return SheetDoorLine("drawn", "", width, height, start_x, start_y, end_x, end_y)
