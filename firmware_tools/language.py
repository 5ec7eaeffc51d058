"""Texts for people in English and Simplified Chinese.

A text is written in English where it is made, by `message("the camera {sn} is not managed", sn=sn)`. The result is
that English text, and `translate` returns it in another language. The translations are gettext catalogues, one `.mo`
for each domain in `locale/LANGUAGE/LC_MESSAGES/`. `packaging/translations.py` extracts the texts and compiles them.
"""

import errno
import functools
import gettext
import re
import socket
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

    __slots__ = ("key", "template", "values")

    template: str
    """The text with a named field for each value, as in `{sn}`."""
    key: str
    """What catalogues know it by: the template, or the singular of one that depends on a number."""
    values: Mapping[str, str | int | float | Decimal]
    """The value of each field. Messages among them are translated too."""

    def __new__(cls, template: str, values: Mapping[str, object], key: str = "") -> "Message":
        """Format the English text. `str.format` does not look into values, whatever they hold."""
        kept = {name: _freeze(value) for name, value in values.items()}
        made = super().__new__(cls, template.format_map(kept))
        made.template, made.key = template, key or template
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
    """Return the text of an error: the message that it was made with, or what the system or a library means by it."""
    own = error.args[-1] if error.args else None  # an OSError has its number before it
    if isinstance(own, Message) and len(error.args) <= 2:
        return own
    return _describe_foreign_error(error)


def message(template: str, /, **values: object) -> Message:
    """Return a text that can be shown in another language, and mark its template for extraction.

    The template is a literal. Its fields are the names of the values, with a conversion or format if need be
    (`{reply!r}`, `{size:.1f}`).
    """
    return Message(template, values)


def count_message(one: str, other: str, /, count: int, **values: object) -> Message:
    """Return a text with a number, `{count}`: for one thing, or for another number of them.

    Both templates are literals. Catalogues have them as the singular and the plural of one text.
    """
    return Message(one if count == 1 else other, {"count": count, **values}, one)


def _describe_foreign_error(error: BaseException) -> str:
    # Of modules that may not be loaded, exceptions are told by their attributes: aiohttp, ssl, json, codecs.
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    if isinstance(cause, Exception) and cause is not error:
        return describe_error(cause)
    if isinstance(error, UnicodeDecodeError | UnicodeEncodeError):
        return message("is not {encoding} at character {position}", encoding=error.encoding, position=error.start)
    if isinstance(error, OSError):
        return _describe_system_error(error)
    return describe_text(str(error))


def describe_text(text: str) -> str:
    """Return what a text of a library means; the text itself if that is not known."""
    if (place := _PLACE.fullmatch(text)) is not None:
        reason = _KNOWN_TEXTS.get(place["reason"], place["reason"])
        return message(
            "{reason} (line {line}, column {column})", reason=reason, line=place["line"], column=place["column"]
        )
    if (ending := text.removesuffix(_AT_END)) != text:
        return message("{reason} (at the end)", reason=_KNOWN_TEXTS.get(ending, ending))
    return _KNOWN_TEXTS.get(text, text)


def _describe_system_error(error: OSError) -> str:
    verification = str(getattr(error, "verify_message", ""))
    if verification:
        name = _NAME_MISMATCH.fullmatch(verification)
        if name is not None:
            return message("it is for another name than {name}", name=name["name"])
        return _KNOWN_TEXTS.get(verification, verification)
    protocol = str(getattr(error, "reason", None) or "")  # of ssl.SSLError: WRONG_VERSION_NUMBER
    if protocol:
        return _KNOWN_TEXTS.get(protocol) or protocol.replace("_", " ").lower()
    known = _NAME_ERRORS if isinstance(error, socket.gaierror) else _SYSTEM_ERRORS
    reason = known.get(error.errno or 0) or error.strerror or str(error)
    reason = reason or _KINDS.get(type(error), "")
    if (bound := _BOUND.search(error.strerror or "")) is not None:
        return message("{address}: {reason}", address=":".join(bound.groups()), reason=reason)
    return reason


def shorten(text: str, max_characters: int) -> str:
    """Return the first line of a text, cut off where it is longer. Only a whole text is shown in other languages."""
    first_line = text.partition("\n")[0][:max_characters]
    return text if text == first_line else first_line


