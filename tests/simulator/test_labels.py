"""Shelf labels of the simulated cloud: which pictures they take, and when they show them."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gateway.protocol.catalogue.cloud_labels import PICTURE_FORMATS
from gateway.simulator.cloud import SimulatedCloud
from gateway.simulator.cloud_state import ShelfLabel, SimulatedShop
from gateway.simulator.faults import FaultInjection
from gateway.simulator.label_pictures import deliver_pictures, hash_pixels
from gateway.simulator.store import SimulatedStore
from gateway.simulator.validation import CallRefused
from tests.simulator.conftest import draw_picture

Ask = Callable[..., Awaitable[dict[str, Any]]]
Make = Callable[..., Awaitable[SimulatedCloud]]

SAMPLE = Path(__file__).parent.parent / "fixtures/samples/cloud-device-esl-getInfo.json"
SIZES = {one.model: (one.width, one.height) for one in PICTURE_FORMATS}


class LabelShop:
    """The vendor's sample shop 7948, whose cloud has a clock that a test sets."""

    def __init__(self, cloud: SimulatedCloud, ask: Ask) -> None:
        self.cloud = cloud
        self.state = cloud.state
        self.faults = cloud.faults
        self._ask = ask

    def wait(self, seconds: float) -> None:
        self.faults.clock_offset_s += seconds

    async def push(self, label: ShelfLabel, picture: bytes) -> int:
        answer = await self._ask(self.cloud, "device/esl/pushImage", {"pic": picture}, esl_id=label.esl_id)
        return int(answer["code"])

    async def info(self, label: ShelfLabel) -> dict[str, Any]:
        found: dict[str, Any] = (await self._ask(self.cloud, "device/esl/getInfo", esl_code=label.code))["data"]
        return found

    def statuses(self) -> list[int]:
        return [label.status for label in self.cloud.read_labels("7948").values()]


@pytest.fixture
async def shop(make_cloud: Make, ask: Ask) -> LabelShop:
    """Make a shop with two access points; each takes 10 s for a label, by a clock that stands."""
    now = time.time()
    cloud = await make_cloud(faults=FaultInjection(label_s=10), clock=lambda: now)
    for number in (1, 2):
        cloud.state.add_access_point("7948", sn=f"B201E9650000{number}")
    return LabelShop(cloud, ask)


@pytest.mark.parametrize("model", SIZES)
def test_a_model_takes_the_pictures_of_the_vendors_table(model: str) -> None:
    assert hash_pixels(draw_picture(SIZES[model]), model)
    refused = [draw_picture(size) for size in SIZES.values() if size != SIZES[model]]
    refused += [draw_picture(SIZES[model], color) for color in ("grey", "blue", "#fe0000")]
    if model == "SL126+":
        refused.append(draw_picture(SIZES[model], "red"))
    else:
        assert hash_pixels(draw_picture(SIZES[model], "red"), model)
    for picture in refused:
        with pytest.raises(CallRefused) as caught:
            hash_pixels(picture, model)
        assert caught.value.codes == (5005,)


def test_the_model_of_the_sample_takes_what_any_other_does() -> None:
    for size in SIZES.values():
        assert hash_pixels(draw_picture(size, "red"), "SL121+")
    with pytest.raises(CallRefused):
        hash_pixels(draw_picture((100, 100)), "SL121+")


def test_the_same_pixels_have_the_same_hash() -> None:
    image = Image.new("RGB", (212, 104), "white")
    image.paste("black", (10, 10, 50, 50))
    hashes = set()
    for packed, options in ((image, {"compress_level": 0}), (image.convert("1"), {}), (image.convert("RGBA"), {})):
        file = io.BytesIO()
        packed.save(file, "PNG", **options)
        hashes.add(hash_pixels(file.getvalue(), "SL121"))
    image.save(file := io.BytesIO(), "BMP")
    assert hashes == {hash_pixels(file.getvalue(), "SL121")}
    image.putpixel((0, 0), (255, 0, 0))
    image.save(file := io.BytesIO(), "PNG")
    assert hash_pixels(file.getvalue(), "SL121") not in hashes


