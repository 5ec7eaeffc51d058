"""Cloud endpoints `device/ipc/*`: the cameras of a shop."""

from gateway.protocol.catalogue.answers import rows, text, whole
from gateway.protocol.catalogue.shop import CODES_STATED_IN_GENERAL, IPC_ID, SHOP, STORE_CODES, cloud_endpoint
from gateway.protocol.codes import GENERAL_CLOUD_CODES, cloud_codes
from gateway.protocol.parameters import Parameter

_CAMERA = (
    text("ipc_id", "Identifier in the cloud."),
    text("ipc_sn", "Serial number."),
    text("ipc_name", "Name."),
    text("model_name", "FM010 or FM020."),
    text("software_version", "Firmware."),
    whole("check_version_time", "When the firmware was last compared, Unix time in seconds."),
    whole("active_status", "0 offline, 1 online."),
    text("screenshot_url", "A picture of what the camera sees."),
)

ENDPOINTS = (
    cloud_endpoint(
        path="device/ipc/getList",
        title="Acquire the List of Devices",
        source="Cloud API, 4.3.1",
        scope="pos",
        parameters=SHOP,
        answer=(whole("total_count", "Number of cameras."), *rows("ipc_list", "The shop's cameras.", *_CAMERA)),
        return_codes=cloud_codes(STORE_CODES),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/ipc/getInfo",
        title="Acquire the Basic Information of the Device",
        source="Cloud API, 4.3.2",
        scope="pos",
        parameters=(*SHOP, IPC_ID),
        answer=_CAMERA,
        return_codes=cloud_codes({**STORE_CODES, 5501: "the IPC does not exist"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/ipc/updateName",
        title="Change the Device Name",
        source="Cloud API, 4.3.3",
        scope="installer",
        parameters=(
            *SHOP,
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
        scope="installer",
        availability="developing",
        parameters=(
            *SHOP,
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
        f"Only its sample tells the parameters. {CODES_STATED_IN_GENERAL}",
    ),
)
