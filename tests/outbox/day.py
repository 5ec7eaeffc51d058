"""A day at the shop: tills at work on a gateway that keeps dying, until the last order has arrived."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from tests.outbox.cloud import ObservedCloud
from tests.outbox.process import GatewayProcess
from tests.outbox.tills import Shift, Till

TILLS = 8
Report = Callable[[str], None]


@contextlib.asynccontextmanager
async def tills_at_work(gateway: GatewayProcess, *, pause_s: float = 0.02, text: str = "") -> AsyncIterator[Shift]:
    """Let eight tills hand over orders for the length of the block; they stop at its end.

    Enter before the gateway runs: tills wait for it.
    """
    shift, stop = Shift(), asyncio.Event()
    tokens = await gateway.tokens(*(f"till {number}" for number in range(TILLS)))
    tills = [
        Till(f"T{number}", gateway.url, token, shift, pause_s=pause_s, text=text) for number, token in enumerate(tokens)
    ]
    working = [asyncio.create_task(till.work(stop)) for till in tills]
    try:
        yield shift
    finally:
        stop.set()
        results = await asyncio.gather(*working, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    assert not shift.surprises, shift.surprises[:5]


async def happens(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    while not condition():
        await asyncio.sleep(0.02)


async def drained(gateway: GatewayProcess) -> float:
    """Wait until nothing waits in the outbox; return how many seconds that took."""
    began = time.monotonic()
    async with gateway.caller() as session:
        while True:
            async with session.get("/api/v1/status") as response:
                if (await response.json())["outbox"]["depth"] == 0:
                    return time.monotonic() - began
            await asyncio.sleep(0.05)


async def end_of_day(gateway: GatewayProcess, cloud: ObservedCloud) -> float:
    """Let the cloud be well and the gateway live, and wait until everything is delivered."""
    await cloud.settle()
    return await drained(gateway)
