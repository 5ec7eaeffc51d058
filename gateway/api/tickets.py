"""Tickets of streams: a browser's EventSource or WebSocket cannot send a header, so it shows a ticket in the query.

A ticket is good for reading events and pictures, for half a day of uptime: EventSource reconnects with the same URL,
also to a gateway that was restarted. It ends with the token that it was created with.
"""

import base64
import hashlib
import hmac
from typing import Final

from firmware_tools.language import message
from gateway.access.token_table import TokenTable
from gateway.errors import Conflict, Unauthorized
from gateway.protocol.endpoint import Scope

VALID_S: Final = 12 * 3600
"""How long a ticket is valid, in seconds of uptime."""


class Tickets:
    """Creates and checks tickets."""

    def __init__(self, tokens: TokenTable, key: bytes) -> None:
        """Take the tokens, and the key that signs tickets."""
        self._tokens = tokens
        self._key = key

    def create(self, token: str, uptime_s: float) -> str:
        """Return a ticket of the token with this name. Raises `Conflict` for the local socket, which has no token."""
        if self._tokens.find_by_name(token) is None:
            raise Conflict(
                message("a ticket is made with a token: call this with one that `sunmi-gateway token create` made")
            )
        return self._sign(token, int(uptime_s) + VALID_S)

    def check(self, ticket: str, uptime_s: float) -> tuple[str, frozenset[Scope]]:
        """Return name and scopes of the token that a ticket was created with. Raises `Unauthorized`."""
        encoded, _, _ = ticket.partition(".")
        try:
            ends, _, token = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode().partition(":")
            expected = self._sign(token, int(ends))
        except ValueError as exc:
            raise _invalid_ticket() from exc
        known = self._tokens.find_by_name(token)
        if not hmac.compare_digest(expected.encode(), ticket.encode("utf-8", "replace")) or known is None:
            raise _invalid_ticket()
        if uptime_s > int(ends):
            raise Unauthorized(message("the ticket has expired; POST /api/v1/events/tickets makes another"))
        record, _ = known
        return record.name, record.granted

    def _sign(self, token: str, ends: int) -> str:
        """Return a ticket: what it says, and the signature."""
        known = self._tokens.find_by_name(token)
        encoded = base64.urlsafe_b64encode(f"{ends}:{token}".encode()).decode().rstrip("=")
        # With its hash, so that another token of the same name does not revive a ticket.
        signed = f"{encoded}:{known[1] if known else ''}"
        signature = hmac.new(self._key, signed.encode(), hashlib.sha256).hexdigest()
        return f"{encoded}.{signature}"


def _invalid_ticket() -> Unauthorized:
    return Unauthorized(message("the ticket is not valid; POST /api/v1/events/tickets makes one"))
