"""Form fields made from the typed parameters of vendor endpoints, and arguments made from what such a form sends.

A page makes the fields with `make_fields`, shows each with the macro `parameter_field` of `parameter_form.html`, and
turns the form that comes back into arguments with `read_arguments`. `Endpoint.encode` checks those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from firmware_tools.language import join
from gateway.console.form import Form
from gateway.errors import FieldError
from gateway.protocol import json_text
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Choice, FilePart, Parameter

PREFIX: Final = "parameter."
"""Begins the names of the form fields, so that no parameter of the vendor's meets a field of the page."""

Control = Literal["choice", "choices", "number", "range", "text", "password", "date", "lines", "json", "file"]
"""What a person fills in: `choices` are boxes to tick, `lines` are one element each, `json` is JSON text.

`range` is a slider; a page may show a number as one.
"""

_MAX_LISTED_FORMATS: Final = 8


@dataclass(frozen=True, slots=True)
class ParameterField:
    """One field of a form."""

    parameter: Parameter
    """The parameter that it fills in."""
    label: str
    """What people call it."""
    control: Control
    """How it is filled in."""
    values: tuple[str, ...] = ()
    """What it shows at first; several only of `choices`."""
    error: str = ""
    """What is wrong with the value that was sent; empty if nothing is."""
    is_described: bool = True
    """Whether the catalogue's description and the mark of required fields are shown: integrators want them."""
    has_substitute: bool = False
    """Whether another parameter can stand in for it."""

    @property
    def name(self) -> str:
        """The name of the form field."""
        return f"{PREFIX}{self.parameter.name}"

    @property
    def value(self) -> str:
        """What it shows at first, as one text."""
        return self.values[-1] if self.values else ""

    @property
    def choices(self) -> Sequence[Choice]:
        """The values to choose from."""
        return self.parameter.choices

    @property
    def has_blank_choice(self) -> bool:
        """Whether a person may choose nothing."""
        return not self.parameter.required or not self.value

    @property
    def is_required(self) -> bool:
        """Whether browsers are to demand a value."""
        return self.parameter.required and not self.parameter.allow_empty and not self.has_substitute

    @property
    def hint(self) -> str:
        """The range of numbers or lengths, or the sizes of pictures; empty if there is none."""
        one = self.parameter
        if one.picture_formats:
            formats = [f"{known.model} {known.width} x {known.height}" for known in one.picture_formats]
            return ", ".join(formats[:_MAX_LISTED_FORMATS])
        if one.min is not None and one.max is not None:
            return f"{one.min} … {one.max}"
        if one.min is not None or one.max is not None:
            return f"≥ {one.min}" if one.max is None else f"≤ {one.max}"
        return ""


def make_fields(
    endpoint: Endpoint,
    *,
    values: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    field_errors: Sequence[FieldError] = (),
) -> list[ParameterField]:
    """Return the fields of an endpoint's parameters.

    `values` are what they show, by parameter; a secret is never shown. `labels` are better words than the vendor's
    names and the catalogue's descriptions. `field_errors` are those of `InvalidRequest`.
    """
    values, labels = values or {}, labels or {}
    replaced = {parameter.replaces for parameter in endpoint.parameters}
    fields = []
    for parameter in endpoint.parameters:
        control = _choose_control(parameter)
        label = labels.get(parameter.name, parameter.name)
        value = values.get(parameter.name, parameter.default)
        shown = () if value is None or parameter.secret or control == "file" else _show(control, value)
        error = _find_error(parameter.name, field_errors)
        fields.append(ParameterField(parameter, label, control, shown, error, parameter.name in replaced))
    return fields


def read_arguments(endpoint: Endpoint, form: Form) -> tuple[dict[str, Any], dict[str, FilePart]]:
    """Return the arguments and files of a form that was made by `make_fields`, for `Endpoint.encode`.

    What was left empty is left out, unless the vendor takes an empty text for a value.
    """
    arguments: dict[str, Any] = {}
    files: dict[str, FilePart] = {}
    for parameter in endpoint.parameters:
        name = f"{PREFIX}{parameter.name}"
        match _choose_control(parameter):
            case "file":
                if name in form.files:
                    files[parameter.name] = form.files[name]
            case "choices":
                if chosen := form.texts(name):
                    arguments[parameter.name] = _as_elements(parameter, chosen)
            case "lines":
                if lines := [line.strip() for line in form.text(name).splitlines() if line.strip()]:
                    arguments[parameter.name] = _as_elements(parameter, lines)
            case "number" | "json" | "choice" | "date":
                if text := form.text(name):
                    arguments[parameter.name] = text
            case _:
                text = form.raw_text(name)
                if text or (parameter.required and parameter.allow_empty):
                    arguments[parameter.name] = text
    return arguments, files


def _choose_control(parameter: Parameter) -> Control:
    match parameter.type:
        case "file":
            return "file"
        case "object":
            return "json"
        case "array" if parameter.items == "object":
            return "json"
        case "array":
            return "choices" if parameter.choices and not parameter.open else "lines"
        case "int" | "number" | "string" if parameter.choices and not parameter.open:
            return "choice"
        case "int" | "number":
            return "number"
    if parameter.secret:
        return "password"
    return "date" if parameter.format == "date" else "text"


def _show(control: Control, value: Any) -> tuple[str, ...]:
    elements = value if isinstance(value, list | tuple) else [value]
    match control:
        case "choices":
            return tuple(str(one) for one in elements)
        case "lines":
            return ("\n".join(str(one) for one in elements),)
        case "json" if not isinstance(value, str):
            return (json_text.dumps(value, indent=2),)
    return (str(value),)


def _as_elements(parameter: Parameter, texts: Sequence[str]) -> list[int | str]:
    """Return the elements of a list; a text that is no number stays one, and is refused when it is checked."""
    if parameter.items != "int":
        return list(texts)
    return [int(text) if text.isascii() and text.isdigit() and len(text) < 20 else text for text in texts]


def _find_error(name: str, field_errors: Sequence[FieldError]) -> str:
    return join(
        "; ",
        (
            one.reason
            for one in field_errors
            if one.parameter == name or one.parameter.startswith((f"{name}[", f"{name}."))
        ),
    )
