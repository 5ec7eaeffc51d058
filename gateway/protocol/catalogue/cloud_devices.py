"""Cloud endpoints `device/ipc/*`: the cameras of a shop."""

from gateway.protocol.catalogue.response_fields import int_field, object_list, string_field
from gateway.protocol.catalogue.shop import (
    GENERAL_CODES_NOTE,
    IPC_ID,
    SHOP_PARAMETERS,
    STORE_CODES,
    cloud_endpoint,
)
from gateway.protocol.parameters import Parameter
from gateway.protocol.return_codes import GENERAL_CLOUD_CODES, cloud_codes

_CAMERA = (
    string_field("ipc_id", "Identifier in the cloud."),
    string_field("ipc_sn", "Serial number."),
    string_field("ipc_name", "Name."),
    string_field("model_name", "FM010 or FM020."),
    string_field("software_version", "Firmware."),
    int_field("check_version_time", "When the firmware was last compared, Unix time in seconds."),
    int_field("active_status", "0 offline, 1 online."),
    string_field("screenshot_url", "A picture of what the camera sees."),
)

ENDPOINTS = (
    cloud_endpoint(
        path="device/ipc/getList",
        title="Acquire the List of Devices",
        source="Cloud API, 4.3.1",
        scope="pos",
        parameters=SHOP_PARAMETERS,
        response_fields=(
            int_field("total_count", "Number of cameras."),
            *object_list("ipc_list", "The shop's cameras.", *_CAMERA),
        ),
        return_codes=cloud_codes(STORE_CODES),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/ipc/getInfo",
        title="Acquire the Basic Information of the Device",
        source="Cloud API, 4.3.2",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, IPC_ID),
        response_fields=_CAMERA,
        return_codes=cloud_codes({**STORE_CODES, 5501: "the IPC does not exist"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/ipc/updateName",
        title="Change the Device Name",
        source="Cloud API, 4.3.3",
        scope="installer",
        parameters=(
            *SHOP_PARAMETERS,
            IPC_ID,
            Parameter(
                name="ipc_name",
                type="string",
                required=True,
                max_length=36,
                # (NOTES: Camera name)
                description="The new name. The bound is the camera's own, as config/updateName states it.",
                example="The sample equipment",
            ),
        ),
        return_codes=cloud_codes(
            {
                **STORE_CODES,
                5011: "error in communication with the device",
                5501: "the IPC does not exist",
                5506: "no data of this IPC found in the database",
                5510: "unbound device",
            }
        ),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/ipc/bind",
        title="Bind Device by API",
        source="Cloud API, 9.3.1",
        confidence="medium",
        scope="installer",
        availability="developing",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(
                name="ipc_sn",
                type="string",
                required=True,
                description="The serial number of a camera that is connected to the internet.",
                example="C201D8BS00089",
            ),
        ),
        return_codes=GENERAL_CLOUD_CODES,
        # (NOTES: Availability)
        note="Said to be under development; the newer documents list it as available. "
        f"Only its sample tells the parameters. {GENERAL_CODES_NOTE}",
    ),
)
