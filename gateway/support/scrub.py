"""Keeping secrets out of text: those that are known, in every writing, and what looks like one."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import quote, quote_plus

from gateway.api.token_table import PREFIX
from gateway.protocol.endpoint import REDACTED
from gateway.settings import Settings

_SHORTEST: Final = 3
"""A shorter secret protects nothing, and would be found in every word."""
_NAMES: Final = (
    r"[A-Za-z0-9_-]*(?:password|passwd|psk|secret|secret_key|activation_number|authorization|api_key|token|sign)"
)
_PATTERNS: Final = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(rf"{re.escape(PREFIX)}[A-Za-z0-9_-]{{8,}}"),
    re.compile(r"(?<=\bBearer )\S+", re.IGNORECASE),
    re.compile(rf"(?<![A-Za-z0-9_])({_NAMES}[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&}}\"']+)", re.IGNORECASE),
)


def setting_secrets(settings: Settings) -> set[str]:
    """Return the secrets among the settings: those that do not show in their `repr`."""
    return {
        str(getattr(section, key))
        for section in (getattr(settings, name) for name in Settings.model_fields)
        for key, field in type(section).model_fields.items()
        if not field.repr
    }


def masked_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON, with a mask for each secret that is set."""
    document = settings.model_dump(mode="json")
    for name in Settings.model_fields:
        for key, field in type(getattr(settings, name)).model_fields.items():
            if not field.repr and document[name][key]:
                document[name][key] = REDACTED
    return document


def scrubber(known: Iterable[str]) -> Callable[[str], str]:
    """Return what takes the known secrets, and all that looks like one, out of a text."""
    writings = {one for secret in known if len(secret) >= _SHORTEST for one in _writings(secret)}
    exact = (
        re.compile("|".join(map(re.escape, sorted(writings, key=len, reverse=True))), re.IGNORECASE)
        if writings
        else None
    )

    def scrub(text: str) -> str:
        if exact is not None:
            text = exact.sub(REDACTED, text)
        for pattern in _PATTERNS:
            text = pattern.sub(lambda found: (found[1] if found.re.groups else "") + REDACTED, text)
        return text

    return scrub


def _writings(secret: str) -> set[str]:
    """Return a secret as it may stand in a log, in JSON, in a form or in a shell."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
    }


def scrubbed(value: Any, scrub: Callable[[str], str]) -> Any:
    """Return a JSON document with every text in it scrubbed."""
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {scrub(str(name)): scrubbed(inner, scrub) for name, inner in value.items()}
    if isinstance(value, list):
        return [scrubbed(inner, scrub) for inner in value]
    return value
