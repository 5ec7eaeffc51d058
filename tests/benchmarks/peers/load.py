"""Closed-loop HTTP clients on one connection each. Arguments: port, clients, seconds, token. Prints JSON."""

import asyncio
import json
import statistics
import sys
import time

PORT, CLIENTS, SECONDS, TOKEN = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]


class Client(asyncio.Protocol):
    """Sends the same request again as soon as the answer is whole."""

    def __init__(self, index: int, ends: float) -> None:
        head = (
            f"POST /api/v1/cameras/FS101D8BS001{index:02}/openapi/config/getName HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        )
        self.request = head.encode()
        self.ends = ends
        self.received = b""
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200") or b'"code": 0' not in body:
            self.done.set_exception(RuntimeError(self.received.decode()))
            return
        self.received = b""
        now = time.perf_counter()
        self.latencies.append(now - self.began)
        if now < self.ends:
            self.send()
        elif not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("closed"))


async def main() -> None:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    clients: list[Client] = []
    for index in range(1, CLIENTS + 1):
        _, client = await loop.create_connection(
            lambda index=index: Client(index, began + SECONDS),  # type: ignore[misc]
            "127.0.0.1",
            PORT,
        )
        clients.append(client)
    await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), SECONDS + 30)
    took = time.perf_counter() - began
    latencies = [latency for client in clients for latency in client.latencies]
    print(
        json.dumps(
            {"calls": len(latencies), "per_s": len(latencies) / took, "median_ms": statistics.median(latencies) * 1000}
        )
    )


asyncio.run(main())
