"""A slow link between two TAP interfaces: `slow_link.py NEAR FAR DELAY_MS JITTER_MS LOSS one|both`.

Frames from FAR to NEAR come late and some are lost; with `both`, those from NEAR to FAR too.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TAP_WITHOUT_HEADER = 0x0002 | 0x1000


def tap(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_WITHOUT_HEADER))
    return descriptor


def main() -> None:
    near_name, far_name, delay_ms, jitter_ms, loss, ways = sys.argv[1:]
    near, far = tap(near_name), tap(far_name)
    late: list[tuple[float, int, int, bytes]] = []
    number = 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        patience = max(0.0, late[0][0] - time.monotonic()) if late else None
        for source in select.select([near, far], [], [], patience)[0]:
            frame = os.read(source, 65536)
            slow = source == far or ways == "both"
            if slow and random.random() < float(loss):
                continue
            delay = (
                random.uniform(float(delay_ms) - float(jitter_ms), float(delay_ms) + float(jitter_ms)) if slow else 0
            )
            number += 1
            heapq.heappush(late, (time.monotonic() + delay / 1000, number, near if source == far else far, frame))
        while late and late[0][0] <= time.monotonic():
            _, _, target, frame = heapq.heappop(late)
            try:
                os.write(target, frame)
            except OSError:  # that end is down
                continue


if __name__ == "__main__":
    main()
