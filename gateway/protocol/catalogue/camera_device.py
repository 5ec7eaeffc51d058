"""Camera endpoints `device/*`: activation, information, factory reset, reboot."""

from gateway.protocol.catalogue.response_fields import string_field
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Parameter
from gateway.protocol.return_codes import camera_codes

_CODES = camera_codes(0, 1, 2, 3, 5, 7)

ENDPOINTS = (
    Endpoint(
        path="device/activate",
        side="camera",
        title="Activation",
        source="Device Management, 1",
        scope="installer",
        auth="activation",
        parameters=(
            Parameter(
                name="sn",
                type="string",
                required=True,
                description="The camera's serial number.",
                example="FS101D8BS00106",
            ),
        ),
        return_codes=camera_codes(0, 1, 2, 3, 4, 8, 9, 10, 11),
        note="Signed with the OpenAPI activation number in place of the secret key. The camera needs the internet for "
        "it. Deletes all face groups and records, and creates the groups stranger and regular.",
    ),
    Endpoint(
        path="device/getInfo",
        side="camera",
        title="Get Basic Information",
        source="Device Management, 2",
        scope="pos",
        response_fields=(
            string_field("sn", "Serial number."),
            string_field("model_name", "Model: SS, SS1 or FM010 for one, FS, FS1 or FM020 for the other."),
            string_field("name", "Name."),
            string_field("software_version", "Firmware."),
            string_field("hardware_version", "Hardware."),
            string_field("ip", "IP address."),
            string_field("mac", "MAC address; may end in a blank."),
        ),
        return_codes=_CODES,
        repeatable=True,
        # (NOTES: Camera models)
        note="The sample names model FS beside a serial number SS…, and ends the MAC in a blank: "
        "models go by many names, and the MAC is trimmed.",
    ),
    Endpoint(
        path="device/reset",
        side="camera",
        title="Restore Factory Settings",
        source="Device Management, 3",
        scope="installer",
        return_codes=_CODES,
        note="The camera loses its Wi-Fi and its activation, and goes back to its hotspot.",
    ),
    Endpoint(
        path="device/reboot",
        side="camera",
        title="Reboot",
        source="Device Management, 4",
        scope="installer",
        return_codes=_CODES,
        # (NOTES: Reboot path)
        note="The sample posts to device/reset, which would erase the camera: a misprint.",
    ),
)