async def test_a_picture_comes_to_the_shelf_after_a_time(shop: LabelShop) -> None:
    label = shop.state.add_label("7948", code="SKDI39DN")
    picture = draw_picture()
    assert await shop.push(label, picture) == 0
    assert await shop.push(label, b"\x89PNG") == 5005
    assert await shop.push(label, draw_picture((296, 152))) == 5005
    assert (label.status, label.push_count, label.picture, label.shown_picture) == (2, 1, picture, b"")
    assert (await shop.info(label))["status"] == 2
    shop.wait(10)
    assert (await shop.info(label))["status"] == 3
    assert label.shown_picture == picture
    assert label.shown_hash == label.picture_hash == hash_pixels(picture, "SL121")


async def test_a_newer_picture_replaces_one_under_way(shop: LabelShop) -> None:
    label = shop.state.add_label("7948")
    await shop.push(label, draw_picture(color="red"))
    shop.wait(6)
    newer = draw_picture(color="black")
    await shop.push(label, newer)
    shop.wait(6)
    assert (await shop.info(label))["status"] == 2
    shop.wait(4)
    assert (await shop.info(label))["status"] == 3
    assert (label.shown_picture, label.push_count) == (newer, 2)


def queue_pictures(access_points: int = 2, labels: int = 4) -> tuple[SimulatedShop, list[ShelfLabel]]:
    """Return a shop whose labels were all sent a picture at time 0."""
    cloud = SimulatedCloud(shops={"7948": "100000007948"})
    for number in range(access_points):
        cloud.state.add_access_point("7948", sn=f"B201E9650000{number}")
    added = [cloud.state.add_label("7948") for _ in range(labels)]
    shop = cloud.state.shops["7948"]
    for label in added:
        label.picture = draw_picture()
        shop.waiting_labels[label.esl_id] = None
    return shop, added


def test_each_access_point_serves_its_labels_one_after_the_other() -> None:
    shop, labels = queue_pictures()
    faults = FaultInjection(label_s=2, label_delay_s=5)
    seen = []
    for now in (0.0, 6.9, 7.0, 8.9, 9.0):
        deliver_pictures(shop, faults, now)
        seen.append([label.status for label in labels])
    assert seen == [[2] * 4, [2] * 4, [3, 3, 2, 2], [3, 3, 2, 2], [3] * 4]
    assert [label.connect_time for label in labels] == [7, 7, 9, 9]
    assert {label.ap_id for label in labels} == set(shop.access_points)


def test_labels_wait_for_what_is_out_of_reach_and_then_count_anew() -> None:
    shop, labels = queue_pictures(labels=4)
    first = next(iter(shop.access_points.values()))
    first.online = False
    labels[1].away = True
    faults = FaultInjection(label_s=2)
    for now in (0.0, 100.0):
        deliver_pictures(shop, faults, now)
    assert [label.status for label in labels] == [2, 2, 2, 3]
    first.online, labels[1].away = True, False
    for now, statuses in ((200.0, [2, 2, 2, 3]), (202.0, [3, 3, 2, 3]), (204.0, [3, 3, 3, 3])):
        deliver_pictures(shop, faults, now)
        assert [label.status for label in labels] == statuses
    assert first.connect_time == 204


def test_without_an_access_point_labels_wait() -> None:
    shop, labels = queue_pictures(access_points=0, labels=1)
    for now in (0.0, 1000.0):
        deliver_pictures(shop, FaultInjection(), now)
    assert labels[0].status == 2


async def test_a_label_fails_so_many_times_and_works_then(shop: LabelShop) -> None:
    label = shop.state.add_label("7948")
    label.failures, shop.faults.label_failures = 1, 1
    seen = []
    for _ in range(3):
        await shop.push(label, draw_picture())
        shop.wait(10)
        seen += shop.statuses()
    assert seen == [4, 4, 3]
    assert shop.faults.label_failures == label.failures == 0


