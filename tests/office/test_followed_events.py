"""`office events --follow`: what it prints while servers go away and come back."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator

import pytest

from gateway.fleet.subjects import event_subject
from tests.fleet.cluster import HeadOffice

MANY = 5000
"""Events of more than two batches."""


class Follower:
    """The command as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def read_numbers(self, count: int) -> list[int]:
        """Return the numbers of the next events."""
        assert self._process.stdout is not None
        return [json.loads(await self._process.stdout.readline())["event"]["n"] for _ in range(count)]

    async def read_message(self) -> str:
        """Return the next line of standard error."""
        assert self._process.stderr is not None
        return (await self._process.stderr.readline()).decode()


@contextlib.asynccontextmanager
async def follow(office: HeadOffice, kind: str) -> AsyncIterator[Follower]:
    command = ("-m", "tests.office.impatient_office", "office", "events", "--follow", "--type", kind, "--json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, "--folder", str(office.chain.path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        follower = Follower(process)
        assert "waiting for events" in await follower.read_message()
        yield follower
    finally:
        process.kill()
        _, said = await process.communicate()
    assert said == b""


async def send(office: HeadOffice, kind: str, *numbers: int) -> None:
    async with office.client() as client:
        jetstream = client.jetstream(timeout=60)
        stored = [
            await jetstream.publish_async(event_subject("shop-1", kind), json.dumps({"n": number}).encode())
            for number in numbers
        ]
        await asyncio.gather(*stored)


async def test_it_goes_on_when_the_servers_are_back_and_loses_and_repeats_nothing(office: HeadOffice) -> None:
    await send(office, "x.y", 1, 2)
    async with follow(office, "x.y") as follower:
        assert await follower.read_numbers(2) == [1, 2]
        await office.nodes[0].kill()
        assert "no events come until the servers answer again: " in await follower.read_message()
        await office.nodes[0].start()
        await send(office, "x.y", 3, 4)
        assert "the servers answer again" in await follower.read_message()
        assert await follower.read_numbers(2) == [3, 4]
        await send(office, "x.y", 5)
        assert await follower.read_numbers(1) == [5]


@pytest.mark.slow
async def test_what_it_has_printed_before_it_was_cut_short_is_not_repeated(office: HeadOffice) -> None:
    await send(office, "many.x", *range(MANY))
    async with follow(office, "many.x") as follower:
        assert await follower.read_numbers(10) == [*range(10)]
        await office.nodes[0].kill()  # the command waits meanwhile: nobody reads what it prints
        assert await follower.read_numbers(1000) == [*range(10, 1010)]
        reading = asyncio.ensure_future(follower.read_numbers(MANY - 1010))
        assert "no events come until the servers answer again: " in await follower.read_message()
        await office.nodes[0].start()
        assert "the servers answer again" in await follower.read_message()
        assert await reading == [*range(1010, MANY)]
        await send(office, "many.x", MANY)
        assert await follower.read_numbers(1) == [MANY]
