"""Short forms to declare the fields of a response."""

from collections.abc import Sequence

from gateway.protocol.endpoint import ResponseField
from gateway.protocol.parameters import Choice


def string_field(path: str, description: str = "") -> ResponseField:
    """Declare a field that holds text."""
    return ResponseField(path, "string", description)


def int_field(path: str, description: str = "") -> ResponseField:
    """Declare a field that holds a whole number."""
    return ResponseField(path, "int", description)


def object_list(name: str, description: str, *fields: ResponseField) -> tuple[ResponseField, ...]:
    """Declare a list of objects: the list itself, then the fields of each row."""
    inside = (ResponseField(f"{name}[].{one.path}", one.type, one.description, one.secret) for one in fields)
    return (ResponseField(name, "array", description), *inside)


def string_list(name: str, description: str) -> tuple[ResponseField, ...]:
    """Declare a list of text."""
    return (ResponseField(name, "array", description), ResponseField(f"{name}[]", "string"))


def describe_choices(choices: Sequence[Choice]) -> str:
    """Return the meanings of a field's values as a sentence: `1 male, 2 female.`."""
    return ", ".join(f"{choice.value} {choice.meaning}" for choice in choices) + "."