def template(text: str, /) -> str:
    """Return a template, and mark it for extraction: of a text that is stored, so that `recognise` can find it."""
    return text


def fill(text: str, key: str = "", /, **values: object) -> Message:
    """Return the text that a template makes with values. `key` is what catalogues know it by, if not the template."""
    return Message(text, values, key)


def recognise(text: str, templates: Iterable[str]) -> str:
    """Return a stored English text as the message that it was made as, if it fits one of several templates.

    Values that fit a template or are a text of a library become messages, too.
    """
    if isinstance(text, Message):
        return text
    for one in templates:
        found = _compile_template(one).fullmatch(text)
        if found is not None:
            values = {name: recognise(value, templates) for name, value in found.groupdict().items()}
            return Message(one, values)
    known = describe_text(text)
    return known if isinstance(known, Message) else Message(escape(text), {})


@functools.cache
def _compile_template(text: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", text)
    pattern = "".join(f"(?P<{part}>.*)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return re.compile(pattern, re.DOTALL)


def join(separator: str, texts: Iterable[str]) -> Message:
    """Return texts as one. Those that are messages are translated with it, and so is `; ` between them."""
    values = {f"text{number}": text for number, text in enumerate(texts)}
    return Message(escape(separator).join(f"{{{name}}}" for name in values), values)


def escape(text: str) -> str:
    """Return a template that makes this text."""
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
    found = catalogue.gettext(text.key)
    if found == text.key:  # it may have a plural, of which not every Python 3.11 finds the first form above
        found = catalogue.ngettext(text.key, text.key, 1)
    return found.replace("}; {", f"}}{catalogue.gettext('; ')}{{").format_map(values)


_SYSTEM_ERRORS: Final = {
    errno.EPERM: message("Operation not permitted"),
    errno.ENOENT: message("No such file or directory"),
    errno.EIO: message("Input/output error"),
    errno.EACCES: message("Permission denied"),
    errno.EBUSY: message("Device or resource busy"),
    errno.EEXIST: message("File exists"),
    errno.ENODEV: message("No such device"),
    errno.ENOTDIR: message("Not a directory"),
    errno.EISDIR: message("Is a directory"),
    errno.EINVAL: message("Invalid argument"),
    errno.EMFILE: message("Too many open files"),
    errno.ENFILE: message("Too many open files in system"),
    errno.EFBIG: message("File too large"),
    errno.ENOSPC: message("No space left on device"),
    errno.EROFS: message("Read-only file system"),
    errno.EPIPE: message("Broken pipe"),
    errno.ENAMETOOLONG: message("File name too long"),
    errno.ENOTEMPTY: message("Directory not empty"),
    errno.ELOOP: message("Too many levels of symbolic links"),
    errno.ENOMEM: message("Cannot allocate memory"),
    errno.EADDRINUSE: message("Address already in use"),
    errno.EADDRNOTAVAIL: message("Cannot assign requested address"),
    errno.ENETDOWN: message("Network is down"),
    errno.ENETUNREACH: message("Network is unreachable"),
    errno.ECONNABORTED: message("Software caused connection abort"),
    errno.ECONNRESET: message("Connection reset by peer"),
    errno.ENOTCONN: message("Transport endpoint is not connected"),
    errno.ETIMEDOUT: message("Connection timed out"),
    errno.ECONNREFUSED: message("Connection refused"),
    errno.EHOSTDOWN: message("Host is down"),
    errno.EHOSTUNREACH: message("No route to host"),
    errno.EDQUOT: message("Disk quota exceeded"),
    errno.EXDEV: message("Invalid cross-device link"),
}
"""What the system means by an error, by errno."""
_KINDS: Final = {
    TimeoutError: message("it took too long"),
    ConnectionResetError: _SYSTEM_ERRORS[errno.ECONNRESET],
    BrokenPipeError: _SYSTEM_ERRORS[errno.EPIPE],
}
"""Errors that asyncio raises without a number and a text."""
_NAME_ERRORS: Final = {
    socket.EAI_NONAME: message("Name or service not known"),
    socket.EAI_AGAIN: message("Temporary failure in name resolution"),
    socket.EAI_FAIL: message("Non-recoverable failure in name resolution"),
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME): message("No address associated with hostname"),
    socket.EAI_FAMILY: message("Address family not supported"),
}
"""Why a name cannot be looked up, by the number of `getaddrinfo`."""
_KNOWN_TEXTS: Final[Mapping[str, Message]] = {
    str(text): text
    for text in (
        # OpenSSL, of certificates
        message("self-signed certificate"),
        message("self-signed certificate in certificate chain"),
        message("unable to get local issuer certificate"),
        message("unable to get issuer certificate"),
        message("unable to verify the first certificate"),
        message("certificate has expired"),
        message("certificate is not yet valid"),
        message("certificate signature failure"),
        message("certificate revoked"),
        message("certificate rejected"),
        message("unsuitable certificate purpose"),
        message("invalid CA certificate"),
        message("EE certificate key too weak"),
        message("CA certificate key too weak"),
        message("CA signature digest algorithm too weak"),
        # json and tomllib
        message("Expecting value"),
        message("Expecting property name enclosed in double quotes"),
        message("Expecting ':' delimiter"),
        message("Expecting ',' delimiter"),
        message("Extra data"),
        message("Unterminated string starting at"),
        message("Invalid control character at"),
        message("Illegal trailing comma before end of object"),
        message("Illegal trailing comma before end of array"),
        message("Invalid value"),
        message("Invalid statement"),
        message("Invalid initial character for a key part"),
        message("Expected '=' after a key in a key/value pair"),
        message("Expected newline or end of document after a statement"),
        message("Expected ']' at the end of a table declaration"),
        message("Cannot overwrite a value"),
        message("Unclosed array"),
        message("Unclosed inline table"),
        message("Unterminated string"),
        # SQLite
        message("database disk image is malformed"),
        message("database is locked"),
        message("database or disk is full"),
        message("disk I/O error"),
        message("attempt to write a readonly database"),
        message("unable to open database file"),
        message("file is not a database"),
    )
} | {
    "WRONG_VERSION_NUMBER": message("it does not speak TLS"),
    "UNSUPPORTED_PROTOCOL": message("it speaks only an old version of TLS"),
    "NO_SHARED_CIPHER": message("it has no cipher in common"),
    "TLSV1_ALERT_UNKNOWN_CA": message("it does not trust the certificate"),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": message("it demands a client certificate"),
    "UNEXPECTED_EOF_WHILE_READING": message("the connection was cut"),
    "KEY_VALUES_MISMATCH": message("the key is not that of the certificate"),
    "NO_CERTIFICATE_OR_CRL_FOUND": message("it holds no certificate"),
    "NO_START_LINE": message("it holds no certificate"),
}
"""Texts of libraries that are shown in other languages too."""
_BOUND: Final = re.compile(r"bind on address \('(?P<host>[^']+)', (?P<port>[0-9]+)")
"""How asyncio names an address on which it cannot listen."""
_PLACE: Final = re.compile(
    r"(?P<reason>.+?)(?: \((?:at )?|: )line (?P<line>\d+),? column (?P<column>\d+)(?: \(char \d+\)|\))"
)
"""How json and tomllib say where an error is."""
_AT_END: Final = " (at end of document)"
_NAME_MISMATCH: Final = re.compile(r"(?:Hostname|IP address) mismatch, certificate is not valid for '(?P<name>.*)'\.?")


CATALOGUE_FOLDERS: Final = [Path(__file__).parent / "locale"]
"""Where catalogues are: a folder of each package that has some."""


def add_catalogues(directory: Path) -> None:
    """Let `translate` use the catalogues of a package, too: its folder `locale`."""
    if directory not in CATALOGUE_FOLDERS:
        CATALOGUE_FOLDERS.append(directory)
        load_catalogue.cache_clear()


@functools.cache
def load_catalogue(language: Language) -> gettext.NullTranslations:
    """Return the catalogues of all packages as one. One that is missing or damaged leaves its texts in English."""
    found = gettext.NullTranslations()
    for directory in CATALOGUE_FOLDERS:
        for file in sorted((directory / language / "LC_MESSAGES").glob("*.mo")):
            try:
                with file.open("rb") as stream:
                    catalogue = gettext.GNUTranslations(stream)
            except (OSError, ValueError, struct.error):
                continue
            catalogue.add_fallback(found)
            found = catalogue
    return found
