"""The redaction of captures: which values are kept, by the field's name, and what replaces the others.

Nothing is kept because it looks harmless. Text is kept only in a field of `KEPT`, and only in that field's form. The
same value has the same replacement throughout a document. Redacting a redacted document again changes nothing.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal

from gateway.protocol.endpoint import REDACTED
from gateway.protocol.mac_address import normalise_mac

Kind = Literal["serial", "mac", "address", "network", "name", "secret"]

REPLACED: Final[Mapping[str, Kind]] = {
    "sn": "serial", "deviceid": "serial", "serial": "serial", "serialnumber": "serial", "ipcsn": "serial",
    "mac": "mac", "macaddress": "mac", "bssid": "mac",
    "ip": "address", "ipaddress": "address",
    "ssid": "network",
    "name": "name",
    "password": "secret", "passwd": "secret", "pwd": "secret", "psk": "secret", "key": "secret", "secret": "secret",
    "secretkey": "secret", "token": "secret", "appid": "secret", "sign": "secret", "activationnumber": "secret",
    "hdliveurl": "secret", "fhdliveurl": "secret", "playbackurl": "secret",
}  # fmt: skip
"""The kind of a value that is replaced, by the field's name in lower case without `_` and `-`. A number becomes 0."""

_WORD: Final = r"[A-Za-z][A-Za-z0-9_-]{0,11}"
_VERSION: Final = r"[vV]?[0-9]{1,3}(\.[0-9]{1,4}){1,2}([._-]?[0-9]{1,8})?([-_][a-z]{1,10})?"
_MODEL: Final = r"(SS|FS|FM|ss|fs|fm)[0-9]{0,3}"

KEPT: Final[Mapping[str, str]] = {
    "code": r"-?[0-9]{1,9}",
    "msg": r"[^\W\d_]{1,16}([ .,:;!'-]{1,2}[^\W\d_]{1,16}){0,15}[.!]?",
    "modelname": _MODEL, "model": _MODEL,
    "softwareversion": _VERSION, "hardwareversion": _VERSION, "firmware": _VERSION,
    "keymgmt": r"(NONE|OPEN|WEP|WPA|RSN|SAE|OWE|IEEE8021X|FT|PSK|EAP|CCMP|TKIP|[123/+ ,_\[\]-]){1,20}",
    "angles": r"[0-9]{1,3}",
    "type": _WORD, "factory": _WORD, "networkrol": _WORD, "network": _WORD,
}  # fmt: skip
"""The form in which a text is kept, by the field's name as in `REPLACED`. Any other text is replaced."""

_VENDOR_WORDS: Final = {"code", "modelname", "model", "keymgmt", "angles"}
"""Fields that can hold only words of the vendor. They are kept even if a camera or a network is named like one."""
_SECRET_NUMBER: Final = re.compile(r"(?i:pass|pwd|psk|secret|token|phone)|(^|_)(id|pin|no)$|[a-z](Id|ID|Pin|No)$")
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_REPLACEMENT: Final = re.compile(r"(network|name|text|field)-[0-9]+")
_SERIAL: Final = re.compile(r"([A-Z]{1,2}[0-9]{3}(?:[0-9A-Z]{0,3}[A-Z])?)([0-9]{4,8})")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}([:. -]?[0-9A-Fa-f]{2}){5}")
_MIN_UNIQUE_LENGTH: Final = 4
"""A value of this length is not a part of another one by chance."""
_MAX_DEPTH: Final = 32


