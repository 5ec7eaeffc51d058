"""English texts of another machine, as the messages that they were made as."""

import pytest

import gateway
from firmware_tools import rendered_text
from firmware_tools.language import Language, Message, count_message, message, translate
from firmware_tools.rendered_text import MAX_CHARACTERS, recognise_rendered

assert gateway.__file__  # its catalogues are added


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        (
            "the shop's setting fleet.may does not list update: add it there, and restart its gateway",
            "门店的设置 fleet.may 中没有列出 update：请在那里加上，并重启该门店的网关",
        ),
        ("must be less than or equal to 65535", "不能大于 65535"),
        ("labels.font: must be less than or equal to 9", "labels.font：不能大于 9"),
        ("No space left on device", translate(message("No space left on device"), Language.CHINESE)),
        (
            "shops that failed: 2 of 9, kiel-1 among them: refused: must be less than or equal to 9",
            "9 家门店中有 2 家失败，其中包括 kiel-1：被拒绝：不能大于 9",
        ),
    ],
)
def test_what_the_catalogues_know_is_shown_in_another_language(text: str, chinese: str) -> None:
    found = recognise_rendered(text)
    assert found == text
    assert translate(found, Language.ENGLISH) == text
    assert translate(found, Language.CHINESE) == chinese


def test_the_plural_of_a_text_is_known_too() -> None:
    made = count_message("{count} shop has not done it", "{count} shops have not done it", 3)
    found = recognise_rendered(str(made))
    assert translate(found, Language.CHINESE) == translate(made, Language.CHINESE) != made


@pytest.mark.parametrize("text", ["", "Hello there", "{0} {sn.__class__} {", "%(name)s", "a" * 3000, ": : ; ", "\x00"])
def test_what_nobody_knows_stays_as_it_is(text: str) -> None:
    assert translate(recognise_rendered(text), Language.CHINESE) == text
    assert translate(recognise_rendered(text), Language.ENGLISH) == text


def test_a_message_stays_the_one_that_it_is() -> None:
    made = message("must be less than or equal to {limit}", limit=7)
    assert recognise_rendered(made) is made


def test_the_work_for_a_hostile_text_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    find = rendered_text._Templates.find

    def count(self: rendered_text._Templates, text: str) -> object:
        nonlocal looks
        looks += 1
        return find(self, text)

    monkeypatch.setattr(rendered_text._Templates, "find", count)
    text = "cannot be read: the reason; of: " * (MAX_CHARACTERS // 40)
    found = rendered_text._recognise_whole.__wrapped__(text)
    assert 0 < looks <= rendered_text.MAX_LOOKS
    assert str(found) == text
    assert not isinstance(found, Message) or found == text
