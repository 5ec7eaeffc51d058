"""Snapshots of the products as the shop wants them, for a caller who reads them in pages while they change.

Whoever asks for page 1 gets a snapshot of that moment, and its other pages from the same one. Nothing in a request
names it: it belongs to the caller's address and the size of its pages. A caller with several addresses, as a cloud
has, reads on in the newest one of that size. Snapshots are packed and in memory: few, small, and gone after a while.
Where one is gone, as after a restart, the caller has to begin anew: pages of two snapshots would lose products.
"""

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_tools.language import message
from gateway.errors import Conflict, TooLarge

MAX_SNAPSHOTS: Final = 4
MAX_BYTES: Final = 16 * 1024 * 1024
"""All of them together, packed."""
IDLE_S: Final = 3600.0
"""How long a snapshot is kept that nobody reads."""
BLOCK: Final = 100
"""How many products are packed together."""


@dataclass(frozen=True, slots=True)
class PackedProducts:
    """Many products."""

    total: int
    """How many."""
    blocks: Sequence[bytes]
    """Blocks of `BLOCK` of them, packed: the JSON of each on a line."""

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return sum(map(len, self.blocks))

    def select(self, begin: int, end: int) -> list[bytes]:
        """Return the JSON of the products from one place to another, which is no longer part of it."""
        first, end = begin // BLOCK, min(end, self.total)
        blocks = self.blocks[first : (end + BLOCK - 1) // BLOCK] if begin < end else []
        rows = [row for block in blocks for row in zlib.decompress(block).split(b"\n")]
        return rows[begin - first * BLOCK : end - first * BLOCK]


def pack_products(rows: Sequence[bytes]) -> bytes:
    """Pack the JSON of some products, none of which has a line break."""
    return zlib.compress(b"\n".join(rows), 1)


class ProductSnapshots:
    """The snapshots that callers read now."""

    def __init__(
        self,
        load: Callable[[int], Awaitable[PackedProducts | None]],
        *,
        max_bytes: int = MAX_BYTES,
        idle_s: float = IDLE_S,
    ) -> None:
        """`load` returns the products as they are wanted now; None if they take more bytes than it is given."""
        self._load = load
        self._max_bytes = max_bytes
        self._idle_s = idle_s
        self._snapshots: OrderedDict[tuple[str, int], tuple[PackedProducts, float]] = OrderedDict()
        """By caller and size of pages, the one that was read longest ago first, with when that was."""
        self._loading = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None

    async def read_page(self, caller: str, number: int, size: int) -> tuple[int, list[bytes]]:
        """Return how many products there are, and the JSON of those on a page; the first one is number 1.

        Raises `Conflict` if the caller has to begin with page 1, `TooLarge` if the products do not fit into memory,
        and `StateError`.
        """
        if number == 1:
            async with self._loading:
                products = await self._take(caller, size)
        else:
            products = self._find(caller, size)
        self._snapshots[caller, size] = products, self._now()
        self._snapshots.move_to_end((caller, size))
        self._trim()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._trim_later)
        return products.total, products.select((number - 1) * size, number * size)

    async def _take(self, caller: str, size: int) -> PackedProducts:
        self._snapshots.pop((caller, size), None)
        products = await self._load(self._max_bytes)
        if products is None:
            raise TooLarge(
                message("the products take more than the {max_bytes} bytes of a snapshot", max_bytes=self._max_bytes)
            )
        return products

    def _find(self, caller: str, size: int) -> PackedProducts:
        self._trim()
        own = self._snapshots.get((caller, size))
        if own is not None:
            return own[0]
        for (_, known_size), (products, _) in reversed(self._snapshots.items()):
            if known_size == size:
                return products
        raise Conflict(
            message("this gateway has no list any more of which that is a page; begin again with page_num 1")
        )

    def _trim_later(self) -> None:
        self._trim()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._idle_s, self._trim_later) if self._snapshots else None

    def _trim(self) -> None:
        """Forget what nobody has read for long, and what is too much."""
        now = self._now()
        while self._snapshots:
            _, read_at = next(iter(self._snapshots.values()))
            kept = {id(one): one.size for one, _ in self._snapshots.values()}
            is_idle = now - read_at >= self._idle_s
            if not is_idle and len(self._snapshots) <= MAX_SNAPSHOTS and sum(kept.values()) <= self._max_bytes:
                break
            self._snapshots.popitem(last=False)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
