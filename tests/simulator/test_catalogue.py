"""An endpoint that is added to the catalogue is served without a change of the simulator."""

from collections.abc import Awaitable, Callable
from typing import Any

from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Catalogue, Endpoint, ResponseField
from gateway.protocol.parameters import Parameter
from gateway.protocol.return_codes import camera_codes, cloud_codes
from gateway.simulator import camera_handlers, cloud_handlers
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud

Call = Callable[..., Awaitable[dict[str, Any]]]

LEVEL = Parameter(name="level", type="int", required=True, min=0, max=9, description="How loud it is.")
FIELDS = (
    ResponseField("level", "int"),
    ResponseField("speaker_list", "array"),
    ResponseField("speaker_list[].name", "string"),
    ResponseField("speaker_list[].volume.left", "number"),
)
DATA = {"level": 7, "speaker_list": [{"name": "", "volume": {"left": 0}}]}


async def test_a_new_endpoint_of_the_camera(
    make_camera: Callable[..., Awaitable[SimulatedCamera]], post: Call, signed: Callable[..., dict[str, str]]
) -> None:
    added = Endpoint(
        path="config/setVolume", side="camera", title="Set volume", source="none", scope="installer",
        parameters=(LEVEL,), response_fields=FIELDS, return_codes=camera_codes(0, 2, 3, 5, 7),
    )  # fmt: skip
    camera = await make_camera(activated=True, catalogue=Catalogue((*CATALOGUE.endpoints, added)))
    assert await post(camera, added.path, signed({"level": "7"})) == {"code": 0, "data": DATA}
    assert await post(camera, added.path, signed({"level": "10"})) == {"code": 2}
    assert await post(camera, added.path, signed({"level": "7"}, key="wrong")) == {"code": 5}


async def test_a_new_endpoint_of_the_cloud(make_cloud: Callable[..., Awaitable[SimulatedCloud]], ask: Call) -> None:
    added = Endpoint(
        path="device/speaker/setVolume", side="cloud", title="Set volume", source="none", scope="installer",
        parameters=(LEVEL,), response_fields=FIELDS, return_codes=cloud_codes({5022: "invalid parameter"}),
    )  # fmt: skip
    cloud = await make_cloud(catalogue=Catalogue((*CATALOGUE.endpoints, added)))
    assert await ask(cloud, added.path, level=7) == {"code": 0, "msg": "succeed", "data": DATA}
    assert (await ask(cloud, added.path, level=10))["code"] == 5022
    assert [request.path for request in cloud.accepted] == [added.path]


def test_every_handler_belongs_to_an_endpoint() -> None:
    assert set(camera_handlers.HANDLERS) <= {endpoint.path for endpoint in CATALOGUE.list_endpoints("camera")}
    assert set(cloud_handlers.HANDLERS) <= {endpoint.path for endpoint in CATALOGUE.list_endpoints("cloud")}
