"""Benchmark: 50,000 queued orders reach a cloud, beside plain loops in the same run.

`python tests/benchmarks/outbox_drain.py [--orders N] [--rounds N]`. The cloud is a small HTTPS server that counts. The
gateway has accepted the orders while the cloud was away; its time runs from the call that succeeds first to the last
order's arrival. The peers have theirs in an SQLite table and delete each request's orders when it was answered.
"""

import argparse
import json
import sqlite3
import ssl
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.simulator.ports import find_free_port
from tests.benchmarks.outbox_shop import PEERS, GatewayFiles, folder, order

LIMIT_S = 180.0


class Cloud:
    """The counting cloud. Its certificate is made once, so that it can come and go."""

    def __init__(self, where: Path) -> None:
        self.port = find_free_port()
        self.url = f"https://127.0.0.1:{self.port}/openapi"
        self.ca_file, self._key = where / "cloud.pem", where / "cloud-key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=cloud", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self._key,
             "-out", self.ca_file], check=True, capture_output=True,
        )  # fmt: skip
        self._context = ssl.create_default_context(cafile=self.ca_file)

    def __enter__(self) -> "Cloud":
        command = [sys.executable, str(PEERS / "outbox_cloud.py"), str(self.port), str(self.ca_file), str(self._key)]
        self._process = subprocess.Popen(command)
        for _ in range(400):
            try:
                self.ask("/healthz")
            except OSError:
                time.sleep(0.02)
            else:
                return self
        raise RuntimeError("the cloud does not serve")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(
            f"https://127.0.0.1:{self.port}{path}", context=self._context, timeout=60
        ) as answer:
            return json.loads(answer.read())

    def check(self, count: int) -> None:
        """Raise unless each order has come just once."""
        numbers = self.ask("/numbers")
        if len(numbers) != count or len(set(numbers)) != count:
            raise RuntimeError(f"of {count} orders {len(set(numbers))} came, in {len(numbers)} copies")


def gateway_s(where: Path, cloud: Cloud, count: int) -> float:
    files = GatewayFiles(where, cloud_url=cloud.url, ca_file=cloud.ca_file)
    with files.gateway() as program:
        files.call("POST", "/api/v1/cloud/product/getList", {})  # fails: now the cloud is known to be away
        files.fill(count)
        with cloud:
            before = program.cpu_s
            began = time.monotonic()
            answer = files.call("POST", "/api/v1/cloud/product/getList", {})
            if answer["code"] != 0:
                raise RuntimeError(f"the call that shall start the drain failed: {answer}")
            while time.monotonic() - began < LIMIT_S and (told := cloud.ask("/healthz"))["orders"] < count:
                time.sleep(0.1)
            took_s = float(told["last"] - began)
            while files.depth and time.monotonic() - began < LIMIT_S:
                time.sleep(0.02)
            written_s = time.monotonic() - began
            cloud.check(count)
        print(
            f"gateway: {took_s:.2f} s, {told['requests']} requests, first after {told['first'] - began:.2f} s, all "
            f"written down after {written_s:.2f} s, {program.cpu_s - before:.2f} s of processor time", flush=True,
        )  # fmt: skip
        return took_s


def plain_s(where: Path, cloud: Cloud, count: int, mode: str) -> float:
    where.mkdir()
    file = where / "queue.db"
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE item (sequence INTEGER PRIMARY KEY, body TEXT)")
    database.execute("BEGIN")
    rows = ((json.dumps(order(f"F{number:08}"), separators=(",", ":")),) for number in range(count))
    database.executemany("INSERT INTO item (body) VALUES (?)", rows)
    database.execute("COMMIT")
    database.close()
    with cloud:
        command = [sys.executable, str(PEERS / "outbox_sender.py"), cloud.url, str(cloud.ca_file), str(file), mode]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT_S)
        cloud.check(count)
        requests = cloud.ask("/healthz")["requests"]
    told = json.loads(done.stdout)
    took_s = float(told["seconds"])
    print(f"plain, {mode}: {took_s:.2f} s for {count} orders, {requests} requests, {told['cpu_s']:.2f} s of processor "
          "time", flush=True)  # fmt: skip
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with folder() as where:
        cloud = Cloud(where)
        own, batch, one = [], [], []
        for number in range(arguments.rounds):
            # One request each is slow and even: a tenth of the orders tells its time.
            one.append(plain_s(where / f"one-{number}", cloud, arguments.orders // 10, "one") * 10)
            batch.append(plain_s(where / f"batch-{number}", cloud, arguments.orders, "batch"))
            own.append(gateway_s(where / f"own-{number}", cloud, arguments.orders))
    faster = statistics.median(other / mine for other, mine in zip(one, own, strict=True))
    share = statistics.median(mine / other for other, mine in zip(batch, own, strict=True))
    print(f"faster than one request each: {faster:.1f} times; promised: at least 20")
    print(f"time beside plain 1 MB batches: {share:.2f}; promised: at most 0.7")
    sys.exit(faster < 20 or share > 0.7)


if __name__ == "__main__":
    main()
