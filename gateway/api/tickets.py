"""Tickets: what a browser shows in the query of the event stream, because its EventSource cannot send a header.

A ticket opens the events alone, for half a day of running time, since EventSource reconnects with the same address,
also to a gateway that was started again. It ends with the token that it was made with.
"""

import base64
import hashlib
import hmac
from typing import Final

from gateway.api.token_table import TokenTable
from gateway.errors import Conflict, Unauthorized
from gateway.protocol.endpoint import Scope

VALID_S: Final = 12 * 3600


class Tickets:
    """Makes tickets and checks them; `key` signs them. Times are running time, which no change of the clock moves."""

    def __init__(self, tokens: TokenTable, key: bytes) -> None:
        self._tokens = tokens
        self._key = key

    def make(self, token: str, now_s: float) -> str:
        """Return a ticket of the token with this name. Raises `Conflict` for the local socket, which has none."""
        if self._tokens.find_by_name(token) is None:
            raise Conflict("a ticket is made with a token: call this with one that `sunmi-gateway token create` made")
        return self._signed(token, int(now_s) + VALID_S)

    def check(self, ticket: str, now_s: float) -> tuple[str, Scope]:
        """Return name and scope of the token that a ticket was made with. Raises `Unauthorized`."""
        encoded, _, _ = ticket.partition(".")
        try:
            ends, _, token = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode().partition(":")
            right = self._signed(token, int(ends))
        except ValueError as exc:
            raise _refusal() from exc
        known = self._tokens.find_by_name(token)
        if not hmac.compare_digest(right.encode(), ticket.encode("utf-8", "replace")) or known is None:
            raise _refusal()
        if now_s > int(ends):
            raise Unauthorized("the ticket has expired; POST /api/v1/events/tickets makes another")
        record, _ = known
        return record.name, record.scope

    def _signed(self, token: str, ends: int) -> str:
        known = self._tokens.find_by_name(token)
        encoded = base64.urlsafe_b64encode(f"{ends}:{token}".encode()).decode().rstrip("=")
        # With its hash, so that another token of the same name does not revive a ticket.
        signed = f"{encoded}:{known[1] if known else ''}"
        signature = hmac.new(self._key, signed.encode(), hashlib.sha256).hexdigest()
        return f"{encoded}.{signature}"


def _refusal() -> Unauthorized:
    return Unauthorized("the ticket is not valid; POST /api/v1/events/tickets makes one")
