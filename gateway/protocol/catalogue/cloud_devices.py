"""Cloud endpoints `device/ipc/*`: the cameras of a shop (seed 000, Cloud API, chapter 4)."""

from gateway.protocol.catalogue.shop import SHOP, cloud_endpoint
from gateway.protocol.codes import cloud_codes
from gateway.protocol.endpoint import AnswerField
from gateway.protocol.parameters import Parameter

ENDPOINTS = (
    cloud_endpoint(
        path="device/ipc/getInfo",
        title="Acquire the Basic Information of the Device",
        source="seed 000, Cloud API, 4.3.2",
        scope="pos",
        parameters=(
            *SHOP,
            Parameter(name="ipc_id", type="string", required=True, description="The unique ID of an IPC."),
        ),
        answer=(AnswerField("ipc_id", "string"), AnswerField("ipc_sn", "string")),
        return_codes=cloud_codes({5000: "Database error", 5013: "No data found"}),
        repeatable=True,
    ),
)
