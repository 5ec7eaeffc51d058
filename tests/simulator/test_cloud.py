"""The simulated cloud checks what the vendor's does, and remembers."""

import io
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from gateway.protocol.catalogue import CATALOGUE
from gateway.simulator.cloud import SimulatedCloud
from tests.simulator.conftest import draw_picture

Ask = Callable[..., Awaitable[dict[str, Any]]]
Signed = Callable[..., dict[str, str]]

ACCOUNT = {"app_id": "APPID6917LTY", "key": "tokenlty123"}
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (212).to_bytes(4) + (104).to_bytes(4)


async def test_the_signature_is_checked(cloud: SimulatedCloud, http: aiohttp.ClientSession, signed: Signed) -> None:
    now = int(time.time())
    shop = {"shop_id": "7948"}
    seen = signed(shop, **ACCOUNT)
    async with http.post(f"{cloud.base_url}/device/ipc/getList", data=seen) as response:
        assert await response.json() == {"code": 0, "msg": "succeed", "data": {"total_count": 0, "ipc_list": []}}
    refused: Mapping[int, list[dict[str, str]]] = {
        5090: [signed(shop, app_id="APPID6917LTY", key="wrong"), signed(shop, app_id="NOBODY", key="tokenlty123")],
        5091: [
            signed({**shop, "timestamp": str(now - 320)}, **ACCOUNT),
            signed({**shop, "timestamp": "15930292837"}, **ACCOUNT),
            {},
        ],
        5092: [seen, signed({**shop, "random": "12345"}, **ACCOUNT)],
    }
    for code, calls in refused.items():
        for fields in calls:
            async with http.post(f"{cloud.base_url}/device/ipc/getList", data=fields) as response:
                assert response.status == 401
                assert (await response.json())["code"] == code, fields
    assert [call.path for call in cloud.accepted] == ["device/ipc/getList"]
    assert len(cloud.request_paths) == 8


async def test_a_shop_is_named_by_either_key(cloud: SimulatedCloud, ask: Ask) -> None:
    assert (await ask(cloud, "device/ipc/getList"))["code"] == 0
    assert (await ask(cloud, "device/ipc/getList", shop_id="", sunmi_shop_no="100000007948"))["code"] == 0
    assert (await ask(cloud, "device/ipc/getList", shop_id="1"))["code"] == 5041
    assert (await ask(cloud, "device/ipc/getList", shop_id=""))["code"] == 5041


@pytest.mark.parametrize(
    ("path", "fields", "code"),
    [
        ("device/ipc/getInfo", {"ipc_id": "1"}, 5501),
        ("media/live/start", {"ipc_id": "1", "resolution": 0}, 5501),
        ("device/esl/getInfo", {}, 5023),
        ("device/esl/getInfo", {"esl_code": "DJKS90EN"}, 5502),
        ("device/esl/unbind", {"esl_id": "1"}, 5301),
        ("device/esl/getList", {"page_num": "none"}, 5020),
        ("device/ap/bind", {}, 5023),
        ("device/ap/getInfo", {"ap_id": "1"}, 5300),
        ("template/getInfo", {"template_id": "1"}, 5343),
        ("product/getInfo", {"product_id": "1"}, 5015),
        ("face/group/delete", {"group_id": "1"}, 5506),
        ("face/group/getInfo", {"group_id": "1"}, 5013),
        ("face/getInfo", {"face_id": "1"}, 5506),
        ("passengerFlow/stat/history/getTrendByDay", {"start_time": "2020-01-01", "end_time": "2020-03-01"}, 1),
        ("media/video/getList", {"ipc_id": "1", "start_time": 1578969264, "end_time": 1578979264}, 5021),
        ("media/playback/stop", {"client_id": "nobody"}, 5020),
        ("order/update", {"order_list": "[{"}, 1),
        ("order/update", {"order_list": [{"order_type": 1}]}, 1),
    ],
)
async def test_refusals_have_a_code_of_the_endpoint(
    cloud: SimulatedCloud, ask: Ask, path: str, fields: dict[str, Any], code: int
) -> None:
    answer = await ask(cloud, path, **fields)
    assert answer["code"] == code, answer
    assert answer["msg"]
    assert cloud.accepted == []


