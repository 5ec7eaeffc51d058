"""The envelope around every vendor response: `{code, msg, data}`."""

import re
from dataclasses import dataclass
from typing import Any, Final

from firmware_tools.language import message
from gateway.protocol import json_text, lenient_json

LEFT_OUT_FIELD: Final = "left_out"
"""The field that the gateway adds to a camera's response of which it had to leave something out."""

_CODE: Final = re.compile(r"-?[0-9]{1,9}")
_FIRST_CODE: Final = re.compile(
    rb'(?:\xef\xbb\xbf)?[\x00-\x20]*\{[\x00-\x20]*"code"[\x00-\x20]*:[\x00-\x20]*("?)(-?[0-9]{1,9})(?![0-9.eE])'
)


class MalformedResponse(ValueError):
    """The peer sent something that is not a vendor response. The text says what."""


@dataclass(frozen=True, slots=True)
class VendorResponse:
    """A vendor response."""

    code: int
    """The return code, of at most nine digits; 0 is success."""
    document: dict[str, Any]
    """The whole parsed body. It can be encoded as JSON."""
    raw: bytes
    """The body as JSON in UTF-8: as received, unless that was none."""
    left_out: int = 0
    """How many entries could not be read and are left out. The document says so in `LEFT_OUT_FIELD`."""

    @property
    def has_numeric_code(self) -> bool:
        """Whether the code was a number, as the vendor writes it, and not a text."""
        return isinstance(self.document.get("code"), int)

    @property
    def data(self) -> Any:
        """The response's `data`, or an empty object."""
        return self.document.get("data") or {}


def parse_response(raw: bytes) -> VendorResponse:
    """Parse the body of a response. Raises `MalformedResponse` for anything but a JSON object with an integer code.

    A BOM is skipped, and a lone surrogate is replaced. `msg` is ignored: the vendor writes both "succeed" and "success"
    (NOTES: Cloud codes).
    """
    raw = raw.removeprefix(lenient_json.BOM)
    try:
        received = json_text.loads(raw)
        document = json_text.make_encodable(received)
    except (ValueError, RecursionError) as exc:
        kind = (
            "an HTML page"
            if raw.lstrip()[:1] == b"<"
            else "nothing"
            if not raw.strip(b"\0 \t\r\n")
            else message("something other than JSON")
        )
        raise MalformedResponse(message("responded with {kind}", kind=kind)) from exc
    if not isinstance(document, dict):
        raise MalformedResponse(message("responded with JSON that is not an object"))
    return VendorResponse(
        _parse_code(document), document, raw if document is received else json_text.dumps(document).encode()
    )


def parse_camera_response(raw: bytes) -> VendorResponse:
    """Parse the body of a camera's response, and read it leniently if it is not JSON.

    Of several codes the first counts: the name of a neighbour's network may hold quotes, and a code of its own. Raises
    `MalformedResponse` for anything but an object with an integer code.
    """
    try:
        response = parse_response(raw)
    except MalformedResponse:
        lenient = _parse_leniently(raw)
        if lenient is None:
            raise
        response = lenient
    first = _FIRST_CODE.match(raw)
    if first is None or int(first[2]) == response.code:
        return response
    code = int(first[2])
    document = {**response.document, "code": str(code) if first[1] else code}
    return VendorResponse(code, document, json_text.dumps(document).encode(), response.left_out)


def _parse_leniently(raw: bytes) -> VendorResponse | None:
    """Return what can be read of a response, or None if nothing can."""
    try:
        document, left_out = lenient_json.loads(raw)
    except ValueError:
        return None
    if not document:
        return None
    if left_out:
        document[LEFT_OUT_FIELD] = left_out
    return VendorResponse(_parse_code(document), document, json_text.dumps(document).encode(), left_out)


def _parse_code(document: dict[str, Any]) -> int:
    code = document.get("code")
    if isinstance(code, bool) or not isinstance(code, int | str) or not _CODE.fullmatch(str(code)):
        raise MalformedResponse(message("responded with JSON without a code"))
    return int(code)
