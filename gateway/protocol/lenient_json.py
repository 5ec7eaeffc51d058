"""JSON as small devices print it: read as far as it can be read.

A camera prints the names of its neighbours' Wi-Fi networks as they are: in GBK, cut in the middle of a character, with
quotes, tabs and NULs. So one name must not make the rest unreadable. The reader works on bytes and decides for each
text by itself how it is encoded. It is bounded in size, depth and time.
"""

import re
from decimal import Decimal
from typing import Any, Final, NamedTuple

MAX_BYTES: Final = 64 * 1024
"""The largest text that is read leniently. Cameras print a few kilobytes."""
MAX_DEPTH: Final = 32
"""How deeply objects and arrays may be nested."""
MAX_LEFT_OUT: Final = 256
"""How many unreadable entries are left out. Text with more is not JSON."""
MAX_STRING_BYTES: Final = 4096
"""The longest text. It bounds the search for a closing quote."""

BOM: Final = b"\xef\xbb\xbf"

_BLANK: Final = rb"[\x00-\x20\x7f]*"
_NAME: Final = rb'"[\w.-]{1,64}"' + _BLANK + rb":"
_BLANKS: Final = re.compile(_BLANK)
_SEPARATORS: Final = re.compile(rb"[\x00-\x20\x7f,]*")
_TOKEN: Final = re.compile(rb'[^\x00-\x20\x7f,:"{}\[\]]{1,64}')
_INTEGER: Final = re.compile(rb"[+-]?[0-9]+")
_FRACTION: Final = re.compile(rb"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_WORDS: Final = {b"true": True, b"false": False, b"null": None}

_MARK: Final = re.compile(rb'\\.|"', re.DOTALL)
_MEMBER_NAME: Final = re.compile(rb'"([^"\\]{0,64})"' + _BLANK + rb":" + _BLANK)
_AFTER_MEMBER: Final = re.compile(rb"[\x00-\x20\x7f,]*(?:" + _NAME + rb"|\}|\Z)")
_AFTER_ELEMENT: Final = re.compile(_BLANK + rb"(?:[,\]]|\Z)")
_NEXT_MEMBER: Final = re.compile(rb"," + _BLANK + rb"(?=" + _NAME + rb")")
_NEXT_ELEMENT: Final = re.compile(rb"\}" + _BLANK + rb"(?=[,\]])")
_NEXT_TEXT: Final = re.compile(rb"(?=[,\]])")

_ESCAPE: Final = re.compile(
    r"((?:\\x[0-9A-Fa-f]{2})+)"  # bytes, as wpa_supplicant prints them
    r"|\\u([dD][89abAB][0-9A-Fa-f]{2})\\u([dD][c-fC-F][0-9A-Fa-f]{2})"  # a pair of surrogates
    r"|\\u([0-9A-Fa-f]{4})"
    r"|\\(.)",
    re.DOTALL,
)
_CONTROLS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "e": "\x1b"}
_REPLACEMENT: Final = "\ufffd"


class LenientJson(NamedTuple):
    """An object that was read leniently."""

    value: dict[str, Any]
    """The object. It holds no lone surrogates and no NULs, and can be encoded as JSON."""
    left_out: int
    """How many entries could not be read and are left out."""


class _Unreadable(Exception):
    """The present value cannot be read. Reading goes on behind it."""


class _LeftOut:
    """Stands for a value that was left out."""


_LEFT_OUT: Final = _LeftOut()


def loads(raw: bytes) -> LenientJson:
    """Read a JSON object as a small device prints it. Raises ValueError for what is none.

    Accepted beside JSON: text in GB18030 or cut in the middle of a character, a BOM, control characters and NULs,
    superfluous commas, unescaped quotes, escapes as in C, more text behind the object, and an object that is cut off.
    A list's entry that cannot be read is left out, elsewhere a member.
    """
    if len(raw) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    reader = _Reader(raw)
    return LenientJson(reader.read_document(), reader.left_out)


