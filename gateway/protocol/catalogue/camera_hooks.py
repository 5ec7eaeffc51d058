"""Camera endpoints `hook/*`: events that a camera reports to a callback URL (NOTES: Camera subscriptions)."""

from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.return_codes import camera_codes
from gateway.protocol.vendor_events import VENDOR_EVENTS

_EVENT_LIST = Parameter(
    name="event_list",
    type="array",
    items="string",
    required=True,
    choices=tuple(
        Choice(event.camera_name, event.title() + (f" ({event.model} only)" if event.model else ""))
        for event in VENDOR_EVENTS
        if event.camera_name is not None
    ),
    open=True,
    description="The events, by name: the cloud has numbers for them.",
    example='["face_recog_event"]',
)
_CALLBACK = Parameter(
    name="http_callback",
    type="string",
    required=True,
    description="The address that the camera calls when an event happens, signed by the same rules.",
    example="http://192.168.0.10/hook",
)

ENDPOINTS = (
    Endpoint(
        path="hook/add",
        side="camera",
        title="Subscribe to Events",
        source="Message Channel",
        scope="admin",
        parameters=(_EVENT_LIST, _CALLBACK),
        return_codes=camera_codes(0, 1, 2, 5, 310, 311),
        repeatable=True,
        note="What a callback carries is not public; it is read as the cloud's events 2001 and 1010. Older firmware "
        "may lack this endpoint.",
    ),
    Endpoint(
        path="hook/delete",
        side="camera",
        title="End a Subscription",
        source="Message Channel",
        confidence="medium",
        scope="admin",
        parameters=(
            _EVENT_LIST,
            Parameter(
                name="http_callback",
                type="string",
                description="The address that was subscribed. Whether the camera looks at it is not public.",
                example="http://192.168.0.10/hook",
            ),
        ),
        return_codes=camera_codes(0, 1, 2, 5),
        repeatable=True,
        note="Its parameters are inferred from hook/add; it may end the subscription of another system, too.",
    ),
)
