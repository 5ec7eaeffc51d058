"""Camera endpoints `face/*`: the face library of an FM020 (NOTES: Camera face groups)."""

from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Parameter
from gateway.protocol.return_codes import camera_codes

ENDPOINTS = (
    Endpoint(
        path="face/createGroup",
        side="camera",
        title="Create a Face Group",
        source="Face Recognition",
        confidence="high",
        scope="installer",
        parameters=(
            Parameter(
                name="name",
                type="string",
                required=True,
                min_length=1,
                max_length=96,
                description="Name of the group, which does not begin with a blank. The Chinese page allows 32 "
                "characters, so the bound may be 96 bytes of UTF-8.",
                example="Mike",
            ),
            Parameter(
                name="capacity",
                type="int",
                required=True,
                min=1,
                max=30000,
                description="How many faces fit. All groups together hold 30000 at most, in 10 groups.",
                example=1000,
            ),
            Parameter(
                name="description",
                type="string",
                max_length=150,
                description="Description; the Chinese page allows 50 characters.",
            ),
        ),
        return_codes=camera_codes(0, 1, 2, 3, 5, 7, 200, 201, 202, 211, 212, 220),
        note="FM020 only. The camera knows groups by name, the cloud by number. An activation deletes all groups.",
    ),
)
