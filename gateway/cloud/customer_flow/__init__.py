"""Customer flow at hand: what the ten endpoints of the cloud tell, merged and kept."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from gateway.cloud.client import CloudClient
from gateway.cloud.customer_flow.fetcher import PATIENCE_S, PAUSE_S, Asking, chosen_shop
from gateway.cloud.customer_flow.history import History
from gateway.cloud.customer_flow.table import FlowTable
from gateway.cloud.customer_flow.today import Today

__all__ = ["CustomerFlow"]


class CustomerFlow:
    """How many customers came, and of which kind. `shop` holds the keys of the shop that is meant if none is named.

    The cloud is asked for changing numbers every `pause_s` seconds at most; a caller who can have remembered ones waits
    `patience_s` for new ones.
    """

    def __init__(
        self,
        cloud: CloudClient,
        table: FlowTable,
        shop: Mapping[str, str],
        *,
        pause_s: float = PAUSE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._asking = Asking(cloud, pause_s=pause_s, patience_s=patience_s)
        self._shop = shop
        self._today = Today(self._asking, table)
        self._history = History(self._asking, table)

    async def close(self) -> None:
        """Stop asking."""
        await self._asking.close()

    async def today(self, shop: Mapping[str, str]) -> dict[str, Any]:
        """Return the present day of a shop, named by one of its keys, as JSON.

        Raises `InvalidRequest` and, where nothing is remembered either, what the cloud's client raises.
        """
        return await self._today.get(chosen_shop(shop, self._shop))

    async def history(self, shop: Mapping[str, str], first: date, last: date) -> dict[str, Any]:
        """Return the days from `first` to `last` of a shop, named by one of its keys, as JSON.

        Raises `InvalidRequest` and, where nothing is kept either, what the cloud's client raises.
        """
        return await self._history.get(chosen_shop(shop, self._shop), first, last)
