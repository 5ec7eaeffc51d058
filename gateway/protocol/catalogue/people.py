"""Values by which the cloud describes people: gender, age range, kind of face group."""

from typing import Final

from gateway.protocol.parameters import Choice

GENDERS: Final = (Choice(1, "male"), Choice(2, "female"))
GENDER_DESCRIPTION: Final = "0 unknown, 1 male, 2 female."

AGE_RANGES: Final = (
    Choice(1, "0 to 6 years"),
    Choice(2, "7 to 12 years"),
    Choice(3, "13 to 18 years"),
    Choice(4, "19 to 28 years"),
    Choice(5, "29 to 35 years"),
    Choice(6, "36 to 45 years"),
    Choice(7, "46 to 55 years"),
    Choice(8, "56 years and above"),
)

GROUP_TYPES: Final = (
    Choice(1, "new customers (strangers)"),
    Choice(2, "repeat customers (regulars)"),
    Choice(3, "shop assistants"),
    Choice(5, "custom"),
)
