"""Values by which the cloud describes people: gender, age range, kind of face group."""

from collections.abc import Mapping
from typing import Final

from gateway.protocol.parameters import Choice

GENDERS: Final = (Choice(1, "male"), Choice(2, "female"))
GENDER_DESCRIPTION: Final = "0 unknown, 1 male, 2 female."

_AGE_LIMITS: Final[Mapping[int, tuple[int, int | None]]] = {
    1: (0, 6),
    2: (7, 12),
    3: (13, 18),
    4: (19, 28),
    5: (29, 35),
    6: (36, 45),
    7: (46, 55),
    8: (56, None),
}
"""The first and the last year of each age range; None if there is no last one."""
AGE_RANGES: Final = tuple(
    Choice(number, f"{first} years and above" if last is None else f"{first} to {last} years")
    for number, (first, last) in _AGE_LIMITS.items()
)


def format_age_range(number: int) -> str:
    """Return an age range in figures, for every language: as a range or as `56+`; `?` for one that is not known."""
    if number not in _AGE_LIMITS:
        return "?"
    first, last = _AGE_LIMITS[number]
    return f"{first}+" if last is None else f"{first}\N{EN DASH}{last}"


GROUP_TYPES: Final = (
    Choice(1, "new customers (strangers)"),
    Choice(2, "repeat customers (regulars)"),
    Choice(3, "shop assistants"),
    Choice(5, "custom"),
)
