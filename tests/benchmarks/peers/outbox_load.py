"""Closed-loop tills on one connection each, every order new.

Arguments: port, clients, seconds, token, and the host if that is not 127.0.0.1: then each till has its own address.
Prints JSON.
"""

import asyncio
import json
import sys
import time

PORT, CLIENTS, SECONDS, TOKEN = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
HOST = sys.argv[5] if len(sys.argv) > 5 else "127.0.0.1"
RUN = f"{time.time_ns():x}"
ORDER = (
    '{"order_list":[{"order_no":"%s","order_type":1,"order_time":1593029283,"purchase_amount":25.60,'
    '"received_amount":25.60,"payment_type":1,"device_sn":"P201D8BS00106","cashier_no":"7","product_list":['
    '{"name":"Cola","bar_code":"6901234567892","quantity":2.000,"present_price":12.80,"subtotal_amount":25.60}]}]}'
)


class Till(asyncio.Protocol):
    """Hands over the next order as soon as the last one is acknowledged."""

    def __init__(self, index: int, ends: float) -> None:
        self.index = index
        self.ends = ends
        self.received = b""
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        body = ORDER % f"{RUN}-{self.index:02}-{len(self.latencies):08}"
        head = (
            f"POST /api/v1/cloud/order/update HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {TOKEN}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.began = time.perf_counter()
        self.transport.write((head + body).encode())

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 202"):
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
    tills: list[Till] = []
    for index in range(CLIENTS):
        make = lambda index=index: Till(index, began + SECONDS)  # noqa: E731
        own = None if HOST == "127.0.0.1" else (f"{HOST.rpartition('.')[0]}.{index + 100}", 0)
        _, till = await loop.create_connection(make, HOST, PORT, local_addr=own)
        tills.append(till)
    await asyncio.wait_for(asyncio.gather(*(till.done for till in tills)), SECONDS + 30)
    took = time.perf_counter() - began
    latencies = sorted(latency for till in tills for latency in till.latencies)
    count = len(latencies)
    print(
        json.dumps(
            {
                "calls": count,
                "per_s": count / took,
                "p50_ms": latencies[count // 2] * 1000,
                "p99_ms": latencies[min(count - 1, int(count * 0.99))] * 1000,
            }
        )
    )


asyncio.run(main())
