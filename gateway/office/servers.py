"""The servers of a chain: which of them answer, and what time it is by their clocks.

They stamp what they store and what they say of connections, each by its own clock. One of three may be wrong, so the
time is that of most of them.
"""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Final, NamedTuple

from nats.aio.client import Client

from firmware_tools.language import Message, message
from gateway.office.server_requests import ServerResponse, gather_responses
from gateway.runtime.timestamps import utc_text

MAX_DIFFERENCE_S: Final = 60.0
"""How far a clock may be from that of most servers until it is wrong: one that has much else to do responds late."""


class ChainServer(NamedTuple):
    """A server that answers."""

    id: str
    """Its id, another one after each start."""
    name: str
    """Its name, which is that of its folder."""
    clock: float
    """By how much its clock is ahead of this machine's monotonic clock, in seconds."""


class WrongClock(NamedTuple):
    """A server whose clock differs from that of most servers."""

    server: str
    """The name of the server."""
    told: float
    """What it says the time is, in Unix seconds."""
    now: float
    """What the time is, in Unix seconds."""

    @property
    def text(self) -> Message:
        """What is wrong, and what to do."""
        return message(
            "the clock of the server {server} is wrong: it says {told}, and it is {now}. Set it. If it was ahead, the "
            "server has removed what it took for old: stop it, remove the folder jetstream in its folder, and start "
            "it, so that it gets everything from the others",
            server=self.server,
            told=utc_text(self.told),
            now=utc_text(self.now),
        )


async def list_servers(observer: Client) -> list[ChainServer]:
    """Return the servers that answer. One that is dead does not hold this up for long.

    Raises the errors of the client library if none does.
    """
    responses = await gather_responses(observer, "$SYS.REQ.SERVER.PING", count_expected=_count_servers)
    return [_parse(one) for one in responses]


def find_clock(servers: Sequence[ChainServer]) -> float:
    """Return by how much the time of most servers is ahead of this machine's monotonic clock, in seconds.

    Of two that differ, the one counts that is nearer to this machine's own clock.
    """
    clocks = [one.clock for one in servers]
    if len(clocks) % 2 == 0:
        clocks.append(time.time() - time.monotonic())
    return median(clocks)


def find_wrong_clocks(servers: Sequence[ChainServer]) -> Sequence[WrongClock]:
    """Return the servers whose clocks are wrong, by name."""
    clock, at = find_clock(servers), time.monotonic()
    return [
        WrongClock(one.name, one.clock + at, clock + at)
        for one in sorted(servers, key=lambda one: one.name)
        if abs(one.clock - clock) > MAX_DIFFERENCE_S
    ]


def read_time(servers: Sequence[ChainServer]) -> datetime:
    """Return the time by the clock of most servers, in UTC."""
    return datetime.fromtimestamp(time.monotonic() + find_clock(servers), UTC)


def _count_servers(response: bytes) -> int:
    """Return how many servers there are, as one of them says."""
    return int(json.loads(response)["statsz"].get("active_servers", 1))


def _parse(response: ServerResponse) -> ChainServer:
    server = json.loads(response.payload)["server"]
    clock = datetime.fromisoformat(server["time"]).timestamp() - response.received_at
    return ChainServer(str(server["id"]), str(server["name"]), clock)
