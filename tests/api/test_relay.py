"""Calls of the cloud through the REST API: what is passed on, and what never reaches the cloud."""

import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from gateway.simulator.store import SimulatedStore
from tests.api.conftest import Rest
from tests.api.serving import served

PATIENT = {"Prefer": "wait=30"}
ORDER = {"order_no": "CN0000938", "received_amount": "12.80"}
_FILE = io.BytesIO()
Image.new("1", (212, 104)).save(_FILE, "PNG")
PNG = _FILE.getvalue()


async def test_an_order_is_sent_with_the_default_shop(store: SimulatedStore, pos: Any) -> None:
    answer = await pos("POST", "/api/v1/cloud/order/update", {"order_list": [ORDER]}, headers=PATIENT)
    assert (answer.status, answer.body["code"]) == (200, 0)
    assert store.cloud.accepted[0].path == "order/update"
    assert store.cloud.accepted[0].fields["shop_id"] == store.shop_id


async def test_numbers_keep_their_digits(store: SimulatedStore, pos: Any) -> None:
    raw = b'{"order_list": [{"order_no": "1", "received_amount": 10.00, "extra": {"a": 1.50}}]}'
    answer = await pos("POST", "/api/v1/cloud/order/update", data=raw, headers=PATIENT)
    assert answer.status == 200
    assert (
        store.cloud.accepted[0].fields["order_list"] == '[{"order_no":"1","received_amount":10.00,"extra":{"a":1.50}}]'
    )


@pytest.mark.parametrize(
    ("path", "body", "parameter"),
    [
        ("order/update", {}, "order_list"),
        ("order/update", {"order_list": []}, "order_list"),
        ("order/update", {"order_list": [{}]}, "order_list[0].order_no"),
        ("order/update", {"order_list": "[{]"}, "order_list"),
        ("order/update", {"order_list": [ORDER], "till": 1}, "till"),
        ("product/create", {"product_list": [{"id": "1", "name": "Cola", "price": -1}]}, "product_list[0].price"),
        ("product/create", {"product_list": [{"name": "Cola"}]}, "product_list[0].id"),
        ("device/esl/bind", {}, "esl_code"),
        ("device/esl/pushImage", {"esl_id": "1", "pic": "text"}, "pic"),
        ("passengerFlow/stat/history/groupByTag", {"start_time": "2020-01-01", "end_time": "2020-02-01"}, "end_time"),
        ("passengerFlow/stat/history/groupByTag", {"start_time": "01.01.2020", "end_time": "2020-02-01"}, "start_time"),
        ("media/video/getList", {"ipc_id": "1", "start_time": 1, "end_time": 3602}, "end_time"),
    ],
)
async def test_bad_parameters_are_named_and_never_sent(
    store: SimulatedStore, admin: Any, path: str, body: dict[str, Any], parameter: str
) -> None:
    answer = await admin("POST", f"/api/v1/cloud/{path}", body)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert parameter in [error["parameter"] for error in answer.body["errors"]]
    assert store.cloud.request_paths == []


async def test_a_list_of_more_than_a_megabyte_is_cut(store: SimulatedStore, pos: Any) -> None:
    orders = [{"order_no": str(number), "software_name": "咖" * 50_000} for number in range(3)]
    raw = io.BytesIO(json.dumps({"order_list": orders}, ensure_ascii=False).encode())
    answer = await pos("POST", "/api/v1/cloud/order/update", data=raw, headers={"Prefer": "wait=30"})
    assert (answer.status, answer.body["data"]) == (200, {"invalid_list": []})
    assert store.cloud.request_paths == ["order/update"] * 2


async def test_what_does_not_fit_alone_is_refused_by_its_number(store: SimulatedStore, pos: Any) -> None:
    orders = [
        {"order_no": name, "software_name": "咖" * count} for name, count in (("1", 1), ("big", 120_000), ("2", 1))
    ]
    raw = io.BytesIO(json.dumps({"order_list": orders}, ensure_ascii=False).encode())
    answer = await pos("POST", "/api/v1/cloud/order/update", data=raw, headers={"Prefer": "wait=30"})
    assert (answer.status, answer.body["data"]) == (200, {"invalid_list": ["big"]})
    [item] = (await pos("GET", "/api/v1/outbox?state=refused")).body["items"]
    assert "bytes in a form" in item["vendor_meaning"]
    alone = await pos("POST", "/api/v1/cloud/order/update", {"order_list": orders[1:2]}, headers=PATIENT)
    assert (alone.status, alone.body["code"]) == (413, "too_large")
    assert "big" in alone.body["detail"]


async def test_a_body_that_is_too_large_is_refused(store: SimulatedStore, pos: Any) -> None:
    huge = await pos("POST", "/api/v1/cloud/order/update", data=io.BytesIO(b" " * (5 * 1024 * 1024)))
    assert (huge.status, huge.body["code"]) == (413, "too_large")
    assert store.cloud.request_paths == []


