"""Vendor endpoints as typed data, with the checks and the encoding that follow from it."""

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from firmware_tools.language import Message, escape, fill, message
from gateway.errors import NotFound, TooLarge
from gateway.protocol import form
from gateway.protocol.arguments import ArgumentValidator
from gateway.protocol.parameters import FilePart, Parameter
from gateway.protocol.period_limit import PeriodLimit
from gateway.protocol.relay_policy import RelayPolicy

Side = Literal["camera", "cloud"]
Auth = Literal["signed", "activation", "none"]
Availability = Literal["available", "developing", "unavailable", "listed"]
Confidence = Literal["high", "medium", "low"]
Scope = Literal["pos", "media", "people", "installer", "admin"]
FieldType = Literal["string", "int", "number", "array", "object"]

REDACTED: Final = "********"
"""What stands in place of a secret, wherever something is shown or logged."""

_PUBLIC_PARAMETERS_BYTES: Final = 128
"""Size of app_id, timestamp, random and sign in a form, with their names and a reserve."""
MAX_QUEUED_LIST_BYTES: Final = 16 * 1024 * 1024
"""The largest list in a form whose elements are queued: it is cut into calls of the size that the vendor takes."""
_MAX_CHARACTER_BYTES: Final = 12
"""How many bytes one character takes at most in a form: four in UTF-8, each of them escaped."""


@dataclass(frozen=True, slots=True)
class ReturnCode:
    """A return code of one endpoint."""

    code: int
    """The number in the response."""
    meaning: str
    """What it means for this endpoint."""
    inferred: bool = False
    """Whether no page of the vendor states the meaning."""


@dataclass(frozen=True, slots=True)
class ResponseField:
    """A field of a response."""

    path: str
    """Where it is below `data`: `total_count`, `ipc_list[].ipc_id`."""
    type: FieldType
    """Its JSON type."""
    description: str = ""
    """Its meaning and unit."""
    secret: bool = False
    """Whether only an admin may see it."""


