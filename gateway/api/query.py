"""Parameters in the query of a call: declared with its route, and checked before its handler runs."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from multidict import MultiMapping

from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.parameters import InvalidValue, parse_date


class QueryParameter(NamedTuple):
    """One parameter: a text, or one of `choices`, or a whole number within `numbers`, or a day.

    `default` is what it is where the caller does not give it.
    """

    name: str
    description: str
    required: bool = False
    choices: Sequence[str] = ()
    numbers: range | None = None
    day: bool = False
    default: int | None = None

    def parse(self, text: str) -> str | int | date:
        """Return the value that a text stands for. Raises `InvalidValue`."""
        if self.day:
            return parse_date(text)
        if self.choices and text not in self.choices:
            raise InvalidValue(f"must be one of {', '.join(self.choices)}")
        if self.numbers is None:
            return text
        # The length first: a number of many digits takes long to read.
        if not (text.isascii() and text.isdigit() and len(text) <= 20 and int(text) in self.numbers):
            raise InvalidValue(f"must be a whole number from {self.numbers[0]} to {self.numbers[-1]}")
        return int(text)

    def describe(self) -> dict[str, Any]:
        """Return the parameter as OpenAPI describes it."""
        schema: dict[str, Any] = {"type": "string"}
        if self.day:
            schema["format"] = "date"
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.numbers is not None:
            schema = {"type": "integer", "minimum": self.numbers[0], "maximum": self.numbers[-1]}
        if self.default is not None:
            schema["default"] = self.default
        return {
            "name": self.name,
            "in": "query",
            "required": self.required,
            "description": self.description,
            "schema": schema,
        }


def read_query(given: MultiMapping[str], declared: Sequence[QueryParameter]) -> Mapping[str, Any]:
    """Check the query of a call; return the values that were given, and the usual ones. Raises `InvalidRequest`."""
    known = {one.name for one in declared}
    field_errors = [
        FieldError(name, "is not a parameter of this call") for name in dict.fromkeys(given) if name not in known
    ]
    values: dict[str, Any] = {}
    for one in declared:
        texts = given.getall(one.name, [])
        if len(texts) > 1:
            field_errors.append(FieldError(one.name, "is given twice"))
        elif texts:
            try:
                values[one.name] = one.parse(texts[0])
            except InvalidValue as exc:
                field_errors.append(FieldError(one.name, exc.reason))
        elif one.required:
            what = one.description[0].lower() + one.description[1:].rstrip(".")
            field_errors.append(FieldError(one.name, f"is required: {what}"))
        elif one.default is not None:
            values[one.name] = one.default
    if field_errors:
        raise InvalidRequest(field_errors)
    return values
