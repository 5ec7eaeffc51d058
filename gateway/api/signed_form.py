"""Forms that the vendor's side sends, signed by its rules: read within limits, since nobody has shown yet who it is."""

from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from firmware_tools.language import message
from gateway.api.body_reader import read_bytes
from gateway.errors import FieldError, InvalidRequest, TooLarge

MAX_FIELDS: Final = 64
MAX_DURATION_S: Final = 10.0
"""How long the body may take to arrive."""


def check_form_head(request: web.Request, *, max_bytes: int) -> None:
    """Refuse by its head what can be no such form, before any of its body is kept.

    Raises `InvalidRequest` and `TooLarge`.
    """
    if request.content_type != "application/x-www-form-urlencoded" or "Content-Encoding" in request.headers:
        raise InvalidRequest(
            [
                FieldError(
                    "body", message("must be a form (application/x-www-form-urlencoded) without a content encoding")
                )
            ]
        )
    if (request.content_length or 0) > max_bytes:
        raise TooLarge(message("such a form has at most {max_bytes} bytes", max_bytes=max_bytes))


async def read_form(request: web.Request, *, max_bytes: int) -> dict[str, str]:
    """Return the fields of a form. Raises `InvalidRequest`, `TooLarge`, `RequestTimeout` and `Overloaded`."""
    raw = await read_bytes(request, max_bytes=max_bytes, max_duration_s=MAX_DURATION_S, is_stranger=True)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=MAX_FIELDS,
            encoding="utf-8", errors="strict",
        )  # fmt: skip
    except ValueError as exc:
        raise InvalidRequest([FieldError("body", message("is no form in UTF-8"))]) from exc
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequest([FieldError("body", message("names a field twice"))])
    return fields
