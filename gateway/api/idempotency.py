"""The header `Idempotency-Key`, with which a call can be repeated after a response that got lost."""

from typing import Final

from aiohttp import web

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest

MAX_KEY_LENGTH: Final = 255
"""How many characters an idempotency key may have."""


def parse_idempotency_key(request: web.Request) -> str | None:
    """Return the key of a request; None if it has none. Raises `InvalidRequest`."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY_LENGTH and key.isprintable()):
        raise InvalidRequest(
            [
                FieldError(
                    "Idempotency-Key",
                    message("must have 1 to {max_key_length} printable characters", max_key_length=MAX_KEY_LENGTH),
                )
            ]
        )
    return key
