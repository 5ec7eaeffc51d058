"""Texts that other programs saved: their encoding is recognised."""

import re

from firmware_tools.errors import InvalidInput
from firmware_tools.language import message

_BOMS = {
    b"\xef\xbb\xbf": ("utf-8", "UTF-8"),
    b"\xff\xfe": ("utf-16-le", "UTF-16"),
    b"\xfe\xff": ("utf-16-be", "UTF-16"),
}
_ENCODINGS = (("utf-8", "UTF-8"), ("gb18030", "GBK"))
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f]")


def decode_text(data: bytes, name: str) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding; raise `InvalidInput` if it is no text."""
    bom = next((bom for bom in _BOMS if data.startswith(bom)), b"")
    for codec, encoding in (_BOMS[bom],) if bom else _ENCODINGS:
        try:
            text = data[len(bom) :].decode(codec)
        except UnicodeDecodeError:
            continue
        if not _NO_TEXT.search(text):
            return text, encoding
    raise InvalidInput(
        message("{name}: it is no text in UTF-8, UTF-16 or GBK; save the list as CSV (UTF-8)", name=name)
    )
