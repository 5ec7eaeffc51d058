"""Texts that other programs saved: their encoding is recognised.

Nothing is decoded as a whole: while Python decodes, no other thread runs.
"""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TextIO

from firmware_tools.errors import InvalidInput
from firmware_tools.language import message

ENCODINGS: Final = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "gb18030": "GBK",
    "big5": "Big5",
    "windows-1252": "Windows-1252",
}
"""Encodings that a text may be said to have, by their codecs, with their names. The last two are never guessed."""

_BOMS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_CHUNK_BYTES: Final = 1 << 20
_SAMPLE_BYTES: Final = 1 << 16
_MIN_UTF_16_ZEROS: Final = 0.05
"""What share of UTF-16 is zero at least: the high bytes of separators, digits and line ends."""
_DOUBLE_BYTES: Final = re.compile(rb"(?P<usual>[\xa1-\xf7][\xa1-\xfe])|[\x81-\xfe][\x40-\x7e\x80-\xfe]")
"""A character of two bytes in GBK; `usual` is one of GB 2312, which has nearly all that is written."""


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """How a text is encoded."""

    codec: str
    """Name of Python's codec."""
    start: int = 0
    """Length of the byte order mark."""

    @property
    def name(self) -> str:
        """How people call it: `UTF-8`, `UTF-16`, `GBK`."""
        return ENCODINGS[self.codec]

    def open(self, data: bytes) -> TextIO:
        """Return the text as a file, with its line ends as they are."""
        file = io.BytesIO(data)
        file.seek(self.start)
        return io.TextIOWrapper(file, encoding=self.codec, newline="")


def recognise_encoding(data: bytes, name: str, codec: str | None = None) -> TextEncoding:
    """Return the encoding of a text, or check the one that it is said to have. Raises `InvalidInput`."""
    bom = next((bom for bom in _BOMS if data.startswith(bom)), b"")
    if bom and codec in (None, _BOMS[bom]):
        candidates = iter([TextEncoding(_BOMS[bom], len(bom))])
    else:
        candidates = map(TextEncoding, [codec] if codec else _find_candidates(data))
    for candidate in candidates:
        if _is_encoded(data, candidate):
            return candidate
    if codec:
        raise InvalidInput(
            message(
                "{name}: it is no text in {encoding}; save the list as CSV (UTF-8)",
                name=name,
                encoding=ENCODINGS[codec],
            )
        )
    raise InvalidInput(
        message("{name}: it is no text in UTF-8, UTF-16 or GBK; save the list as CSV (UTF-8)", name=name)
    )


def _find_candidates(data: bytes) -> Iterator[str]:
    sample = data[:_SAMPLE_BYTES]
    low, high = sample[::2].count(0), sample[1::2].count(0)
    if low + high > _MIN_UTF_16_ZEROS * len(sample):
        yield "utf-16-le" if high > low else "utf-16-be"
        return
    yield "utf-8"
    if _looks_like_gbk(data):
        yield "gb18030"


def _looks_like_gbk(data: bytes) -> bool:
    """Tell whether what is no UTF-8 may be GBK: accents of Western encodings and the letters after them may not."""
    pieces = (data[start : start + _CHUNK_BYTES] for start in range(0, len(data), _CHUNK_BYTES))
    sample = next((piece for piece in pieces if not piece.isascii()), b"")
    characters = list(_DOUBLE_BYTES.finditer(sample))
    usual = sum(1 for one in characters if one["usual"])
    return 3 * usual >= len(characters)


def _is_encoded(data: bytes, encoding: TextEncoding) -> bool:
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    try:
        for start in range(encoding.start, len(data), _CHUNK_BYTES):
            decoder.decode(data[start : start + _CHUNK_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
