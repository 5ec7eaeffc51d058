"""Benchmark: what 200,000 waiting orders cost in memory, in accept rate and at start-up.

`python tests/benchmarks/outbox_size.py [--orders N] [--rounds N]`. Two gateways, one with an empty outbox and one with
a full one, are measured in turn; the cloud is away.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import GatewayFiles, folder, load

CLIENTS = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    arguments = parser.parse_args()
    with folder() as where:
        nobody = f"https://127.0.0.1:{find_free_port()}/openapi"
        empty, full = GatewayFiles(where / "empty", cloud_url=nobody), GatewayFiles(where / "full", cloud_url=nobody)
        with full.gateway() as program:
            full.call("POST", "/api/v1/cloud/product/getList", {})
            full.fill(1500)
            before_mb = program.memory_mb
            began = time.monotonic()
            full.fill(arguments.orders - 1500, begin=1500)
            filled_s = time.monotonic() - began
            filling_mb = program.memory_mb
            depth = full.depth
        print(f"{depth} orders wait, handed over 1,500 at once in {filled_s:.1f} s; the database has "
              f"{sum(file.stat().st_size for file in full.state.glob('gateway.db*')) / 1e6:.0f} MB")  # fmt: skip
        starts: dict[str, list[float]] = {"empty": [], "full": []}
        memory: dict[str, list[float]] = {"empty": [], "full": []}
        for _ in range(arguments.rounds):
            for name, files in (("empty", empty), ("full", full)):
                with files.gateway() as program:
                    starts[name].append(program.ready_after_s)
                    files.call("POST", "/api/v1/cloud/product/getList", {})
                    memory[name].append(program.memory_mb)
        rates: dict[str, list[float]] = {"empty": [], "full": []}
        with empty.gateway() as first, full.gateway() as second:
            both = (("empty", empty, first), ("full", full, second))
            for _, files, _ in both:
                files.call("POST", "/api/v1/cloud/product/getList", {})
                load(files.port, CLIENTS, 1, files.token)
            for _ in range(arguments.rounds):
                for name, files, _ in both:
                    rates[name].append(load(files.port, CLIENTS, arguments.seconds, files.token)["per_s"])
            after_load = {name: program.memory_mb for name, _, program in both}
    grown_mb = max(filling_mb - before_mb, after_load["full"] - after_load["empty"],
                   statistics.median(memory["full"]) - statistics.median(memory["empty"]))  # fmt: skip
    rate = statistics.median(full / empty for empty, full in zip(rates["empty"], rates["full"], strict=True))
    later_s = statistics.median(starts["full"]) - statistics.median(starts["empty"])
    print(f"memory while filling {before_mb:.1f} to {filling_mb:.1f} MB; after a start {_pair(memory)} MB; after load "
          f"{after_load['empty']:.1f} and {after_load['full']:.1f} MB")  # fmt: skip
    print(f"ready after {_pair(starts)} s; accepting {_pair(rates)} orders/s (empty and full)")
    print(f"memory grows by {grown_mb:.1f} MB; promised: at most 20")
    print(f"accept rate: {rate:.2f} of an empty one's; promised: at least 0.90")
    print(f"ready {later_s:.2f} s later than an empty one; promised: at most 2")
    sys.exit(grown_mb > 20 or rate < 0.9 or later_s > 2)


def _pair(values: dict[str, list[float]]) -> str:
    return f"{statistics.median(values['empty']):.2f} and {statistics.median(values['full']):.2f}"


if __name__ == "__main__":
    main()
