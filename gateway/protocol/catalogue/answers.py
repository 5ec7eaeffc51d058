"""How the tables write down answer fields: single ones, rows of a list, lists of text."""

from collections.abc import Sequence

from gateway.protocol.endpoint import AnswerField
from gateway.protocol.parameters import Choice


def text(path: str, description: str = "") -> AnswerField:
    """Declare a field that holds text."""
    return AnswerField(path, "string", description)


def whole(path: str, description: str = "") -> AnswerField:
    """Declare a field that holds a whole number."""
    return AnswerField(path, "int", description)


def rows(name: str, description: str, *fields: AnswerField) -> tuple[AnswerField, ...]:
    """Declare a list of objects: the list itself, then the fields of each row."""
    inside = (AnswerField(f"{name}[].{one.path}", one.type, one.description, one.secret) for one in fields)
    return (AnswerField(name, "array", description), *inside)


def texts(name: str, description: str) -> tuple[AnswerField, ...]:
    """Declare a list of text."""
    return (AnswerField(name, "array", description), AnswerField(f"{name}[]", "string"))


def meanings(choices: Sequence[Choice]) -> str:
    """Return what the values of a field mean, as a sentence: `0 unknown, 1 male, 2 female.`."""
    return ", ".join(f"{choice.value} {choice.meaning}" for choice in choices) + "."
