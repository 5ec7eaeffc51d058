"""Benchmark: proxied camera calls, as ratios to an aiohttp pass-through proxy in the same run.

`python tests/benchmarks/proxy.py [--seconds S] [--rounds N]`. Needs nginx; FastAPI and httpx are shown where installed.
Everything is on loopback: 32 upstreams are one nginx with TLS at 127.0.1.1 to 127.0.1.32 that answers a fixed JSON.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.simulator.ports import find_free_port

PEERS = Path(__file__).parent / "peers"
CAMERAS = 32
ANSWER = '{"code": 0, "data": {"name": "front_door"}}'


def wait_for(port: int, host: str = "127.0.0.1") -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on {host}:{port}")


@contextlib.contextmanager
def running(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def nginx_files(directory: Path, upstream: int, relay: int) -> Path:
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=ipc-https",
         "-keyout", key, "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    listens = "\n".join(f"listen 127.0.1.{index}:{upstream} ssl;" for index in range(1, CAMERAS + 1))
    routes = "\n".join(
        f"upstream camera{index:02} {{ server 127.0.1.{index}:{upstream}; keepalive 8; }}"
        for index in range(1, CAMERAS + 1)
    )
    file = directory / "nginx.conf"
    file.write_text(
        f"""daemon off; pid {directory}/nginx.pid; error_log {directory}/error.log; worker_processes 1;
        events {{ worker_connections 1024; }}
        http {{ access_log off; keepalive_requests 100000000;
          client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
          fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
          {routes}
          server {{ {listens} ssl_certificate {certificate}; ssl_certificate_key {key};
            location / {{ default_type application/json; return 200 '{ANSWER}'; }} }}
          server {{ listen 127.0.0.1:{relay};
            location ~ ^/api/v1/cameras/FS101D8BS001(?<index>\\d\\d)/openapi/(?<rest>.*)$ {{
              proxy_pass https://camera$index/openapi/$rest; proxy_http_version 1.1;
              proxy_set_header Connection ""; }} }}
        }}""",
        encoding="utf-8",
    )
    return file


def call(method: str, url: str, token: str, body: object = None) -> object:
    request = urllib.request.Request(
        url, json.dumps(body or {}).encode(), {"Authorization": f"Bearer {token}"}, method=method
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def prepare_gateway(directory: Path, upstream: int, port: int) -> tuple[Path, str]:
    file = directory / "gateway.toml"
    file.write_text(
        f"""[server]\nhost = "127.0.0.1"\nport = {port}\n[storage]\ndirectory = "{directory}/state"\n
        [cameras]\nport = {upstream}\napp_id = "2039dds"\nsecret_key = "kdsofkdsnflke9382938k"\n
        [discovery]\ninterfaces = ["lo"]\ninterval_s = 0\nbroadcast_port = {find_free_port()}\n""",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "gateway", "--config", str(file), "token", "create", "--scope", "admin"]
    made = subprocess.run([*command, "--name", "load"], check=True, capture_output=True, text=True)
    return file, made.stdout.strip()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(port: int, clients: int, seconds: float, token: str) -> dict[str, float]:
    command = [sys.executable, str(PEERS / "load.py"), str(port), str(clients), str(seconds), token]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        directory = Path(name)
        directory.chmod(0o755)
        upstream, relay, port, peer, fast = (find_free_port() for _ in range(5))
        stack.enter_context(running("nginx", "-c", str(nginx_files(directory, upstream, relay))))
        wait_for(upstream, "127.0.1.1")
        file, token = prepare_gateway(directory, upstream, port)
        gateway = stack.enter_context(running(sys.executable, "-m", "gateway", "--config", str(file), "run"))
        pass_through = stack.enter_context(
            running(sys.executable, str(PEERS / "pass_through.py"), str(peer), str(upstream))
        )
        proxies = {"pass-through": (peer, pass_through.pid), "gateway": (port, gateway.pid), "nginx": (relay, 0)}
        if importlib.util.find_spec("fastapi") and importlib.util.find_spec("httpx"):
            process = stack.enter_context(
                running(sys.executable, str(PEERS / "fastapi_httpx.py"), str(fast), str(upstream))
            )
            proxies["fastapi+httpx"] = (fast, process.pid)
        for proxy_port, _ in proxies.values():
            wait_for(proxy_port)
        for index in range(1, CAMERAS + 1):
            camera = {"sn": f"FS101D8BS001{index:02}", "address": f"127.0.1.{index}:{upstream}"}
            call("POST", f"http://127.0.0.1:{port}/api/v1/cameras", token, camera)
        measure(proxies, token, arguments.rounds, arguments.seconds)


def measure(proxies: dict[str, tuple[int, int]], token: str, rounds: int, seconds: float) -> None:
    rates: dict[str, list[float]] = {name: [] for name in proxies}
    cpu: dict[str, list[float]] = {name: [] for name in proxies}
    single: dict[str, list[float]] = {name: [] for name in proxies}
    for port, _ in proxies.values():
        load(port, CAMERAS, 1, token)
    for _ in range(rounds):
        for name, (port, pid) in proxies.items():
            before = cpu_seconds(pid) if pid else 0
            result = load(port, CAMERAS, seconds, token)
            rates[name].append(result["per_s"])
            if pid:
                cpu[name].append((cpu_seconds(pid) - before) / result["calls"] * 1e6)
            single[name].append(load(port, 1, 1, token)["median_ms"])
    ratios = [own / peer for own, peer in zip(rates["gateway"], rates["pass-through"], strict=True)]
    print(f"{'proxy':<14} {'calls/s':>9} {'ratio':>6} {'CPU us/call':>12} {'ms at one client':>17}")
    for name in proxies:
        rate = statistics.median(rates[name])
        ratio = rate / statistics.median(rates["pass-through"])
        burnt = f"{statistics.median(cpu[name]):.0f}" if cpu[name] else "-"
        print(f"{name:<14} {rate:>9.0f} {ratio:>6.2f} {burnt:>12} {statistics.median(single[name]):>17.2f}")
    print(f"gateway / pass-through, round by round: median {statistics.median(ratios):.2f}, "
          f"{min(ratios):.2f} to {max(ratios):.2f}; promised: at least 0.8")  # fmt: skip


if __name__ == "__main__":
    main()
