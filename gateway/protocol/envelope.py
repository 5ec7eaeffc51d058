"""The envelope around every vendor answer: `{code, msg, data}`."""

import re
from dataclasses import dataclass
from typing import Any

from gateway.protocol import json_text

_CODE = re.compile(r"-?[0-9]{1,9}")


class MalformedResponse(ValueError):
    """The peer answered something that is not a vendor answer; the text says what it is."""


@dataclass(frozen=True, slots=True)
class VendorResponse:
    """A vendor answer: its code (0 is success), the parsed document, and the bytes it came as."""

    code: int
    document: dict[str, Any]
    raw: bytes

    @property
    def data(self) -> Any:
        """The answer's `data`, or an empty object."""
        return self.document.get("data") or {}


def parse_answer(raw: bytes) -> VendorResponse:
    """Parse the body of an answer. Raises `MalformedResponse` for anything but a JSON object with an integer code.

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
        raise MalformedResponse(f"answered {kind}") from exc
    if not isinstance(document, dict):
        raise MalformedResponse("answered JSON that is not an object")
    code = document.get("code")
    if isinstance(code, str) and _CODE.fullmatch(code):
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool):
        raise MalformedResponse("answered JSON without a code")
    return VendorResponse(code, document, raw)
