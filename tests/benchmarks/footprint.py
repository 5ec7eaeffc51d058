"""Benchmark: what the gateway takes when nothing happens, beside a bare aiohttp server in the same run.

`python tests/benchmarks/footprint.py [--starts N] [--windows N]`. Linux. The gateway knows 200 cameras, is confined to
loopback, and searches as often as it does unless told otherwise; the cameras are off.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.cameras.record import StoredCamera
from gateway.cameras.table import CameraTable
from gateway.simulator.ports import find_free_port
from gateway.storage.database import Database
from tests.benchmarks.outbox_shop import PEERS, GatewayFiles, Program, folder

CAMERAS = 200
SETTLE_S = 15.0
WINDOW_S = 10.0
MOST_MEMORY, MOST_START, MOST_CPU_S = 1.8, 2.5, 0.02


def installed(where: Path) -> dict[str, str]:
    """Return an environment in which modules are compiled once, as the package brings them."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(where / "compiled")}


def shop(where: Path) -> GatewayFiles:
    """Make the settings and the state of a gateway that knows its cameras."""
    files = GatewayFiles(where, cloud_url=f"https://127.0.0.1:{find_free_port()}/openapi")
    text = files.config.read_text(encoding="utf-8")
    files.config.write_text(text.replace("interval_s = 0\n", ""), encoding="utf-8")
    asyncio.run(_remember(files.state / "gateway.db"))
    return files


async def _remember(path: Path) -> None:
    cameras = [
        StoredCamera(
            sn=f"FM020D8B{number:05}", managed=False, address=f"127.0.{number // 200}.{number % 200 + 2}:10443",
            mac=f"02:AB:00:00:00:{number:02X}", model="FM020", name=f"Camera {number}", software_version="1.2.6",
            activation="activated", certificate_sha256=f"{number:064x}", first_seen=1770000000 + number,
        )
        for number in range(CAMERAS)
    ]  # fmt: skip
    database = await Database.open(path)
    await CameraTable(database).save(*cameras)
    await database.close()


def hello(environment: Mapping[str, str]) -> Program:
    port = find_free_port()
    return Program(port, sys.executable, str(PEERS / "hello.py"), str(port), environment=environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--windows", type=int, default=6)
    arguments = parser.parse_args()
    with folder() as where:
        files, environment = shop(where), installed(where)
        with hello(environment), files.gateway(environment=environment):
            pass
        ratios, times, peers = [], [], []
        for _ in range(arguments.starts):
            with hello(environment) as bare:
                peers.append(bare.ready_after_s)
            with files.gateway(environment=environment) as own:
                times.append(own.ready_after_s)
            ratios.append(times[-1] / peers[-1])
        with hello(environment) as bare, files.gateway(environment=environment) as own:
            time.sleep(SETTLE_S)
            begun_s = own.cpu_s
            time.sleep(WINDOW_S * arguments.windows)  # at 60 s between two searches, one of them lies within
            cpu_s = (own.cpu_s - begun_s) / arguments.windows
            memory, peer = own.resident_mb, bare.resident_mb
            known = files.call("GET", "/api/v1/status")["cameras"]["known"]
    start = statistics.median(ratios)
    print(f"{known} cameras known, all idle; medians of {arguments.starts} starts")
    print(f"{'':<24} {'gateway':>9} {'hello':>9} {'ratio':>7} {'at most':>8}")
    print(f"{'resident memory, MB':<24} {memory:>9.1f} {peer:>9.1f} {memory / peer:>7.2f} {MOST_MEMORY:>8}")
    middle, least = statistics.median(times), statistics.median(peers)
    print(f"{'start to /healthz, s':<24} {middle:>9.2f} {least:>9.2f} {start:>7.2f} {MOST_START:>8}")
    print(f"processor time while idle: {cpu_s:.3f} s per {WINDOW_S:.0f} s; at most {MOST_CPU_S}")
    kept = {
        "cameras known": known == CAMERAS,
        "memory": memory <= MOST_MEMORY * peer,
        "start": start <= MOST_START,
        "idle": cpu_s <= MOST_CPU_S,
    }
    missed = [name for name, well in kept.items() if not well]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
