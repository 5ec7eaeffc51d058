"""One attempt to send an event to a webhook, signed as the Standard Webhooks specification says."""

import base64
import hashlib
import hmac
import secrets
from typing import Final, NamedTuple

import aiohttp

from firmware_tools.language import describe_error, message, shorten
from gateway.errors import InvalidRequest
from gateway.events.webhooks.address import AddressPolicy
from gateway.events.webhooks.table import Webhook

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  as the specification writes secrets
TIMEOUT_S: Final = 10.0
"""How long an attempt takes at most."""
_CONNECT_TIMEOUT_S: Final = 5.0
_MAX_REASON_LENGTH: Final = 300
_RETRIABLE_STATUSES: Final = (408, 429)
_GONE: Final = 410


class AttemptOutcome(NamedTuple):
    """The outcome of an attempt."""

    status: int | None
    """The HTTP status; None if there was no response."""
    failure: str | None
    """Why it failed; None if it did not."""

    @property
    def is_rejection(self) -> bool:
        """Whether somebody was there and did not want it. It may be a till that is being set up or updated."""
        return self.status is not None and 300 <= self.status < 500 and self.status not in _RETRIABLE_STATUSES

    @property
    def is_final(self) -> bool:
        """Whether the till says that it will not take it, now or later (Standard Webhooks: 410)."""
        return self.status == _GONE


def create_secret() -> str:
    """Return a new secret, by which a till checks signatures."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign_body(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`. Raises `ValueError` (secret)."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    digest = hmac.new(key, b"%b.%d.%b" % (event_id.encode(), timestamp, body), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


async def send(
    http: aiohttp.ClientSession, webhook: Webhook, policy: AddressPolicy, event_id: str, body: bytes, now: float
) -> AttemptOutcome:
    """Send a body once; `now` is the time in Unix seconds."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "sunmi-gateway",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": sign_body(webhook.secret, event_id, int(now), body),
    }
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, connect=_CONNECT_TIMEOUT_S)
    try:
        policy.check_url(webhook.url)  # the gateway's own addresses may have changed
        async with http.post(
            webhook.url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            status = response.status
    except TimeoutError:
        return AttemptOutcome(None, message("it did not answer in time"))
    except (aiohttp.ClientError, OSError) as exc:
        return AttemptOutcome(
            None, message("it cannot be reached: {reason}", reason=shorten(describe_error(exc), _MAX_REASON_LENGTH))
        )
    except InvalidRequest as exc:
        return AttemptOutcome(None, exc.detail)
    return AttemptOutcome(
        status, None if 200 <= status < 300 else message("it answered with HTTP status {status}", status=status)
    )
