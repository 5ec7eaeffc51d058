"""What a capture may tell: one table that says, by a field's name, what is kept and what stands in for the rest.

Nothing is kept because it looks harmless: text is kept only in a field of `KEPT`, and only in that field's form. The
same value has the same stand-in throughout a document, and redacting a redacted document again changes nothing.
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
}  # fmt: skip
"""What stands in for a value, by the field's name in lower case without `_` and `-`; 0 stands in for a number."""

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

_VENDORS_WORDS: Final = {"code", "modelname", "model", "keymgmt", "angles"}
"""Fields whose form has room for the vendor's own words only: kept even if a camera or a network is named like one."""
_SECRET_NUMBER: Final = re.compile(r"(?i:pass|pwd|psk|secret|token|phone)|(^|_)(id|pin|no)$|[a-z](Id|ID|Pin|No)$")
_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_STAND_IN: Final = re.compile(r"(network|name|text|field)-[0-9]+")
_SERIAL: Final = re.compile(r"([A-Z]{1,2}[0-9]{3}(?:[0-9A-Z]{0,3}[A-Z])?)([0-9]{4,8})")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}([:. -]?[0-9A-Fa-f]{2}){5}")
_TELLING: Final = 4
"""How long a value is that cannot be part of another one by chance."""
_DEEPEST: Final = 32


class CaptureRedactor:
    """Redacts the documents of one capture, all of which have to be learned before the first one is redacted.

    `fields` are the names that the vendor documents; another name is replaced too where it may be a value.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self._fields = {*fields, "code", "msg", "data"}
        self._stand_ins: dict[str, str] = {}
        self._field_names: dict[str, str] = {}
        self._macs: dict[str, str] = {}
        self._told: set[str] = set()
        self._counts: dict[str, int] = {}

    def learn(self, value: Any, name: str = "", depth: int = 0) -> None:
        """Note what must appear nowhere, because it stands in a field of `REPLACED`."""
        kind = REPLACED.get(_plain(name))
        if isinstance(value, Mapping) and depth < _DEEPEST:
            for inner, inside in value.items():
                self.learn(inside, name if kind == "secret" else inner, depth + 1)
        elif isinstance(value, list) and depth < _DEEPEST:
            for inside in value:
                self.learn(inside, name, depth + 1)
        elif kind is not None and isinstance(value, str) and not _says_nothing(value.strip()):
            self._told |= {value.strip(), *_writings(value)}
            self._replace(kind, value.strip())
        elif kind is not None and _is_number(value) and len(str(value)) >= _TELLING:
            self._told.add(str(value))

    def redact(self, value: Any, name: str = "", depth: int = 0) -> Any:
        """Return a copy of JSON in which only numbers, the fields' names and what `KEPT` allows are left."""
        if depth > _DEEPEST:
            return REDACTED
        if isinstance(value, Mapping):
            secret = REPLACED.get(_plain(name)) == "secret"
            return {
                self._field(inner): self.redact(inside, name if secret else inner, depth + 1)
                for inner, inside in value.items()
            }
        if isinstance(value, list):
            return [self.redact(inside, name, depth + 1) for inside in value]
        if isinstance(value, str):
            return self.text(value, name)
        return self._number(value, name) if _is_number(value) else value

    def text(self, text: str, name: str) -> str:
        """Return what stands for a text in the field `name`; blanks around it stay, they are facts too."""
        bare, plain = text.strip(), _plain(name)
        if _says_nothing(bare) or self._may_stay(bare, plain):
            return text
        kind = REPLACED.get(plain)
        if kind is None:
            kind = "address" if _address(bare) else "mac" if _MAC.fullmatch(bare) else None
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        return before + self._replace(kind, bare) + after

    def _may_stay(self, text: str, plain: str) -> bool:
        form = KEPT.get(plain)
        if form is None or not re.fullmatch(form, text) or _STAND_IN.fullmatch(text) or _address(text):
            return False
        return plain in _VENDORS_WORDS or not self._is_told(text)

    def _is_told(self, text: str) -> bool:
        """Tell whether a text is, or holds, a value that is replaced elsewhere."""
        return text in self._told or any(len(told) >= _TELLING and told in text for told in self._told)

    def _field(self, name: str) -> str:
        value_like = _MAC.fullmatch(name) or _SERIAL.fullmatch(name) or self._is_told(name)
        if name in self._fields or (_FIELD.fullmatch(name) and not value_like):
            return name
        return self._field_names.setdefault(name, f"field-{len(self._field_names) + 1}")

    def _number(self, number: int | Decimal, name: str) -> int | Decimal:
        secret = _plain(name) in REPLACED or _SECRET_NUMBER.search(name) or str(number) in self._told
        return 0 if secret else number

    def _replace(self, kind: Kind | None, text: str) -> str:
        if kind == "mac" and normalise_mac(text):
            return self._mac(text)
        if text not in self._stand_ins:
            self._stand_ins[text] = self._stand_in(kind, text)
        return self._stand_ins[text]

    def _stand_in(self, kind: Kind | None, text: str) -> str:
        match kind:
            case "secret":
                return REDACTED
            case "serial":
                found = _SERIAL.fullmatch(text)
                prefix, digits = (found[1], len(found[2])) if found else ("SN", 5)
                return f"{prefix}{self._count('serial') - 1:0{digits}}"
            case "address":
                address = _address(text)
                start = "2001:db8::" if address is not None and address.version == 6 else "192.0.2.0"
                return str(ipaddress.ip_address(start) + self._count("address"))
            case "network" | "name":
                return f"{kind}-{self._count(kind)}"
            case _:
                return f"text-{self._count('text')}"

    def _mac(self, text: str) -> str:
        """Return a made-up MAC in the same writing: its separators and its case are facts."""
        made_up = self._macs.setdefault(normalise_mac(text), f"02AB{len(self._macs) + 1:08X}")
        digits = iter(made_up if text.upper() == text else made_up.lower())
        return "".join(character if character in ":-. " else next(digits) for character in text)

    def _count(self, kind: str) -> int:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._counts[kind]


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _says_nothing(text: str) -> bool:
    return text in ("", REDACTED, "0.0.0.0", "::")  # noqa: S104 - an address that a camera has not got


def _writings(text: str) -> set[str]:
    """Return the other ways to write a MAC address."""
    normal = normalise_mac(text)
    separated = {normal.replace(":", separator) for separator in (":", "-", "")} if normal else set()
    return separated | {writing.lower() for writing in separated}


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
