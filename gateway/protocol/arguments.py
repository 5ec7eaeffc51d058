"""The arguments of a call, validated against the parameters of its endpoint."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest, TooLarge
from gateway.protocol.parameters import FilePart, Parameter
from gateway.protocol.period_limit import PeriodLimit
from gateway.protocol.values import InvalidValue


class ArgumentValidator:
    """Validates the arguments of one endpoint. It prepares lookup tables once, so that validating a call is cheap."""

    def __init__(self, parameters: Sequence[Parameter], limits: Sequence[PeriodLimit]) -> None:
        self._parameters = {parameter.name: parameter for parameter in parameters}
        self._limits = limits
        self._required = [parameter.name for parameter in parameters if parameter.required]
        self._replaced = {parameter.name: parameter.replaces for parameter in parameters if parameter.replaces}
        self._replacements: dict[str, list[str]] = {}
        for newer, older in self._replaced.items():
            self._replacements.setdefault(older, []).append(newer)
        groups = dict.fromkeys(parameter.one_of for parameter in parameters if parameter.one_of)
        self._groups = [[parameter.name for parameter in parameters if parameter.one_of == group] for group in groups]
        self._alternatives = {name: [name] for name in self._parameters}
        for newer, older in self._replaced.items():
            self._alternatives[newer].append(older)
            self._alternatives[older].append(newer)

    def add_defaults(self, arguments: Mapping[str, Any], defaults: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the arguments with defaults added for what the caller left out.

        A parameter and the one that replaces it never both get a default, and neither does if the caller gave one.
        """
        added: dict[str, str] = {}
        for name, value in defaults.items():
            if value and name in self._alternatives and not _is_any_filled(self._alternatives[name], arguments):
                added[name] = value
        for newer, older in self._replaced.items():
            if newer in added:
                added.pop(older, None)
        return {**arguments, **added} if added else arguments

    def encode(self, arguments: Mapping[str, Any], files: Mapping[str, FilePart]) -> dict[str, str]:
        """Return each argument as text, by name.

        Raises `InvalidRequest` with every field error, or `TooLarge` for a file.
        """
        field_errors = [
            FieldError(name, message("is not a parameter of this endpoint"))
            for name in (*arguments, *files)
            if name not in self._parameters
        ]
        fields: dict[str, str] = {}
        for name, parameter in self._parameters.items():
            try:
                if name in files:
                    _check_file(parameter, files[name])
                elif (value := arguments.get(name)) is not None:
                    fields[name] = parameter.encode(value)
            except InvalidValue as exc:
                field_errors.append(FieldError(name + exc.path, exc.reason))
        field_errors += self._find_missing(arguments, files)
        if not field_errors:
            field_errors += [error for limit in self._limits if (error := limit.check(fields)) is not None]
        if field_errors:
            raise InvalidRequest(field_errors)
        return fields

    def _find_missing(self, arguments: Mapping[str, Any], files: Mapping[str, FilePart]) -> list[FieldError]:
        """Return a field error for each missing argument.

        Empty values are left out of the signature, so an empty value does not stand in for another argument.
        """
        field_errors = [
            FieldError(name, message("is required"))
            for name in self._required
            if arguments.get(name) is None
            and name not in files
            and not _is_any_filled(self._replacements.get(name, ()), arguments, files)
        ]
        for members in self._groups:
            if not _is_any_filled(members, arguments, files):
                field_errors.append(
                    FieldError(members[0], message("one of {members} is required", members=", ".join(members)))
                )
        return field_errors


def _is_any_filled(names: Sequence[str], arguments: Mapping[str, Any], files: Collection[str] = ()) -> bool:
    """Tell whether an argument with one of the names is given and not empty."""
    # A loop: this is asked for every call, and a generator would take three times as long.
    for name in names:  # noqa: SIM110
        if arguments.get(name) not in (None, "") or name in files:
            return True
    return False


def _check_file(parameter: Parameter, part: FilePart) -> None:
    if parameter.type != "file":
        raise InvalidValue(message("is not a file parameter"))
    if parameter.max_bytes is not None and len(part.data) > parameter.max_bytes:
        raise TooLarge(
            message(
                "{parameter}: the file has {count} bytes; at most {max_bytes} are accepted",
                parameter=parameter.name,
                count=len(part.data),
                max_bytes=parameter.max_bytes,
            )
        )
    parameter.check_file(part)
