"""Forms with files (multipart/form-data, RFC 7578), read from a body that is in memory."""

import re
from email.message import Message
from typing import Final, NamedTuple

from firmware_tools.language import message

MAX_PARTS: Final = 64
MAX_PART_HEAD_BYTES: Final = 8192

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


class FormPart(NamedTuple):
    """One field of a form."""

    name: str
    """The name of the field."""
    filename: str | None
    """The name of the file; None where the field is no file."""
    content_type: str
    """The media type that the sender states; empty if it states none."""
    data: bytes
    """The content."""


def parse_multipart(body: bytes, content_type: str) -> list[FormPart]:
    """Return the parts of a form. `content_type` is the header of that name. Raises `ValueError` saying what is wrong.

    A preamble and an epilogue are ignored, as RFC 2046 says.
    """
    delimiter = find_delimiter(content_type)
    sections = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)
    parts: list[FormPart] = []
    for section in sections[1:]:
        if section.startswith(b"--"):
            return parts
        if len(parts) == MAX_PARTS:
            raise ValueError(message("it has more than {max_parts} parts", max_parts=MAX_PARTS))
        parts.append(parse_part(section))
    raise ValueError(message("its end is missing"))


def find_delimiter(content_type: str) -> bytes:
    """Return what stands before each part, by the header `Content-Type`. Raises `ValueError`."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        raise ValueError(message("the Content-Type has no valid boundary"))
    return b"\r\n--" + boundary.encode()


def parse_part(section: bytes) -> FormPart:
    """Return the part that stands behind a delimiter. Raises `ValueError`."""
    line, found, rest = section.partition(b"\r\n")
    if not found or line.strip(b" \t"):
        raise ValueError(message("there is something behind a boundary"))
    raw_head, found, data = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not found or len(raw_head) > MAX_PART_HEAD_BYTES:
        raise ValueError(
            message("the head of a part has no end within {max_bytes} bytes", max_bytes=MAX_PART_HEAD_BYTES)
        )
    head = _parse_head(raw_head)
    name, filename = _find_parameter(head, "name"), _find_parameter(head, "filename")
    if head.get_content_disposition() != "form-data" or not name:
        raise ValueError(message("every part needs a name"))
    if head.get("Content-Transfer-Encoding", "binary").strip().lower() not in ("7bit", "8bit", "binary"):
        raise ValueError(message("the part {name!r} has a transfer encoding: send it as it is", name=name))
    return FormPart(name, filename, str(head.get("Content-Type", "")), data)


def _parse_head(raw: bytes) -> Message:
    head = Message()
    for line in raw.decode().split("\r\n"):
        field, colon, value = line.partition(":")
        if line and not colon:
            raise ValueError(message("a line in the head of a part is no header"))
        if line and field.lower() not in head:
            head[field.strip()] = value.strip()
    return head


def _find_parameter(head: Message, name: str) -> str | None:
    value = head.get_param(name, header="Content-Disposition")
    if isinstance(value, tuple):  # RFC 2231, as in filename*=UTF-8''…
        charset, _, encoded = value
        if (charset or "us-ascii").lower() not in ("utf-8", "us-ascii"):
            raise ValueError(message("{name} must be UTF-8", name=name))
        return encoded.encode("latin-1", "strict").decode()
    return value
