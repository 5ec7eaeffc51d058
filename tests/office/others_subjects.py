"""Subjects of others: where neither a shop nor another system of the chain may publish."""

from typing import Final

OTHERS_SUBJECTS: Final = (
    "fleet.v1.shop-2.event.x",
    "fleet.v1.shop-2.flow.2026-11-20",
    "fleet.v1.shop-2.response.1",
    "$KV.reported.shop-2",
    "$KV.desired.chain",
    "$KV.tokens.mine",
    "$KV.office.account",
    "$JS.API.STREAM.PURGE.events",
    "$JS.API.STREAM.DELETE.flow",
    "_INBOX.of-the-office",
)
"""They may not have a server publish there either."""
