"""The envelope around every vendor response: `{code, msg, data}`."""

import re
from dataclasses import dataclass
from typing import Any

from gateway.protocol import json_text

_CODE = re.compile(r"-?[0-9]{1,9}")


class MalformedResponse(ValueError):
    """The peer sent something that is not a vendor response. The text says what."""


@dataclass(frozen=True, slots=True)
class VendorResponse:
    """A vendor response."""

    code: int
    """The return code; 0 is success."""
    document: dict[str, Any]
    """The whole parsed body."""
    raw: bytes
    """The body as received."""

    @property
    def data(self) -> Any:
        """The response's `data`, or an empty object."""
        return self.document.get("data") or {}


def parse_response(raw: bytes) -> VendorResponse:
    """Parse the body of a response. Raises `MalformedResponse` for anything but a JSON object with an integer code.

    `msg` is ignored: the vendor writes both "succeed" and "success" (NOTES: Cloud codes).
    """
    try:
        document = json_text.loads(raw)
    except (ValueError, RecursionError) as exc:
        kind = (
            "an HTML page"
            if raw.lstrip()[:1] == b"<"
            else "nothing"
            if not raw.strip()
            else "something other than JSON"
        )
        raise MalformedResponse(f"responded with {kind}") from exc
    if not isinstance(document, dict):
        raise MalformedResponse("responded with JSON that is not an object")
    code = document.get("code")
    if isinstance(code, str) and _CODE.fullmatch(code):
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool):
        raise MalformedResponse("responded with JSON without a code")
    return VendorResponse(code, document, raw)
