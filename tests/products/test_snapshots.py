"""Snapshots of products: what a caller reads is of one moment, and what is kept is little."""

import asyncio

import pytest

from gateway.errors import Conflict, TooLarge
from gateway.products import snapshots
from gateway.products.snapshots import BLOCK, PackedProducts, ProductSnapshots, pack_products


class Shelf:
    """Products that have other numbers each time they are loaded."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.loads = 0

    async def load(self, max_bytes: int) -> PackedProducts | None:
        self.loads += 1
        rows = [b'{"id":"%d of %d"}' % (number, self.loads) for number in range(self.count)]
        blocks = [pack_products(rows[begin : begin + BLOCK]) for begin in range(0, self.count, BLOCK)]
        packed = PackedProducts(self.count, blocks)
        return packed if packed.size <= max_bytes else None


async def read_all(kept: ProductSnapshots, caller: str, size: int) -> list[bytes]:
    total, rows = await kept.read_page(caller, 1, size)
    for number in range(2, -(-total // size) + 1):
        rows += (await kept.read_page(caller, number, size))[1]
    return rows


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize("size", [1, 7, 100, 130, 1000])
async def test_pages_are_all_products_once(count: int, size: int) -> None:
    rows = await read_all(ProductSnapshots(Shelf(count).load), "a", size)
    assert rows == [b'{"id":"%d of 1"}' % number for number in range(count)]


async def test_callers_have_snapshots_of_their_own_and_share_one_if_they_have_none() -> None:
    kept = ProductSnapshots(Shelf(3).load)
    await kept.read_page("a", 1, 1)
    await kept.read_page("b", 1, 1)
    assert (await kept.read_page("a", 2, 1))[1] == [b'{"id":"1 of 1"}']
    assert (await kept.read_page("b", 2, 1))[1] == [b'{"id":"1 of 2"}']
    assert (await kept.read_page("c", 3, 1))[1] == [b'{"id":"2 of 2"}'], "a cloud calls from several addresses"
    with pytest.raises(Conflict):
        await kept.read_page("a", 2, 2)
    await kept.read_page("a", 1, 1)
    assert (await kept.read_page("a", 2, 1))[1] == [b'{"id":"1 of 3"}'], "page 1 begins anew"


async def test_only_a_few_are_kept() -> None:
    kept = ProductSnapshots(Shelf(3).load)
    for size in range(1, snapshots.MAX_SNAPSHOTS + 2):
        await kept.read_page("a", 1, size)
    with pytest.raises(Conflict):
        await kept.read_page("a", 2, 1)
    assert await kept.read_page("a", 2, 2)


async def test_they_take_little_memory_together() -> None:
    shelf = Shelf(250)
    packed = await shelf.load(10**9)
    assert packed is not None
    kept = ProductSnapshots(shelf.load, max_bytes=packed.size * 3 // 2)
    await kept.read_page("a", 1, 1)
    await kept.read_page("b", 1, 2)
    with pytest.raises(Conflict):
        await kept.read_page("a", 2, 1)
    with pytest.raises(TooLarge, match="take more than the"):
        await ProductSnapshots(shelf.load, max_bytes=packed.size - 50).read_page("a", 1, 1)


async def test_one_that_nobody_reads_is_forgotten() -> None:
    kept = ProductSnapshots(Shelf(3).load, idle_s=0)
    await kept.read_page("a", 1, 1)
    with pytest.raises(Conflict):
        await kept.read_page("a", 2, 1)
    await asyncio.sleep(0)
    assert not kept._snapshots