async def test_what_the_cloud_says_of_a_label(shop: LabelShop, ask: Ask) -> None:
    label = shop.state.add_label("7948", code="SKDI39DN", sn="B101194N00002", model="SL121+")
    other = shop.state.add_label("7948", model="SL142")
    label.battery, label.rssi, label.away, label.connect_time = 90, -23, True, 1568392039
    shop.faults.long_connect_time = True
    answer = json.loads(SAMPLE.read_text())["answer"]["data"]
    access_point = shop.state.shops["7948"].access_points[(await shop.info(label))["ap_id"]]
    ids = {"esl_id": label.esl_id, "ap_id": access_point.ap_id, "ap_sn": access_point.sn}
    assert await shop.info(label) == {**answer, **ids, "connect_time": 15683920390}
    shop.faults.long_connect_time = label.away = False
    assert (await shop.info(label))["connect_time"] > 1568392039
    info = await shop.info(other)
    assert (info["model_name"], info["screen_size_name"], info["status"]) == ("SL142", "4.2寸", 2)
    assert info["ap_id"] != access_point.ap_id
    shop.faults.access_points_offline = True
    for status in (0, 1):
        other.status = status
        assert (await shop.info(other))["status"] == status
    rows = (await ask(shop.cloud, "device/ap/getList"))["data"]["ap_list"]
    assert [(row["status"], row["esl_count"]) for row in rows] == [(2, 1), (2, 1)]


async def test_a_label_is_bound_to_one_shop_or_to_none(shop: LabelShop, ask: Ask) -> None:
    label = shop.state.add_label(code="SKDI39DN", model="SL126")
    cloud, named = shop.cloud, {"esl_code": label.code}
    assert label.status == 1
    assert (await ask(cloud, "device/esl/getInfo", **named))["code"] == 5502
    assert (await ask(cloud, "device/esl/bind", **named))["data"] == {"esl_id": label.esl_id}
    assert (await ask(cloud, "device/esl/bind", shop_id="10096", **named))["code"] == 5338
    assert (await ask(cloud, "device/esl/getInfo", shop_id="10096", **named))["code"] == 5502
    assert ((await shop.info(label))["model_name"], label.status) == ("SL126", 2)
    await shop.push(label, draw_picture((296, 152)))
    assert (await ask(cloud, "device/esl/unbind", esl_id=label.esl_id))["code"] == 0
    shop.wait(100)
    assert (await ask(cloud, "device/esl/bind", shop_id="10096", **named))["data"] == {"esl_id": label.esl_id}
    assert label.shown_picture == b""


async def test_a_label_with_a_product_draws_by_itself(shop: LabelShop, ask: Ask) -> None:
    label = shop.state.add_label("7948")
    await shop.push(label, draw_picture())
    shop.wait(10)
    assert shop.statuses() == [3]
    await shop.push(label, draw_picture(color="black"))
    new = {"template_name": "sale", "template_color": 2, "template_screen": 2, "template_json": "{}"}
    template_id = (await ask(shop.cloud, "template/create", **new))["data"]["template_id"]
    await ask(shop.cloud, "product/create", product_list=[{"id": "1", "name": "Cola"}])
    binding = {"product_id": "1", "esl_id": label.esl_id, "template_id": template_id}
    assert (await ask(shop.cloud, "product/bindEsl", **binding))["code"] == 0
    shop.wait(10)
    assert (shop.statuses(), label.shown_picture, label.shown_hash) == ([3], b"", "")


async def test_the_simulated_store_has_a_label_of_every_model() -> None:
    store = SimulatedStore(cameras=1)
    async with store:
        labels = store.cloud.read_labels(store.shop_id).values()
        assert [label.model for label in labels] == list(SIZES)
        assert len({label.battery for label in labels}) == len({label.rssi for label in labels}) == len(labels)
        assert len(store.cloud.state.shops[store.shop_id].access_points) == 1


def test_only_who_pushes_a_picture_needs_pillow() -> None:
    code = "import sys, gateway.simulator.store; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
