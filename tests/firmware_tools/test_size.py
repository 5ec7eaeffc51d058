"""Sizes: parsing, formatting, and the limits of a card."""

import pytest

from firmware_tools.errors import InvalidInput
from firmware_tools.size import format_size, parse_size, round_card_size


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
def test_sizes_are_parsed(text: str, size: int) -> None:
    assert round_card_size(parse_size(text)) == size


@pytest.mark.parametrize("text", ["", "big", "64M", "1.5GB", "-8GB", "8 G B", "8GBit", "٣GB", "0x100", "1e9"])
def test_invalid_sizes_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="size"):
        parse_size(text)


@pytest.mark.parametrize(("size", "limit"), [(0, "32 MiB"), ((32 << 20) - 1, "32 MiB"), ((2 << 40) + 1, "2 TiB")])
def test_cards_outside_the_limits_are_refused(size: int, limit: str) -> None:
    with pytest.raises(InvalidInput, match=limit):
        round_card_size(size)


def test_the_size_of_a_card_is_rounded_down_to_sectors() -> None:
    assert round_card_size((32 << 20) + 511) == 32 << 20


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1234, "1.23 kB"), (999_900, "1000 kB"), (64 * 10**9, "64 GB")]
)
def test_sizes_are_formatted_with_three_digits(size: int, text: str) -> None:
    assert format_size(size) == text
