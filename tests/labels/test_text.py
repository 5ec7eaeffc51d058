"""Texts that fit: smaller, then wrapped, then shortened."""

import pytest

from gateway.labels.fonts import Fonts
from gateway.labels.text import FittedText, Space, clean_text, fit_text, measure, measure_block, wrap

ROOM = Space(width=200, height=40, max_size=24, min_size=12, lines=2)


def test_a_short_text_keeps_its_size(fonts: Fonts) -> None:
    assert fit_text("天然水", fonts, ROOM) == FittedText(("天然水",), 24, is_shortened=False)


def test_first_it_becomes_smaller(fonts: Fonts) -> None:
    text = "农夫山泉饮用天然水"
    fitted = fit_text(text, fonts, ROOM)
    assert (fitted.lines, fitted.is_shortened) == ((text,), False)
    assert measure(fonts, text, fitted.size).right <= 200
    assert measure(fonts, text, fitted.size + 1).right > 200


def test_then_it_is_wrapped_in_the_largest_size_that_fits(fonts: Fonts) -> None:
    text = "农夫山泉饮用天然水 家庭装 十二升"
    fitted = fit_text(text, fonts, ROOM._replace(wrap_below=16))
    assert (len(fitted.lines), fitted.is_shortened) == (2, False)
    assert "".join(fitted.lines).replace(" ", "") == text.replace(" ", "")
    assert fitted.size > 12
    block = measure_block(fonts, fitted, bold=False)
    assert block.bottom - block.top <= 40


def test_last_it_is_shortened_with_an_ellipsis(fonts: Fonts) -> None:
    text = "农夫山泉饮用天然水" * 10
    fitted = fit_text(text, fonts, ROOM)
    assert (len(fitted.lines), fitted.size, fitted.is_shortened) == (2, 12, True)
    kept = "".join(fitted.lines)
    assert kept.endswith("…")
    assert text.startswith(kept[:-1])
    assert len(kept) > 25  # as much as there is room for


def test_nothing_is_drawn_where_nothing_has_room(fonts: Fonts) -> None:
    tiny = Space(width=4, height=4, max_size=24, min_size=12)
    assert fit_text("天然水", fonts, tiny) == FittedText((), 12, is_shortened=True)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("natural drinking water", ["natural", "drinking", "water"]),
        ("天然水，口感甘甜。", ["天然", "水，", "口感", "甘", "甜。"]),  # no line begins with a comma or a full stop
        ("（天然）水", ["（天", "然）", "水"]),
        ("a\nb", ["a", "b"]),
        ("", [""]),
    ],
)
def test_where_lines_end(text: str, lines: list[str], fonts: Fonts) -> None:
    width = 100 if text.isascii() else 50
    assert wrap(text, fonts, 20, width) == lines


def test_a_word_without_room_is_broken(fonts: Fonts) -> None:
    lines = wrap("x" * 100, fonts, 20, 90)
    assert "".join(lines) == "x" * 100
    assert all(fonts.at(20).getlength(line) <= 90 for line in lines)


def test_a_last_line_of_one_sign_is_avoided(fonts: Fonts) -> None:
    # Ten signs of 18 pixels, nine of which have room in a line.
    fitted = fit_text("农夫山泉饮用天然水甜", fonts, Space(165, 44, 18, 18, lines=2))
    assert [len(line) for line in fitted.lines] == [6, 4]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  Cola\t1 l\x00\x1b ", "Cola 1 l"),
        ("a\r\nb\u2028c", "a\nb\nc"),
        ("e\u0301", "é"),
        ("\u202eCola\u200b", "Cola"),  # marks of direction and a space without width
        ("❤\ufe0f", "❤"),
        ("\ud83c", "\ufffd"),
        ("\u200d", ""),
    ],
)
def test_what_has_no_shape_is_left_out(text: str, shown: str) -> None:
    assert clean_text(text) == shown
