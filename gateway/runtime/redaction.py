"""Redaction of secrets in text: known values in every usual encoding, and what looks like a secret.

It is the last step before a log or a support bundle. No part logs secrets on purpose; but an exception of a library may
repeat its input.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import quote, quote_plus

from gateway.protocol.endpoint import REDACTED

_MIN_LENGTH: Final = 3
"""Shorter values would be found in ordinary words."""
_NAMES: Final = (
    r"(?:password|passwd|secret_?key|secret|activation_?number|authorization)"  # also at the end of a longer name
    r"|(?<![a-z0-9])(?:sign|key|pass|passphrase|pwd|psk|token|ticket)"
)
# A log may hold long texts of others. So no pattern may begin at each character of a run and read to the run's end.
_TOKENS: Final = re.compile(
    r"sg[ws]_[A-Za-z0-9_-]+"  # of callers, and of sessions of the console
    r"|whsec_[A-Za-z0-9+/=_-]+"  # of webhooks
    r"|(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{12,}\.[0-9a-f]{64}"  # tickets of the event stream
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)
_CREDENTIALS: Final = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
_NAMED: Final = re.compile(
    rf"""(?ix) ({_NAMES}) (\\?["']?\s*[:=]\s*)
    (?: b?\\?"(?:[^"\\]|\\.)*\\?" | b?\\?'(?:[^'\\]|\\.)*\\?' | [^\s,;&}}\])]+ )"""
)
"""A name and a value, as in forms, JSON, Python's `repr` and settings files."""


class Redactor:
    """Replaces secrets in text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Take the secrets that are known from the start."""
        self._encodings: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.add_secrets(secrets)

    def add_secrets(self, values: Iterable[str]) -> None:
        """Redact these values from now on. Values of one or two characters are ignored."""
        for value in values:
            if len(value) >= _MIN_LENGTH:
                self._encodings |= _encodings(value)
        longest_first = sorted(self._encodings, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if longest_first else None

    def redact(self, text: str) -> str:
        """Return a text without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        text = _TOKENS.sub(REDACTED, text)
        text = _CREDENTIALS.sub(rf"\1 {REDACTED}", text)
        return _NAMED.sub(rf"\1\2{REDACTED}", text)

    def redact_document(self, value: Any) -> Any:
        """Return a JSON document without secrets in its texts and names."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact(str(name)): self.redact_document(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.redact_document(element) for element in value]
        return value


def _encodings(value: str) -> set[str]:
    """Return a value as it may stand in a log, in JSON, in a form or in a shell."""
    return {
        value,
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        repr(value.encode())[2:-1],
    }
