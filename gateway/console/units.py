"""Units in which people read and fill in sizes and durations; settings have bytes and seconds."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from firmware_tools.language import Message, message

_MAX_CHARACTERS: Final = 24


class Unit(NamedTuple):
    """A unit that a form offers."""

    key: str
    """Its name in the form."""
    label: Message
    """What people call it."""
    factor: int
    """How many bytes or seconds it is."""


_BYTES: Final = (
    Unit("B", message("bytes"), 1), Unit("MB", message("MB"), 2**20), Unit("GB", message("GB"), 2**30)
)  # fmt: skip
_SECONDS: Final = (
    Unit("s", message("seconds"), 1), Unit("min", message("minutes"), 60), Unit("h", message("hours"), 3600)
)  # fmt: skip


def list_units(key: str) -> Sequence[Unit]:
    """Return the units of a setting, by how its key ends; none if it is no size and no duration."""
    return _BYTES if key.endswith("_bytes") else _SECONDS if key.endswith("_s") else ()


def choose_unit(units: Sequence[Unit], value: object) -> Unit:
    """Return the largest unit in which a value is a whole number."""
    if not isinstance(value, int | float) or value <= 0:
        return units[0]
    return next((unit for unit in reversed(units) if value % unit.factor == 0), units[0])


def parse_quantity(text: str, unit: str, units: Sequence[Unit]) -> int | float | str:
    """Return bytes or seconds; a text that is no number as it is, which the check of the settings refuses."""
    factor = next((one.factor for one in units if one.key == unit), 1)
    try:
        value = Decimal(text.strip()[:_MAX_CHARACTERS]) * factor
        return int(value) if value == value.to_integral_value() else float(value)
    except (InvalidOperation, ValueError, OverflowError):
        return text
