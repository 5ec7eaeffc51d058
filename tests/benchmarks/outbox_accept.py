"""Benchmark: accepting orders while the cloud is away, beside lean peers in the same run.

`python tests/benchmarks/outbox_accept.py [--seconds S] [--rounds N]`. Needs a C compiler for the second part, in which
each flush takes 10 ms longer, as on an SD card: a library put before the C library sleeps in fsync and counts.

The promise is made beside the lean peer that gives a till the same: a token that is checked, and an order that is known
again. The one that does neither shows what these two and all the rest cost.
"""

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import PEERS, GatewayFiles, Program, folder, load
from tests.outbox import disk

CLIENTS = 32
DELAY_MS = 10.0
NAMES = (
    "gateway",
    "gateway, nothing stored",
    "lean, group commit",
    "lean, commit per request",
    "lean, with token and repeats",
)


def programs(where: Path, environments: Mapping[str, Mapping[str, str]]) -> dict[str, tuple[Program, str]]:
    """Return each contender with the token that it wants."""
    nobody = f"https://127.0.0.1:{find_free_port()}/openapi"
    own, bare = GatewayFiles(where / "own", cloud_url=nobody), GatewayFiles(where / "bare", cloud_url=nobody)
    made = {
        NAMES[0]: (own.gateway(environment=environments.get(NAMES[0])), own.token),
        NAMES[1]: (bare.gateway(launcher="outbox_unstored.py"), bare.token),
    }
    for name, mode in ((NAMES[2], "group"), (NAMES[3], "each"), (NAMES[4], "known")):
        port = find_free_port()
        command = (sys.executable, str(PEERS / "outbox_lean.py"), str(port), str(where / f"{mode}.db"), mode)
        made[name] = (Program(port, *command, environment=environments.get(name)), "none")
    return made


def fast(seconds: float, rounds: int) -> list[str]:
    """Compare at the speed of this machine's disk; return the promises that were not kept."""
    rates: dict[str, list[float]] = {name: [] for name in NAMES}
    cpu_us: dict[str, list[float]] = {name: [] for name in NAMES}
    p99: dict[str, list[float]] = {name: [] for name in NAMES}
    with folder() as where, contextlib.ExitStack() as stack:
        contenders = programs(where, {})
        for program, token in contenders.values():
            stack.enter_context(program)
            load(program.port, CLIENTS, 1, token)
        for _ in range(rounds):
            for name, (program, token) in contenders.items():
                before = program.cpu_s
                result = load(program.port, CLIENTS, seconds, token)
                rates[name].append(result["per_s"])
                cpu_us[name].append((program.cpu_s - before) / result["calls"] * 1e6)
                p99[name].append(result["p99_ms"])
    print(f"{CLIENTS} clients, the cloud is away, medians of {rounds} rounds of {seconds:.0f} s")
    print(f"{'':<29} {'orders/s':>9} {'CPU us each':>12} {'p99 ms':>8}")
    for name in NAMES:
        figures = (statistics.median(one[name]) for one in (rates, cpu_us, p99))
        print("{:<29} {:>9.0f} {:>12.0f} {:>8.2f}".format(name, *figures))
    missed = []
    for peer, limit in ((NAMES[2], None), (NAMES[4], 0.75), (NAMES[1], 0.5)):
        ratios = [own / other for own, other in zip(rates[NAMES[0]], rates[peer], strict=True)]
        ratio = statistics.median(ratios)
        promise = "" if limit is None else f"; promised: at least {limit}"
        print(f"gateway / {peer}: {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}){promise}")
        if limit is not None and ratio < limit:
            missed.append(f"rate beside {peer}")
    return missed


def slow(seconds: float, rounds: int) -> list[str]:
    """Compare where each flush takes 10 ms longer; return the promises that were not kept."""
    if disk.compiler() is None:
        print("no C compiler: the part with slow flushes is left out")
        return ["slow flushes not measured"]
    contenders = (NAMES[0], NAMES[2], NAMES[3])
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    per_flush: dict[str, list[float]] = {name: [] for name in contenders}
    p99: dict[str, list[float]] = {name: [] for name in contenders}
    with folder() as where, contextlib.ExitStack() as stack:
        library = disk.build(where)
        counts = {name: where / f"flushes-{number}" for number, name in enumerate(contenders)}
        slowed = {name: disk.slow(library, where, delay_ms=DELAY_MS, count=counts[name]) for name in contenders}
        made = programs(where, slowed)
        for name in contenders:
            program, token = made[name]
            stack.enter_context(program)
            load(program.port, CLIENTS, 1, token)
        for _ in range(rounds):
            for name in contenders:
                program, token = made[name]
                before = disk.flushes(counts[name])
                result = load(program.port, CLIENTS, seconds, token)
                rates[name].append(result["per_s"])
                per_flush[name].append(result["calls"] / (disk.flushes(counts[name]) - before))
                p99[name].append(result["p99_ms"])
        flush_ms = DELAY_MS + _flush_ms(where)
    print(f"\neach flush {DELAY_MS:.0f} ms longer: {flush_ms:.1f} ms; medians of {rounds} rounds of {seconds:.0f} s")
    print(f"{'':<29} {'orders/s':>9} {'per flush':>10} {'p99 ms':>8} {'in flushes':>11}")
    for name in contenders:
        rate, share, late = (statistics.median(one[name]) for one in (rates, per_flush, p99))
        print(f"{name:<29} {rate:>9.0f} {share:>10.1f} {late:>8.1f} {late / flush_ms:>11.1f}")
    times = statistics.median(own / other for own, other in zip(rates[NAMES[0]], rates[NAMES[3]], strict=True))
    share, late = statistics.median(per_flush[NAMES[0]]), statistics.median(p99[NAMES[0]]) / flush_ms
    print(f"gateway / {NAMES[3]}: {times:.1f}")
    print(f"orders per flush: {share:.1f}; promised: at least 20")
    print(f"p99: {late:.1f} flushes; promised: at most 4")
    kept = {"orders per flush": share >= 20, "p99 at slow flushes": late <= 4}
    return [name for name, well in kept.items() if not well]


def _flush_ms(where: Path) -> float:
    """Measure what a flush of one page costs here, in milliseconds."""
    with (where / "probe").open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(50):
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
        return (time.perf_counter() - began) / 50 * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    missed = fast(arguments.seconds, arguments.rounds) + slow(arguments.seconds, arguments.rounds)
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
