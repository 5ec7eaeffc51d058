"""JSON in which numbers keep the digits as received."""

import functools
import json
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

import msgspec

from firmware_tools.language import Language, Message, message, translate


def _refuse_constant(name: str) -> Any:
    raise ValueError(message("{name} is not a JSON number", name=name))


def _parse_integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as exc:  # Python converts no more than some thousand digits
        raise ValueError(message("a number has too many digits")) from exc


_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
PLAIN_DECODER: Final = json.JSONDecoder(parse_float=Decimal, parse_int=_parse_integer, parse_constant=_refuse_constant)
"""The slow second try: it accepts a lone surrogate, so that a check can name its place, and has the clearer errors."""
_ARRAY_DECODER: Final = msgspec.json.Decoder(list[msgspec.Raw])
_RESERVED_DEPTH: Final = 200
"""How much less deeply JSON is nested that is written again: around it, and in the calls that write it."""


def _make_encoder(language: Language, order: Literal["sorted"] | None = None) -> msgspec.json.Encoder:
    """Return an encoder that shows messages in a language, and takes other kinds of text, as of a cell."""

    def encode_text(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError(message("{kind} is not JSON", kind=type(value).__name__))
        return str(translate(value, language) if isinstance(value, Message) else value)

    return msgspec.json.Encoder(enc_hook=encode_text, decimal_format="number", order=order)


_ENCODERS: Final = {language: _make_encoder(language) for language in Language}
_SORTED_ENCODER: Final = _make_encoder(Language.ENGLISH, "sorted")


def loads(text: str | bytes) -> Any:
    """Parse JSON. Fractions become `Decimal`, so that 10.00 stays 10.00. Raises ValueError."""
    try:
        try:
            return _DECODER.decode(text)
        except ValueError:
            return PLAIN_DECODER.decode(text.decode() if isinstance(text, bytes) else text)
    except RecursionError as exc:
        raise ValueError(message("the JSON is nested too deeply")) from exc
    except InvalidOperation as exc:
        raise ValueError(message("a number has too large an exponent")) from exc


def load_shallow(text: bytes) -> Any:
    """Parse JSON that can be written again as a part of other JSON. Raises ValueError.

    What `loads` can just read may be nested too deeply for that, and a writer has no room left for the rest.
    """
    document = loads(text)
    loads(b"[" * _RESERVED_DEPTH + text + b"]" * _RESERVED_DEPTH)
    return document


def split_array(text: str) -> list[bytes]:
    """Return the JSON of each element of an array, as it stands there."""
    return [bytes(element) for element in _ARRAY_DECODER.decode(text)]


def load_member(raw: bytes, name: str) -> Any:
    """Return one member of an object without parsing the others."""
    return _make_member_decoder(name).decode(raw).member


@functools.cache
def _make_member_decoder(name: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(msgspec.defstruct("Object", [("member", Any, msgspec.field(name=name))]))


def dumps(value: Any, *, indent: int | None = None, language: Language = Language.ENGLISH) -> str:
    """Return JSON, compact unless indented, with its messages in a language. Non-ASCII characters are not escaped.

    Raises UnicodeEncodeError for a lone surrogate and RecursionError for a value that is nested too deeply.
    """
    raw = _ENCODERS[language].encode(value)
    return (raw if indent is None else msgspec.json.format(raw, indent=indent)).decode()


def dumps_canonical(value: Any) -> bytes:
    """Return JSON that is equal for equal content: members of objects are sorted."""
    return _SORTED_ENCODER.encode(value)


def make_encodable(document: Any) -> Any:
    """Return a document that `dumps` can encode: `?` stands for a lone surrogate.

    Raises RecursionError for a value that is nested too deeply.
    """
    try:
        _ENCODERS[Language.ENGLISH].encode(document)
    except UnicodeEncodeError:
        return _replace_surrogates(document)
    return document


def _replace_surrogates(value: Any) -> Any:
    match value:
        case dict():
            return {_replace_surrogates(name): _replace_surrogates(one) for name, one in value.items()}
        case list():
            return [_replace_surrogates(one) for one in value]
        case Message():
            values = {name: _replace_surrogates(one) for name, one in value.values.items()}
            return Message(_replace_surrogates(value.template), values, _replace_surrogates(value.key))
        case str():
            return value.encode("utf-8", "replace").decode()
        case _:
            return value
