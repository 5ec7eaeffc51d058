"""Camera endpoints `config/*`: Wi-Fi, lens, detection, name, LED, rotation, memory card (seed 000, chapter 1)."""

from gateway.protocol.codes import camera_codes
from gateway.protocol.endpoint import AnswerField, Endpoint
from gateway.protocol.parameters import Parameter

ENDPOINTS = (
    Endpoint(
        path="config/setZoom",
        side="camera",
        title="Set Zoom",
        source="seed 000, Basic Configurations, 6",
        scope="installer",
        parameters=(Parameter(name="zoom", type="int", required=True, min=0, max=500, description="Zoom level."),),
        return_codes=camera_codes(0, 1, 3, 5, 7, 110),
        repeatable=True,
        timeout_s=18,
    ),
    Endpoint(
        path="config/getName",
        side="camera",
        title="Get IPC Name",
        source="seed 000, Basic Configurations, 16",
        scope="pos",
        answer=(AnswerField("name", "string", "Name."),),
        return_codes=camera_codes(0, 1, 3, 5, 7),
        repeatable=True,
    ),
)
