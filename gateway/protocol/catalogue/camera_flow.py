"""Camera endpoints `peopleFlow/*`: the line that a face camera counts visitors at (NOTES: Door line)."""

from gateway.protocol.catalogue.response_fields import describe_choices, int_field
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.return_codes import camera_codes

_SOURCE = "Customer Flow Statistics"
_RESOLUTIONS = (Choice(0, "1920 x 1080"), Choice(1, "1280 x 720"))
_RESOLUTION = "Size of the picture that the coordinates refer to."
_COORDINATES = (
    ("start_x", "Left end, pixels from the left.", 1920, 200),
    ("start_y", "Left end, pixels from the top.", 1080, 700),
    ("end_x", "Right end, pixels from the left.", 1920, 1720),
    ("end_y", "Right end, pixels from the top.", 1080, 720),
)
_NOTE = "FM020 only. The Chinese page says that only 1920 x 1080 works today."

ENDPOINTS = (
    Endpoint(
        path="peopleFlow/setDoorLine",
        side="camera",
        title="Set Door Line",
        source=_SOURCE,
        confidence="high",
        scope="installer",
        parameters=(
            Parameter(
                name="resolution", type="int", required=True, choices=_RESOLUTIONS, description=_RESOLUTION, example=0
            ),
            *(
                Parameter(
                    name=name, type="int", required=True, min=0, max=largest, description=meaning, example=example
                )
                for name, meaning, largest, example in _COORDINATES
            ),
        ),
        return_codes=camera_codes(0, 1, 2, 3, 5, 7, 277, 278),
        repeatable=True,
        note=_NOTE,
    ),
    Endpoint(
        path="peopleFlow/getDoorLine",
        side="camera",
        title="Get Door Line",
        source=_SOURCE,
        confidence="high",
        scope="pos",
        response_fields=(
            int_field("resolution", f"{_RESOLUTION} {describe_choices(_RESOLUTIONS)}"),
            *(int_field(name, meaning) for name, meaning, _, _ in _COORDINATES),
        ),
        return_codes=camera_codes(0, 1, 3, 5, 7, 260, 261, 262, 263, 264, 276, 277, 279),
        repeatable=True,
        note=_NOTE,
    ),
)
