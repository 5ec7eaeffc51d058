"""The pages of the head office, as a person sees them, with real servers and shops that are connected."""

import re

import aiohttp
import pytest
from nats.aio.client import Client

from gateway.fleet.documents import FindingsReport, ReportedFinding
from gateway.fleet.subjects import REPORTED, bucket_subject
from gateway.office.audit import read_newest
from gateway.office.readers import add_reader
from gateway.office.rollouts import RolloutStore
from gateway.office.shop_facts import ShopHealth
from gateway.office_site.overview import draw_map
from gateway.office_site.pages import PAGES
from tests.office_site.chain import Visitor, make_list


async def test_who_is_not_signed_in_is_led_to_the_sign_in(visitor: Visitor) -> None:
    visitor.http.cookie_jar.clear()
    response, _ = await visitor.get("rollouts")
    assert response.status == 303
    assert response.headers["Location"] == "/console/sign-in?next=%2Fconsole%2Frollouts"


async def test_the_map_shows_the_worst_shops_first(visitor: Visitor) -> None:
    await visitor.sign_in()
    response, html = await visitor.get("")
    assert response.status == 200
    places = [html.index(f"/console/shops/{shop}") for shop in ("hamburg-2", "munich-1", "bremen-1", "hamburg-1")]
    assert places == sorted(places)
    assert "outbox worker" in html
    _, html = await visitor.get("?group=north&health=ok")
    assert "/console/shops/hamburg-1" in html
    assert "/console/shops/hamburg-2" not in html


@pytest.mark.parametrize(
    "path", [one.path for one in PAGES if one.method == "GET" and "{" not in one.path and one.path != "live"]
)
async def test_every_page_without_a_name_in_its_path_can_be_opened(visitor: Visitor, path: str) -> None:
    await visitor.sign_in()
    response, html = await visitor.get(path if path != "desired/shop" else "desired/shop?name=hamburg-1")
    assert response.status in (200, 303), html


@pytest.mark.parametrize(
    "path",
    [
        "shops/hamburg-2", "shops/hamburg-2/state", "shops/bremen-1", "shops/hamburg-1/commands/camera_call",
        "shops/hamburg-1/commands/doctor", "desired/chain", "desired/group.north", "desired/shop.munich-1",
    ],
)  # fmt: skip
async def test_pages_of_one_thing_can_be_opened(visitor: Visitor, path: str) -> None:
    await visitor.sign_in()
    response, html = await visitor.get(path)
    assert response.status == 200, html


@pytest.mark.parametrize("path", ["shops/nowhere", "desired/group.nobody", "rollouts/none", "commands/none"])
async def test_what_there_is_not_is_said(visitor: Visitor, path: str) -> None:
    await visitor.sign_in()
    response, html = await visitor.get(path)
    assert response.status == 404
    assert "alert" in html


async def test_a_viewer_changes_nothing(visitor: Visitor) -> None:
    await visitor.sign_in("view")
    csrf = await visitor.csrf()
    for path in ("desired/chain", "shops/hamburg-1/commands/doctor", "shops/hamburg-1/retire", "enrol", "rollouts"):
        response, _ = await visitor.post(path, csrf=csrf)
        assert response.status == 403, path


async def test_a_large_file_is_pushed_by_page(visitor: Visitor) -> None:
    await visitor.sign_in()
    _, html = await visitor.get("push")
    assert "64 MB" in html

    def make_form(**fields: str) -> aiohttp.FormData:
        form = aiohttp.FormData({"csrf": csrf, "kind": "products", "shops": "hamburg-1", **fields})
        form.add_field("file", make_list(9 * 1024**2), filename="prices.csv")
        return form

    csrf = await visitor.csrf()
    response, html = await visitor.send("push", make_form(waves="half"))
    assert (response.status, "alert" in html, "hamburg-1" in html) == (400, True, True)
    response, html = await visitor.send("push", make_form())
    assert response.status == 303, html
    rollout, _ = await RolloutStore(visitor.site.office).get(response.headers["Location"].rpartition("/")[2])
    assert (rollout.title, rollout.parts["products"]["size"]) == ("prices.csv", 9 * 1024**2)
    begun, stored = await read_newest(visitor.site.office, 2)
    assert [(one.action, one.object, one.via) for one in (begun, stored)] == [
        ("rollout", rollout.id, "page"), ("file", "prices.csv", "page"),
    ]  # fmt: skip


async def test_what_the_doctor_of_a_shop_finds_is_shown_with_its_age(
    visitor: Visitor, shops: dict[str, Client]
) -> None:
    await visitor.sign_in()
    _, html = await visitor.get("shops/hamburg-1")
    assert "has not reported yet" in html
    subject = bucket_subject(REPORTED, "hamburg-1.findings")
    finding = ReportedFinding(check="disk", status="warning", text="The disk is full", advice="Buy another one")
    for findings, expected in (((finding,), "1 finding"), ((), "finds nothing wrong")):
        report = FindingsReport(findings=findings, time="1999-01-01T00:00:00Z")  # by a clock that is wrong
        await shops["hamburg-1"].jetstream().publish(subject, report.model_dump_json().encode())
        _, html = await visitor.get("shops/hamburg-1")
        assert expected in html
        assert ("Buy another one" in html) == bool(findings)
        [age_s] = re.findall(r'data-age="([0-9.]+)"', html)
        assert 0 <= float(age_s) < 86_400
    await shops["hamburg-1"].jetstream().publish(subject, b"", headers={"KV-Operation": "DEL"})


async def test_what_was_changed_is_shown_to_administrators(visitor: Visitor) -> None:
    await visitor.sign_in()
    await visitor.post("enrol", csrf=await visitor.csrf(), shop="kiel-9", days="7")
    _, html = await visitor.get("audit?q=kiel-9")
    assert html.count("<code>kiel-9</code>") == 1
    assert "browser" in html
    response, html = await visitor.get(f"audit?q={'x' * 101}")
    assert (response.status, "at most 100 characters" in html) == (400, True)
    await visitor.sign_in("operate")
    assert (await visitor.get("audit"))[0].status == 403


async def test_readers_are_shown_and_revoked(visitor: Visitor) -> None:
    await visitor.sign_in()
    await add_reader(visitor.site.office, "erp", mqtt=True)
    _, html = await visitor.get("readers")
    assert "erp" in html
    response, _ = await visitor.post("readers/revoke", csrf=await visitor.csrf(), name="erp")
    assert response.status == 303
    _, html = await visitor.get("readers")
    assert 'value="erp"' not in html


async def test_a_form_without_its_mark_is_refused(visitor: Visitor) -> None:
    await visitor.sign_in()
    response, _ = await visitor.post("enrol", shop="kiel-1")
    assert response.status == 403


def test_a_map_of_thousands_is_one_path_for_each_state() -> None:
    drawn = draw_map([(ShopHealth.TROUBLE, 7), (ShopHealth.AWAY, 0), (ShopHealth.OK, 9_993)])
    assert [area.count for area in drawn.areas] == [7, 9_993]
    assert drawn.areas[1].path.count("M") == 9_993
    assert len(drawn.areas[1].path) < 250_000
