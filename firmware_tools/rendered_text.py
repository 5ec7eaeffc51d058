"""Texts that another machine has rendered in English, as the messages that they were made as.

Whoever gets such a text has the same catalogues, and finds the template that fits it: so it is shown in the language of
the reader, whatever version sent it. A text that fits none stays as it is. What arrives is whatever somebody sent: the
work for a text is bounded, and a wrong guess is only a wrong translation of what that sender says.
"""

import functools
import string
import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from firmware_tools.language import CATALOGUE_FOLDERS, Language, Message, describe_text, escape, join, message, template

MAX_CHARACTERS: Final = 2000
"""Longer texts stay as they are."""
MAX_DEPTH: Final = 4
"""How deep texts in texts are looked for."""
MAX_LOOKS: Final = 12
"""How often templates are looked through for one text and those in it."""
_MIN_LETTERS: Final = 4
"""A template with fewer letters of its own fits nearly everything."""
_KEY_LENGTH: Final = 4
"""By how many characters at their begin or end templates are found."""
_MO_HEADER: Final = "<4xIIII"
_SEPARATOR: Final = template("; ")


class _Template(NamedTuple):
    """The text of a message, in parts."""

    text: str
    """The text with its fields, in the form that fits: of those with a number the singular or the plural."""
    key: str
    """The text by which catalogues know it."""
    literals: tuple[str, ...]
    """What stands before, between and behind the fields."""
    fields: tuple[str, ...]
    """The names of the fields."""
    formatted: frozenset[str]
    """Those that are written in a form of their own."""
    letters: int
    """How many letters it has of its own."""

    def match(self, text: str) -> Mapping[str, str] | None:
        """Return the values of the fields in a text, if it fits. It takes linear time: nothing is tried twice."""
        first, *others = self.literals
        if not text.startswith(first) or not text.endswith(self.literals[-1]):
            return None
        found: dict[str, str] = {}
        place, last = len(first), self.fields[-1]
        for name, literal in zip(self.fields, others, strict=True):
            end = len(text) - len(literal) if name == last else text.find(literal, place)
            if end < place:
                return None
            found[name] = text[place:end]
            place = end + len(literal)
        return found


class _Shown(str):
    """A value as it was rendered: it is written as it is, whatever form the template asks for."""

    __slots__ = ()

    def __format__(self, _: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return str(self)


class _Templates:
    """All templates of the catalogues, found by how they begin or end."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._whole: dict[str, str] = {}
        self._by_begin: defaultdict[str, list[_Template]] = defaultdict(list)
        self._by_end: defaultdict[str, list[_Template]] = defaultdict(list)
        for text, key in texts.items():
            made = _parse(text, key)
            if made is None:
                continue
            if not made.fields:
                self._whole[made.literals[0]] = key
            elif made.letters >= _MIN_LETTERS:
                first, last = made.literals[0][:_KEY_LENGTH], made.literals[-1][-_KEY_LENGTH:]
                (self._by_begin[first] if first or not last else self._by_end[last]).append(made)

    def find_whole(self, text: str) -> Message | None:
        """Return a text without fields."""
        key = self._whole.get(text)
        return None if key is None else Message(escape(text), {}, key)

    def find(self, text: str) -> tuple[_Template, Mapping[str, str]] | None:
        """Return the template with the most letters of its own that fits a text, and the values of its fields."""
        best: tuple[_Template, Mapping[str, str]] | None = None
        for one in self._list_candidates(text):
            if (best is None or one.letters > best[0].letters) and (values := one.match(text)) is not None:
                best = one, values
        return best

    def _list_candidates(self, text: str) -> Iterator[_Template]:
        for length in range(_KEY_LENGTH + 1):
            yield from self._by_begin.get(text[:length], ())
            if length:
                yield from self._by_end.get(text[-length:], ())


def recognise_rendered(text: str) -> str:
    """Return an English text as the message that it was made as; as it is, if no catalogue has its template."""
    if isinstance(text, Message) or not text or len(text) > MAX_CHARACTERS:
        return text
    return _recognise_whole(text)


@functools.lru_cache(maxsize=1024)
def _recognise_whole(text: str) -> str:
    return _Search().recognise(text, 0)


class _Search:
    """The search for one text and those in it."""

    def __init__(self) -> None:
        self._templates = _load_templates(tuple(CATALOGUE_FOLDERS))
        self._left = MAX_LOOKS

    def recognise(self, text: str, depth: int) -> str:
        if (whole := self._templates.find_whole(text)) is not None:
            return whole
        if self._left <= 0 or depth >= MAX_DEPTH or not any(map(str.isalpha, text)):
            return text
        self._left -= 1
        if (found := self._templates.find(text)) is not None:
            template, captured = found
            values = {
                name: _Shown(value) if name in template.formatted else self.recognise(value, depth + 1)
                for name, value in captured.items()
            }
            return Message(template.text, values, template.key)
        if isinstance(known := describe_text(text), Message):
            return known
        return self._recognise_parts(text, depth) or text

    def _recognise_parts(self, text: str, depth: int) -> str | None:
        """Return a text that consists of several, or names first what it is about; None if none of them is known."""
        parts = [self.recognise(part, depth + 1) for part in text.split(_SEPARATOR)]
        if len(parts) > 1:
            return join(_SEPARATOR, parts) if any(isinstance(part, Message) for part in parts) else None
        where, _, rest = text.partition(": ")
        reason = self.recognise(rest, depth + 1) if rest else ""
        return message("{where}: {reason}", where=where, reason=reason) if isinstance(reason, Message) else None


@functools.cache
def _load_templates(folders: Sequence[Path]) -> _Templates:
    texts: dict[str, str] = {}
    for folder in folders:
        for file in sorted((folder / Language.CHINESE / "LC_MESSAGES").glob("*.mo")):
            texts |= _read_texts(file)
    return _Templates(texts)


def _read_texts(file: Path) -> Mapping[str, str]:
    """Return the English texts of a catalogue with their keys; none of one that is missing or damaged."""
    texts: dict[str, str] = {}
    try:
        content = file.read_bytes()
        _, count, start, _ = struct.unpack_from(_MO_HEADER, content)
        for number in range(count):
            length, place = struct.unpack_from("<II", content, start + 8 * number)
            forms = content[place : place + length].decode().split("\0")
            texts |= dict.fromkeys(forms, forms[0])
    except (OSError, ValueError, struct.error):
        return {}
    return texts


def _parse(text: str, key: str) -> _Template | None:
    """Return a template in parts; None for what is none, and for one whose fields nothing separates."""
    literals, fields, formatted = [""], list[str](), set[str]()
    try:
        for literal, name, form, conversion in string.Formatter().parse(text):
            literals[-1] += literal
            if name is None:
                continue
            fields.append(name)
            literals.append("")
            if form or conversion:
                formatted.add(name)
    except ValueError:
        return None
    is_clear = all(literals[1:-1]) and len({*fields}) == len(fields) and all(map(str.isidentifier, fields))
    if not is_clear or "%(" in text or not any(literals):
        return None
    letters = sum(map(str.isalpha, "".join(literals)))
    return _Template(text, key, tuple(literals), tuple(fields), frozenset(formatted), letters)
