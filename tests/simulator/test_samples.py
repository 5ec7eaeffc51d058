"""The vendor's printed samples: each request, sent to the simulators, gets a response of the printed shape."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.cloud_state import BoundCamera, Face, FaceGroup, LabelAccessPoint, LabelTemplate, ShelfLabel
from tests.simulator.conftest import draw_picture

Post = Callable[..., Awaitable[dict[str, Any]]]
Signed = Callable[..., dict[str, str]]
Make = Callable[..., Awaitable[SimulatedCamera]]

SAMPLES = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((Path(__file__).parent.parent / "fixtures" / "samples").glob("*.json"))
}
CAMERA = {name: sample for name, sample in SAMPLES.items() if sample["endpoint"]["side"] == "camera"}
PRODUCT_STORY = [
    f"cloud-product-{step}"
    for step in (
        "create-6.1.1", "create-6.1.2", "create-6.1.3", "create-6.1.4", "update-6.2.1", "update-6.2.2", "update-6.2.3",
        "update-6.2.4", "delete-6.3.1", "delete-6.3.2",
    )
]  # fmt: skip
CLOUD = {name: sample for name, sample in SAMPLES.items() if name not in CAMERA and name not in PRODUCT_STORY}

PUBLIC = {"app_id", "timestamp", "random", "sign"}
PICTURE = draw_picture()

UNPRINTED_REQUESTS: dict[str, dict[str, Any]] = {
    "device/ap/bind": {"ap_sn": "B201E96500002"},
    "device/ap/getInfo": {"ap_id": "1000"},
    "device/ap/reboot": {"ap_id": "1000"},
    "device/ap/setScanTime": {"ap_id": "1000", "scan_time": 60},
    "device/ap/unbind": {"ap_id": "1000"},
    "device/ap/updateName": {"ap_id": "1000", "ap_name": "Gate 6"},
    "device/esl/bind": {"esl_code": "DJKS90EN"},
    "device/esl/flashLed": {"esl_id": "129200", "channel": 4},
    "device/esl/getInfo": {"esl_code": "SKDI39DN"},
    "device/esl/pushImage": {"esl_id": "129200"},
    "device/esl/setRefreshTime": {"esl_id": "129200", "refresh_time": 60},
    "device/esl/unbind": {"esl_id": "129200"},
    "hook/delete": {"event_list": [2001]},
    "order/update": {"order_list": [{"order_no": "CN0000938", "order_time": "late"}, {"order_no": "CN0000940"}]},
    "passengerFlow/stat/history/getTrendByMonth": {"start_time": "2019-01-01", "end_time": "2019-12-01"},
    "passengerFlow/stat/history/getTrendByWeek": {"start_time": "2019-09-11", "end_time": "2019-09-17"},
    "product/bindEsl": {"product_id": "1", "esl_id": "129200", "template_id": "100"},
    "product/create": {"product_list": [{"id": "1", "name": "Cola"}, {"id": "400"}]},
    "product/delete": {"product_key_list": ["100"]},
    "product/getBindEslList": {"product_id": "1"},
    "product/getInfo": {"product_id": "1"},
    "product/unbindEsl": {"esl_id": "129200"},
    "product/update": {"product_list": [{"id": "5", "price": 1}]},
    "product/updateTemplate": {"product_id": "1", "template_id": "100"},
    "template/create": {"template_name": "new", "template_color": 1, "template_screen": 1, "template_json": "{}"},
    "template/delete": {"template_id_list": ["100"]},
    "template/getInfo": {"template_id": "100"},
    "template/update": {"template_id": "100", "template_name": "newer"},
}
"""What to send where the documents print a response only."""


UNPRINTED_FIELDS = {"device/esl/firmware/getList": ["esl_firmware_list"]}
"""Fields of a response that are not printed: here the right name beside its neighbour's (NOTES: Misprints)."""


