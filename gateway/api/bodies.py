"""Request bodies: JSON objects checked by pydantic, the arguments of vendor calls, and files."""

import codecs
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

from aiohttp import web
from pydantic import ConfigDict, Field, ValidationError

from firmware_tools.language import describe_error, message, shorten
from gateway.api.body_reader import read_bytes
from gateway.api.multipart import parse_multipart
from gateway.api.query import Time
from gateway.api.validation import RequestModel, invalid_request
from gateway.errors import FieldError, InvalidRequest, TooLarge, UnsupportedMediaType
from gateway.protocol import json_text
from gateway.protocol.endpoint import Call, Endpoint, Scope
from gateway.protocol.parameters import FilePart
from gateway.settings import Method


class Body(RequestModel):
    """The JSON body of one of the gateway's own calls."""


class DiscoveryBody(Body):
    """What to look for, and for how long."""

    timeout_s: float = Field(
        default=3.0, gt=0, le=60, description="How long the scan lasts, in seconds.", examples=[3.0]
    )
    methods: list[Method] | None = Field(
        default=None, min_length=1, description="Only these methods.", examples=[["broadcast", "mdns"]]
    )


class CameraBody(Body):
    """A camera to manage: one that was found, or one that a person knows by address and serial number."""

    sn: str = Field(
        min_length=1, max_length=64, description="The serial number on the camera's label.", examples=["FM020A2300001"]
    )
    address: str | None = Field(
        default=None, max_length=260, description="host or host:port, if it was not found.", examples=["192.168.1.51"]
    )
    certificate_sha256: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$",
        description="The SHA-256 of the camera's certificate, in hex, if a person has compared it. "
        "Needed only where other cameras have proved themselves with another one.",
    )


class WifiBody(Body):
    """The Wi-Fi network that a camera shall join."""

    ssid: str = Field(description="The name of the network.", examples=["Shop"])
    password: str = Field(
        default="",
        description="Blank for an open network. Left out for the network of `provisioning.ssid`: its own.",
        json_schema_extra={"writeOnly": True},
    )


class ActivationBody(Body):
    """An activation: it deletes the camera's face groups, which has to be confirmed."""

    activation_number: str = Field(
        min_length=1,
        max_length=128,
        description="The number that the vendor gives out for the camera.",
        json_schema_extra={"writeOnly": True},
    )
    confirm_erase: bool = Field(
        default=False, description="Must be true: activation deletes the camera's face groups.", examples=[True]
    )


class ProvisioningBody(Body):
    """What a camera needs to be put to work; what is left out is not done."""

    ssid: str | None = Field(
        default=None, description="The name of the Wi-Fi network that it shall join.", examples=["Shop"]
    )
    password: str | None = Field(
        default=None,
        description="Left out for the network of `provisioning.ssid` in the settings: its own.",
        json_schema_extra={"writeOnly": True},
    )
    hidden: bool = Field(default=False, description="Whether the network hides its name.")
    activation_number: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="The number that the vendor gives out for the camera, with which it is activated.",
        json_schema_extra={"writeOnly": True},
    )
    confirm_erase: bool = Field(
        default=False, description="Must be true with `activation_number`: it deletes the camera's face groups."
    )
    name: str | None = Field(
        default=None, min_length=1, max_length=36, description="The name to give to the camera.", examples=["Entrance"]
    )
    hotspot: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Fa-f]{4}$",
        description="The last four digits of the MAC address on the camera's label: the gateway itself joins the "
        "camera's hotspot `SUNMI_XXXX`, and comes back. Left out, a person joins it.",
        examples=["4512"],
    )
    confirm_offline: bool = Field(
        default=False,
        description="Must be true with `hotspot` where `GET /api/v1/hotspots` says `interrupts_shop`.",
    )


class TrustBody(Body):
    """The certificate that a person saw and trusts."""

    certificate_sha256: str = Field(
        pattern=r"^[0-9A-Fa-f:]{64,95}$", description="SHA-256 of the certificate, in hex.", examples=["0b" * 32]
    )


