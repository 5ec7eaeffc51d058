"""Benchmark: an event log of a million events: resuming from the middle, beside resuming near the end.

`python tests/benchmarks/events_log.py [--events N] [--rounds N]`
"""

import argparse
import contextlib
import http.client
import sqlite3
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import GatewayFiles, folder

DATA = '{"vendor_event":2001,"shop_id":"10096","face_id":"29195","gender":"male","age_range":"19-28","payload":{}}'
KINDS = ("face.seen", "motion.detected")


def fill(database: Path, events: int) -> str:
    """Put so many events into the event log of a gateway that does not run; return the epoch."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        size = len(DATA) + 120
        connection.executemany(
            "INSERT INTO event VALUES (?, ?, ?, 'cloud', 'FS101D8BS00001', ?, ?, 1, ?, 0)",
            (
                (number, 1795316346000 + number, KINDS[number % 7 == 0], DATA, str(number % 999), size)
                for number in range(1, events + 1)
            ),
        )
        connection.execute("UPDATE event_log SET next_number = ?, bytes = ?", (events + 1, events * size))
        connection.commit()
        [epoch] = connection.execute("SELECT epoch FROM event_log").fetchone()
    return str(epoch)


def first_event_ms(files: GatewayFiles, last_id: str, query: str) -> float:
    """Resume the stream after an event; return in how many milliseconds the first event came."""
    began = time.perf_counter()
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {files.token}", "Last-Event-ID": last_id}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", files.port, timeout=60)) as connection:
        connection.request("GET", f"/api/v1/events?{query}", headers=headers)
        response = connection.getresponse()
        while not response.readline().startswith(b"data: "):
            pass
        return (time.perf_counter() - began) * 1000


def main() -> None:
    """Take turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    with folder() as where:
        files = GatewayFiles(where, cloud_url=f"https://127.0.0.1:{find_free_port()}/openapi")
        epoch = fill(files.state / "gateway.db", given.events)
        with files.gateway() as program:
            print(f"ready with {given.events} events after {program.ready_after_s:.1f} s")
            for query in ("", "types=motion.*"):
                places = {"middle": given.events // 2, "near the end": given.events - 1000}
                took: dict[str, list[float]] = {place: [] for place in places}
                for _ in range(given.rounds):
                    for place, number in places.items():
                        took[place].append(first_event_ms(files, f"{epoch}-{number}", query))
                middle, end = (statistics.median(figures) for figures in took.values())
                figures = f"middle {middle:.1f} ms, near the end {end:.1f} ms"
                print(f"{query or 'all types':16} {figures}: {middle / end:.2f} (at most 3)")


if __name__ == "__main__":
    main()
