"""Forms that a browser sends, read within limits."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from firmware_tools.language import describe_error, message, shorten
from gateway.api.body_budget import MAX_CALLER_BYTES
from gateway.api.body_reader import MAX_UNCOUNTED_BYTES, read_bytes
from gateway.api.multipart import parse_multipart
from gateway.errors import FieldError, InvalidRequest
from gateway.protocol.parameters import FilePart

MAX_FORM_BYTES: Final = MAX_CALLER_BYTES
"""No form is larger, its files included."""
MAX_STRANGER_FORM_BYTES: Final = MAX_UNCOUNTED_BYTES
"""No form of a caller without a session is larger: it has a pairing code and little more."""
_MAX_FIELDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form."""

    fields: dict[str, list[str]]
    """The texts of each field, in the order of the form."""
    files: dict[str, FilePart]
    """The files, by field; those that were left empty are missing."""

    def text(self, name: str) -> str:
        """Return the text of a field, without blanks at its ends; empty if the form has none."""
        return self.raw_text(name).strip()

    def raw_text(self, name: str) -> str:
        """Return the text of a field as it was typed: a password may begin with a blank."""
        return self.fields.get(name, [""])[-1]

    def texts(self, name: str) -> list[str]:
        """Return all texts of a field, as of several boxes that were ticked."""
        return self.fields.get(name, [])

    def is_ticked(self, name: str) -> bool:
        """Tell whether a box was ticked."""
        return self.raw_text(name) != ""


_FORM: Final = web.RequestKey("form", Form)


async def read_form(request: web.Request, *, is_stranger: bool) -> Form:
    """Read the form of a request; a second call returns the same. Raises `InvalidRequest`, `TooLarge` and `Overloaded`.

    `is_stranger` is for a caller without a session, who may send little.
    """
    if _FORM in request:
        known: Form = request[_FORM]
        return known
    max_bytes = MAX_STRANGER_FORM_BYTES if is_stranger else MAX_FORM_BYTES
    body = await read_bytes(request, max_bytes=max_bytes, is_stranger=is_stranger)
    fields: dict[str, list[str]] = {}
    files: dict[str, FilePart] = {}
    try:
        if request.content_type == "multipart/form-data":
            for part in parse_multipart(body, request.headers["Content-Type"]):
                if part.filename is None:
                    fields.setdefault(part.name, []).append(part.data.decode())
                elif part.data:
                    files[part.name] = FilePart(part.filename, part.content_type, part.data)
        else:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
            for name, value in pairs:
                fields.setdefault(name, []).append(value)
    except ValueError as exc:
        raise InvalidRequest(
            [FieldError("body", message("is no valid form: {reason}", reason=shorten(describe_error(exc), 200)))]
        ) from exc
    form = Form(fields, files)
    request[_FORM] = form
    return form
