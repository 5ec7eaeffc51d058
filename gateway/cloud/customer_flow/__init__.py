"""Customer flow: how many customers came to a shop, merged from ten endpoints of the cloud, and cached."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from gateway.cloud.client import CloudClient
from gateway.cloud.customer_flow.cache import ResponseCache
from gateway.cloud.customer_flow.fetcher import MAX_WAIT_S, MIN_INTERVAL_S, Fetcher
from gateway.cloud.customer_flow.history import History
from gateway.cloud.customer_flow.shop import choose_shop
from gateway.cloud.customer_flow.table import FlowTable
from gateway.cloud.customer_flow.today import Today
from gateway.runtime.supervisor import Supervisor

__all__ = ["CustomerFlow"]


class CustomerFlow:
    """The customer flow of the shops of one account."""

    def __init__(
        self,
        cloud: CloudClient,
        table: FlowTable,
        supervisor: Supervisor,
        *,
        default_shop: Mapping[str, str],
        min_interval_s: float = MIN_INTERVAL_S,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        """Take the shop to use if a caller names none, as parameters of a call.

        Numbers that change are fetched at most every `min_interval_s` seconds. A caller waits at most `max_wait_s`
        seconds for new numbers if there are cached ones.
        """
        self._fetcher = Fetcher(cloud, supervisor, min_interval_s=min_interval_s, max_wait_s=max_wait_s)
        self._default_shop = default_shop
        cache = ResponseCache(table, cloud.clock)
        self._today = Today(self._fetcher, cache)
        self._history = History(self._fetcher, cache)

    async def close(self) -> None:
        """Cancel what is being fetched."""
        await self._fetcher.close()

    async def today(self, shop: Mapping[str, str], *, anew: bool = False) -> dict[str, Any]:
        """Return the customer flow of today as JSON. `shop` holds `shop_id` or `sunmi_shop_no`.

        With `anew` it is fetched however short ago it was: a person looks whether that works now.

        Raises `InvalidRequest`, and what `CloudClient.call` raises if nothing is cached either.
        """
        return await self._today.get(choose_shop(shop, self._default_shop), anew=anew)

    async def history(self, shop: Mapping[str, str], first: date, last: date) -> dict[str, Any]:
        """Return the customer flow from the first to the last day as JSON. `shop` is as in `today`.

        Raises `InvalidRequest`, and what `CloudClient.call` raises if nothing is cached either.
        """
        return await self._history.get(choose_shop(shop, self._default_shop), first, last)
