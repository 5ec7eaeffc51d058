"""Correcting an item that the cloud refused."""

from collections.abc import Mapping
from typing import Any

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.outbox.batching import split
from gateway.outbox.item import OutboxItem
from gateway.outbox.outbox import Outbox
from gateway.outbox.submission import check_sizes


async def edit_item_parameters(
    outbox: Outbox, item: OutboxItem, parameters: Mapping[str, Any], shop: Mapping[str, str]
) -> None:
    """Give a refused or expired item new parameters, and send it again. `shop` are the keys of the settings' shop.

    Raises `InvalidRequest`, `TooLarge`, and `Conflict` if the item is in another state.
    """
    call = item.queued_endpoint.encode(parameters, files=await outbox.files(item.sequence), defaults=shop)
    shared, edited = split(outbox.accounts.current.without_shop(call))
    if len(edited) != 1:
        raise InvalidRequest([FieldError("parameters", message("must hold one item, not {count}", count=len(edited)))])
    check_sizes(call.endpoint, edited)
    await outbox.edit(item.sequence, shared, outbox.label_names.complete(edited[0], call.fields))
