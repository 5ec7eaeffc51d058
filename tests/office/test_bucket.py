"""Buckets on three servers, where a change takes a moment until it is stored."""

import asyncio
from pathlib import Path

from gateway.fleet.subjects import CHAIN_KEY, DESIRED
from gateway.office.bucket import Bucket, RevisionConflict
from gateway.office.desired import DesiredBucket
from tests.fleet.cluster import HeadOffice

CHANGES = 6


async def test_many_change_one_key_at_the_same_time_and_nobody_is_told_that_servers_are_away(tmp_path: Path) -> None:
    head = HeadOffice(tmp_path)
    try:
        await head.start()
        async with head.connect() as first, head.connect() as second:
            buckets = [DesiredBucket(office) for office in (first, second)]
            numbers = range(CHANGES)
            await asyncio.gather(
                *(buckets[number % 2].change(CHAIN_KEY, {f"settings.s{number}.key": number}) for number in numbers)
            )
            document = await buckets[0].get(CHAIN_KEY)
            assert document.document["settings"] == {f"s{number}": {"key": number} for number in numbers}
            # Of those that replace the same revision at the same moment, one wins.
            revision = document.revision
            replaced = await asyncio.gather(
                *(Bucket(first, DESIRED).put(CHAIN_KEY, b"{}", revision) for _ in numbers), return_exceptions=True
            )
            won = [one for one in replaced if isinstance(one, int)]
            assert len(won) == 1
            assert won[0] > revision
            assert {type(one) for one in replaced if not isinstance(one, int)} == {RevisionConflict}
    finally:
        await head.stop()
