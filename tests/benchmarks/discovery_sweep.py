"""A sweep of 254 addresses with 20 cameras beside nmap, and on a bad radio link.

Run it with `python tests/benchmarks/discovery_sweep.py`.

Both run in the same network of namespaces, in turns; needs root and nmap. The sweep's time runs to the report of the
last camera, identified; it goes on to the end of the scan for cameras that are asleep. nmap only tells open ports.
"""

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.netns.lab import Host, Lab, SlowLink, why_not

CAMERAS = [f"10.77.0.{number}" for number in range(20, 220, 10)]
LIMIT = 0.3
ROUNDS = 5
RADIO_ROUNDS = 5


def main() -> None:
    reason = why_not()
    if reason:
        sys.exit(f"cannot run: {reason}")
    ratio = beside_nmap()
    found = on_radio()
    sys.exit(ratio > LIMIT or found < len(CAMERAS))


def beside_nmap() -> float:
    with Lab() as lab:
        gateway = _network(lab, None)
        ours, nmap = [], []
        for _ in range(ROUNDS):
            devices = _sweep(gateway)["devices"]
            assert len({s["sn"] for s in devices}) == len(CAMERAS), devices
            ours.append(max(s["after_s"] for s in devices))
            nmap.append(_nmap(gateway))
    ratio: float = statistics.median(ours) / statistics.median(nmap)
    print(f"sweep of 254 addresses, {len(CAMERAS)} cameras, median of {ROUNDS} (all):")
    print(f"  gateway, all identified {statistics.median(ours):.2f} s ({_listed(ours)})")
    print(f"  nmap -n -Pn -p 443 --open -T4 {statistics.median(nmap):.2f} s ({_listed(nmap)})")
    print(f"  ratio {ratio:.2f}, limit {LIMIT}")
    return ratio


def on_radio() -> int:
    counts = []
    with Lab() as lab:
        gateway = _network(lab, SlowLink())
        for _ in range(RADIO_ROUNDS):
            gateway.ip("neighbour", "flush", "dev", "eth0")
            counts.append(len({s["sn"] for s in _sweep(gateway)["devices"]}))
    print(f"120 ms ± 80 ms, 2 % loss, default settings: {counts} of {len(CAMERAS)} identified by the sweep alone")
    return min(counts)


def _network(lab: Lab, slow: SlowLink | None) -> Host:
    store = lab.bridge("store")
    gateway, cameras = lab.host("gateway"), lab.host("cameras")
    gateway.connect(store, "10.77.0.1/24")
    cameras.connect(store, *(f"{address}/24" for address in CAMERAS), slow=slow)
    named = [f"C201D{address.rpartition('.')[2]:0>7}={address}" for address in CAMERAS]
    cameras.start(sys.executable, "-m", "tests.discovery.device", *named).wait_for("ready")
    return gateway


def _sweep(gateway: Host) -> dict[str, Any]:
    output = gateway.run(sys.executable, "-m", "tests.netns.search", json.dumps({"methods": ["sweep"]}))
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


def _nmap(gateway: Host) -> float:
    output = gateway.run("nmap", "-n", "-Pn", "-p", "443", "--open", "-T4", "10.77.0.0/24", timeout_s=120)
    assert output.count("443/tcp open") == len(CAMERAS), output
    took = re.search(r"scanned in ([0-9.]+) seconds", output)
    assert took is not None
    return float(took[1])


def _listed(times: list[float]) -> str:
    return ", ".join(f"{time:.2f}" for time in times)


if __name__ == "__main__":
    main()
