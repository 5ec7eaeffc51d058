"""The redaction of raw responses: their form is kept, byte by byte, and what they say is not.

A response that cannot be read cannot be redacted field by field. So letters become x or X, digits 0, and other bytes a
byte of the same class, with which a text stays UTF-8 or not. Kept are the names of HTTP headers and of documented
fields, the return code, and values of headers that frame the response. Redacting twice changes nothing.
"""

import re
from collections.abc import Collection
from email.utils import parsedate_tz
from typing import Final

_HEAD: Final = re.compile(rb".*?\r?\n\r?\n", re.DOTALL)
_STATUS_LINE: Final = re.compile(rb"HTTP/[0-9]\.[0-9] [0-9]{3}\b(?: OK\b)?")
_HEADER: Final = re.compile(rb"([A-Za-z-]+)([ \t]*:[ \t]*)([^\r\n]*)")
_HEADERS: Final = {
    b"cache-control", b"connection", b"content-encoding", b"content-length", b"content-type", b"date", b"keep-alive",
    b"location", b"pragma", b"server", b"set-cookie", b"transfer-encoding", b"upgrade", b"www-authenticate",
}  # fmt: skip
_FRAMING_VALUE: Final = re.compile(
    rb"[0-9]{1,7}|chunked|identity|gzip|deflate|close|keep-alive|upgrade"
    rb"|(?:application/json|text/(?:html|plain))(?:; ?charset=(?:utf-8|gbk|gb2312|iso-8859-1))?",
    re.IGNORECASE,
)
_FRAMING: Final = {b"connection", b"content-encoding", b"content-length", b"content-type", b"transfer-encoding"}
_KEPT: Final = re.compile(
    rb'"code"[\x00-\x20]*:[\x00-\x20]*"?-?[0-9]{1,9}(?![0-9])'
    rb'|"([A-Za-z_][\w-]{0,63})"(?=[\x00-\x20]*:)'
    rb"|\\[xu]"
)
_CLASSES: Final = bytes(
    b"x"[0] if chr(byte) in "abcdefghijklmnopqrstuvwxyz"
    else b"X"[0] if chr(byte) in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    else b"0"[0] if chr(byte) in "0123456789"
    else byte if byte < 0x80
    else 0xA1 if byte < 0xC0
    else 0xC3 if byte < 0xE0
    else 0xE5 if byte < 0xF0
    else 0xF1 if byte < 0xF8
    else 0xF8
    for byte in range(256)
)  # fmt: skip
"""What stands for each byte: continuations of UTF-8, its leads of two, three and four bytes, and what is in neither."""


def redact_raw(received: bytes, fields: Collection[str], *, secret: bool) -> bytes:
    """Return a response as it was received, redacted. Of a `secret` one, return the head only.

    `fields` are the documented names of fields.
    """
    found = _HEAD.match(received)
    head = b"" if not received.startswith(b"HTTP/") else received if found is None else found[0]
    redacted = b"".join(_redact_line(line) for line in head.splitlines(keepends=True))
    return redacted if secret else redacted + _redact_body(received[len(head) :], fields)


def _redact_line(line: bytes) -> bytes:
    if status := _STATUS_LINE.match(line):
        return status[0] + line[status.end() :].translate(_CLASSES)
    header = _HEADER.match(line)
    if header is None:
        return line.translate(_CLASSES)
    name, colon, value = header.groups()
    known = name.lower()
    is_framing = known in _FRAMING and _FRAMING_VALUE.fullmatch(value.rstrip())
    is_date = known == b"date" and len(value) < 64 and parsedate_tz(value.decode("latin-1"))
    return (
        (name if known in _HEADERS else name.translate(_CLASSES))
        + colon
        + (value if is_framing or is_date else value.translate(_CLASSES))
        + line[header.end() :]
    )


def _redact_body(body: bytes, fields: Collection[str]) -> bytes:
    parts: list[bytes] = []
    end = 0
    for kept in _KEPT.finditer(body):
        if kept[1] is None or kept[1].decode() in fields:
            parts += [body[end : kept.start()].translate(_CLASSES), kept[0]]
            end = kept.end()
    return b"".join([*parts, body[end:].translate(_CLASSES)])