class Call(NamedTuple):
    """A call whose arguments were checked."""

    endpoint: "Endpoint"
    """The endpoint to call."""
    fields: Mapping[str, str]
    """The text that is signed and sent for each parameter."""
    files: Mapping[str, FilePart] = MappingProxyType({})
    """The files, by parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint of the vendor."""

    path: str
    """TYPE/ACTION for a camera, the path below /openapi/ for the cloud; without a leading slash."""
    side: Side
    """Who serves the endpoint."""
    title: str
    """The vendor's heading."""
    source: str
    """The vendor's page that describes it, and the section there."""
    confidence: Confidence = "high"
    """How far to trust the declaration: explicit in its source, from one seen in part, or a guess with a reason."""
    scope: Scope
    """The scope that a caller's token needs."""
    pos_setting: str = ""
    """The setting in `[server]` that lets the scope `pos` suffice; empty if there is none."""
    parameters: tuple[Parameter, ...] = ()
    """The private parameters; signing adds the public ones."""
    response_fields: tuple[ResponseField, ...] = ()
    """The fields below `data` of a response."""
    return_codes: tuple[ReturnCode, ...]
    """The codes that a response may carry, 0 first."""
    auth: Auth = "signed"
    """How a call is authorised: signed with the secret key, signed with the activation number, or not at all."""
    availability: Availability = "available"
    """Whether the vendor offers the endpoint already; `listed` means that no page describes it."""
    limits: tuple[PeriodLimit, ...] = ()
    """Limits across two parameters."""
    repeatable: bool = False
    """Whether a call may be sent again, with the same effect, when its response was lost."""
    timeout_s: float | None = None
    """Seconds that a camera needs, where that exceeds the configured timeout (NOTES: Camera timeouts)."""
    max_bytes: int | None = None
    """The largest form that carries the parameters, in bytes, files aside."""
    relay: RelayPolicy | None = None
    """How calls wait in the outbox; None sends them directly, as every read."""
    note: str = ""
    """What a user has to know beside the rest: a contradiction in the vendor's documents, a side effect."""
    takes_file: bool = field(init=False, repr=False, compare=False)
    """Whether a parameter is a file, so that the call travels as multipart/form-data."""
    _validator: ArgumentValidator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself."""
        object.__setattr__(self, "takes_file", any(parameter.type == "file" for parameter in self.parameters))
        names = [parameter.name for parameter in self.parameters]
        known = set(names)
        groups = Counter(parameter.one_of for parameter in self.parameters if parameter.one_of)
        codes = Counter(known_code.code for known_code in self.return_codes)
        problems = [
            (not self.path or self.path.startswith("/") or self.path.endswith("/"), "path must be relative"),
            (self.side == "camera" and self.path.count("/") != 1, "a camera path is TYPE/ACTION"),
            (len(known) != len(names), "a parameter is declared twice"),
            (
                bool(known & {"app_id", "timestamp", "random", "sign"}) and self.auth == "signed",
                "public parameters are added by signing",
            ),
            (any(count < 2 for count in groups.values()), "a group of one"),
            (any(count > 1 for count in codes.values()), "a return code is declared twice"),
            (codes[0] != 1, "return code 0 is missing"),
            (
                any(parameter.replaces and parameter.replaces not in known for parameter in self.parameters),
                "replaces an unknown one",
            ),
            (
                any(limit.start not in known or limit.end not in known for limit in self.limits),
                "a limit on an unknown parameter",
            ),
            (self.relay is not None and not self._fits(self.relay), "its relay policy does not fit its parameters"),
        ]
        for wrong, reason in problems:
            if wrong:
                raise ValueError(f"endpoint {self.path!r}: {reason}")
        object.__setattr__(self, "_validator", ArgumentValidator(self.parameters, self.limits))

    def _fits(self, relay: RelayPolicy) -> bool:
        """Tell whether a relay policy fits this endpoint. Calls with secrets are never stored."""
        item_members = self.parameters
        if relay.list_parameter:
            lists = {one.path for one in self.response_fields if one.type == "array"}
            listed = [one for one in self.parameters if one.name == relay.list_parameter and one.type == "array"]
            if not listed or self.takes_file or not set(relay.result_lists) <= lists:
                return False
            item_members = listed[0].properties
        key_names = {name for key in relay.order_keys for name in key.names}
        return (
            self.side == "cloud"
            and key_names <= {one.name for one in item_members}
            and not any(one.secret for one in self.parameters)
        )

    def describe_code(self, code: int) -> Message:
        """Return what a code means for this endpoint. An inferred meaning is most likely."""
        for known in self.return_codes:
            if known.code == code:
                meaning = fill(escape(known.meaning))
                return message("{meaning}, most likely", meaning=meaning) if known.inferred else meaning
        return message("not documented for this endpoint")

    def encode(
        self,
        arguments: Mapping[str, Any],
        *,
        files: Mapping[str, FilePart] | None = None,
        defaults: Mapping[str, str] | None = None,
    ) -> Call:
        """Check arguments and turn them into a call.

        `arguments` are JSON values or their text. `defaults` apply where the caller gives neither the parameter nor
        one that replaces it. Raises `InvalidRequest` with every field error, or `TooLarge`.
        """
        files = files or {}
        arguments = self._validator.add_defaults(arguments, defaults or {})
        fields = self._validator.encode(arguments, files)
        self._check_size(fields)
        return Call(self, fields, files)

    def add_defaults(self, fields: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
        """Return encoded parameters with defaults added, as `encode` applies them."""
        return dict(self._validator.add_defaults(fields, defaults))

    def _check_size(self, fields: Mapping[str, str]) -> None:
        if self.max_bytes is None:
            return
        characters = sum([len(name) + len(value) + 1 for name, value in fields.items()])
        if characters * _MAX_CHARACTER_BYTES + _PUBLIC_PARAMETERS_BYTES <= self.max_bytes:
            return
        list_parameter = "" if self.relay is None else self.relay.list_parameter
        sizes = {name: form.encoded_length(f"{name}{value}".encode()) + 2 for name, value in fields.items()}
        list_bytes = sizes.pop(list_parameter, 0)
        if list_bytes > MAX_QUEUED_LIST_BYTES:
            raise TooLarge(
                message(
                    "{path}: the list has {list_bytes} bytes; at most {max_queued_list_bytes} are accepted",
                    path=self.path,
                    list_bytes=list_bytes,
                    max_queued_list_bytes=MAX_QUEUED_LIST_BYTES,
                )
            )
        size = sum(sizes.values()) + _PUBLIC_PARAMETERS_BYTES
        if size > self.max_bytes:
            raise TooLarge(
                message(
                    "{path}: the request has {size} bytes; at most {max_bytes} are accepted",
                    path=self.path,
                    size=size,
                    max_bytes=self.max_bytes,
                )
            )

    def redact(self, response: Any) -> Any:
        """Return a copy of a response (`code`, `msg`, `data`) with its secret fields redacted."""
        paths = [f"data.{known.path}" for known in self.response_fields if known.secret]
        for path in paths:
            response = _redact_path(response, path.replace("[]", ".[]").split("."))
        return response

    @property
    def has_secret_fields(self) -> bool:
        """Whether a response has fields that only an admin may see."""
        return any(known.secret for known in self.response_fields)

    def describe(self) -> dict[str, Any]:
        """Return the endpoint as JSON for the catalogue."""
        return {
            "path": self.path,
            "side": self.side,
            "title": self.title,
            "auth": self.auth,
            "availability": self.availability,
            "parameters": [parameter.describe() for parameter in self.parameters],
            "limits": [limit.describe() for limit in self.limits],
            "answer": [
                {"path": known.path, "type": known.type, "description": known.description, "secret": known.secret}
                for known in self.response_fields
            ],
            "return_codes": [
                {"code": known.code, "meaning": known.meaning, "inferred": known.inferred}
                for known in self.return_codes
            ],
            "scope": self.scope,
            "pos_setting": self.pos_setting or None,
            "relay": None if self.relay is None else self.relay.describe(),
            "repeatable": self.repeatable,
            "timeout_s": self.timeout_s,
            "max_bytes": self.max_bytes,
            "source": self.source,
            "confidence": self.confidence,
            "note": self.note,
        }


class Catalogue:
    """All endpoints, by side and path."""

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        self.endpoints = endpoints
        self._by_key = {(endpoint.side, endpoint.path): endpoint for endpoint in endpoints}
        if len(self._by_key) != len(endpoints):
            raise ValueError("an endpoint is declared twice")
        for relay in [endpoint.relay for endpoint in endpoints if endpoint.relay is not None]:
            if relay.redirect_to:
                target = self._by_key["cloud", relay.redirect_to].relay
                if target is None or not target.has_items_of(relay):
                    raise ValueError(f"an item cannot be redirected to {relay.redirect_to}")

    def list_endpoints(self, side: Side) -> tuple[Endpoint, ...]:
        """Return the endpoints of one side, in the order of the vendor's documents."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.side == side)

    def get(self, side: Side, path: str) -> Endpoint:
        """Return an endpoint. A leading slash or `openapi/` is ignored. Raises `NotFound`."""
        key = path.strip("/").removeprefix("openapi/")
        endpoint = self._by_key.get((side, key))
        if endpoint is None:
            known = [one.path for one in self.list_endpoints(side)]
            spelled = {path.casefold(): path for path in known}
            similar = [spelled[near] for near in difflib.get_close_matches(key.casefold(), spelled, n=3)]
            hint = message("see the catalogue for those it has")
            if similar:
                hint = message("did you mean {similar}?", similar=" or ".join(similar))
            raise NotFound(message("the {side} has no endpoint {key!r}; {hint}", side=side, key=key[:100], hint=hint))
        return endpoint


def _redact_path(value: Any, steps: list[str]) -> Any:
    if not steps:
        return REDACTED if value not in ("", None) else value
    step, rest = steps[0], steps[1:]
    if step == "[]":
        return [_redact_path(element, rest) for element in value] if isinstance(value, list) else value
    if isinstance(value, dict) and step in value:
        return {**value, step: _redact_path(value[step], rest)}
    return value