async def test_orders_are_stored_and_invalid_ones_listed(cloud: SimulatedCloud, ask: Ask) -> None:
    orders = [
        {"order_no": "CN1", "order_type": 1, "received_amount": 3.20, "table": "7"},
        {"order_no": "CN2", "received_amount": "much"},
        {"order_no": "CN1", "order_type": 2},
    ]
    answer = await ask(cloud, "order/update", order_list=orders)
    assert answer == {"code": 0, "msg": "succeed", "data": {"invalid_list": ["CN2"]}}
    assert cloud.state.shops["7948"].orders == {"CN1": {"order_no": "CN1", "order_type": 2}}
    assert json.loads(cloud.accepted[0].fields["order_list"]) == orders


async def test_products_labels_and_templates(cloud: SimulatedCloud, ask: Ask) -> None:
    esl_id = (await ask(cloud, "device/esl/bind", esl_code="SKDI39DN"))["data"]["esl_id"]
    assert (await ask(cloud, "device/esl/bind", esl_code="SKDI39DN", shop_id="10096"))["code"] == 5338
    assert (await ask(cloud, "device/esl/bind", esl_code="SHORT"))["code"] == 5301
    made = {"template_name": "sale", "template_color": 2, "template_screen": 2, "template_json": "{}"}
    template_id = (await ask(cloud, "template/create", **made))["data"]["template_id"]
    assert (await ask(cloud, "template/create", **made))["code"] == 5346
    await ask(cloud, "product/create", product_list=[{"id": "1", "name": "Cola", "price": 3.20}])
    binding = {"product_id": "1", "esl_id": esl_id, "template_id": template_id}
    assert (await ask(cloud, "product/bindEsl", **{**binding, "product_id": "2"}))["code"] == 5015
    assert (await ask(cloud, "product/bindEsl", **{**binding, "template_id": "2"}))["code"] == 5343
    assert (await ask(cloud, "product/bindEsl", **binding))["code"] == 0
    rows = (await ask(cloud, "product/getBindEslList", product_id="1"))["data"]["esl_list"]
    assert rows == [{"esl_id": esl_id, "esl_code": "SKDI39DN", "template_id": template_id, "status": 3}]
    assert (await ask(cloud, "product/unbindEsl", esl_id=esl_id))["code"] == 0
    assert (await ask(cloud, "product/unbindEsl", esl_id=esl_id))["code"] == 5320
    await ask(cloud, "product/update", product_list=[{"id": "1", "price": 2.50, "name": ""}])
    info = (await ask(cloud, "product/getInfo", product_id="1"))["data"]
    assert (info["name"], info["price"]) == ("Cola", 2.5)
    overview = (await ask(cloud, "device/getOverview"))["data"]
    assert overview == {"ap_total_count": 0, "esl_total_count": 1, "esl_pending_count": 0, "esl_failed_count": 0}


async def test_faces_and_their_groups(cloud: SimulatedCloud, ask: Ask) -> None:
    async def groups() -> dict[str, dict[str, Any]]:
        answer = await ask(cloud, "face/group/getList")
        return {group["group_name"]: group for group in answer["data"]["group_list"]}

    stranger = (await groups())["stranger"]["group_id"]
    assert (await ask(cloud, "face/group/update", group_id=stranger, name="x"))["code"] == 5525
    assert (await ask(cloud, "face/group/delete", group_id=stranger))["code"] == 5524
    new = {"name": "gold", "type": 5, "capacity": 1}
    assert await ask(cloud, "face/group/create", **new) == {"code": 0, "msg": "succeed", "data": {}}
    assert (await ask(cloud, "face/group/create", **new))["code"] == 5523
    assert (await ask(cloud, "face/group/create", **{**new, "name": "all", "capacity": 29999}))["code"] == 5520
    gold = (await groups())["gold"]["group_id"]
    face = await ask(cloud, "face/add", {"pic": PNG}, group_id=gold, name="Mike", gender=1)
    assert cloud.accepted[-1].files["pic"].data == PNG
    assert (await ask(cloud, "face/add", {"pic": PNG}, group_id=gold, name="Ann"))["code"] == 5520
    assert (await ask(cloud, "face/group/delete", group_id=gold))["code"] == 5509
    face_id = face["data"]["face_id"]
    assert (await ask(cloud, "face/update", group_id=stranger, face_id=face_id))["code"] == 5521
    assert (await ask(cloud, "face/update", group_id=gold, face_id=face_id, age_range=4))["code"] == 0
    move = {"source_group_id": gold, "target_group_id": stranger, "face_id_list": [face_id]}
    assert (await ask(cloud, "face/group/move", **move))["code"] == 0
    assert (await ask(cloud, "face/group/move", **move))["code"] == 5521
    info = (await ask(cloud, "face/getInfo", face_id=face_id))["data"]
    assert (info["group_name"], info["age_range"], info["gender"]) == ("stranger", 4, 1)
    assert (await ask(cloud, "face/delete", group_id=stranger, face_id_list=[face_id]))["code"] == 0
    assert (await ask(cloud, "face/group/delete", group_id=gold))["code"] == 0


