"""Forms that follow from pydantic models: a field of the form for each field of the model, and back."""

import json
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from firmware_tools.language import describe_error, fill, message
from gateway.console.form import Form
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol import json_text
from gateway.validation_texts import describe_validation_error

FieldKind = Literal["text", "number", "flag", "choice", "json"]
"""How a person fills in a field."""
_NUMBERS: Final = (int, float)
_FLAG_CHOICES: Final = {"true": message("yes"), "false": message("no")}


@dataclass(frozen=True, slots=True)
class ModelField:
    """A field of a form."""

    name: str
    """Its name, which is that in the model."""
    label: str
    """What stands beside it."""
    kind: FieldKind
    """How it is filled in."""
    help: str
    """What it means."""
    choices: Mapping[str, str]
    """What can be chosen, with what people call it; the empty one leaves it out."""
    value: str
    """What stands in it."""
    required: bool
    """Whether it must be filled in."""
    error: str
    """What was wrong with it."""


def list_fields(
    model: type[BaseModel],
    labels: Mapping[str, str],
    choices: Mapping[str, str],
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> list[ModelField]:
    """Return the fields of a form for a model, with what a person has filled in, and what was wrong with it.

    `labels` says what each field of the model is called, `choices` what each value is that can be chosen.
    """
    values, errors = values or {}, errors or {}
    return [
        make_field(
            name,
            field,
            label=labels[name],
            value=values.get(name, "") if values else _write_default(field),
            choices=choices,
            error=errors.get(name, ""),
        )
        for name, field in model.model_fields.items()
    ]


def make_field(
    name: str,
    field: FieldInfo,
    *,
    label: str,
    value: str,
    help_text: str = "",
    choices: Mapping[str, str] = MappingProxyType({}),
    error: str = "",
    is_optional: bool = False,
) -> ModelField:
    """Return the field of a form for one field of a model; `is_optional` lets a box be left out, too.

    `choices` says what each value is called that can be chosen; one that is missing is called as it is.
    Without `help_text` it is explained by the description of the model's field.
    """
    kind, values = _find_kind(field.annotation)
    if kind == "flag" and is_optional:
        kind, values, choices = "choice", tuple(_FLAG_CHOICES), _FLAG_CHOICES
    if kind == "choice" and not field.is_required():
        values = ("", *values)
    return ModelField(
        name,
        label,
        kind,
        help_text or (fill(field.description) if field.description else ""),
        {one: choices.get(one, one) for one in values},
        value,
        field.is_required() and kind != "flag",
        error,
    )


def read_model(model: type[BaseModel], form: Form) -> dict[str, Any]:
    """Return what a form holds, as JSON that the model takes; fields that are empty are left out.

    Raises `InvalidRequest`, which names each field that is wrong.
    """
    values: dict[str, Any] = {}
    faults: list[FieldError] = []
    for name, field in model.model_fields.items():
        kind, _ = _find_kind(field.annotation)
        if kind == "flag":
            values[name] = form.is_ticked(name)
        elif text := form.text(name):
            try:
                values[name] = _READERS[kind](text)
            except ValueError as exc:
                faults.append(FieldError(name, message("cannot be read: {reason}", reason=describe_error(exc))))
    if faults:
        raise InvalidRequest(faults)
    check_model(model, values)
    return values


def check_model(model: type[BaseModel], values: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest`, which names each value that a model does not take."""
    try:
        model.model_validate(values)
    except ValidationError as exc:
        raise InvalidRequest(
            [FieldError(".".join(map(str, one["loc"])), describe_validation_error(one)) for one in exc.errors()]
        ) from exc


def name_errors(problem: InvalidRequest) -> dict[str, str]:
    """Return what is wrong by the field of the form."""
    return {one.parameter.partition(".")[0]: one.reason for one in problem.field_errors}


def write_value(value: Any) -> str:
    """Return a value as it stands in a field."""
    return "" if value is None else value if isinstance(value, str) else json_text.dumps(value)


def _write_default(field: FieldInfo) -> str:
    if field.is_required() or field.default in (None, False):
        return ""
    return "true" if field.default is True else write_value(field.default)


def _find_kind(annotation: Any) -> tuple[FieldKind, tuple[str, ...]]:
    """Return how a value of a type is filled in, and what can be chosen."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _find_kind(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return _find_kind(next(one for one in get_args(annotation) if one is not type(None)))
    if origin is Literal:
        return "choice", tuple(map(str, get_args(annotation)))
    if annotation is bool:
        return "flag", ()
    if annotation in _NUMBERS:
        return "number", ()
    return ("text", ()) if annotation is str else ("json", ())


def _read_number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as exc:
        raise ValueError(message("the JSON is nested too deeply")) from exc


_READERS: Final[Mapping[FieldKind, Callable[[str], Any]]] = {
    "text": str,
    "choice": str,
    "number": _read_number,
    "json": _read_json,
}
