"""The shop of the outbox benchmarks: a gateway, its peers and a cloud as processes on loopback."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gateway.simulator.ports import find_free_port
from tests.benchmarks.process_use import ProcessUse

PEERS = Path(__file__).parent / "peers"
APP_ID, SECRET_KEY, SHOP_ID = "EF3OG8R5B32X0", "kdsofkdsnflke9382938k", "10096"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder that is gone at the end, on the disk that holds temporary files."""
    with tempfile.TemporaryDirectory(prefix="outbox-benchmark-") as name:
        yield Path(name)


class Program:
    """A process that serves HTTP on a port of loopback, ready when the block begins."""

    def __init__(self, port: int, *command: str, environment: Mapping[str, str] | None = None) -> None:
        self.port = port
        self._command = command
        self._environment = {**os.environ, **(environment or {})}

    def __enter__(self) -> "Program":
        began = time.perf_counter()
        self._process = subprocess.Popen(self._command, env=self._environment, stderr=subprocess.DEVNULL)
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - began > 60:
                self._process.kill()
                raise RuntimeError(f"{self._command} does not serve at port {self.port}")
            time.sleep(0.005)
        self.ready_after_s = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except OSError:
            return False
        else:
            return True
        finally:
            connection.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """The processor time that it has used, in seconds."""
        return ProcessUse(self.pid).cpu_s

    @property
    def memory_mb(self) -> float:
        """What it holds in memory that is its own, in MB: the files that the system keeps for it do not count."""
        return ProcessUse(self.pid).own_mb

    @property
    def resident_mb(self) -> float:
        """What it holds in memory, in MB, with the libraries and other files that are mapped."""
        return ProcessUse(self.pid).resident_mb


class GatewayFiles:
    """Settings, state and token of one gateway; its cloud is at `cloud_url`, which nobody need answer."""

    def __init__(self, folder: Path, *, cloud_url: str, ca_file: Path | None = None, host: str = "127.0.0.1") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.state = folder / "state"
        self.port = find_free_port()
        self.config = folder / "gateway.toml"
        trust = f'ca_file = "{ca_file}"\n' if ca_file else ""
        self.config.write_text(
            f'[cloud]\nbase_url = "{cloud_url}"\napp_id = "{APP_ID}"\nsecret_key = "{SECRET_KEY}"\n'
            f'shop_id = "{SHOP_ID}"\n{trust}'
            f'[server]\nhost = "{host}"\nport = {self.port}\n[storage]\ndirectory = "{self.state}"\n'
            f'[discovery]\ninterfaces = ["lo"]\ninterval_s = 0\nbroadcast_port = {find_free_port()}\n',
            encoding="utf-8",
        )
        self.token = self.make_token("till", "pos")

    def make_token(self, name: str, scope: str) -> str:
        words = ("token", "create", "--scope", scope, "--name", name)
        command = [sys.executable, "-m", "gateway", "--config", str(self.config), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def gateway(self, *, environment: Mapping[str, str] | None = None, launcher: str = "") -> Program:
        """Return the gateway as a process; `launcher` is a peer that starts a changed one."""
        begin = (str(PEERS / launcher),) if launcher else ("-m", "gateway")
        return Program(self.port, sys.executable, *begin, "--config", str(self.config), "run", environment=environment)

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:
        """Send one request; return the document that is answered, whatever the status."""
        return json.loads(self.text(path, method, body, headers))

    def text(
        self, path: str, method: str = "GET", body: object = None, headers: Mapping[str, str] | None = None
    ) -> str:
        """Send one request; return the text that is answered, whatever the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **(headers or {})}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), sent)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def fill(self, count: int, *, begin: int = 0, at_once: int = 1500) -> None:
        """Hand over `count` orders with numbers from `begin` on, many in one call, while the cloud is away."""
        end = begin + count
        for first in range(begin, end, at_once):
            orders = [order(f"F{number:08}") for number in range(first, min(end, first + at_once))]
            answer = self.call("POST", "/api/v1/cloud/order/update", {"order_list": orders}, {"Prefer": "wait=0"})
            if answer.get("state") != "waiting":
                raise RuntimeError(f"not queued: {answer}")

    @property
    def depth(self) -> int:
        """How many items wait."""
        return int(self.call("GET", "/api/v1/status")["outbox"]["depth"])


def order(order_no: str) -> dict[str, Any]:
    """Return an order of the usual size, about 500 bytes as JSON."""
    product = {
        "name": "Cola", "bar_code": "6901234567892", "quantity": 2, "present_price": 12.8, "subtotal_amount": 25.6,
    }  # fmt: skip
    return {
        "order_no": order_no,
        "order_type": 1,
        "order_time": 1593029283,
        "purchase_amount": 51.2,
        "received_amount": 51.2,
        "payment_type": 1,
        "device_sn": "P201D8BS00106",
        "cashier_no": "7",
        "product_list": [product, product | {"name": "Lemonade", "bar_code": "6901234567893"}],
    }


def load(port: int, clients: int, seconds: float, token: str, host: str = "127.0.0.1") -> dict[str, float]:
    """Let tills hand over orders for that long; return calls, per_s, p50_ms and p99_ms."""
    command = [sys.executable, str(PEERS / "outbox_load.py"), str(port), str(clients), str(seconds), token, host]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    result: dict[str, float] = json.loads(done.stdout)
    return result
