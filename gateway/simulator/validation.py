"""How a simulated camera or cloud checks the parameters of a call, and with which return code it refuses one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gateway.errors import InvalidRequest, TooLarge
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import FilePart

GENERAL_FAILURE = 1


class CallRefused(Exception):
    """The call is refused with the first of some return codes that its endpoint lists.

    The vendor uses different codes for one reason at different endpoints (NOTES: Cloud codes).
    """

    def __init__(self, *codes: int) -> None:
        super().__init__(*codes)
        self.codes = codes
        """The return codes for the reason, the preferred one first."""

    def choose_code(self, endpoint: Endpoint) -> int:
        """Return the code for this endpoint."""
        return choose_code(endpoint, self.codes)


def choose_code(endpoint: Endpoint, codes: Sequence[int]) -> int:
    """Return the first of `codes` that the endpoint lists, or a general failure."""
    listed = {known.code for known in endpoint.return_codes}
    return next((code for code in codes if code in listed), GENERAL_FAILURE)


def find_invalid_parameters(
    endpoint: Endpoint, fields: Mapping[str, str], files: Mapping[str, FilePart] | None = None
) -> Collection[str]:
    """Return the names of declared parameters that are missing or malformed. Unknown ones are ignored."""
    known = {parameter.name for parameter in endpoint.parameters}
    # A peer reads an empty value as no value, unless it has a meaning (NOTES: Empty values).
    may_be_empty = {parameter.name for parameter in endpoint.parameters if parameter.allow_empty}
    arguments = {name: value for name, value in fields.items() if name in known and (value or name in may_be_empty)}
    given = {name: part for name, part in (files or {}).items() if name in known}
    try:
        endpoint.encode(arguments, files=given)
    except InvalidRequest as exc:
        return {error.parameter.partition("[")[0].partition(".")[0] for error in exc.field_errors}
    except TooLarge:
        return {parameter.name for parameter in endpoint.parameters if parameter.type == "file"}
    return ()


def without_item_checks(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with lists whose items are not checked: the cloud refuses each invalid item by itself."""
    lenient = tuple(
        replace(parameter, properties=()) if parameter.items == "object" else parameter
        for parameter in endpoint.parameters
    )
    return replace(endpoint, parameters=lenient, relay=None)