async def test_a_picture_is_required_and_checked(cloud: SimulatedCloud, ask: Ask) -> None:
    esl_id = (await ask(cloud, "device/esl/bind", esl_sn="B101194N00002"))["data"]["esl_id"]
    assert (await ask(cloud, "device/esl/pushImage", esl_id=esl_id))["code"] == 5020
    assert (await ask(cloud, "device/esl/pushImage", {"pic": b"no picture"}, esl_id=esl_id))["code"] == 5005
    assert (await ask(cloud, "device/esl/pushImage", {"pic": PNG}, esl_id=esl_id))["code"] == 5005, "it ends too soon"
    assert (await ask(cloud, "device/esl/pushImage", {"pic": draw_picture()}, esl_id=esl_id))["code"] == 0
    assert (await ask(cloud, "device/esl/getList", {"pic": PNG}))["code"] == 5020, "no file is taken there"


async def test_a_request_above_one_megabyte_is_refused(
    cloud: SimulatedCloud, http: aiohttp.ClientSession, signed: Signed, ask: Ask
) -> None:
    orders = json.dumps([{"order_no": "1", "note": "x" * 1024 * 1024}])
    body = io.BytesIO(urlencode(signed({"shop_id": "7948", "order_list": orders}, **ACCOUNT)).encode())
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(f"{cloud.base_url}/order/update", data=body, headers=form) as response:
        assert response.status == 413
    group = (await ask(cloud, "face/group/getList"))["data"]["group_list"][0]["group_id"]
    full = PNG + bytes(1024 * 1024 - len(PNG))
    assert (await ask(cloud, "face/add", {"pic": full}, group_id=group, name="Mike"))["code"] == 0
    assert (await ask(cloud, "face/add", {"pic": full + b"x"}, group_id=group, name="Mike"))["code"] == 1


async def test_hooks_belong_to_the_account(cloud: SimulatedCloud, ask: Ask) -> None:
    callback = "http://192.0.2.1/hook"
    assert (await ask(cloud, "hook/add", http_callback=callback, event_list=[2001, 1010]))["code"] == 0
    assert (await ask(cloud, "hook/delete", event_list=[1010]))["code"] == 0
    assert cloud.state.hooks == {("APPID6917LTY", 2001): callback}


async def test_pages_of_a_list(cloud: SimulatedCloud, ask: Ask) -> None:
    products = [{"id": str(number), "name": f"Product {number}"} for number in range(1, 26)]
    await ask(cloud, "product/create", product_list=products)
    page = (await ask(cloud, "product/getList", page_num=3, page_size=10))["data"]
    assert page["total_count"] == 25
    assert [row["id"] for row in page["product_list"]] == ["21", "22", "23", "24", "25"]
    assert (await ask(cloud, "product/getList", keyword="Product 7"))["data"]["total_count"] == 1


async def test_an_endpoint_without_handler_responds_as_declared(cloud: SimulatedCloud, ask: Ask) -> None:
    answer = await ask(cloud, "device/ap/firmware/getList")
    names = {known.path for known in CATALOGUE.get("cloud", "device/ap/firmware/getList").response_fields}
    assert names == {"total_count", "ap_firmware_list", *(f"ap_firmware_list[].{name}" for name in
                     answer["data"]["ap_firmware_list"][0])}  # fmt: skip


async def test_unknown_paths(cloud: SimulatedCloud, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{cloud.base_url}/shop/nothing") as response:
        assert response.status == 404
