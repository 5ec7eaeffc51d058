"""Refusals of a simulated peer: which of the codes that an endpoint lists is answered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gateway.errors import InvalidRequest, TooLarge
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import FilePart

GENERAL_FAILURE = 1


class CallRefused(Exception):
    """The call is answered with the first of `codes` that the endpoint lists, or else with a general failure.

    The vendor uses different numbers for one reason at different endpoints (NOTES: Cloud codes).
    """

    def __init__(self, *codes: int) -> None:
        super().__init__(*codes)
        self.codes = codes

    def code(self, endpoint: Endpoint) -> int:
        """Return the code that this endpoint answers."""
        return first_listed(endpoint, self.codes)


def first_listed(endpoint: Endpoint, codes: Sequence[int]) -> int:
    """Return the first of `codes` that the endpoint lists, or a general failure."""
    listed = {known.code for known in endpoint.return_codes}
    return next((code for code in codes if code in listed), GENERAL_FAILURE)


def wrong_parameters(
    endpoint: Endpoint, fields: Mapping[str, str], files: Mapping[str, FilePart] | None = None
) -> Collection[str]:
    """Return the names of declared parameters that are missing or malformed; unknown ones are ignored."""
    known = {parameter.name for parameter in endpoint.parameters}
    # A peer reads an empty value as no value, unless it has a meaning (NOTES: Empty values).
    blank = {parameter.name for parameter in endpoint.parameters if parameter.blank}
    arguments = {name: value for name, value in fields.items() if name in known and (value or name in blank)}
    given = {name: part for name, part in (files or {}).items() if name in known}
    try:
        endpoint.encode(arguments, files=given)
    except InvalidRequest as exc:
        return {fault.parameter.partition("[")[0].partition(".")[0] for fault in exc.field_errors}
    except TooLarge:
        return {parameter.name for parameter in endpoint.parameters if parameter.type == "file"}
    return ()


def without_items(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with lists whose items are not looked into, because a bad item is refused by itself."""
    lenient = tuple(
        replace(parameter, properties=()) if parameter.items == "object" else parameter
        for parameter in endpoint.parameters
    )
    return replace(endpoint, parameters=lenient, relay=None)
