"""Sizes as people write them."""

import pytest

from firmware_tools.errors import InputRefused
from firmware_tools.size import check_card_size, parse_size, show_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MiB", 64 << 20),
        ("8GB", 8_000_000_000),
        ("33554432", 32 << 20),
        ("1 GiB", 1 << 30),
        ("128gb", 128 * 10**9),
        ("64000kB", 64 * 10**6),
        ("33554432B", 32 << 20),
        ("2TiB", 2 << 40),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert check_card_size(parse_size(text)) == size


@pytest.mark.parametrize("text", ["", "big", "64M", "1.5GB", "-8GB", "8 G B", "8GBit", "٣GB", "0x100", "1e9"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputRefused, match="size"):
        parse_size(text)


@pytest.mark.parametrize(("size", "named"), [(0, "32 MiB"), ((32 << 20) - 1, "32 MiB"), ((2 << 40) + 1, "2 TiB")])
def test_cards_that_cannot_be(size: int, named: str) -> None:
    with pytest.raises(InputRefused, match=named):
        check_card_size(size)


def test_a_card_has_whole_sectors() -> None:
    assert check_card_size((32 << 20) + 511) == 32 << 20


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1234, "1.23 kB"), (999_900, "1000 kB"), (64 * 10**9, "64 GB")]
)
def test_sizes_are_shown_short(size: int, text: str) -> None:
    assert show_size(size) == text
