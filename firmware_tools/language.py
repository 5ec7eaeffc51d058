"""Texts for people in English and Simplified Chinese.

A text is written in English where it is made, by `message("the camera {sn} is not managed", sn=sn)`. The result is
that English text, and `translate` returns it in another language. The translations are gettext catalogues, one `.mo`
for each domain in `locale/LANGUAGE/LC_MESSAGES/`. `packaging/translations.py` extracts the texts and compiles them.
"""

import functools
import gettext
import re
import struct
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

_LOCALE_VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
_MAX_HEADER_CHARACTERS: Final = 1000
_MAX_LANGUAGE_RANGES: Final = 32
_LANGUAGE_RANGE: Final = re.compile(
    r"(?P<tag>\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)"
    r"(?:[ \t]*;[ \t]*[qQ]=(?P<quality>0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?",
    re.ASCII,
)
"""One element of `Accept-Language` (RFC 9110, 12.5.4), without white space around it."""


class Language(StrEnum):
    """A language that texts are shown in."""

    ENGLISH = "en"
    CHINESE = "zh"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Language":
        """Return the language of the terminal: of the first locale variable that is set, English for other languages.

        As in GNU gettext, `LANGUAGE` lists preferred languages, unless the locale is `C`.
        """
        locale = next(filter(None, map(environment.get, _LOCALE_VARIABLES)), "C").lower()
        is_neutral = locale.partition(".")[0] in ("c", "posix")
        preferred = "" if is_neutral else environment.get("LANGUAGE", "").lower()
        for name in (*preferred.split(":"), locale):
            if name[:2] in [*cls] and not name[2:3].isalpha():
                return cls(name[:2])
        return cls.ENGLISH

    @classmethod
    def negotiate(cls, accept_language: str) -> "Language":
        """Return the language that an `Accept-Language` header prefers; English if it accepts neither.

        Of languages with the same quality it is the one named first. Elements that cannot be read are left out.
        """
        return _find_preferred(accept_language[:_MAX_HEADER_CHARACTERS])


@functools.lru_cache(maxsize=64)
def _find_preferred(header: str) -> Language:
    # Kept for each header: this is asked for every request, and clients send the same one again and again.
    qualities = _parse_accept_language(header)
    default = qualities.pop("*", 0.0)
    for language in Language:
        qualities.setdefault(language, default)
    best = max(qualities, key=lambda name: qualities[name])
    return Language(best) if qualities[best] > 0 else Language.ENGLISH


def _parse_accept_language(header: str) -> dict[str, float]:
    """Return the quality of each known language and of `*` that the header names, in its order."""
    qualities: dict[str, float] = {}
    for element in header.split(",")[:_MAX_LANGUAGE_RANGES]:
        found = _LANGUAGE_RANGE.fullmatch(element.strip(" \t"))
        name = found["tag"].partition("-")[0].lower() if found else ""
        if found and (name == "*" or name in [*Language]):
            qualities[name] = max(float(found["quality"] or 1), qualities.get(name, 0.0))
    return qualities


class Message(str):
    """An English text that can be shown in another language. Pickling and JSON see a plain string."""

    __slots__ = ("template", "values")

    template: str
    """The text with a named field for each value, as in `{sn}`; the key of the catalogues."""
    values: Mapping[str, str | int | float | Decimal]
    """The value of each field. Messages among them are translated too."""

    def __new__(cls, template: str, values: Mapping[str, object]) -> "Message":
        """Format the English text. `str.format` does not look into values, whatever they hold."""
        kept = {name: _freeze(value) for name, value in values.items()}
        made = super().__new__(cls, template.format_map(kept))
        made.template = template
        made.values = MappingProxyType(kept)
        return made

    def __copy__(self) -> "Message":
        return self

    def __deepcopy__(self, memo: object) -> "Message":
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[str]]:
        return self.__reduce__()


def _freeze(value: object) -> str | int | float | Decimal:
    """Return a value that does not change; of an error its text."""
    if isinstance(value, BaseException):
        return describe_error(value)
    return value if isinstance(value, str | int | float | Decimal) else str(value)


def describe_error(error: BaseException) -> str:
    """Return the text of an error: the message that it was made with, if it was made with one."""
    is_message = len(error.args) == 1 and isinstance(error.args[0], Message)
    return error.args[0] if is_message else str(error)


def message(template: str, /, **values: object) -> Message:
    """Return a text that can be shown in another language, and mark its template for extraction.

    The template is a literal. Its fields are the names of the values, with a conversion or format if need be
    (`{reply!r}`, `{size:.1f}`).
    """
    return Message(template, values)


def join(separator: str, texts: Iterable[str]) -> Message:
    """Return texts as one. Those that are messages are translated with it."""
    values = {f"text{number}": text for number, text in enumerate(texts)}
    return Message(_escape(separator).join(f"{{{name}}}" for name in values), values)


def _escape(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def translate(text: str, language: Language) -> str:
    """Return a text in a language. What the catalogues do not know stays as it is."""
    if language is Language.ENGLISH or not text:
        return text
    catalogue = load_catalogue(language)
    if not isinstance(text, Message):
        return catalogue.gettext(text)
    values = {
        name: translate(value, language) if isinstance(value, Message) else value for name, value in text.values.items()
    }
    return catalogue.gettext(text.template).format_map(values)


_directories: Final = [Path(__file__).parent / "locale"]
"""Where catalogues are: a folder of each package that has some."""


def add_catalogues(directory: Path) -> None:
    """Let `translate` use the catalogues of a package, too: its folder `locale`."""
    if directory not in _directories:
        _directories.append(directory)
        load_catalogue.cache_clear()


@functools.cache
def load_catalogue(language: Language) -> gettext.NullTranslations:
    """Return the catalogues of all packages as one. One that is missing or damaged leaves its texts in English."""
    found = gettext.NullTranslations()
    for directory in _directories:
        for file in sorted((directory / language / "LC_MESSAGES").glob("*.mo")):
            try:
                with file.open("rb") as stream:
                    catalogue = gettext.GNUTranslations(stream)
            except (OSError, ValueError, struct.error):
                continue
            catalogue.add_fallback(found)
            found = catalogue
    return found
