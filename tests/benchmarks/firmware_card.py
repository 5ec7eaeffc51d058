"""How fast a card is written, beside `dd conv=fsync` of the same bytes: `python tests/benchmarks/firmware_card.py`.

Prints the ratio of the medians of interleaved runs, and the writer's peak memory in a process of its own.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
CARD = 64_000_000_000
MAC = "0C:25:76:0A:1B:2C"

WRITER = """
import resource, sys, time
from pathlib import Path
from firmware_tools.card import CardSpec
from firmware_tools.firmware import load_firmware
from firmware_tools.mac import Mac
from firmware_tools.progress import NullProgress
from firmware_tools.raw_card.image import write_image

began = time.perf_counter()
firmware = load_firmware([Path(sys.argv[1])])
spec = CardSpec(Mac.parse(sys.argv[4]))
write_image(Path(sys.argv[2]), int(sys.argv[3]), spec, firmware, progress=NullProgress())
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--megabytes", type=int, default=200, help="size of the firmware")
    arguments.add_argument("--rounds", type=int, default=9)
    arguments.add_argument("--folder", type=Path, help="where to write; default: the system's temporary folder")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        measure(Path(name), given.megabytes, given.rounds)


def measure(folder: Path, megabytes: int, rounds: int) -> None:
    source = folder / "firmware.bin"
    with source.open("wb") as file:
        for seed in range(megabytes):
            file.write(random.Random(seed).randbytes(1_000_000))
    memory: list[int] = []

    def dd() -> float:
        return timed(["dd", f"if={source}", f"of={folder / 'dd'}", "bs=4M", "conv=fsync", "status=none"])

    def writer() -> float:
        image = str(folder / "card.img")
        done = subprocess.run(
            [sys.executable, "-c", WRITER, source, image, str(CARD), MAC], cwd=ROOT, env=environment(), text=True,
            capture_output=True, check=True,
        )  # fmt: skip
        seconds, kilobytes = done.stdout.split()
        memory.append(int(kilobytes))
        return float(seconds)

    def command() -> float:
        image = folder / "command.img"
        arguments = ["image", "--mac", MAC, "--size", str(CARD), "--firmware", str(source), str(image)]
        return timed([sys.executable, "-m", "firmware_tools", *arguments])

    contestants: dict[str, Callable[[], float]] = {"dd conv=fsync": dd, "card writer": writer, "whole command": command}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            for old in ("dd", "card.img", "command.img"):
                (folder / old).unlink(missing_ok=True)
            os.sync()
            times[name].append(run())
    base = statistics.median(times["dd conv=fsync"])
    print(f"{megabytes} MB of firmware into a sparse image of 64 GB, with fsync; medians of {rounds} interleaved runs")
    for name, measured in times.items():
        median = statistics.median(measured)
        print(f"  {name:15} {median:6.3f} s  ({min(measured):.3f} to {max(measured):.3f})  {median / base:5.2f} of dd")
    print(f"  peak memory of the writer's process: {max(memory) / 1024:.0f} MiB")


def timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)
    return time.perf_counter() - began


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    main()
