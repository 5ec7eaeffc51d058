"""The pages of the head office, as a person sees them, with real servers and shops that are connected."""

import json
import math
import re
from html import unescape
from typing import get_origin

import aiohttp
import pytest
from markupsafe import escape
from nats.aio.client import Client

from firmware_tools.language import Language, message, translate
from gateway.boot_settings import FILE_NAMES, JOIN_CODE_KEY
from gateway.desired_settings import PUSHABLE
from gateway.errors import InvalidRequest
from gateway.fleet.commands import CHOICE_TEXTS, COMMANDS
from gateway.fleet.documents import DesiredAnswer, DesiredReport, FindingsReport, ReportedFinding
from gateway.fleet.subjects import REPORTED, bucket_subject
from gateway.list_settings import show_list_example
from gateway.office.audit import read_newest
from gateway.office.desired import DesiredBucket, find_field, parse_setting
from gateway.office.readers import add_reader, revoke_reader
from gateway.office.rollouts import RolloutStore
from gateway.office.shop_facts import ShopHealth
from gateway.office_site.argument_texts import ARGUMENT_TEXTS
from gateway.office_site.model_form import list_fields
from gateway.office_site.overview import draw_map
from gateway.office_site.pages import PAGES
from gateway.office_site.translated_texts import list_office_texts
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


@pytest.mark.parametrize("path", ["nothing", "shops/hamburg-1/nothing"])
async def test_an_address_without_a_page_has_a_page_that_says_so(visitor: Visitor, path: str) -> None:
    await visitor.sign_in()
    response, html = await visitor.get(path)
    assert response.status == 404
    assert response.content_type == "text/html"
    assert "Content-Security-Policy" in response.headers
    assert "To the first page" in html
    assert "Sign out" in html
    status, problem = await visitor.call("GET", "/api/v1/nothing")
    assert (status, problem["status"]) == (404, 404)


async def test_a_name_stays_when_a_token_is_refused(visitor: Visitor) -> None:
    await visitor.sign_in()
    response, html = await visitor.post("access/tokens", csrf=await visitor.csrf(), name="price system")
    assert response.status == 400
    assert 'name="name" value="price system"' in html
    assert "choose what its holder may do" in html


async def test_an_address_that_takes_forms_leads_to_the_page_above(visitor: Visitor) -> None:
    await visitor.sign_in()
    response, _ = await visitor.get("readers/revoke")
    assert (response.status, response.headers["Location"]) == (303, "/console/readers")


