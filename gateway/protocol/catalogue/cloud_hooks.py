"""Cloud endpoints `hook/*`: events that the cloud reports to a callback URL (NOTES: Cloud events)."""

from gateway.protocol.catalogue.shop import GENERAL_CODES_NOTE, SHOP_PARAMETERS, cloud_endpoint
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.return_codes import GENERAL_CLOUD_CODES

_EVENT_LIST = Parameter(
    name="event_list",
    type="array",
    items="int",
    required=True,
    choices=(
        Choice(1010, "a camera noticed motion or sound"),
        Choice(1100, "the result of adding a face to a group"),
        Choice(2001, "a camera recognised a face"),
        Choice(4100, "a price changed (currently unavailable)"),
        Choice(6001, "cloud printer: text receipt"),
        Choice(6002, "cloud printer: image receipt"),
        Choice(6003, "cloud printer: parsed receipt"),
    ),
    open=True,
    description="The events.",
    example="[2001]",
)

ENDPOINTS = (
    cloud_endpoint(
        path="hook/add",
        title="Add an event monitoring",
        source="Notification Center, 3.2, and Cloud API, 9.7.1",
        scope="admin",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(
                name="http_callback",
                type="string",
                required=True,
                description="The address that the cloud calls when an event happens.",
                example="http://shop.example/api/testHook",
            ),
            _EVENT_LIST,
        ),
        return_codes=GENERAL_CLOUD_CODES,
        repeatable=True,
        note="Which parameters are required is left blank in one chapter and stated in the other. "
        f"{GENERAL_CODES_NOTE}",
    ),
    cloud_endpoint(
        path="hook/delete",
        title="Cancel event monitoring",
        source="Notification Center, 3.2",
        scope="admin",
        parameters=(*SHOP_PARAMETERS, _EVENT_LIST),
        return_codes=GENERAL_CLOUD_CODES,
        repeatable=True,
        note=GENERAL_CODES_NOTE,
    ),
)
