"""What shops return to commands, as people read it."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from nats.aio.client import Client
from pydantic import BaseModel

from firmware_tools.language import Language, message, translate
from gateway.fleet.commands import COMMANDS
from gateway.office_site.result_texts import FIELD_TEXTS, RESULTS
from gateway.office_site.result_view import MAX_VALUES, ResultView, ShownValue
from tests.office_site.chain import Visitor
from tests.office_site.sample_results import BUNDLE, answer_commands
from tests.office_site.sample_results import RESULTS as SAMPLES
from tests.waiting import until


def list_models(declared: Any) -> Iterator[type[BaseModel]]:
    if isinstance(declared, type) and issubclass(declared, BaseModel):
        yield declared
        for field in declared.model_fields.values():
            yield from list_models(field.annotation)
    for one in get_args(declared):
        yield from list_models(one)


def test_every_command_has_a_model_and_every_field_of_it_words() -> None:
    assert RESULTS.keys() == COMMANDS.keys() == SAMPLES.keys()
    names = {name for one in RESULTS.values() for model in list_models(one) for name in model.model_fields}
    assert names == FIELD_TEXTS.keys()


async def give(visitor: Visitor, command: str, shop: str = "hamburg-1") -> str:
    """Give a command as a person does; return the path of its page when the shop has answered."""
    fields = {"sn": "FM1", "endpoint": "device/getInfo", "name": "till 1"}
    response, _ = await visitor.post(f"shops/{shop}/commands/{command}", csrf=await visitor.csrf(), **fields)
    assert response.status == 303
    path = response.headers["Location"].removeprefix("/console/")
    await until(lambda: visitor.site.view.commands.get(path.rpartition("/")[2]).is_over)
    return path


@pytest.mark.parametrize(
    ("command", "english", "chinese"),
    [
        (
            "doctor",
            ["What was found", "failed</span>", "0 of 8 GB are free"],
            ["发现", translate(message("No space left on device"), Language.CHINESE), "失败</span>"],
        ),
        (
            "discover",
            ["Serial number", "FM010A2300002", "this account"],
            ["序列号", translate(message("Network is unreachable"), Language.CHINESE)],
        ),
        ("site_plan", ["Activation number", "Activate", "failed</span>"], ["激活", "失败</span>"]),
        ("outbox_retry", ["Sent again", "1042"], ["重新发送"]),
        ("outbox_release", ["Released"], ["放行"]),
        ("token_revoke", ["Revoked token", "till 1"], ["吊销"]),
        ("update", ["pending</span>", "1.5.0"], ["希望的版本"]),
        ("support_bundle", ["Download", "16 kB"], ["下载"]),
        ("camera_call", ["<code>wifi_list</code>", "Shop, Guests"], ["<code>wifi_list</code>"]),
    ],
)
async def test_a_result_is_shown_in_the_language_of_the_person(
    visitor: Visitor, shops: dict[str, Client], command: str, english: list[str], chinese: list[str]
) -> None:
    await visitor.sign_in("operate")
    async with answer_commands(shops["hamburg-1"], "hamburg-1"):
        path = await give(visitor, command)
    for language, texts in (("en", english), ("zh", chinese)):
        html = await visitor.read(f"console/{path}", language=language)
        assert [text for text in texts if text not in html] == []
        assert "{&#34;" not in html
        assert "&quot;" not in html


async def test_the_file_of_a_support_bundle_can_be_downloaded(visitor: Visitor, shops: dict[str, Client]) -> None:
    await visitor.sign_in("operate")
    async with answer_commands(shops["hamburg-1"], "hamburg-1"):
        path, other = await give(visitor, "support_bundle"), await give(visitor, "doctor")
    async with visitor.http.get(f"{visitor.url}/console/{path}/files/hamburg-1", ssl=visitor.tls) as response:
        assert (response.status, await response.read()) == (200, BUNDLE)
        assert response.headers["Content-Disposition"] == 'attachment; filename="hamburg-1-support.tar.gz"'
    for shop in ("hamburg-2", "nowhere", "..%2fx"):
        assert (await visitor.get(f"{path}/files/{shop}"))[0].status == 404
    assert (await visitor.get(f"{other}/files/hamburg-1"))[0].status == 404


async def test_whatever_a_shop_returns_is_escaped_and_bounded(visitor: Visitor, shops: dict[str, Client]) -> None:
    await visitor.sign_in("operate")
    evil = "<script>alert(1)</script>"
    nested: Any = evil
    for _ in range(40):
        nested = {evil: [nested]}
    result = {
        "findings": [{"check": evil, "status": evil, evil: {"x": evil * 1000}}] * 20,
        "many": [{"a": evil}] * 2000,
        "extra": {f"{evil}{number}": number for number in range(2000)},
        "number": 10**4000,
        "small": 1e-300,
        "direction": "a\u202eb\u0000c",
        "unnamed": {"": "", "  ": None},
        "nested": nested,
        "lists": [[[evil]], [], {}, None, True],
    }
    async with answer_commands(shops["hamburg-1"], "hamburg-1", doctor=result):
        html = await visitor.read(f"console/{await give(visitor, 'doctor')}", language="zh")
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;" in html
    assert "extra" in html
    assert len(html) < 4_000_000


def count(shown: ShownValue) -> int:
    inner = [*shown.values, *(one.value for one in shown.members)]
    inner += [member.value for entry in shown.entries for member in entry.members]
    return 1 + sum(map(count, inner))


def test_a_page_shows_a_bounded_number_of_values_and_says_how_many_it_leaves_out() -> None:
    view = ResultView(Language.ENGLISH, str)
    shown = [view.read("doctor", {"rows": [{"a": 1, "b": [2, 3]}] * 150}) for _ in range(100)]
    assert sum(map(count, shown)) < 2 * MAX_VALUES
    assert shown[-1].left_out == 1
    one = ResultView(Language.ENGLISH, str).read("doctor", {"rows": [{"a": 1}] * 1000})
    assert one.members[0].value.left_out == 800


def test_a_value_that_a_newer_shop_knows_is_shown_as_it_is() -> None:
    view = ResultView(Language.CHINESE, str)
    result = {"findings": [{"check": "x", "status": "doubtful", "what": "y", "colour": "red"}]}
    [entry] = view.read("doctor", result).members[0].value.entries
    shown = {member.label: (member.is_known, member.value.text) for member in entry.members}
    assert shown["colour"] == (False, "red")
    assert shown[translate(message("State"), Language.CHINESE)] == (True, "doubtful")