class CaptureRedactor:
    """Redacts the documents of one capture. `learn` has to be called with all of them before one is redacted."""

    def __init__(self, fields: Iterable[str]) -> None:
        """Take the field names that the vendor documents. Another name is replaced, too, if it may be a value."""
        self._fields = {*fields, "code", "msg", "data"}
        self._replacements: dict[str, str] = {}
        self._field_names: dict[str, str] = {}
        self._macs: dict[str, str] = {}
        self._replaced_values: set[str] = set()
        self._counts: dict[str, int] = {}

    def learn(self, value: Any, name: str = "", depth: int = 0) -> None:
        """Collect the values that must appear nowhere, because they are in a field of `REPLACED`."""
        kind = REPLACED.get(_normalise_name(name))
        if isinstance(value, Mapping) and depth < _MAX_DEPTH:
            for inner, inside in value.items():
                self.learn(inside, name if kind == "secret" else inner, depth + 1)
        elif isinstance(value, list) and depth < _MAX_DEPTH:
            for inside in value:
                self.learn(inside, name, depth + 1)
        elif kind is not None and isinstance(value, str) and not _is_blank(value.strip()):
            self._replaced_values |= {value.strip(), *_spellings(value)}
            self._replace(kind, value.strip())
        elif kind is not None and _is_number(value) and len(str(value)) >= _MIN_UNIQUE_LENGTH:
            self._replaced_values.add(str(value))

    def redact(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """Return a copy of JSON that holds only numbers, field names and what `KEPT` allows."""
        if depth > _MAX_DEPTH:
            return REDACTED
        if isinstance(value, Mapping):
            secret = REPLACED.get(_normalise_name(name)) == "secret"
            return {
                self._redact_field_name(inner): self.redact(inside, name if secret else inner, depth + 1)
                for inner, inside in value.items()
            }
        if isinstance(value, list):
            return [self.redact(inside, name, depth + 1) for inside in value]
        if isinstance(value, str):
            return self.redact_text(value, name)
        return self._redact_number(value, name) if _is_number(value) else value

    def redact_text(self, text: str, name: str) -> str:
        """Return the replacement of a text in the field `name`. Blanks around it stay: they are facts, too."""
        bare, field = text.strip(), _normalise_name(name)
        if _is_blank(bare) or self._is_kept(bare, field):
            return text
        kind = REPLACED.get(field)
        if kind is None:
            kind = "address" if _parse_address(bare) else "mac" if _MAC.fullmatch(bare) else None
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        return before + self._replace(kind, bare) + after

    def _is_kept(self, text: str, field: str) -> bool:
        form = KEPT.get(field)
        if form is None or not re.fullmatch(form, text) or _REPLACEMENT.fullmatch(text) or _parse_address(text):
            return False
        return field in _VENDOR_WORDS or not self._holds_replaced_value(text)

    def _holds_replaced_value(self, text: str) -> bool:
        """Tell whether a text is, or contains, a value that is replaced elsewhere."""
        return text in self._replaced_values or any(
            len(value) >= _MIN_UNIQUE_LENGTH and value in text for value in self._replaced_values
        )

    def _redact_field_name(self, name: str) -> str:
        value_like = _MAC.fullmatch(name) or _SERIAL.fullmatch(name) or self._holds_replaced_value(name)
        if name in self._fields or (_FIELD.fullmatch(name) and not value_like):
            return name
        return self._field_names.setdefault(name, f"field-{len(self._field_names) + 1}")

    def _redact_number(self, number: int | Decimal, name: str) -> int | Decimal:
        secret = _normalise_name(name) in REPLACED or _SECRET_NUMBER.search(name)
        return 0 if secret or str(number) in self._replaced_values else number

    def _replace(self, kind: Kind | None, text: str) -> str:
        if kind == "mac" and normalise_mac(text):
            return self._replace_mac(text)
        if text not in self._replacements:
            self._replacements[text] = self._make_replacement(kind, text)
        return self._replacements[text]

    def _make_replacement(self, kind: Kind | None, text: str) -> str:
        match kind:
            case "secret":
                return REDACTED
            case "serial":
                found = _SERIAL.fullmatch(text)
                prefix, digits = (found[1], len(found[2])) if found else ("SN", 5)
                return f"{prefix}{self._next_number('serial') - 1:0{digits}}"
            case "address":
                address = _parse_address(text)
                start = "2001:db8::" if address is not None and address.version == 6 else "192.0.2.0"
                return str(ipaddress.ip_address(start) + self._next_number("address"))
            case "network" | "name":
                return f"{kind}-{self._next_number(kind)}"
            case _:
                return f"text-{self._next_number('text')}"

    def _replace_mac(self, text: str) -> str:
        """Return a made-up MAC address with the same separators and in the same case, since those are facts."""
        made_up = self._macs.setdefault(normalise_mac(text), f"02AB{len(self._macs) + 1:08X}")
        digits = iter(made_up if text.upper() == text else made_up.lower())
        return "".join(character if character in ":-. " else next(digits) for character in text)

    def _next_number(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]


def _normalise_name(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_blank(text: str) -> bool:
    return text in ("", REDACTED, "0.0.0.0", "::")  # noqa: S104 - an address that a camera has not got


def _spellings(text: str) -> set[str]:
    """Return the other ways to write a MAC address."""
    normal = normalise_mac(text)
    separated = {normal.replace(":", separator) for separator in (":", "-", "")} if normal else set()
    return separated | {writing.lower() for writing in separated}


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
