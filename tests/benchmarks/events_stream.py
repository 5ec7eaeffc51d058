"""Benchmark: many readers of the event stream, beside a bare loop that writes to the same responses.

`python tests/benchmarks/events_stream.py [--readers N] [--rate R] [--seconds S] [--rounds N]`
"""

import argparse
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import PEERS, GatewayFiles, Program, folder

MODES = ("gateway", "bare")


def measure(program: Program, mode: str, token: str, *, readers: int, rate: int, seconds: int) -> tuple[float, float]:
    """Return the CPU seconds of the server for each second of events, and the p99 of the delay in milliseconds."""
    command = [sys.executable, str(PEERS / "events_readers.py"), str(program.port), token]
    with subprocess.Popen([*command, str(readers), str(rate * seconds)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        before = program.cpu_s
        control = program.port + 1 if mode == "gateway" else program.port
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", control, timeout=120)) as connection:
            connection.request("POST", f"/tick?rate={rate}&seconds={seconds}")
            connection.getresponse().read()
        told = json.loads(process.stdout.readline())
        assert told["seen"] == readers * rate * seconds
        return (program.cpu_s - before) / seconds, told["p99"]


def main() -> None:
    """Take turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    cpu: dict[str, list[float]] = {mode: [] for mode in MODES}
    p99: dict[str, list[float]] = {mode: [] for mode in MODES}
    with folder() as where, contextlib.ExitStack() as stack:
        programs = {}
        files = GatewayFiles(where / "gateway", cloud_url=f"https://127.0.0.1:{find_free_port()}/openapi")
        for mode in MODES:
            port = files.port if mode == "gateway" else find_free_port()
            command = (sys.executable, str(PEERS / "events_server.py"), str(port), mode, str(files.config))
            programs[mode] = stack.enter_context(Program(port, *command))
        for _ in range(given.rounds):
            for mode, program in programs.items():
                used, delay = measure(
                    program, mode, files.token, readers=given.readers, rate=given.rate, seconds=given.seconds
                )
                cpu[mode].append(used)
                p99[mode].append(delay)
    for mode in MODES:
        print(f"{mode:8} {statistics.median(cpu[mode]):.2f} of a core, p99 {statistics.median(p99[mode]):.1f} ms")
    for what, figures in (("CPU", cpu), ("p99", p99)):
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(figures["gateway"], figures["bare"], strict=True)
        )
        print(f"{what} of the gateway: {ratio:.2f} of the bare loop's (at most 1.5)")


if __name__ == "__main__":
    main()