class ItemBody(Body):
    """An item of the outbox as it shall be: the parameters of a call with it alone."""

    parameters: dict[str, Any] = Field(
        description="As the item shows them, corrected.",
        examples=[{"order_list": [{"order_no": "CN0000938", "order_type": 1, "received_amount": 12.80}]}],
    )


class ItemsBody(Body):
    """Which items of the outbox are meant: those to which all that is given applies."""

    path: str | None = Field(default=None, description="Only items of this endpoint.", examples=["order/update"])
    code: int | None = Field(default=None, description="Only items with this code of the vendor.", examples=[5047])
    before: Time | None = Field(
        default=None,
        description="Only items that were accepted before this time, or before the beginning of this day.",
        examples=["2026-11-21T14:00:00Z"],
    )
    all: bool = Field(default=False, description="Must be true if nothing else is given.")


class RetryBody(ItemsBody):
    """Which refused and expired items are sent again."""

    state: Literal["refused", "expired"] | None = Field(default=None, description="Only items in this state.")


class DropBody(ItemsBody):
    """Which items are dropped. Delivered ones are not touched."""

    state: Literal["refused", "expired", "waiting", "superseded"] | None = Field(
        default=None, description="Only items in this state."
    )


class ReleaseBody(Body):
    """What of the outbox is sent now."""

    to_current: bool = Field(
        default=False,
        description="Whether calls that wait for another account go to the account of the settings, too.",
    )


class TokenBody(Body):
    """A new token: with one scope, or with a list of scopes."""

    name: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$",
        description="A name for it, such as that of the till; each is given once.",
        examples=["till 1"],
    )
    scope: Scope | None = Field(
        default=None, description="What it may do: this scope and all that it includes.", examples=["pos"]
    )
    scopes: list[Scope] | None = Field(
        default=None, min_length=1, max_length=16, description="Several scopes, instead of `scope`."
    )


class CallbackForm(RequestModel):
    """A report of the vendor's, as a form; beside these fields it may have others, which are signed, too."""

    model_config = ConfigDict(extra="allow")

    event: str = Field(description="The cloud's number of the event, or a camera's name for it.", examples=["2001"])
    payload: str = Field(description="What happened, as the text of a JSON object.", examples=['{"face_id": "1"}'])
    app_id: str = Field(description="The application's key.")
    timestamp: str = Field(description="When it was sent, in Unix seconds.", examples=["1795269787"])
    random: str = Field(description="A random text.", examples=["f3a09c"])
    sign: str = Field(description="The vendor's signature over the other fields.")
    shop_id: str | None = Field(default=None, description="The vendor's id of the shop.", examples=["10096"])
    sunmi_shop_no: str | None = Field(default=None, description="The vendor's number of the shop.")


class ProductFetchForm(RequestModel):
    """Which products the vendor's cloud wants; it is signed unless the settings name addresses or a secret instead."""

    model_config = ConfigDict(extra="allow")

    shop_id: str = Field(description="The vendor's id of the shop.", examples=["10096"])
    page_num: str = Field(
        description="The page. Page 1 begins a list anew; the others are of the same moment.", examples=["1"]
    )
    page_size: str = Field(description="How many products a page has, from 1 to 1000.", examples=["100"])
    app_id: str | None = Field(default=None, description="The application's key.")
    timestamp: str | None = Field(
        default=None, description="When it was sent, in Unix seconds.", examples=["1795269787"]
    )
    random: str | None = Field(default=None, description="A random text.", examples=["f3a09c"])
    sign: str | None = Field(default=None, description="The vendor's signature over the other fields.")


B = TypeVar("B", bound=Body)

_NESTED: Final = FieldError("body", message("is nested too deeply"))


async def read_body(request: web.Request, model: type[B]) -> B:
    """Read and check the body of one of the gateway's own calls. Raises `InvalidRequest` naming every field error."""
    return check_body(await read_object(request), model)