async def test_servers_that_do_not_answer_are_not_said_to_answer(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.sign_in()
    shops = visitor.site.view.shops
    monkeypatch.setattr(shops, "_ask_again_at", math.inf)  # nobody asks meanwhile
    monkeypatch.setattr(shops, "servers_expected", 3)
    monkeypatch.setattr(shops, "servers", 2)
    _, html = await visitor.get("overview")
    assert "Servers that have answered: only 2 of 3" in html
    assert html.count("data-age=") == 1
    monkeypatch.setattr("gateway.office_site.chain_view.OLD_AFTER_S", -1.0)
    _, html = await visitor.get("overview")
    assert "Only 2 of 3 servers" not in html
    assert "The servers of the chain do not answer" in html


async def test_a_new_shop_can_also_join_by_a_file(visitor: Visitor) -> None:
    await visitor.sign_in()
    answer, html = await visitor.post("enrol", csrf=await visitor.csrf(), shop="kiel-8", days="7", again="on")
    assert (answer.status, "no shop is called kiel-8" in html) == (404, True)
    _, html = await visitor.post("enrol", csrf=await visitor.csrf(), shop="kiel-8", days="7")
    [code] = re.findall(r"sunmi-gateway fleet join (\S+?)<", html)
    assert FILE_NAMES[0] in html
    assert f"{JOIN_CODE_KEY} = &#34;{code}&#34;" in html or f'{JOIN_CODE_KEY} = "{code}"' in html


async def test_a_setting_is_explained_with_what_holds_and_what_shops_say(
    visitor: Visitor, shops: dict[str, Client]
) -> None:
    await visitor.sign_in()
    bucket = DesiredBucket(visitor.site.office)
    _, html = await visitor.get("desired/shop.hamburg-1")
    assert "Pictures of labels on their way" in html
    assert find_setting(html, "labels.pushes_at_once").count("As delivered: <code>20</code>") == 1
    part = "settings.labels.pushes_at_once"
    await bucket.change("chain", {part: 30})
    await bucket.change("group.north", {part: 40})
    _, html = await visitor.get("desired/shop.hamburg-1")
    setting = find_setting(html, "labels.pushes_at_once")
    assert "Wanted now: <code>40</code>" in setting
    assert "the group north" in setting
    assert "This shop: no answer yet" in setting
    _, html = await visitor.get("desired/group.north")
    assert "no answer yet 2" in find_setting(html, "labels.pushes_at_once")
    revision = (await bucket.get("group.north")).revision
    report = DesiredReport(
        revisions={"group.north": revision},
        answers={part: DesiredAnswer(outcome="refused", reason="must be less than or equal to 39")},
        time="2026-11-29T12:00:00Z",
    )
    subject = bucket_subject(REPORTED, "hamburg-1.desired")
    await shops["hamburg-1"].jetstream().publish(subject, report.model_dump_json().encode())
    await visitor.site.view.shops.refresh()
    html = await visitor.read("console/desired/group.north", language="zh")
    setting = find_setting(html, "labels.pushes_at_once")
    assert "若无此值：<code>30</code>" in setting
    assert "不能大于 39" in setting
    for key in ("chain", "group.north"):
        await bucket.change(key, {part: None})
    await shops["hamburg-1"].jetstream().publish(subject, b"", headers={"KV-Operation": "DEL"})


@pytest.mark.parametrize(("key", "count"), [("chain", "3 shops"), ("group.north", "2 shops")])
async def test_settings_of_many_shops_are_set_at_once_only_after_a_question(
    visitor: Visitor, key: str, count: str
) -> None:
    await visitor.sign_in()
    bucket, part = DesiredBucket(visitor.site.office), "settings.labels.pushes_at_once"
    _, html = await visitor.get(f"desired/{key}")
    fields = {**read_fields(html), "how": "once", "labels.pushes_at_once": "33"}
    response, html = await visitor.post(f"desired/{key}", **fields)
    assert (response.status, count in html, "labels.pushes_at_once" in html) == (200, True, True)
    assert (await bucket.get(key)).read([part]) == {part: None}
    asked = read_fields(html)
    assert asked["labels.pushes_at_once"] == "33"
    response, html = await visitor.post(f"desired/{key}", **{**asked, "how": "edit"})
    assert (response.status, 'value="33"' in html, "confirmed" in read_fields(html)) == (200, True, False)
    response, _ = await visitor.post(f"desired/{key}", **asked)
    assert response.status == 303
    assert (await bucket.get(key)).read([part]) == {part: 33}
    await bucket.change(key, {part: None})


async def test_settings_of_one_shop_are_set_without_a_question(visitor: Visitor) -> None:
    await visitor.sign_in()
    bucket, part = DesiredBucket(visitor.site.office), "settings.labels.pushes_at_once"
    _, html = await visitor.get("desired/shop.hamburg-1")
    response, _ = await visitor.post(
        "desired/shop.hamburg-1", **{**read_fields(html), "how": "once", "labels.pushes_at_once": "34"}
    )
    assert response.status == 303
    assert (await bucket.get("shop.hamburg-1")).read([part]) == {part: 34}
    await bucket.change("shop.hamburg-1", {part: None})


def read_fields(html: str) -> dict[str, str]:
    """Return what a browser would send of the fields and the last button of the page's own form."""
    form = html.split("<main", 1)[1]
    return {
        found["name"]: found["value"]
        for found in map(_read_attributes, re.findall(r"<(?:input|button)[^>]*>", form))
        if "name" in found and "value" in found
    }


def _read_attributes(tag: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(r'([a-z]+)="([^"]*)"', tag)}


@pytest.mark.parametrize("name", [name for name in PUSHABLE if get_origin(find_field(name).annotation) is list])
async def test_the_example_of_a_list_is_one_that_its_setting_takes(visitor: Visitor, name: str) -> None:
    await visitor.sign_in()
    example = show_list_example(find_field(name))
    assert parse_setting(name, example) == json.loads(example) != []
    _, html = await visitor.get("desired/chain")
    assert f"such as {escape(example)}" in find_setting(html, name)
    with pytest.raises(InvalidRequest, match=re.escape(example)):
        parse_setting(name, "[")


def find_setting(html: str, name: str) -> str:
    [found] = [one for one in html.split('<div class="setting">') if f">{name}</code>" in one]
    return found


async def test_what_shops_say_is_shown_in_the_language_of_the_person(
    visitor: Visitor, shops: dict[str, Client]
) -> None:
    await visitor.sign_in()
    subject = bucket_subject(REPORTED, "hamburg-1.findings")
    finding = ReportedFinding(check="disk", status="warning", text="No space left on device", advice="<b>odd {0}")
    report = FindingsReport(findings=(finding,), time="2026-11-29T12:00:00Z")
    await shops["hamburg-1"].jetstream().publish(subject, report.model_dump_json().encode())
    html = await visitor.read("console/shops/hamburg-1", language="zh")
    assert translate(message("No space left on device"), Language.CHINESE) in html
    assert "No space left" not in html
    assert "&lt;b&gt;odd {0}" in html
    await shops["hamburg-1"].jetstream().publish(subject, b"", headers={"KV-Operation": "DEL"})


async def test_the_reference_of_the_api_is_wholly_in_chinese(visitor: Visitor) -> None:
    english = await visitor.read("docs", language="en")
    chinese = await visitor.read("docs", language="zh")
    texts = [text for text in {*list_office_texts()} if isinstance(text, str) and "`" not in text and " " in text]
    assert len(texts) > 150
    shown = [text for text in texts if str(escape(text)) in english]
    assert len(shown) > 140
    assert [text for text in shown if len(text) > 15 and str(escape(text)) in chinese] == []


async def test_every_argument_of_a_command_has_a_name_in_the_language_of_the_person(visitor: Visitor) -> None:
    await visitor.sign_in()
    assert {*ARGUMENT_TEXTS} == {name for one in COMMANDS.values() for name in one.arguments.model_fields}
    html = await visitor.read("console/shops/hamburg-1/commands/camera_call", language="zh")
    labels = re.findall(r"<label[^>]*>(.*?)</label>", html)
    assert labels == ["序列号", "接口", "参数"]


async def test_what_can_be_chosen_is_named_in_the_language_of_the_person(visitor: Visitor) -> None:
    await visitor.sign_in()
    for language, texts in (("en", ["refused", "too old, not sent"]), ("zh", ["被拒绝", "已过期，未发送"])):
        html = await visitor.read("console/shops/hamburg-1/commands/outbox_retry", language=language)
        chosen = re.findall(r'<option value="(\w+)"[^>]*>(.*?)</option>', html)
        assert chosen == [*zip(["refused", "expired"], texts, strict=True)]
    named = [one for command in COMMANDS.values() for one in list_fields(command.arguments, ARGUMENT_TEXTS, {})]
    assert {value for one in named for value in one.choices} == {"", *CHOICE_TEXTS}


async def test_a_form_that_is_refused_comes_back_as_it_was_filled_in(visitor: Visitor) -> None:
    await visitor.sign_in()
    csrf = await visitor.csrf()
    response, html = await visitor.post("enrol", csrf=csrf, shop="no name", title="Ulm", days="14", again="on")
    assert response.status == 400
    assert re.findall(r'name="(?:shop|title|days)"[^>]* value="([^"]*)"', html) == ["no name", "Ulm", "14"]
    assert 'name="again" checked' in html
    form = aiohttp.FormData({"csrf": csrf, "kind": "products", "partial": "on", "shops": "hamburg-1"})
    form.add_field("file", b"nonsense", filename="list.csv")
    response, html = await visitor.send("push", form)
    assert response.status == 400
    assert ('name="partial" checked' in html, 'name="confirm" checked' in html) == (True, False)
    assert 'name="shops" value="hamburg-1"' in html


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
        await visitor.site.view.shops.refresh()
        _, html = await visitor.get("shops/hamburg-1")
        assert expected in html
        assert ("Buy another one" in html) == bool(findings)
        [age_s] = re.findall(r'data-age="([0-9.]+)"', html)
        assert 0 <= float(age_s) < 86_400
    await shops["hamburg-1"].jetstream().publish(subject, b"", headers={"KV-Operation": "DEL"})


async def test_what_a_shop_did_not_take_is_shown_as_what_is_wrong(visitor: Visitor, shops: dict[str, Client]) -> None:
    await visitor.sign_in()
    subjects = [bucket_subject(REPORTED, f"hamburg-1.{kind}") for kind in ("desired", "findings")]
    answers = {"version": DesiredAnswer(outcome="refused", reason="no such version is in the archive")}
    desired = DesiredReport(revisions={}, answers=answers, time="2026-11-29T12:00:00Z")
    found = FindingsReport(findings=(), time="2026-11-29T12:00:00Z")
    for subject, report in zip(subjects, (desired, found), strict=True):
        await shops["hamburg-1"].jetstream().publish(subject, report.model_dump_json().encode())
    await visitor.site.view.shops.refresh()
    for path in ("", "shops/hamburg-1"):
        _, html = await visitor.get(path)
        assert "version" in html
        assert "no such version is in the archive" in html.split("What is wanted, and what became of it")[0], path
    assert "finds nothing wrong" not in html
    assert "finds nothing else" in html
    for subject in subjects:
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
    await add_reader(visitor.site.office, "half", mqtt=False)
    await visitor.site.office.jetstream.delete_consumer("events", "half")
    _, html = await visitor.get("readers")
    assert html.count("gets no events: revoke it") == 1
    await revoke_reader(visitor.site.office, "half")
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


async def test_a_shop_without_a_name_is_refused_by_field(visitor: Visitor) -> None:
    await visitor.sign_in()
    for query in ("", "?name=", "?name=%20", "?name=a.b"):
        response, html = await visitor.get(f"desired/shop{query}")
        assert (response.status, "name: must be 1 to 64 letters, digits, - and _" in html) == (400, True), html


async def test_the_code_in_the_help_of_a_field_is_shown_as_code(visitor: Visitor) -> None:
    await visitor.sign_in()
    _, html = await visitor.get("shops/hamburg-1/commands/camera_call")
    assert "As <code>device/getInfo</code>, as the catalogue names it." in html
    assert "`" not in html
