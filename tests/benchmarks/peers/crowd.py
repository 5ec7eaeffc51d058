"""Connections that are there to be in the way. Arguments: host, port, token, silent, half-sent, large.

They come from many addresses of the host's network. Whoever is closed comes again. Runs until it is killed.
"""

import asyncio
import contextlib
import sys

HOST, PORT, TOKEN = sys.argv[1], int(sys.argv[2]), sys.argv[3]
SILENT, HALF_SENT, LARGE = (int(count) for count in sys.argv[4:])
LARGE_BYTES = 800_000
PER_ADDRESS = 100
HEAD = (
    f"POST /api/v1/cloud/order/update HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {TOKEN}\r\n"
    f"Content-Type: application/json\r\nContent-Length: {LARGE_BYTES}\r\n\r\n"
).encode()
HOOK = (
    f"POST /hooks/cloud HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: 1000000\r\n\r\n"
).encode()
SENT = {
    "silent": b"",
    "half head": HEAD[:40],
    "half body": HOOK + b"x" * 500_000,
    "large": HEAD + b" " * (LARGE_BYTES - 1),
}


async def stay(kind: str, address: str) -> None:
    """Keep one connection open, and open it again some seconds after it was closed."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, PORT, local_addr=(address, 0))
            try:
                writer.write(SENT[kind])
                while await reader.read(65536):
                    pass
            finally:
                writer.close()
        await asyncio.sleep(5)


async def main() -> None:
    kinds = ["silent"] * SILENT + ["half head", "half body"] * (HALF_SENT // 2) + ["large"] * LARGE
    network = HOST.rpartition(".")[0].rpartition(".")[0]
    addresses = (f"{network}.{1 + number // PER_ADDRESS}.9" for number in range(len(kinds)))
    await asyncio.gather(asyncio.Event().wait(), *map(stay, kinds, addresses))


asyncio.run(main())
