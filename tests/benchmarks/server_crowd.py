"""Benchmark: tills hand over orders while a crowd holds connections and large bodies open.

`python tests/benchmarks/server_crowd.py [--seconds S]`, as root on Linux: it makes a network namespace of its own. The
gateway has 256 MB, as in its unit, by a control group where one can be made; else its memory is only measured.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import PEERS, GatewayFiles, Program, folder, load

TILLS = 32
SILENT, HALF_SENT, LARGE = 1000, 200, 100
MAX_MEMORY_MB = 256
HOST = "10.77.0.1"
_INSIDE = "SERVER_CROWD_INSIDE"
_GROUPS = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max", "memory.peak"),
)
"""Where control groups of memory are made, with the files of the limit and of the peak: version 1 and 2."""


@contextlib.contextmanager
def control_group() -> Iterator[Path | None]:
    """Yield a new control group of `MAX_MEMORY_MB`, which is gone at the end; None where none can be made."""
    for root, limit, _ in _GROUPS:
        group = root / f"server-crowd-{os.getpid()}"
        try:
            group.mkdir()
            (group / limit).write_text(str(MAX_MEMORY_MB * 1024 * 1024))
        except OSError:
            continue
        yield group
        group.rmdir()
        return
    yield None


@contextlib.contextmanager
def joined(group: Path | None) -> Iterator[None]:
    """Start what is started within the block in a control group."""
    if group is not None:
        (group / "cgroup.procs").write_text("0")
    yield
    if group is not None:
        (group.parent / "cgroup.procs").write_text("0")


@contextlib.contextmanager
def crowd(port: int, token: str, *counts: int) -> Iterator[None]:
    """Let the crowd be there within the block: so many silent, half-sent and large ones."""
    command = [sys.executable, str(PEERS / "crowd.py"), HOST, str(port), token, *map(str, counts)]
    process = subprocess.Popen(command)
    try:
        time.sleep(5)
        yield
        if process.poll() is not None:
            raise RuntimeError("the crowd has gone")
    finally:
        process.kill()
        process.wait()


def measure(seconds: float) -> list[str]:
    """Print the figures; return the promises that were not kept."""
    crowds = {
        "alone": (0, 0, 0),
        "silent": (SILENT, 0, 0),
        "half-sent": (0, HALF_SENT, 0),
        "large": (0, 0, LARGE),
        "all of them": (SILENT, HALF_SENT, LARGE),
        "alone again": (0, 0, 0),
    }
    rates: dict[str, float] = {}
    print(f"{TILLS} tills while {SILENT} silent, {HALF_SENT} half-sent and {LARGE} large requests stay open")
    print(f"{'':<12} {'orders/s':>9} {'p99 ms':>8} {'CPU %':>6} {'connections':>12} {'peak MB':>8}")
    with folder() as where, contextlib.ExitStack() as stack:
        nobody = f"https://127.0.0.1:{find_free_port()}/openapi"
        files = GatewayFiles(where, cloud_url=nobody, host="0.0.0.0")
        token = files.make_token("large", "pos")
        group = stack.enter_context(control_group())
        with joined(group):
            program = stack.enter_context(files.gateway())
        load(files.port, TILLS, 1, files.token, HOST)
        for name, counts in crowds.items():
            with crowd(files.port, token, *counts):
                connections = len(list(Path(f"/proc/{program.pid}/fd").iterdir()))
                before = program.cpu_s
                result = load(files.port, TILLS, seconds, files.token, HOST)
                share = 100 * (program.cpu_s - before) / seconds
                healthy = "ok" in files.text("/healthz")
            peak = _peak_mb(program, group)
            rates[name], late = result["per_s"], result["p99_ms"]
            print(f"{name:<12} {rates[name]:>9.0f} {late:>8.1f} {share:>6.0f} {connections:>12} {peak:>8.0f}")
    ratio = rates["all of them"] / max(rates["alone"], rates["alone again"])
    print(f"all of them / alone: {ratio:.2f}; promised: at least 0.5")
    print(f"memory {'limited to' if group else 'is only measured; promised: at most'} {MAX_MEMORY_MB} MB")
    kept = {"rate in the crowd": ratio >= 0.5, "memory": peak <= MAX_MEMORY_MB, "health check": healthy}
    return [name for name, well in kept.items() if not well]


def _peak_mb(program: Program, group: Path | None) -> float:
    """Return the most memory that a process has had, in MB."""
    for _, _, peak in _GROUPS:
        if group is not None and (group / peak).exists():
            return int((group / peak).read_text()) / 1024 / 1024
    return int(Path(f"/proc/{program.pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    if _INSIDE not in os.environ:
        command = ["unshare", "-n", sys.executable, *sys.argv]
        sys.exit(subprocess.run(command, env={**os.environ, _INSIDE: "1"}, check=False).returncode)
    for words in (("link", "set", "lo", "up"), ("address", "add", f"{HOST}/16", "dev", "lo")):
        subprocess.run(["ip", *words], check=True)
    missed = measure(arguments.seconds)
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
