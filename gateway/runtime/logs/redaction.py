"""The last line before a log: what must not be read there is replaced, whoever wrote it.

Nobody logs secrets in the first place; this is for the message of a library, or an exception that repeats its input.
"""

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

from gateway.protocol.endpoint import REDACTED

_SHORTEST: Final = 3
"""Shorter values cannot be told from other text."""
_NAMES: Final = (
    r"sign|secret(?:_?key)?|key|pass(?:word|wd|phrase)?|pwd|psk|token|ticket|authorization|activation_?number"
    r"|client_certificate_password"
)
_TOKENS: Final = re.compile(
    r"sgw_[A-Za-z0-9_-]+"  # of callers
    r"|whsec_[A-Za-z0-9+/=_-]+"  # of webhooks
    r"|[A-Za-z0-9_-]{12,}\.[0-9a-f]{64}"  # tickets of the event stream
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
_NAMED: Final = re.compile(
    rf"""(?ix) (?<![a-z0-9]) ({_NAMES}) (\\?["']?\s*[:=]\s*)
    (?: b?\\?"(?:[^"\\]|\\.)*\\?" | b?\\?'(?:[^'\\]|\\.)*\\?' | [^\s,;&}}\])]+ )"""
)
"""A name and a value as in forms, JSON, Python's own writing and settings files."""


class Redactor:
    """Knows values that must not be read, and the look of others."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def add_secrets(self, values: Iterable[str]) -> None:
        """Hide these values too, in every usual writing."""
        for value in values:
            if len(value) >= _SHORTEST:
                self._values |= {value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]}
                self._values.add(json.dumps(value, ensure_ascii=False)[1:-1])
                self._values |= {repr(value)[1:-1], repr(value.encode())[2:-1]}
        longest_first = sorted(self._values, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def redact(self, text: str) -> str:
        """Return a text in which the mask stands for every secret."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        text = _TOKENS.sub(REDACTED, text)
        text = _BEARER.sub(rf"\1 {REDACTED}", text)
        return _NAMED.sub(rf"\1\2{REDACTED}", text)