class _Reader:
    """Reads one text from its beginning to its end."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0
        self._cut_off = False
        self._open_arrays = 0
        self.left_out = 0

    def read_document(self) -> dict[str, Any]:
        if self._raw.startswith(BOM):
            self._at = len(BOM)
        self._skip(_BLANKS)
        if self._peek() != b"{":
            raise ValueError("no JSON object")
        return self._read_object(0)

    def _peek(self) -> bytes:
        return self._raw[self._at : self._at + 1]

    def _skip(self, pattern: re.Pattern[bytes]) -> None:
        found = pattern.match(self._raw, self._at)
        self._at = found.end() if found else self._at

    def _leave_out(self) -> None:
        self.left_out += 1
        if self.left_out > MAX_LEFT_OUT:
            raise ValueError("too much of it is not JSON")

    def _end_here(self) -> None:
        """Take the text as cut off. What is open is closed, and nothing more is read."""
        self._cut_off = True
        self._at = len(self._raw)

    def _resume(self, pattern: re.Pattern[bytes], start: int) -> None:
        """Leave out what begins at `start`, and go on behind it."""
        self._leave_out()
        found = pattern.search(self._raw, start + 1)
        if found is None:
            self._end_here()
        else:
            self._at = found.end()

    def _read_value(self, depth: int, closing: re.Pattern[bytes]) -> Any:
        if depth > MAX_DEPTH:
            raise _Unreadable
        match self._peek():
            case b'"':
                return self._read_text(closing)
            case b"{":
                return self._read_object(depth)
            case b"[":
                return self._read_array(depth)
        return self._read_scalar()

    def _read_object(self, depth: int) -> dict[str, Any]:
        self._at += 1
        members: dict[str, Any] = {}
        while not self._cut_off:
            self._skip(_SEPARATORS)
            start = self._at
            match self._peek():
                case b"}":
                    self._at += 1
                    return members
                case b"":
                    self._leave_out()
                    self._end_here()
                    return members
            try:
                name, value = self._read_member(depth)
            except _Unreadable:
                if self._open_arrays:
                    raise
                self._resume(_NEXT_MEMBER, start)
                continue
            if value is not _LEFT_OUT:
                members[name] = value
            elif self._open_arrays:
                raise _Unreadable
            else:
                self._leave_out()
        return members

    def _read_member(self, depth: int) -> tuple[str, Any]:
        name = _MEMBER_NAME.match(self._raw, self._at)
        if name is None:
            raise _Unreadable
        self._at = name.end()
        return _decode(name[1]).replace("\0", ""), self._read_value(depth + 1, _AFTER_MEMBER)

    def _read_array(self, depth: int) -> list[Any]:
        self._at += 1
        elements: list[Any] = []
        self._open_arrays += 1
        try:
            while not self._cut_off:
                self._skip(_SEPARATORS)
                start = self._at
                match self._peek():
                    case b"]":
                        self._at += 1
                        break
                    case b"}":  # the array was not closed
                        break
                    case b"":
                        self._leave_out()
                        self._end_here()
                        break
                try:
                    element = self._read_value(depth + 1, _AFTER_ELEMENT)
                except _Unreadable:
                    self._resume(_NEXT_ELEMENT if self._raw[start] in b"{[" else _NEXT_TEXT, start)
                    continue
                if element is _LEFT_OUT:
                    self._leave_out()
                elif not self._cut_off:
                    elements.append(element)
        finally:
            self._open_arrays -= 1
        return elements

    def _read_scalar(self) -> Any:
        found = _TOKEN.match(self._raw, self._at)
        if found is None:
            raise _Unreadable
        self._at = found.end()
        token = found[0]
        if self._at == len(self._raw):  # it may be the beginning of a longer one
            return _LEFT_OUT
        if token in _WORDS:
            return _WORDS[token]
        if _INTEGER.fullmatch(token):
            return int(token)
        if _FRACTION.fullmatch(token):
            return Decimal(token.decode())
        return _LEFT_OUT

    def _read_text(self, closing: re.Pattern[bytes]) -> str:
        """Read a text. A quote ends it only if what follows may follow a text."""
        begin = self._at + 1
        for mark in _MARK.finditer(self._raw, begin, begin + MAX_STRING_BYTES):
            # A backslash before the quote may be the second byte of a character in GBK, or printed unescaped.
            if mark[0] in (b'"', b'\\"') and closing.match(self._raw, mark.end()):
                self._at = mark.end()
                return _unescape(_decode(self._raw[begin : mark.end() - 1])).replace("\0", "")
        raise _Unreadable


def _decode(raw: bytes) -> str:
    """Decode a text as UTF-8, else as GB18030, else as UTF-8 with replacements."""
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        begin = raw[: exc.start]
        is_cut = exc.reason == "unexpected end of data"
    if is_cut and not begin.isascii():
        return begin.decode() + _REPLACEMENT
    try:
        return raw.decode("gb18030")
    except UnicodeDecodeError as exc:
        begin = raw[: exc.start]
        is_cut = len(raw) - exc.start < 4 and exc.reason == "incomplete multibyte sequence"
    if is_cut and not begin.isascii():
        return begin.decode("gb18030") + _REPLACEMENT
    return raw.decode("utf-8", "replace")


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_replace_escape, text) if "\\" in text else text


def _replace_escape(escape: re.Match[str]) -> str:
    printed_bytes, high, low, unit, character = escape.groups()
    if printed_bytes:
        return _decode(bytes.fromhex(printed_bytes.replace("\\x", "")))
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00)
    if unit:
        return _REPLACEMENT if 0xD800 <= int(unit, 16) < 0xE000 else chr(int(unit, 16))
    if character in "\"'\\/":
        return str(character)
    return _CONTROLS.get(character, escape[0])
