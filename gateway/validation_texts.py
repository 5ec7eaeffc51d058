"""What pydantic finds wrong with a value, in words that can be shown in another language."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from firmware_tools.language import Message, count_message, describe_error, message

_Context = Mapping[str, Any]

_TEXTS: Final[Mapping[str, Callable[[_Context], Message]]] = {
    "extra_forbidden": lambda _: message("is not known"),
    "missing": lambda _: message("is required"),
    "string_type": lambda _: message("must be a valid string"),
    "string_unicode": lambda _: message("must be a valid string"),
    "string_too_short": lambda limits: count_message(
        "must have at least {count} character", "must have at least {count} characters", limits["min_length"]
    ),
    "string_too_long": lambda limits: message("must have at most {limit} characters", limit=limits["max_length"]),
    "string_pattern_mismatch": lambda limits: message("must match the pattern {pattern}", pattern=limits["pattern"]),
    "int_type": lambda _: message("must be a valid integer"),
    "int_parsing": lambda _: message("must be a valid integer"),
    "int_parsing_size": lambda _: message("must be a valid integer"),
    "int_from_float": lambda _: message("must be a valid integer"),
    "float_type": lambda _: message("must be a valid number"),
    "float_parsing": lambda _: message("must be a valid number"),
    "finite_number": lambda _: message("must be a valid number"),
    "bool_type": lambda _: message("must be a valid boolean"),
    "bool_parsing": lambda _: message("must be a valid boolean"),
    "list_type": lambda _: message("must be a valid list"),
    "dict_type": lambda _: message("must be a valid dictionary"),
    "model_type": lambda _: message("must be a valid dictionary"),
    "model_attributes_type": lambda _: message("must be a valid dictionary"),
    "too_short": lambda limits: count_message(
        "must have at least {count} element", "must have at least {count} elements", limits["min_length"]
    ),
    "too_long": lambda limits: message("must have at most {limit} elements", limit=limits["max_length"]),
    "less_than": lambda limits: message("must be less than {limit}", limit=limits["lt"]),
    "less_than_equal": lambda limits: message("must be less than or equal to {limit}", limit=limits["le"]),
    "greater_than": lambda limits: message("must be greater than {limit}", limit=limits["gt"]),
    "greater_than_equal": lambda limits: message("must be greater than or equal to {limit}", limit=limits["ge"]),
    "literal_error": lambda limits: message("must be {expected}", expected=_list_choices(limits["expected"])),
    "union_tag_not_found": lambda limits: message("must have {name}", name=limits["discriminator"]),
    "union_tag_invalid": lambda limits: message(
        "{name} must be one of {expected}", name=limits["discriminator"], expected=limits["expected_tags"]
    ),
}
"""The texts by pydantic's type of error, each made of the error's context."""


def describe_validation_error(error: Mapping[str, Any]) -> str:
    """Return the reason of one of the errors of a `ValidationError`, as in `must be a valid string`."""
    if error["type"] == "value_error":
        return describe_error(error["ctx"]["error"])
    make = _TEXTS.get(error["type"])
    return str(error["msg"]) if make is None else make(error.get("ctx") or {})


def _list_choices(expected: str) -> str:
    """Return choices as pydantic lists them: `'a', 'b' or 'c'`."""
    first, joined, last = expected.rpartition(" or ")
    return message("{first} or {last}", first=first, last=last) if joined else expected
