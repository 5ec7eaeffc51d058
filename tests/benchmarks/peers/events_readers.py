"""Readers of the event stream benchmark: one JSON line tells what they saw.

`events_readers.py PORT TOKEN COUNT EVENTS`
"""

import asyncio
import json
import re
import sys
import time
from typing import cast

SENT = re.compile(rb'"sent":([0-9]+)')


class Reader(asyncio.Protocol):
    """Counts events and notes how long each took."""

    def __init__(self, token: str, delays: list[int]) -> None:
        self.seen = 0
        self.open = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._token = token
        self._delays = delays

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        head = f"Host: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer {self._token}\r\n\r\n"
        cast("asyncio.Transport", transport).write(f"GET /api/v1/events HTTP/1.1\r\n{head}".encode())

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if not self.open.done() and b"retry" in data:
            self.open.set_result(None)
        whole, line, self._rest = (self._rest + data).rpartition(b"\n")
        sent = SENT.findall(whole + line)
        self.seen += len(sent)
        self._delays += [now - int(one) for one in sent]


async def main(port: int, token: str, count: int, events: int) -> None:
    """Connect, say so, read all events, and tell the delays in milliseconds."""
    loop = asyncio.get_running_loop()
    delays: list[int] = []
    readers = []
    for _ in range(count):
        _, reader = await loop.create_connection(lambda: Reader(token, delays), "127.0.0.1", port)
        readers.append(reader)
    await asyncio.gather(*(reader.open for reader in readers))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    async with asyncio.timeout(120):
        while min(reader.seen for reader in readers) < events:  # the events set the pace
            await asyncio.sleep(0.05)
    delays.sort()
    at = {name: delays[int(part * (len(delays) - 1))] / 1e6 for name, part in (("p50", 0.5), ("p99", 0.99))}
    sys.stdout.write(json.dumps(at | {"seen": sum(reader.seen for reader in readers)}) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
