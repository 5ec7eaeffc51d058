"""What became of roll-outs that people look at: which shops each has reached is not read again for every look."""

import asyncio
from collections import OrderedDict
from typing import Final

from gateway.office.office import Office
from gateway.office.rollout_outcome import RolloutLook
from gateway.office.rollout_run import RolloutRun
from gateway.office.shops import ShopList

MAX_KEPT: Final = 10
"""How many roll-outs are kept: the shops of a large one take some megabytes."""


class RolloutLooks:
    """The roll-outs that were looked at last, in memory."""

    def __init__(self, office: Office, shops: ShopList) -> None:
        """Take the connection, and the shops, which are refreshed with each look."""
        self._office = office
        self._shops = shops
        self._runs: OrderedDict[str, tuple[RolloutRun, asyncio.Lock]] = OrderedDict()

    async def look(self, rollout_id: str) -> RolloutLook:
        """Return a roll-out as it is now. Raises `NotFound`, `StateError` and `HeadOfficeUnavailable`."""
        if rollout_id not in self._runs:
            self._runs[rollout_id] = RolloutRun(self._office, self._shops, rollout_id), asyncio.Lock()
        self._runs.move_to_end(rollout_id)
        while len(self._runs) > MAX_KEPT:
            self._runs.popitem(last=False)
        run, turn = self._runs[rollout_id]
        async with turn:  # one look at a time: it may read anew what the other one judges by
            return await run.look()