async def test_a_file_is_passed_on(store: SimulatedStore, pos: Any, installer: Any) -> None:
    bound = await installer("POST", "/api/v1/cloud/device/esl/bind", {"esl_code": "SKDI39DN"})
    assert bound.status == 200, bound.body
    form = aiohttp.FormData()
    form.add_field("esl_id", bound.body["data"]["esl_id"])
    form.add_field("pic", PNG, filename="label.png", content_type="image/png")
    answer = await pos("POST", "/api/v1/cloud/device/esl/pushImage", data=form)
    assert answer.status == 200, answer.body
    assert store.cloud.accepted[-1].files["pic"].data == PNG


async def test_a_file_too_large_is_refused(store: SimulatedStore, admin: Any) -> None:
    form = aiohttp.FormData()
    form.add_field("group_id", "1")
    form.add_field("name", "Mike")
    form.add_field("pic", io.BytesIO(b"\xff\xd8" + bytes(1024 * 1024)), filename="face.jpg", content_type="image/jpeg")
    answer = await admin("POST", "/api/v1/cloud/face/add", data=form)
    assert (answer.status, answer.body["code"]) == (413, "too_large")
    assert "pic" in answer.body["detail"]
    assert store.cloud.request_paths == []


@pytest.mark.parametrize(
    "raw", [b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--\r\n"]
)
async def test_a_broken_form_is_refused(store: SimulatedStore, admin: Any, raw: bytes) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await admin("POST", "/api/v1/cloud/face/add", data=raw, headers=kind)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert store.cloud.request_paths == []


async def test_scopes(store: SimulatedStore, pos: Any, installer: Any) -> None:
    for path, body in (
        ("face/delete", {"group_id": "1", "face_id_list": ["1"]}),
        ("face/group/delete", {"group_id": "1"}),
        ("hook/add", {"http_callback": "http://example.com", "event_list": [2001]}),
        ("hook/delete", {"event_list": [2001]}),
        ("device/ap/firmware/upgrade", {}),
    ):
        for caller in (pos, installer):
            answer = await caller("POST", f"/api/v1/cloud/{path}", body)
            assert (answer.status, answer.body["code"]) == (403, "forbidden"), path
    assert store.cloud.request_paths == []


ALLOWED = {
    "pos": {"face/getInfo"},
    "media": {"media/live/start", "media/live/getSnapshot", "media/video/getList"},
    "people": {"face/update", "face/group/move"},
    "installer": {
        "face/getInfo",
        "media/live/start",
        "media/live/getSnapshot",
        "media/video/getList",
        "product/delete",
    },
}


async def test_media_people_and_deleting_products_have_scopes_of_their_own(admin: Any) -> None:
    everything = set().union(*ALLOWED.values())
    for scope, allowed in ALLOWED.items():
        made = await admin("POST", "/api/v1/tokens", {"name": scope, "scopes": [scope]})
        caller = Rest(admin.session, made.body["token"])
        for prefix in ("", "openapi/"):  # the first has a route of its own, the second goes by the general one
            if prefix and "pos" not in made.body["scopes"]:
                continue
            statuses = {
                path: (await caller("POST", f"/api/v1/cloud/{prefix}{path}", {"strange": 1})).status
                for path in everything
            }
            assert {path for path, status in statuses.items() if status == 400} == allowed
            assert set(statuses.values()) == {400, 403}, "nobody got so far that it was sent"
    described = await admin("GET", "/api/v1/tokens")
    shown = {one["name"]: one["scope"] for one in described.body["tokens"]}
    assert (shown["media"], shown["installer"]) == ("custom", "installer")


async def test_a_setting_lets_tills_delete_products(tmp_path: Path) -> None:
    for allowed, status in ((False, 403), (True, 400)):
        async with served(tmp_path / str(allowed), pos_deletes_products=allowed) as at:
            headers = {"Authorization": f"Bearer {await at.gateway.tokens.create('till', 'pos')}"}
            async with aiohttp.ClientSession(at.plain, headers=headers) as http:
                for path in ("product/delete", "openapi/product/delete"):
                    async with http.post(f"/api/v1/cloud/{path}", json={"strange": 1}) as response:
                        assert response.status == status


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"kind": "status", "status": 500}, 502, "cloud_unreachable"),
        ({"kind": "reset_before"}, 502, "cloud_unreachable"),
        ({"kind": "status", "status": 401}, 502, "cloud_rejected_credentials"),
        ({"kind": "refuse", "code": 5041}, 422, "vendor_refused"),
        ({"kind": "status", "status": 429, "retry_after_s": 3}, 429, "rate_limited"),
    ],
    ids=lambda value: str(value.get("kind")) if isinstance(value, dict) else "",
)
async def test_each_failure_of_the_cloud_is_a_problem(
    store: SimulatedStore, pos: Any, fault: dict[str, Any], status: int, code: str
) -> None:
    store.cloud.faults.add(**fault, times=2)  # a read is sent again where the connection broke
    answer = await pos("POST", "/api/v1/cloud/product/getList", {})
    assert (answer.status, answer.body["code"]) == (status, code)
    assert (answer.headers.get("Retry-After") == "3") == (status == 429)


async def test_unknown_endpoints(store: SimulatedStore, admin: Any) -> None:
    for path in ("order/updates", "..%2f..%2fadmin", "order", "https://example.com/"):
        answer = await admin("POST", f"/api/v1/cloud/{path}", {})
        assert (answer.status, answer.body["code"]) == (404, "not_found"), path
    assert store.cloud.request_paths == []