def check_body(document: Mapping[str, Any], model: type[B]) -> B:
    """Check a body that was read. Decimal numbers become floats. Raises `InvalidRequest` naming every field error."""
    try:
        text = json_text.dumps(document)
    except UnicodeEncodeError as exc:
        raise InvalidRequest(_find_half_characters(document)) from exc
    except RecursionError as exc:
        raise InvalidRequest([_NESTED]) from exc
    try:
        return model.model_validate_json(text)
    except ValidationError as exc:
        if exc.errors()[0]["type"] == "json_invalid":  # it was JSON, of more levels than pydantic reads
            raise InvalidRequest([_NESTED]) from exc
        raise invalid_request(model, exc) from exc


def _find_half_characters(document: Mapping[str, Any]) -> list[FieldError]:
    """Return the members in which half of a surrogate pair stands, which can be neither stored nor sent."""
    reason = message("must be valid Unicode")
    return [
        FieldError(json_text.make_encodable(name), reason)
        for name, value in document.items()
        if json_text.make_encodable([name, value]) != [name, value]
    ]


async def read_object(request: web.Request) -> dict[str, Any]:
    """Read a JSON object; no body at all is an empty one.

    What the body says it is does not count, since `curl -d` calls everything a form. Raises `UnsupportedMediaType` for
    a body that is no JSON at all, and `InvalidRequest` for JSON with a mistake.
    """
    raw = await read_bytes(request)
    return parse_object(raw) if raw.strip() else {}


def begins_as_json(raw: bytes) -> bool:
    """Tell whether a body begins as a JSON object or list does, perhaps behind a byte order mark."""
    return raw.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"{", b"["))


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is; a byte order mark in front of it is skipped. Raises as `read_object`."""
    try:
        document = json_text.loads(raw.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError) as exc:
        reason = message("must be a JSON object in UTF-8: {first_line}", first_line=describe_parse_error(exc))
        if not begins_as_json(raw):
            raise UnsupportedMediaType(message("the body {reason}", reason=reason)) from exc
        raise InvalidRequest([FieldError("body", reason)]) from exc
    if not isinstance(document, dict):
        raise InvalidRequest([FieldError("body", message("must be a JSON object"))])
    return document


async def read_call(request: web.Request, endpoint: Endpoint, defaults: Mapping[str, str]) -> Call:
    """Read and check a vendor call, as JSON or as multipart/form-data where it takes a file.

    `defaults` are as for `Endpoint.encode`. Raises `InvalidRequest`, `UnsupportedMediaType` and `TooLarge`.
    """
    if request.content_type == "multipart/form-data":
        arguments, files = await _read_form(request, endpoint)
        return endpoint.encode(arguments, files=files, defaults=defaults)
    return endpoint.encode(await read_object(request), defaults=defaults)


async def _read_form(request: web.Request, endpoint: Endpoint) -> tuple[dict[str, Any], dict[str, FilePart]]:
    if not endpoint.takes_file:
        raise UnsupportedMediaType(message("{path} takes no file: send a JSON object", path=endpoint.path))
    body = await read_bytes(request)
    arguments: dict[str, Any] = {}
    files: dict[str, FilePart] = {}
    limits = {known.name: known.max_bytes for known in endpoint.parameters if known.type == "file"}
    try:
        for part in parse_multipart(body, request.headers["Content-Type"]):
            if part.name in arguments or part.name in files:
                raise InvalidRequest([FieldError(part.name, message("is given twice"))])
            if part.name not in limits:
                arguments[part.name] = part.data.decode()
                continue
            limit = limits[part.name]
            if limit is not None and len(part.data) > limit:
                raise TooLarge(
                    message(
                        "{part}: the file has more than the {limit} bytes that are accepted",
                        part=part.name,
                        limit=limit,
                    )
                )
            kind = part.content_type or "application/octet-stream"
            files[part.name] = FilePart(part.filename or part.name, kind, part.data)
    except ValueError as exc:
        raise InvalidRequest(
            [
                FieldError(
                    "body",
                    message("is no valid multipart/form-data: {first_line}", first_line=describe_parse_error(exc)),
                )
            ]
        ) from exc
    return arguments, files


def describe_parse_error(error: Exception) -> str:
    """Return why a body cannot be read, in a line of bounded length."""
    return shorten(describe_error(error), 200) or type(error).__name__