def shape(value: Any) -> Any:
    """Reduce a response to its names and JSON kinds; one row stands for all rows of a list."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) else type(value).__name__


def has_shape_of(printed: Any, returned: Any) -> bool:
    """Compare shapes. A value that the vendor left out has any shape, an empty list the shape of every list."""
    if printed == "NoneType":
        return True
    if isinstance(printed, dict) and isinstance(returned, dict):
        return printed.keys() == returned.keys() and all(
            has_shape_of(printed[name], returned[name]) for name in printed
        )
    if isinstance(printed, list) and isinstance(returned, list):
        return not printed or not returned or has_shape_of(printed[0], returned[0])
    return bool(printed == returned)


def remove_public_parameters(request: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name not in PUBLIC}


@pytest.mark.parametrize("name", CAMERA)
async def test_camera_sample(make_camera: Make, post: Post, signed: Signed, name: str) -> None:
    sample = CAMERA[name]
    path, request = sample["endpoint"]["path"], sample["request"]
    if path == "device/activate":
        camera, fields = await make_camera(clock=lambda: 1593029283.0), request
    elif path.endswith("WithoutAuth"):
        camera, fields = await make_camera(hotspot=True), request
    else:
        camera = await make_camera(activated=True, model="FM010")
        fields = signed(remove_public_parameters(request))
    answer = await post(camera, path, fields)
    assert has_shape_of(shape(sample["answer"]), shape(answer)), (sample["answer"], answer)
    assert answer["code"] == sample["answer"]["code"]


def add_sample_data(cloud: SimulatedCloud) -> None:
    """Add to the cloud what the samples name, with the ids that they print."""
    for shop in cloud.state.shops.values():
        for ipc_id in ("549755805878", "549755805835"):
            shop.cameras[ipc_id] = BoundCamera(ipc_id, f"C101P982{ipc_id[-5:]}", "小松松大魔王", "FM010")
        for group_id in ("578968814328", "578968817476", "578968813726", "578968813727"):
            shop.groups[group_id] = FaceGroup(group_id, 5, f"group {group_id}")
        shop.faces["578968751459"] = Face("578968751459", "578968813726", "lll", 1579591542, 1, 6)
        shop.playbacks["SAAS-OpenAPI_1211497245552152576"] = "/live/x.flv"
    shop = cloud.state.shops["7948"]
    shop.access_points["1000"] = LabelAccessPoint("1000", "B201E96500001", "Gate 5")
    shop.labels["129200"] = ShelfLabel("129200", "SKDI39DN", "B101194N00002", 2, "1", "100")
    shop.templates["100"] = LabelTemplate("100", "sample", 1, 1, "...")
    shop.products["1"] = {"id": "1", "name": "Cola"}
    shop.product_times["1"] = 1579591542


@pytest.mark.parametrize("name", CLOUD)
async def test_cloud_sample(cloud: SimulatedCloud, ask: Post, name: str) -> None:
    sample = CLOUD[name]
    endpoint = CATALOGUE.get("cloud", sample["endpoint"]["path"])
    add_sample_data(cloud)
    request = remove_public_parameters(sample.get("request") or UNPRINTED_REQUESTS.get(endpoint.path, {}))
    files = {one.name: PICTURE for one in endpoint.parameters if one.type == "file"}
    answer = await ask(cloud, endpoint.path, files, **request)
    printed = sample.get("answer", {"code": 0, "msg": "succeed", "data": answer["data"]})
    assert answer["code"] == printed["code"], answer
    for name in UNPRINTED_FIELDS.get(endpoint.path, ()):
        del answer["data"][name]
    assert has_shape_of(shape(printed), shape(answer)), (printed, answer)


async def test_the_product_examples_in_their_order(cloud: SimulatedCloud, ask: Post) -> None:
    for name in PRODUCT_STORY:
        sample = SAMPLES[name]
        answer = await ask(cloud, sample["endpoint"]["path"], **remove_public_parameters(sample["request"]))
        assert answer["code"] == sample["answer"]["code"], name
        if answer["code"] == 0:
            assert answer == sample["answer"], name
    products = cloud.state.shops["7948"].products
    assert products["1"]["name"] == "可口可乐/灌装"
    assert products["1"]["price"] == "3.5"
    assert "2" not in products
